//! What holds for all inputs: what is written is read again, and it does not matter how bytes are cut.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use proptest::collection::vec;
use proptest::prelude::*;
use squall_wire::h1::{
    BodyDecoder, BodyLength, BodyLimits, HeadLimits, Parsed, Piece, Reject, ResponseHead, ResponseLength,
    encode_chunk, encode_head, encode_last_chunk, parse_head,
};
use squall_wire::sse;
use squall_wire::ws::{DecodeLimits, Decoder, Event, Opcode, Role, Violation, encode_masked_frame};

/// Bytes as attackers would choose them: those that mean something, and any.
fn hostile(size: usize) -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b"\r\n\r\n :,;\t\0 0123456789abcdefxGETHPST/1.1".to_vec());
    vec(prop_oneof![4 => telling, 1 => any::<u8>()], 0..size)
}

/// A request head that is right but for what `hostile` puts into one place of it.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let head: &[u8] =
        b"POST /a?b HTTP/1.1\r\nHost: a.example\r\nX-Y: z z\r\nTransfer-Encoding: chunked\r\n\r\n";
    (0..head.len(), 0..4usize, hostile(6)).prop_map(move |(at, cut, put)| {
        let end = (at + cut).min(head.len());
        [&head[..at], &put, &head[end..]].concat()
    })
}

fn head(input: &[u8]) -> Result<Parsed, Reject> {
    parse_head(
        &Bytes::copy_from_slice(input),
        &HeadLimits::default(),
        &mut HeaderMap::new(),
    )
}

