//! Bodies as literal bytes, whole and in pieces, and what comes of them.

use bytes::Bytes;
use http::HeaderMap;
use squall_wire::h1::{BodyDecoder, BodyLength, BodyLimits, Piece, Reject};

/// What a whole body was, and what was left of the input behind it.
#[derive(Debug, PartialEq)]
struct Body {
    data: Vec<u8>,
    trailers: HeaderMap,
    rest: Vec<u8>,
}

/// `None` if the body is not whole with this input.
fn decode(length: BodyLength, limits: &BodyLimits, parts: &[&[u8]]) -> Result<Option<Body>, Reject> {
    let mut decoder = BodyDecoder::new(length, limits)?;
    let mut body = Body {
        data: Vec::new(),
        trailers: HeaderMap::new(),
        rest: Vec::new(),
    };
    for part in parts {
        let mut input = Bytes::copy_from_slice(part);
        loop {
            match decoder.decode(&mut input)? {
                Piece::More => {
                    assert!(input.is_empty(), "more is asked for only when all was taken");
                    assert!(!decoder.is_done());
                    break;
                }
                Piece::Data(data) => {
                    assert!(!data.is_empty());
                    body.data.extend_from_slice(&data);
                }
                Piece::Trailers(trailers) => {
                    assert!(decoder.is_done());
                    body.trailers = trailers;
                }
                Piece::End => {
                    assert!(decoder.is_done());
                    body.rest.extend_from_slice(&input);
                    break;
                }
            }
        }
    }
    Ok(decoder.is_done().then_some(body))
}

/// The same for all of it at once, cut in two at every place, and byte by byte.
#[track_caller]
fn chunked(limits: &BodyLimits, input: &[u8]) -> Result<Option<Body>, Reject> {
    let expect = decode(BodyLength::Chunked, limits, &[input]);
    for split in 0..=input.len() {
        assert_eq!(
            decode(BodyLength::Chunked, limits, &[&input[..split], &input[split..]]),
            expect,
            "split at {split}"
        );
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(
        decode(BodyLength::Chunked, limits, &bytes),
        expect,
        "byte by byte"
    );
    expect
}

#[track_caller]
fn accept(input: &str, data: &str, rest: &str) -> HeaderMap {
    let body = chunked(&BodyLimits::default(), input.as_bytes())
        .unwrap()
        .expect("a whole body");
    assert_eq!(String::from_utf8_lossy(&body.data), data);
    assert_eq!(String::from_utf8_lossy(&body.rest), rest);
    body.trailers
}

#[track_caller]
fn refuse(status: u16, input: impl AsRef<[u8]>) {
    let result = chunked(&BodyLimits::default(), input.as_ref());
    assert_eq!(result.expect_err("a malformed body").status.as_u16(), status);
}

#[test]
fn no_body() {
    let body = decode(BodyLength::None, &BodyLimits::default(), &[b"GET"])
        .unwrap()
        .unwrap();
    assert_eq!((body.data.len(), &body.rest[..]), (0, &b"GET"[..]));
    assert!(
        BodyDecoder::new(BodyLength::None, &BodyLimits::default())
            .unwrap()
            .is_done()
    );
    assert!(
        BodyDecoder::new(BodyLength::Exact(0), &BodyLimits::default())
            .unwrap()
            .is_done()
    );
}

#[test]
fn exact() {
    let limits = BodyLimits::default();
    let body = decode(BodyLength::Exact(5), &limits, &[b"he", b"", b"llo", b"GET"])
        .unwrap()
        .unwrap();
    assert_eq!((&body.data[..], &body.rest[..]), (&b"hello"[..], &b"GET"[..]));
    assert_eq!(decode(BodyLength::Exact(5), &limits, &[b"hell"]), Ok(None));
}

#[test]
fn exact_at_its_limit_and_one_past() {
    let limits = BodyLimits {
        body_bytes_max: 5,
        ..BodyLimits::default()
    };
    assert!(BodyDecoder::new(BodyLength::Exact(5), &limits).is_ok());
    assert_eq!(
        BodyDecoder::new(BodyLength::Exact(6), &limits)
            .unwrap_err()
            .status,
        413
    );
    assert_eq!(
        BodyDecoder::new(BodyLength::Exact(u64::MAX), &limits)
            .unwrap_err()
            .status,
        413
    );
}

#[test]
fn another_limit_set_later() {
    let mut decoder = BodyDecoder::new(BodyLength::Exact(5), &BodyLimits::default()).unwrap();
    decoder.set_body_bytes_max(4);
    assert_eq!(decoder.decode(&mut Bytes::new()).unwrap_err().status, 413);

    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &BodyLimits::default()).unwrap();
    let mut input = Bytes::from_static(b"3\r\nabc\r\n");
    assert_eq!(
        decoder.decode(&mut input),
        Ok(Piece::Data(Bytes::from_static(b"abc")))
    );
    assert_eq!(decoder.decode(&mut input), Ok(Piece::More));
    decoder.set_body_bytes_max(3);
    assert_eq!(decoder.decode(&mut input), Ok(Piece::More));
    assert_eq!(
        decoder
            .decode(&mut Bytes::from_static(b"1\r\n"))
            .unwrap_err()
            .status,
        413
    );
}

