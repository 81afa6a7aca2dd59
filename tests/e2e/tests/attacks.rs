//! What an attacker sends to a real server, as raw bytes, and the one answer it gets.
//!
//! Every row is sent with a second request behind it. If the server ever answers that one, or the row itself with
//! anything but the status that stands there, bytes of one request have become another: request smuggling.

use std::io::ErrorKind;
use std::net::Shutdown;

use e2e::http::Wire;
use e2e::room::Room;

/// The request behind each row: must never be seen.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads that are refused as they stand: what is sent, and the status.
const HEADS: &[(&str, u16)] = &[
    // Line ends (RFC 9112, section 2.2).
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    // The request line (section 3).
    ("GET /\r\nHost: a\r\n\r\n", 400),
    ("GET\r\nHost: a\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET index.html HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    // Not the preface, which begins HTTP/2.
    ("PRI / HTTP/2.0\r\n\r\n", 505),
    ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", 400),
    // Field lines (section 5).
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tfolded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX(y: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n\u{e9}: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\x01c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\x7fc\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\x0bc\r\n\r\n", 400),
    // Host (section 3.2): missing, repeated, malformed.
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    // Content-Length (section 6.3): plain digits, one opinion.
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n0123456789",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1.0\r\n\r\na",
        400,
    ),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \u{661}\r\n\r\na",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
        413,
    ),
    // Transfer-Encoding (section 6.1): exactly one final `chunked`, never beside a length, never in 1.0.
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    // Expect (RFC 9110, section 10.1.1).
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: something\r\nContent-Length: 1\r\n\r\na",
        417,
    ),
    // Chunks (section 7.1), read by a handler that waits for the body.
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\n\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
        413,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n",
        400,
    ),
    (
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n folded\r\n\r\n",
        400,
    ),
];

/// The one answer, then the end of the connection.
fn check_refused(room: &Room, name: &str, request: &[u8], status: u16) {
    let mut wire = Wire::connect(room.addr()).expect("the server accepts");
    // The server may have answered and closed before it has all of this: then the rest can't be sent.
    wire.send([request, SMUGGLED.as_bytes()].concat()).ok();
    let (head, body) = wire
        .response()
        .unwrap_or_else(|error| panic!("{name:?}: no answer: {error}"));
    assert_eq!(
        head.status,
        status,
        "{name:?}: {head:?} {}",
        String::from_utf8_lossy(&body)
    );
    assert!(head.has_token("connection", "close"), "{name:?}: {head:?}");
    assert!(head.field("date").is_some(), "{name:?}: {head:?}");
    assert!(
        head.field("content-length").is_some() && !body.is_empty(),
        "{name:?}: {head:?}"
    );
    let rest = wire
        .rest()
        .unwrap_or_else(|error| panic!("{name:?}: the server does not close: {error}"));
    assert_eq!(
        String::from_utf8_lossy(&rest),
        "",
        "{name:?}: something was answered after the refusal"
    );
}

fn check_nothing_smuggled(room: &Room) {
    assert_eq!(
        room.get("/smuggled-count"),
        "0",
        "a request inside a request was answered"
    );
}

#[test]
fn every_malformed_request_has_one_answer_and_then_the_close() {
    let room = Room::start(&[]);
    for (request, status) in HEADS {
        check_refused(&room, request, request.as_bytes(), *status);
    }
    check_nothing_smuggled(&room);
}

#[test]
fn the_same_answers_come_when_every_byte_arrives_alone() {
    let room = Room::start(&[]);
    for (request, status) in HEADS {
        let mut wire = Wire::connect(room.addr()).expect("the server accepts");
        for byte in request.bytes() {
            if wire.send([byte]).is_err() {
                break;
            }
        }
        wire.send(SMUGGLED).ok();
        let (head, _) = wire
            .response()
            .unwrap_or_else(|error| panic!("{request:?}: no answer: {error}"));
        assert_eq!(head.status, *status, "{request:?}: {head:?}");
        assert_eq!(wire.rest().expect("the server closes"), b"", "{request:?}");
    }
    check_nothing_smuggled(&room);
}

#[test]
fn what_is_too_large_is_refused_at_its_limit_and_not_before() {
    let room = Room::start(&[]);
    // Defaults of the heads: 64 KiB, a target of 8 KiB, 100 fields. The body's limit of this server is 64 KiB.
    let target = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(bytes - 1));
    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: b\r\n".repeat(count - 1)
        )
    };
    let head = |bytes: usize| {
        let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "b".repeat(bytes - frame)
        )
    };
    let body = |bytes: usize| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}",
            "c".repeat(bytes)
        )
    };
    let chunks = |bytes: usize| {
        let data = "c".repeat(bytes - 1);
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{data}\r\n1\r\nc\r\n0\r\n\r\n",
            bytes - 1
        )
    };
    for (name, good, refused, status) in [
        ("target", target(8 * 1024), target(8 * 1024 + 1), 414),
        ("fields", fields(100), fields(101), 431),
        ("head", head(64 * 1024), head(64 * 1024 + 1), 431),
        ("body", body(64 * 1024), body(64 * 1024 + 1), 413),
        ("chunks", chunks(64 * 1024), chunks(64 * 1024 + 1), 413),
    ] {
        let mut wire = Wire::connect(room.addr()).expect("the server accepts");
        let (answer, _) = wire
            .exchange(&good)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            [200, 404].contains(&answer.status),
            "{name} at its limit: {answer:?}"
        );
        check_refused(&room, name, refused.as_bytes(), status);
    }
    check_nothing_smuggled(&room);
}

#[test]
fn a_body_is_never_a_request() {
    let room = Room::start(&[]);
    let mut wire = Wire::connect(room.addr()).expect("the server accepts");
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let pair = [
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
            SMUGGLED.len()
        ),
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
        // Handlers that leave the body unread, and a path that has no handler.
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
            SMUGGLED.len()
        ),
        format!("POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
    ];
    wire.send(pair.concat()).expect("sent");
    for expected in [200, 200, 405, 404, 200] {
        let (head, body) = match wire.response() {
            Ok(response) => response,
            // A server may close after an answer that left the body unread; it must not go on with the body.
            Err(error) if expected != 200 && error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(head.status, expected, "{head:?}");
        assert!(expected != 200 || !body.is_empty());
        if head.has_token("connection", "close") {
            break;
        }
    }
    assert_eq!(wire.rest().expect("the server closes"), b"");
    check_nothing_smuggled(&room);
}

#[test]
fn an_attack_does_not_disturb_another_connection() {
    let room = Room::start(&[]);
    let mut good = Wire::connect(room.addr()).expect("the server accepts");
    for (request, _) in HEADS {
        let mut bad = Wire::connect(room.addr()).expect("the server accepts");
        bad.send(request).ok();
        bad.socket().shutdown(Shutdown::Both).ok();
        let (head, body) = good
            .exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .expect("the other one is served");
        assert_eq!(
            (head.status, body.as_slice()),
            (200, b"hello".as_slice()),
            "after {request:?}"
        );
    }
}
