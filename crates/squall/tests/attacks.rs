//! Attacks on what applications are made of, each named after what was attacked; docs/internals/attacks.md says where
//! those stand that are tests of their own block.

use squall::testing::{TestServer, serve};
use squall::web::extract::{Path, Query};
use squall::web::response::{Redirect, Response};
use squall::web::routing::get;
use squall::web::ws::WebSocketUpgrade;
use squall::web::{Body, Router};

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/to", get(redirect))
        .route("/say", get(say))
        .route(
            "/path/{name}",
            get(async |Path(name): Path<String>| format!("{name:?}")),
        )
        .route("/query", get(query))
        .route(
            "/ws",
            get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(async |_| {})),
        )
}

#[derive(serde::Deserialize)]
struct Word {
    word: String,
}

async fn query(Query(word): Query<Word>) -> String {
    format!("{:?}", word.word)
}

/// Redirects to wherever it was asked to: what no application should do, and some do.
async fn redirect(Query(word): Query<Word>) -> Redirect {
    Redirect::to(&word.word)
}

/// Puts what it was given into a field of its answer.
async fn say(Query(word): Query<Word>) -> Response {
    Response::builder()
        .header("x-word", word.word)
        .body(Body::empty())
        .unwrap_or_else(|_| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = squall::web::StatusCode::BAD_REQUEST;
            response
        })
}

fn send(server: &TestServer, request: &str) -> String {
    String::from_utf8(server.send_raw(request.as_bytes())).expect("text")
}

fn get_of(server: &TestServer, target: &str, fields: &str) -> String {
    send(
        server,
        &format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{fields}Connection: close\r\n\r\n"),
    )
}

/// CVE-2012-2374: a line's end in a value, by way of a redirect or of any other field.
#[test]
fn response_splitting_by_a_value_of_a_field() {
    let server = serve(app());
    for end in ["%0d%0a", "%0a", "%0d", "%00", "%0d%0a%20", "%E5%98%8D%E5%98%8A"] {
        for route in ["/to", "/say"] {
            let answer = get_of(&server, &format!("{route}?word=/x{end}Set-Cookie:%20evil=1"), "");
            let head = answer
                .split("\r\n\r\n")
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            for line in head.split(['\r', '\n']) {
                assert!(!line.starts_with("set-cookie:"), "{route} {end}: {answer}");
            }
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        }
    }
}

/// GHSA-w235: names of hosts that a cross-site page could use to open a socket with its visitor's cookies.
#[test]
fn cross_site_websocket_hijacking() {
    let server = serve(app());
    let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let status = |origin: &str| {
        let head = format!("GET /ws HTTP/1.1\r\nHost: a.example\r\n{handshake}{origin}\r\n");
        let mut raw = server.raw();
        raw.write(head.as_bytes());
        let answer = raw.read_until(b"\r\n\r\n");
        String::from_utf8_lossy(&answer[9..12]).into_owned()
    };
    for origin in [
        "http://evil.example",
        "https://evil.example",
        "null",
        "http://a.example.evil.example",
        "http://a.example:81",
        "http://xa.example",
        "http://a.example@evil.example",
        "file://",
        "",
        "http://a.example, http://evil.example",
    ] {
        assert_eq!(status(&format!("Origin: {origin}\r\n")), "403", "{origin:?}");
    }
    assert_eq!(status("Origin: http://a.example\r\n"), "101");
    // Programs that are no browsers send none.
    assert_eq!(status(""), "101");
}

/// Tornado's standing rule: bytes that are no text are the peer's fault, and never a 500.
#[test]
fn percent_encoding_that_is_no_utf_8() {
    let server = serve(app());
    for target in ["/path/%ff", "/path/%c0%ae%c0%ae", "/path/%ed%a0%80"] {
        let answer = get_of(&server, target, "");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
    for target in [
        "/%ff",
        "/query?word=%ff",
        "/query?word=%zz",
        "/query?%ff=%ff",
        "/path/%",
        "/%00",
        "/query",
    ] {
        let answer = get_of(&server, target, "");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{target}: {answer}");
    }
}

/// What a path holds is decoded once: `%252e` is not a dot, `%2f` no new part.
#[test]
fn double_decoding_of_a_path() {
    let server = serve(app());
    assert!(get_of(&server, "/path/%252e%252e%252f", "").ends_with("\"%2e%2e%2f\""));
    assert!(get_of(&server, "/path/a%2fb", "").ends_with("\"a/b\""));
    assert!(get_of(&server, "/path/a/b", "").starts_with("HTTP/1.1 404 "));
}

/// The server says neither its name nor its version: nobody needs to know which holes it may have.
#[test]
fn fingerprinting_by_fields() {
    let server = serve(app());
    for target in ["/", "/nowhere", "/query"] {
        let head = get_of(&server, target, "").to_ascii_lowercase();
        for field in ["\r\nserver:", "\r\nx-powered-by:", "squall"] {
            assert!(!head.contains(field), "{target}: {head}");
        }
    }
    assert!(
        !send(&server, "BAD\r\n\r\n")
            .to_ascii_lowercase()
            .contains("squall")
    );
}

/// httpoxy, and fields that only look like others: each is what its name says, and no more.
#[test]
fn fields_with_underscores_are_not_those_with_hyphens() {
    let server = serve(app());
    let body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = send(
        &server,
        &format!(
            "GET / HTTP/1.1\r\nHost: a.example\r\nContent_Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}