#[test]
fn chunks() {
    accept("0\r\n\r\n", "", "");
    accept("5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET");
    accept("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "");
    accept(
        "A\r\n0123456789\r\na\r\n0123456789\r\n00\r\n\r\n",
        "01234567890123456789",
        "",
    );
    accept(
        "0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
        "hello",
        "",
    );
    accept("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", "");
    assert_eq!(chunked(&BodyLimits::default(), b"5\r\nhello\r\n0\r\n"), Ok(None));
    assert_eq!(chunked(&BodyLimits::default(), b"5\r\nhello\r\n"), Ok(None));
}

#[test]
fn a_chunk_is_not_copied() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, &BodyLimits::default()).unwrap();
    let mut input = Bytes::from(b"5\r\nhello\r\n0\r\n\r\n".to_vec());
    let place = input[3..].as_ptr();
    let Ok(Piece::Data(data)) = decoder.decode(&mut input) else {
        panic!("data")
    };
    assert_eq!(data.as_ptr(), place);
}

#[test]
fn chunk_sizes_that_are_malformed() {
    for size in [
        "",
        "g",
        "-1",
        "+1",
        "0x1",
        "0X1",
        "1h",
        "1_0",
        ".1",
        "1.0",
        "1,",
        "\u{661}",
        "1\0",
        "1\u{b}",
        "00000000000000001",
        "10000000000000000",
        "1 ",
        "1\t",
        " 1",
        "1 1",
        "1 x",
        "\"1\"",
    ] {
        refuse(400, format!("{size}\r\na\r\n0\r\n\r\n"));
    }
}

#[test]
fn chunk_lines_end_with_crlf_and_nothing_else() {
    for input in [
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\r0\r\n\r\n",
        "1\r\na\r\n\r\n0\r\n\r\n",
        "1\r\ra\r\n0\r\n\r\n",
        "1\rXa\r\n0\r\n\r\n",
        "0\n\r\n",
        "0\r\n\n",
        "0\r\n\r\r\n\r\n",
        "0\r\nX: a\n\r\n",
        "0\r\nX: a\r\n\n",
        "0\r\n\rX: a\r\n\r\n",
        // Found by the fuzzer: a short line was taken for the empty one, if it was cut in one way and not in another.
        "0\r\nX: a\r\n+\n",
        "1;a\na\r\n0\r\n\r\n",
        "1;a\rb\r\na\r\n0\r\n\r\n",
        "1;\n1\r\na\r\n0\r\n\r\n",
    ] {
        refuse(400, input);
    }
}