/// Cuts `input` at these places, taken modulo its length.
fn cut<'a>(input: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place % (input.len() + 1)).collect();
    places.extend([0, input.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

/// Data, trailers and what was left, or the refusal.
fn chunked(parts: &[&[u8]]) -> Result<(Vec<u8>, HeaderMap, Vec<u8>, bool), Reject> {
    let limits = BodyLimits {
        body_bytes_max: 1 << 20,
        ..BodyLimits::default()
    };
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &limits)?;
    let (mut data, mut trailers, mut rest) = (Vec::new(), HeaderMap::new(), Vec::new());
    for part in parts {
        let mut input = Bytes::copy_from_slice(part);
        loop {
            match decoder.decode(&mut input)? {
                Piece::More => break,
                Piece::Data(piece) => data.extend_from_slice(&piece),
                Piece::Trailers(fields) => trailers = fields,
                Piece::End => {
                    rest.extend_from_slice(&input);
                    break;
                }
            }
        }
    }
    Ok((data, trailers, rest, decoder.is_done()))
}

/// Messages as opcode and payload, and the violation that ended them.
fn messages(role: Role, parts: &[&[u8]]) -> (Vec<(Opcode, Vec<u8>)>, Option<Violation>) {
    let limits = DecodeLimits {
        frame_bytes_max: 4096,
        message_bytes_max: 8192,
        fragments_max: 50,
    };
    let mut decoder = Decoder::new(role);
    let mut messages = Vec::new();
    for part in parts {
        let mut input = part.to_vec();
        let mut at = 0;
        while at < input.len() {
            match decoder.decode(&mut input[at..], &limits) {
                Ok((bytes, event)) => {
                    assert!(bytes > 0);
                    at += bytes;
                    messages.extend(event.map(|event| match event {
                        Event::Text(text) => (Opcode::Text, text.into_owned().into_bytes()),
                        Event::Binary(bytes) => (Opcode::Binary, bytes.into_owned()),
                        Event::Ping(bytes) => (Opcode::Ping, bytes.into_owned()),
                        Event::Pong(bytes) => (Opcode::Pong, bytes.into_owned()),
                        Event::Close(_) => (Opcode::Close, Vec::new()),
                    }));
                }
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }
    (messages, None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    /// A prefix of a head that is accepted is never refused, and one of a head that is refused is never accepted.
    #[test]
    fn a_head_says_the_same_however_far_it_has_come(input in prop_oneof![nearly_a_head(), hostile(80)]) {
        let whole = head(&input);
        for length in 0..input.len() {
            match (head(&input[..length]), &whole) {
                (Ok(Parsed::Partial), _) => {}
                (Ok(Parsed::Complete(prefix)), Ok(Parsed::Complete(whole))) => {
                    prop_assert_eq!(prefix.head_bytes, whole.head_bytes);
                }
                (Err(_), Err(_)) => {}
                (prefix, whole) => prop_assert!(false, "{length} bytes gave {prefix:?}, all gave {whole:?}"),
            }
        }
    }

    /// Whatever is accepted has no room for a second reading.
    #[test]
    fn an_accepted_head_is_clean(input in prop_oneof![nearly_a_head(), hostile(80)]) {
        if let Ok(Parsed::Complete(head)) = head(&input) {
            let text = &input[..head.head_bytes];
            prop_assert!(text.ends_with(b"\r\n\r\n"));
            let lines = text.split(|&byte| byte == b'\n');
            prop_assert!(lines.clone().take(lines.count() - 1).all(|line| line.ends_with(b"\r")));
            prop_assert_eq!(memchr::memchr_iter(b'\r', text).count(), memchr::memchr_iter(b'\n', text).count());
            prop_assert!(!text.contains(&0));
            prop_assert_eq!(head.headers.get_all("host").iter().count(), 1);
            prop_assert!(!(head.headers.contains_key("content-length") && head.headers.contains_key("transfer-encoding")));
            // A widely used parser reads the same, but for minor versions that it does not know.
            if !(text.windows(9).any(|bytes| bytes == b"HTTP/1.1\r" || bytes == b"HTTP/1.0\r")) {
                return Ok(());
            }
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut fields);
            prop_assert_eq!(request.parse(&input), Ok(httparse::Status::Complete(head.head_bytes)));
            prop_assert_eq!(request.method, Some(head.method.as_str()));
            prop_assert_eq!(request.headers.len(), head.headers.len());
            for field in request.headers {
                let values = head.headers.get_all(field.name);
                prop_assert!(values.iter().any(|value| value.as_bytes() == field.value));
            }
        }
    }

    #[test]
    fn chunks_may_be_cut_anywhere(input in hostile(80), places in vec(any::<usize>(), 0..6)) {
        prop_assert_eq!(chunked(&[&input]), chunked(&cut(&input, &places)));
    }

    #[test]
    fn chunks_that_were_written_are_read(
        pieces in vec(vec(any::<u8>(), 0..40), 0..8),
        trailer in prop::option::of("[ -~]{0,10}"),
        rest in vec(any::<u8>(), 0..8),
        places in vec(any::<usize>(), 0..6),
    ) {
        let trailers: HeaderMap = trailer
            .iter()
            .map(|value| (HeaderName::from_static("x-sum"), HeaderValue::from_str(value.trim()).unwrap()))
            .collect();
        let mut out = Vec::new();
        for piece in &pieces {
            encode_chunk(piece, &mut out);
        }
        encode_last_chunk(Some(&trailers), &mut out).unwrap();
        out.extend_from_slice(&rest);
        prop_assert_eq!(chunked(&cut(&out, &places)), Ok((pieces.concat(), trailers, rest, true)));
    }

    /// A response head has exactly the lines that it should have, whatever the fields hold.
    #[test]
    fn a_response_cannot_be_split(
        fields in vec(("[!-~]{1,12}", vec(any::<u8>(), 0..20)), 0..8),
        status in 100u16..1000,
        length in prop_oneof![any::<u64>().prop_map(ResponseLength::Exact), Just(ResponseLength::Unknown)],
        head_request: bool,
        keep_alive: bool,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        let date = squall_wire::date::imf_fixdate(0);
        let status = StatusCode::from_u16(status).unwrap();
        let mut out = Vec::new();
        let request_version = Version::HTTP_11;
        encode_head(
            &ResponseHead { status, headers: &headers, length, request_version, head_request, keep_alive, date: &date },
            &mut out,
        ).unwrap();
        prop_assert!(out.ends_with(b"\r\n\r\n"));
        prop_assert_eq!(memchr::memmem::find(&out, b"\r\n\r\n"), Some(out.len() - 4));
        prop_assert_eq!(memchr::memchr_iter(b'\r', &out).count(), memchr::memchr_iter(b'\n', &out).count());
        let ours = |name: &HeaderName| {
            name == "content-length" || name == "transfer-encoding" || (name == "connection" && status != 101)
        };
        let theirs = headers.keys().filter(|name| !ours(name)).map(|name| headers.get_all(name).iter().count());
        let date = usize::from(!headers.contains_key("date"));
        // The status line, the fields, the empty line, and at most one line each for length and connection.
        let least = theirs.sum::<usize>() + date + 2;
        let lines = memchr::memchr_iter(b'\n', &out).count();
        prop_assert!((least..=least + 2).contains(&lines), "{lines} lines, at least {least}");
    }

    #[test]
    fn frames_may_be_cut_anywhere(
        frames in vec((0u8..16, any::<bool>(), hostile(30), any::<[u8; 4]>(), 0u8..20), 0..8),
        places in vec(any::<usize>(), 0..6),
    ) {
        let mut input = Vec::new();
        for (opcode, fin, payload, key, fault) in frames {
            let start = input.len();
            encode_masked_frame(Opcode::Text, fin, &payload, key, &mut input);
            input[start] = input[start] & 0x80 | opcode;
            if fault == 0 {
                input[start + 1] ^= 0x80;
            }
        }
        prop_assert_eq!(messages(Role::Server, &[&input]), messages(Role::Server, &cut(&input, &places)));
    }

    #[test]
    fn messages_that_were_written_are_read(
        written in vec((any::<bool>(), ".{0,20}", vec(any::<usize>(), 0..4), any::<[u8; 4]>()), 0..6),
        places in vec(any::<usize>(), 0..6),
    ) {
        let mut input = Vec::new();
        let mut expect = Vec::new();
        for (text, payload, fragments, key) in &written {
            let opcode = if *text { Opcode::Text } else { Opcode::Binary };
            let parts = cut(payload.as_bytes(), fragments);
            for (at, part) in parts.iter().enumerate() {
                let opcode = if at == 0 { opcode } else { Opcode::Continuation };
                encode_masked_frame(opcode, at + 1 == parts.len(), part, *key, &mut input);
                if at + 1 < parts.len() {
                    encode_masked_frame(Opcode::Ping, true, b"between", *key, &mut input);
                    expect.push((Opcode::Ping, b"between".to_vec()));
                }
            }
            expect.push((opcode, payload.clone().into_bytes()));
        }
        prop_assert_eq!(messages(Role::Server, &cut(&input, &places)), (expect, None));
    }

    #[test]
    fn events_that_were_written_are_read(
        written in vec((prop::option::of("[^\r\n\0]{1,10}"), prop::option::of("[^\r\n\0]{0,10}"), "(?s).{0,20}"), 0..6),
        places in vec(any::<usize>(), 0..6),
    ) {
        let mut out = Vec::new();
        let mut expect = Vec::new();
        let mut last_event_id = String::new();
        for (event, id, data) in &written {
            let written = sse::Event { event: event.as_deref(), id: id.as_deref(), retry_ms: None, data };
            sse::encode(&written, &mut out).unwrap();
            last_event_id = id.clone().unwrap_or(last_event_id);
            expect.push(sse::ParsedEvent {
                event: event.clone().unwrap_or("message".to_owned()),
                data: data.replace("\r\n", "\n").replace('\r', "\n"),
                last_event_id: last_event_id.clone(),
            });
        }
        let mut parser = sse::Parser::default();
        let events: Vec<_> = cut(&out, &places).iter().flat_map(|part| parser.push(part).unwrap()).collect();
        prop_assert_eq!(events, expect);
    }

    #[test]
    fn an_event_stream_may_be_cut_anywhere(
        input in vec(prop::sample::select(b"data: id event retry:\r\n\r\n\n1 \0\xef\xbb\xbf".to_vec()), 0..120),
        places in vec(any::<usize>(), 0..6),
    ) {
        let mut whole = sse::Parser::default();
        let expect = whole.push(&input).unwrap();
        let mut parser = sse::Parser::default();
        let events: Vec<_> = cut(&input, &places).iter().flat_map(|part| parser.push(part).unwrap()).collect();
        prop_assert_eq!(events, expect);
        prop_assert_eq!(parser.last_event_id(), whole.last_event_id());
    }
}
