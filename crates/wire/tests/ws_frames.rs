//! WebSocket frames as literal bytes, whole and in pieces, and what comes of them.

use std::borrow::Cow;

use squall_wire::ws::{
    CloseFrame, DecodeLimits, Decoder, Event, Opcode, Role, Violation, close_frame, encode_frame,
    encode_header, encode_masked_frame, ping_frame, pong_frame, text_frame,
};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Everything that comes out of these parts, and the violation that ends it, if one does.
fn decode(
    role: Role,
    limits: &DecodeLimits,
    parts: &[&[u8]],
) -> (Vec<Event<'static>>, Option<Violation>, Decoder) {
    let mut decoder = Decoder::new(role);
    let mut events = Vec::new();
    for part in parts {
        let mut input = part.to_vec();
        let mut at = 0;
        while at < input.len() {
            match decoder.decode(&mut input[at..], limits) {
                Ok((bytes, Some(event))) => {
                    events.push(owned(event));
                    at += bytes;
                }
                Ok((bytes, None)) => {
                    assert_eq!(at + bytes, input.len(), "without an event all is taken");
                    assert!(!decoder.is_idle(), "what was taken is kept");
                    at += bytes;
                }
                Err(violation) => return (events, Some(violation), decoder),
            }
        }
    }
    (events, None, decoder)
}

fn owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Text(text) => Event::Text(text.into_owned().into()),
        Event::Binary(bytes) => Event::Binary(bytes.into_owned().into()),
        Event::Ping(bytes) => Event::Ping(bytes.into_owned().into()),
        Event::Pong(bytes) => Event::Pong(bytes.into_owned().into()),
        Event::Close(close) => Event::Close(close.map(|close| CloseFrame {
            code: close.code,
            reason: close.reason.into_owned().into(),
        })),
    }
}