#[test]
fn extensions_are_ignored() {
    accept("5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello", "");
    accept("5 ;a=\"b; \\\" c\"\t;d\r\nhello\r\n0\r\n\r\n", "hello", "");
    accept("5;\r\nhello\r\n0\r\n\r\n", "hello", "");
    accept("1;caf\u{e9}\r\na\r\n0\r\n\r\n", "a", "");
    refuse(400, "1;a\0\r\na\r\n0\r\n\r\n");
    refuse(400, "1;a\u{7f}\r\na\r\n0\r\n\r\n");
}

#[test]
fn a_chunk_line_at_its_limit_and_one_past() {
    let line = |bytes: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(bytes - 2));
    accept(&line(256), "a", "");
    refuse(400, line(257));
    refuse(400, format!("1{};\r\na\r\n0\r\n\r\n", " ".repeat(256)));
}

#[test]
fn all_extensions_together_at_their_limit_and_one_past() {
    let limits = BodyLimits {
        extension_bytes_max: 6,
        ..BodyLimits::default()
    };
    assert!(chunked(&limits, b"1;ab\r\na\r\n0;cd\r\n\r\n").unwrap().is_some());
    assert_eq!(
        chunked(&limits, b"1;ab\r\na\r\n0;cde\r\n\r\n")
            .unwrap_err()
            .status,
        400
    );
}

#[test]
fn a_chunked_body_at_its_limit_and_one_past() {
    let limits = BodyLimits {
        body_bytes_max: 5,
        ..BodyLimits::default()
    };
    assert!(
        chunked(&limits, b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
            .unwrap()
            .is_some()
    );
    // Refused when the size is read, before any of the data.
    assert_eq!(chunked(&limits, b"2\r\nab\r\n4\r\n").unwrap_err().status, 413);
    assert_eq!(chunked(&limits, b"ffffffffffffffff\r\n").unwrap_err().status, 413);
    let limits = BodyLimits {
        body_bytes_max: u64::MAX,
        ..BodyLimits::default()
    };
    assert_eq!(
        chunked(&limits, b"1\r\na\r\nffffffffffffffff\r\n")
            .unwrap_err()
            .status,
        413
    );
}

#[test]
fn trailers() {
    let trailers = accept(
        "1\r\na\r\n0\r\nX-Sum: \t7 \r\nx-sum: 8\r\nY:\r\n\r\nGET",
        "a",
        "GET",
    );
    assert_eq!(trailers.get_all("x-sum").iter().collect::<Vec<_>>(), ["7", "8"]);
    assert_eq!(trailers["y"], "");
    for line in [
        " X: a",
        "X : a",
        "X",
        ": a",
        "X: a\0",
        "X: a\rb",
        "X: a\u{7f}",
        "X\u{e9}: a",
        "X: a\r\n b",
    ] {
        refuse(400, format!("0\r\n{line}\r\n\r\n"));
    }
}

#[test]
fn trailers_that_must_not_be() {
    for name in [
        "Transfer-Encoding",
        "content-length",
        "Host",
        "Connection",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Cookie",
        "Authorization",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Set-Cookie",
        "Cache-Control",
        "Range",
        "If-None-Match",
        "Max-Forwards",
    ] {
        refuse(400, format!("0\r\n{name}: 1\r\n\r\n"));
    }
}

#[test]
fn the_trailer_section_at_its_limit_and_one_past() {
    let limits = BodyLimits {
        trailer_bytes_max: 20,
        ..BodyLimits::default()
    };
    let input = |bytes: usize| format!("0\r\nX: {}\r\n\r\n", "a".repeat(bytes - 7));
    assert!(chunked(&limits, input(20).as_bytes()).unwrap().is_some());
    assert_eq!(chunked(&limits, input(21).as_bytes()).unwrap_err().status, 431);
    assert_eq!(
        chunked(&limits, format!("0\r\n{}", "a".repeat(20)).as_bytes())
            .unwrap_err()
            .status,
        431
    );

    let input = |fields: usize| format!("0\r\n{}\r\n", "X: a\r\n".repeat(fields));
    assert_eq!(accept(&input(32), "", "").len(), 32);
    refuse(431, input(33));
}
