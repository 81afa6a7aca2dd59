//! Response heads and chunks as literal bytes.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use squall_wire::h1::{
    BodyFraming, ResponseHead, ResponseLength, encode_chunk, encode_chunk_end, encode_chunk_start,
    encode_head, encode_last_chunk,
};

const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

fn response(headers: &HeaderMap, status: u16, length: ResponseLength) -> ResponseHead<'_> {
    ResponseHead {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        length,
        request_version: Version::HTTP_11,
        head_request: false,
        keep_alive: true,
        date: DATE,
    }
}

/// Without the `date` line, which must be there.
#[track_caller]
fn check(head: ResponseHead<'_>, framing: BodyFraming, expect: &str) {
    let mut out = b"before".to_vec();
    assert_eq!(
        encode_head(&head, &mut out).map(|encoded| encoded.framing),
        Ok(framing)
    );
    let text = String::from_utf8(out).unwrap();
    let date_line = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    assert_eq!(text.matches(date_line).count(), 1, "{text}");
    assert_eq!(text.replace(date_line, ""), format!("before{expect}\r\n"));
}

use BodyFraming as F;
use ResponseLength as L;

#[test]
fn lengths() {
    let none = HeaderMap::new();
    check(
        response(&none, 200, L::Exact(13)),
        F::Exact(13),
        "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n",
    );
    check(
        response(&none, 200, L::Exact(0)),
        F::None,
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n",
    );
    check(
        response(&none, 404, L::Exact(u64::MAX)),
        F::Exact(u64::MAX),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 18446744073709551615\r\n",
    );
    check(
        response(&none, 200, L::Unknown),
        F::Chunked,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
    );
    check(
        response(&none, 200, L::UntilClose),
        F::UntilClose,
        "HTTP/1.1 200 OK\r\nconnection: close\r\n",
    );
}

#[test]
fn http_10() {
    let none = HeaderMap::new();
    let old = |length, keep_alive| ResponseHead {
        request_version: Version::HTTP_10,
        keep_alive,
        ..response(&none, 200, length)
    };
    check(
        old(L::Exact(1), true),
        F::Exact(1),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n",
    );
    check(
        old(L::Exact(1), false),
        F::Exact(1),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n",
    );
    check(
        old(L::Unknown, true),
        F::UntilClose,
        "HTTP/1.1 200 OK\r\nconnection: close\r\n",
    );
}

#[test]
fn statuses_without_a_body() {
    let set = fields(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
    for length in [L::Exact(5), L::Exact(0), L::Unknown, L::UntilClose] {
        check(
            response(&set, 204, length),
            F::None,
            "HTTP/1.1 204 No Content\r\n",
        );
        check(
            response(&set, 103, length),
            F::None,
            "HTTP/1.1 103 Early Hints\r\n",
        );
        check(
            response(&set, 304, length),
            F::None,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n",
        );
        check(
            response(&set, 205, length),
            F::None,
            "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n",
        );
    }
    let none = HeaderMap::new();
    check(
        response(&none, 304, L::Exact(5)),
        F::None,
        "HTTP/1.1 304 Not Modified\r\n",
    );
    check(
        response(&none, 304, L::Exact(0)),
        F::None,
        "HTTP/1.1 304 Not Modified\r\n",
    );
}

#[test]
fn head_has_the_fields_of_get() {
    let none = HeaderMap::new();
    let set = fields(&[("content-length", "5"), ("x", "y")]);
    let head = |headers, length| ResponseHead {
        head_request: true,
        ..response(headers, 200, length)
    };
    check(
        head(&none, L::Exact(13)),
        F::None,
        "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n",
    );
    check(head(&none, L::Exact(0)), F::None, "HTTP/1.1 200 OK\r\n");
    check(head(&none, L::Unknown), F::None, "HTTP/1.1 200 OK\r\n");
    check(
        head(&set, L::Exact(0)),
        F::None,
        "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 5\r\n",
    );
}

#[test]
fn what_a_handler_says_about_the_length() {
    let length = |value| fields(&[("content-length", value)]);
    let wrong = length("9");
    check(
        response(&wrong, 200, L::Exact(5)),
        F::Exact(5),
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n",
    );
    check(
        response(&wrong, 200, L::Unknown),
        F::Exact(9),
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n",
    );
    for value in ["", "x", "+9", "9, 9", "99999999999999999999"] {
        let bad = length(value);
        check(
            response(&bad, 200, L::Unknown),
            F::Chunked,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
        );
    }
    let twice = fields(&[("content-length", "9"), ("content-length", "9")]);
    check(
        response(&twice, 200, L::Unknown),
        F::Chunked,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
    );
    let coding = fields(&[("transfer-encoding", "gzip, chunked")]);
    check(
        response(&coding, 200, L::Exact(1)),
        F::Exact(1),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n",
    );
    check(
        response(&coding, 200, L::Unknown),
        F::Chunked,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
    );
}

#[test]
fn what_a_handler_says_about_the_connection() {
    let close = fields(&[("connection", "x, Close")]);
    let closed = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n";
    check(response(&close, 200, L::Exact(1)), F::Exact(1), closed);
    let other = fields(&[("connection", "keep-alive, x")]);
    check(
        response(&other, 200, L::Exact(1)),
        F::Exact(1),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n",
    );
    check(
        ResponseHead {
            keep_alive: false,
            ..response(&other, 200, L::Exact(1))
        },
        F::Exact(1),
        closed,
    );
}

#[test]
fn upgrades() {
    let upgrade = fields(&[
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("content-length", "3"),
    ]);
    check(
        response(&upgrade, 101, L::Unknown),
        F::None,
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n",
    );
    check(
        response(&upgrade, 426, L::Exact(0)),
        F::None,
        "HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\ncontent-length: 0\r\nconnection: upgrade\r\n",
    );
    check(
        ResponseHead {
            keep_alive: false,
            ..response(&upgrade, 426, L::Exact(0))
        },
        F::None,
        "HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\ncontent-length: 0\r\nconnection: close, upgrade\r\n",
    );
}

#[test]
fn fields_as_they_were_set() {
    let set = fields(&[
        ("set-cookie", "a=1"),
        ("x", ""),
        ("set-cookie", "b=2"),
        ("te", "x"),
        ("vary", "*"),
    ]);
    check(
        response(&set, 200, L::Exact(0)),
        F::None,
        "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx: \r\nte: x\r\nvary: *\r\ncontent-length: 0\r\n",
    );
}

#[test]
fn whether_the_connection_ends_is_told() {
    let close = |fields: &HeaderMap, head: ResponseHead<'_>| {
        let head = ResponseHead {
            headers: fields,
            ..head
        };
        encode_head(&head, &mut Vec::new()).map(|encoded| encoded.close)
    };
    let none = fields(&[]);
    let head = response(&none, 200, L::Exact(1));
    assert_eq!(close(&none, head), Ok(false));
    assert_eq!(close(&fields(&[("connection", "x, Close")]), head), Ok(true));
    assert_eq!(
        close(&fields(&[("connection", "keep-alive, x")]), head),
        Ok(false)
    );
    assert_eq!(close(&none, response(&none, 200, L::UntilClose)), Ok(true));
    let last = ResponseHead {
        keep_alive: false,
        ..head
    };
    assert_eq!(close(&none, last), Ok(true));
}