/// The same for all of it at once, cut in two at every place, and byte by byte.
#[track_caller]
fn every_cut(role: Role, limits: &DecodeLimits, input: &[u8]) -> (Vec<Event<'static>>, Option<Violation>) {
    let (events, violation, _) = decode(role, limits, &[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    let splits = (0..input.len().min(300)).map(|split| vec![&input[..split], &input[split..]]);
    for parts in splits.chain([bytes]) {
        let cut = decode(role, limits, &parts);
        assert_eq!((&cut.0, &cut.1), (&events, &violation));
    }
    (events, violation)
}

#[track_caller]
fn accept(input: &[u8], expect: &[Event<'static>]) {
    let (events, violation) = every_cut(Role::Server, &DecodeLimits::default(), input);
    assert_eq!(violation, None);
    assert_eq!(events, expect);
    assert!(
        decode(Role::Server, &DecodeLimits::default(), &[input])
            .2
            .is_idle()
    );
}

#[track_caller]
fn refuse(code: u16, input: &[u8]) {
    let (_, violation) = every_cut(Role::Server, &DecodeLimits::default(), input);
    assert_eq!(violation.expect("a violation").code, code);
}

fn text(text: &'static str) -> Event<'static> {
    Event::Text(Cow::Borrowed(text))
}

/// A client's frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_masked_frame(Opcode::Text, true, payload, KEY, &mut out);
    out[0] = first;
    out
}

fn frames(list: &[(u8, &[u8])]) -> Vec<u8> {
    list.iter()
        .flat_map(|(first, payload)| frame(*first, payload))
        .collect()
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 6455, section 5.7.
    let client = |input: &[u8]| every_cut(Role::Client, &DecodeLimits::default(), input);
    assert_eq!(client(b"\x81\x05Hello"), (vec![text("Hello")], None));
    assert_eq!(client(b"\x01\x03Hel\x80\x02lo"), (vec![text("Hello")], None));
    assert_eq!(
        client(b"\x89\x05Hello"),
        (vec![Event::Ping(b"Hello".into())], None)
    );
    accept(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[text("Hello")]);
    accept(
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        &[Event::Pong(b"Hello".into())],
    );

    let mut large = b"\x82\x7e\x01\x00".to_vec();
    large.extend([7; 256]);
    assert_eq!(client(&large), (vec![Event::Binary(vec![7; 256].into())], None));
    let mut large = b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00".to_vec();
    large.extend([7; 65_536]);
    assert_eq!(
        client(&large),
        (vec![Event::Binary(vec![7; 65_536].into())], None)
    );
}

#[test]
fn small_whole_frames_are_borrowed() {
    let mut input = frames(&[(0x81, b"one"), (0x82, b"two"), (0x89, b"")]);
    let mut decoder = Decoder::new(Role::Server);
    let limits = DecodeLimits::default();
    let (first, event) = decoder.decode(&mut input, &limits).unwrap();
    assert!(matches!(event, Some(Event::Text(Cow::Borrowed("one")))));
    assert_eq!(first, 9);
    let (second, event) = decoder.decode(&mut input[first..], &limits).unwrap();
    assert!(matches!(event, Some(Event::Binary(Cow::Borrowed(b"two")))));
    let (third, event) = decoder.decode(&mut input[first + second..], &limits).unwrap();
    assert!(matches!(event, Some(Event::Ping(Cow::Borrowed(b"")))));
    assert_eq!(first + second + third, input.len());
    assert!(decoder.is_idle());
    assert_eq!(decoder.decode(&mut [], &limits), Ok((0, None)));
    assert!(decoder.is_idle());
}

#[test]
fn an_idle_decoder_is_sixteen_bytes() {
    assert!(size_of::<Decoder>() <= 16);
}

#[test]
fn payloads_of_every_length_form() {
    for length in [0, 1, 7, 8, 125, 126, 127, 65_535, 65_536, 70_000] {
        let payload = vec![b'x'; length];
        let mut input = Vec::new();
        encode_masked_frame(Opcode::Binary, true, &payload, KEY, &mut input);
        let limits = DecodeLimits::default();
        let (events, violation, decoder) = decode(Role::Server, &limits, &[&input]);
        assert_eq!(
            (events, violation),
            (vec![Event::Binary(payload.clone().into())], None),
            "{length}"
        );
        assert!(decoder.is_idle());
        let mut input = Vec::new();
        encode_frame(Opcode::Binary, &payload, &mut input);
        let (events, violation, _) = decode(Role::Client, &limits, &[&input]);
        assert_eq!(
            (events, violation),
            (vec![Event::Binary(payload.into())], None),
            "{length}"
        );
    }
}

#[test]
fn fragments_with_control_frames_between() {
    accept(
        &frames(&[
            (0x01, b"a"),
            (0x89, b"ping"),
            (0x00, b""),
            (0x8a, b"pong"),
            (0x80, b"b"),
            (0x82, b"c"),
        ]),
        &[
            Event::Ping(b"ping".into()),
            Event::Pong(b"pong".into()),
            text("ab"),
            Event::Binary(b"c".into()),
        ],
    );
    accept(
        &frames(&[(0x02, b""), (0x00, b""), (0x80, b"")]),
        &[Event::Binary(b"".into())],
    );
    accept(&frames(&[(0x01, b""), (0x80, b"")]), &[text("")]);
}

#[test]
fn a_character_may_be_cut_by_fragments() {
    accept(
        &frames(&[
            (0x01, b"\xf0\x9d"),
            (0x89, b""),
            (0x00, b"\x84"),
            (0x80, b"\x9e!"),
        ]),
        &[Event::Ping(b"".into()), text("𝄞!")],
    );
}

#[test]
fn sequences_that_break_the_rules() {
    refuse(1002, &frame(0x80, b"nothing to continue"));
    refuse(1002, &frame(0x00, b"nothing to continue"));
    refuse(1002, &frames(&[(0x01, b"a"), (0x81, b"b")]));
    refuse(1002, &frames(&[(0x01, b"a"), (0x82, b"b")]));
    refuse(1002, &frames(&[(0x02, b"a"), (0x01, b"b")]));
    refuse(1002, &frames(&[(0x01, b"a"), (0x80, b"b"), (0x80, b"c")]));
}

#[test]
fn headers_that_break_the_rules() {
    for bit in [0x40, 0x20, 0x10, 0x70] {
        refuse(1002, &frame(0x81 | bit, b"a"));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refuse(1002, &frame(0x80 | opcode, b"a"));
        refuse(1002, &frame(opcode, b"a"));
    }
    for opcode in [8, 9, 10] {
        refuse(1002, &frame(opcode, b""));
        refuse(1002, &[0x80 | opcode, 0x80 | 126, 0, 126]);
        refuse(1002, &[0x80 | opcode, 0x80 | 127, 0, 0]);
    }
    refuse(1002, b"\x81\x01a");
    let masked = every_cut(Role::Client, &DecodeLimits::default(), &frame(0x81, b"a"));
    assert_eq!(masked.1.unwrap().code, 1002);
    refuse(1002, &[0x82, 0x80 | 126, 0, 125]);
    refuse(1002, &[0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    refuse(1002, &[0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn control_payloads_at_their_limit() {
    accept(&frame(0x89, &[7; 125]), &[Event::Ping(vec![7; 125].into())]);
    refuse(1002, &frame(0x89, &[7; 126]));
}

#[test]
fn closes() {
    accept(&frame(0x88, b""), &[Event::Close(None)]);
    let close = |code, reason: &'static str| {
        Event::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }))
    };
    accept(&frame(0x88, b"\x03\xe8"), &[close(1000, "")]);
    accept(&frame(0x88, b"\x0f\xa0caf\xc3\xa9"), &[close(4000, "caf\u{e9}")]);
    refuse(1002, &frame(0x88, b"\x03"));
    for code in [
        0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        refuse(1002, &frame(0x88, &code.to_be_bytes()));
    }
    refuse(
        1007,
        &frame(
            0x88,
            b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80",
        ),
    );
    let mut longest = b"\x03\xe8".to_vec();
    longest.extend([b'x'; 123]);
    assert_eq!(
        every_cut(Role::Server, &DecodeLimits::default(), &frame(0x88, &longest))
            .0
            .len(),
        1
    );
}

#[test]
fn text_that_is_not_utf8() {
    for payload in [
        &b"\xff"[..],
        b"a\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"abc\xe2\x82",
    ] {
        refuse(1007, &frame(0x81, payload));
        refuse(1007, &frames(&[(0x01, b"ok "), (0x80, payload)]));
        let (first, second) = payload.split_at(1);
        refuse(1007, &frames(&[(0x01, first), (0x00, second), (0x80, b"")]));
    }
    accept(&frame(0x82, b"\xff"), &[Event::Binary(b"\xff".into())]);
}

#[test]
fn text_is_refused_at_its_first_wrong_byte() {
    // A frame that announces much more than has come.
    let whole = frame(0x81, b"\xce\xba\xf4\x90\x80\x80 and much more");
    for length in 0..whole.len() {
        let (_, violation, _) = decode(Role::Server, &DecodeLimits::default(), &[&whole[..length]]);
        let wrong_byte_came = length >= 6 + 4;
        assert_eq!(
            violation.map(|violation| violation.code),
            wrong_byte_came.then_some(1007),
            "{length} bytes"
        );
    }
    // A fragment that is not the last.
    let (_, violation, _) = decode(
        Role::Server,
        &DecodeLimits::default(),
        &[&frames(&[(0x01, b"\xce\xba"), (0x00, b"\xf4\x90")])],
    );
    assert_eq!(violation.map(|violation| violation.code), Some(1007));
}

#[test]
fn a_frame_at_its_limit_and_one_past() {
    let limits = DecodeLimits {
        frame_bytes_max: 200,
        ..DecodeLimits::default()
    };
    let at = every_cut(Role::Server, &limits, &frame(0x82, &[7; 200]));
    assert_eq!((at.0.len(), at.1), (1, None));
    // Only the header: refused before any of the payload.
    let past = every_cut(Role::Server, &limits, &frame(0x82, &[7; 201])[..8]);
    assert_eq!(past.1.unwrap().code, 1009);
    let far_past = every_cut(
        Role::Server,
        &limits,
        &[0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4],
    );
    assert_eq!(far_past.1.unwrap().code, 1009);
}

#[test]
fn a_message_at_its_limit_and_one_past() {
    let limits = DecodeLimits {
        message_bytes_max: 4,
        ..DecodeLimits::default()
    };
    for (first, last) in [(0x01, 0x80), (0x02, 0x80)] {
        let at = every_cut(
            Role::Server,
            &limits,
            &frames(&[(first, b"ab"), (0x89, b"ping!"), (last, b"cd")]),
        );
        assert_eq!((at.0.len(), at.1), (2, None));
        let past = every_cut(Role::Server, &limits, &frames(&[(first, b"ab"), (last, b"cde")]));
        assert_eq!(past.1.unwrap().code, 1009);
    }
    // Bytes of a character that is not whole yet count too.
    let past = every_cut(
        Role::Server,
        &limits,
        &frames(&[(0x01, b"ab\xf0\x9d"), (0x80, b"\x84\x9e\x61")]),
    );
    assert_eq!(past.1.unwrap().code, 1009);
    assert_eq!(
        every_cut(Role::Server, &limits, &frame(0x81, b"abcde"))
            .1
            .unwrap()
            .code,
        1009
    );
}

#[test]
fn fragments_at_their_limit_and_one_past() {
    let limits = DecodeLimits {
        fragments_max: 3,
        ..DecodeLimits::default()
    };
    let at = frames(&[
        (0x01, b""),
        (0x00, b""),
        (0x80, b"a"),
        (0x01, b""),
        (0x00, b""),
        (0x80, b"a"),
    ]);
    assert_eq!(
        every_cut(Role::Server, &limits, &at),
        (vec![text("a"), text("a")], None)
    );
    let past = frames(&[(0x01, b""), (0x00, b""), (0x00, b""), (0x80, b"a")]);
    assert_eq!(every_cut(Role::Server, &limits, &past).1.unwrap().code, 1009);
}

#[test]
fn many_tiny_fragments_become_one_message() {
    let mut input = frame(0x02, b"");
    for _ in 0..100_000 {
        input.extend(frame(0x00, b"x"));
    }
    input.extend(frame(0x80, b""));
    let (events, violation, decoder) = decode(Role::Server, &DecodeLimits::default(), &[&input]);
    assert_eq!(
        (events, violation),
        (vec![Event::Binary(vec![b'x'; 100_000].into())], None)
    );
    assert!(decoder.is_idle());
}

#[test]
fn encoders_as_bytes() {
    assert_eq!(text_frame(b"Hello"), &b"\x81\x05Hello"[..]);
    assert_eq!(ping_frame(b"Hello"), &b"\x89\x05Hello"[..]);
    assert_eq!(pong_frame(b""), &b"\x8a\x00"[..]);
    assert_eq!(close_frame(1001, "bye"), &b"\x88\x05\x03\xe9bye"[..]);
    assert_eq!(
        close_frame(1005, ""),
        &b"\x88\x02\x03\xf3"[..],
        "1011 in place of what must not be sent"
    );
    assert_eq!(ping_frame(&[7; 200]).len(), 127);
    let mut out = Vec::new();
    encode_header(Opcode::Text, false, 126, &mut out);
    encode_header(Opcode::Continuation, true, 65_536, &mut out);
    assert_eq!(out, b"\x01\x7e\x00\x7e\x80\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
    out.clear();
    encode_masked_frame(Opcode::Text, true, b"Hello", KEY, &mut out);
    assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

#[test]
fn a_close_reason_at_its_limit_and_one_past() {
    let at = close_frame(1000, &"x".repeat(123));
    assert_eq!(at.len(), 2 + 125);
    assert_eq!(close_frame(1000, &"x".repeat(124)), at);
    // The last character has no room, and is not cut in two.
    let cut = close_frame(1000, &format!("{}\u{20ac}", "x".repeat(121)));
    assert_eq!(cut.len(), 2 + 2 + 121);
}

#[test]
fn a_decoder_says_how_much_of_a_frame_is_to_come() {
    let mut decoder = Decoder::new(Role::Client);
    let limits = DecodeLimits::default();
    assert_eq!(decoder.frame_left_bytes(), 0);
    // A binary frame of 5 bytes, of which two are there.
    decoder.decode(&mut [0x82, 5, 1, 2], &limits).unwrap();
    assert_eq!(decoder.frame_left_bytes(), 3);
    decoder.decode(&mut [3, 4, 5], &limits).unwrap();
    assert_eq!(decoder.frame_left_bytes(), 0);
}