#[test]
fn a_date_that_was_set_stays() {
    let set = fields(&[("date", "Thu, 01 Jan 1970 00:00:00 GMT")]);
    let mut out = Vec::new();
    encode_head(&response(&set, 200, L::Exact(0)), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n"
    );
}

#[test]
fn a_status_without_a_name_keeps_its_space() {
    check(
        response(&HeaderMap::new(), 299, L::Exact(0)),
        F::None,
        "HTTP/1.1 299 \r\ncontent-length: 0\r\n",
    );
    check(
        response(&HeaderMap::new(), 999, L::Exact(0)),
        F::None,
        "HTTP/1.1 999 \r\ncontent-length: 0\r\n",
    );
}

#[test]
fn chunks() {
    let mut out = Vec::new();
    for (data, expect) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (65_536, "10000\r\n")] {
        out.clear();
        encode_chunk_start(data, &mut out);
        assert_eq!(out, expect.as_bytes());
    }
    out.clear();
    encode_chunk_start(usize::MAX, &mut out);
    assert_eq!(out, format!("{:x}\r\n", usize::MAX).as_bytes());
    out.clear();
    encode_chunk(b"hello", &mut out);
    encode_chunk(b"", &mut out);
    encode_last_chunk(None, &mut out).unwrap();
    assert_eq!(out, b"5\r\nhello\r\n0\r\n\r\n");
    out.clear();
    encode_chunk_end(&mut out);
    assert_eq!(out, b"\r\n");
}

#[test]
fn trailers() {
    let mut out = Vec::new();
    encode_last_chunk(Some(&fields(&[("x-sum", "7"), ("y", "")])), &mut out).unwrap();
    assert_eq!(out, b"0\r\nx-sum: 7\r\ny: \r\n\r\n");
    let error =
        encode_last_chunk(Some(&fields(&[("x", "y"), ("content-length", "7")])), &mut out).unwrap_err();
    assert_eq!(error.name(), "content-length");
    assert_eq!(out, b"0\r\nx-sum: 7\r\ny: \r\n\r\n", "as it was");
}

#[test]
fn values_that_would_split_the_response_cannot_be_made() {
    // `encode_head` looks again all the same: see the unit test beside it.
    for value in ["a\r\nb", "a\nb", "a\rb", "a\0b"] {
        assert!(HeaderValue::from_str(value).is_err());
        assert!(HeaderValue::from_bytes(value.as_bytes()).is_err());
    }
}
