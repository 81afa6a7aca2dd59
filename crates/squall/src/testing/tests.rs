//! The kit tests itself against small servers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{any, get, post};
use tracing::Level;

use super::*;
use crate::cookies::{Cookies, SetCookie};
use crate::web::ConnectInfo;
use crate::web::ws::{Message, WebSocketUpgrade};

#[test]
fn requests_answers_and_cookies() {
    let router = Router::new()
        .route(
            "/set",
            get(async || SetCookie::new("a", "b").map(|cookie| (cookie, "set"))),
        )
        .route(
            "/unset",
            get(async || SetCookie::removal("a").map(|cookie| (cookie, "unset"))),
        )
        .route(
            "/see",
            get(async |cookies: Cookies| cookies.get("a").unwrap_or("none").to_owned()),
        )
        .route(
            "/echo",
            any(async |headers: HeaderMap, body: Bytes| (headers, body)),
        )
        .route(
            "/peer",
            get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()),
        );
    let server = serve(router);
    let client = server.client();
    assert_eq!(client.get("/see").send().text(), "none");
    assert_eq!(client.get("/set").send().text(), "set");
    assert_eq!(
        (client.get("/see").send().text().as_str(), client.jar().get("a")),
        ("b", Some("b"))
    );
    assert_eq!(
        server.client().get("/see").send().text(),
        "none",
        "another client"
    );
    client.get("/unset").send();
    assert_eq!(client.get("/see").send().text(), "none");
    let echo = client
        .post("/echo")
        .header("x-test", "1")
        .form(&[("a b", "ü&="), ("c", "")])
        .send();
    assert_eq!(
        (echo.text().as_str(), echo.header("x-test")),
        ("a%20b=%C3%BC%26%3D&c=", "1")
    );
    assert_eq!(client.put("/echo").json(&[1, 2]).send().json::<Vec<u8>>(), [1, 2]);
    assert_eq!(
        client.get("/echo").bearer("t").send().header("authorization"),
        "Bearer t"
    );
    assert!(client.head("/see").send().body.is_empty());
    assert_eq!(client.get("/none").send().expect(404).header("none"), "");
    assert_eq!(client.get("/peer").send().text(), "127.0.0.1");
}

#[test]
fn streams_of_events() {
    let stream = |text: &'static str| {
        let body = Body::new(Chunks(text.split('|').map(Bytes::from).collect()));
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(body)
            .unwrap()
    };
    let router = Router::new()
        .route(
            "/sse",
            get(async move || {
                stream("retry: 5\nid: 1\nda|ta: a\n\n|event: x\ndata: b\ndata: c\n\ndata: cut")
            }),
        )
        .route("/no", get(async || "no"));
    let server = serve(router);
    let mut sse = server.client().sse("/sse").open_sse();
    let first = sse.next_event();
    assert_eq!(
        (
            first.event.as_str(),
            first.data.as_str(),
            first.last_event_id.as_str()
        ),
        ("message", "a", "1")
    );
    let rest = sse.until_end();
    assert_eq!(
        rest.iter()
            .map(|event| (event.event.as_str(), event.data.as_str()))
            .collect::<Vec<_>>(),
        [("x", "b\nc")]
    );
    assert_eq!((sse.last_event_id(), sse.retry_ms()), ("1", Some(5)));
    assert_eq!(sse.try_next(Duration::ZERO), None);
    assert_eq!(
        server
            .client()
            .sse("/no")
            .try_open_sse()
            .err()
            .map(|answer| answer.text())
            .as_deref(),
        Some("no")
    );
}

/// A body in chunks.
struct Chunks(std::collections::VecDeque<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.pop_front().map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

#[test]
fn websockets() {
    let echo = async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(|mut socket| async move {
            while let Some(message) = socket.recv().await {
                if message == Message::Text("bye".into()) || socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    };
    let server = serve(
        Router::new()
            .route("/ws", get(echo))
            .route("/no", get(async || "no")),
    );
    let mut ws = server.client().ws("/ws").open_ws();
    ws.send_text("hello");
    assert_eq!(ws.text(), "hello");
    ws.send_binary(&[0; 70_000]);
    assert_eq!(ws.recv(), WsEvent::Binary(vec![0; 70_000]));
    ws.ping(b"p");
    assert_eq!(ws.recv_any(), WsEvent::Pong(b"p".to_vec()));
    assert_eq!(ws.try_recv(Duration::from_millis(1)), None);
    ws.send_text("bye");
    assert!(matches!(ws.recv(), WsEvent::Close(_)));
    let refused = server
        .client()
        .ws("/ws")
        .header("origin", "http://evil.example")
        .try_open_ws();
    assert_eq!(refused.err().map(|answer| answer.status), Some(403));
    assert!(server.client().ws("/no").try_open_ws().is_err());
}

#[test]
fn bytes_as_they_are() {
    let server = serve(Router::new().route("/", post(async |body: String| body)));
    let mut raw = server.raw();
    raw.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(raw.read_until(b"\r\n\r\n").starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(raw.read_exact(3), b"abc");
    assert!(raw.closes_within(PATIENCE));
    assert!(raw.read_to_end().starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(
        server
            .send_raw(b"GET /\r\n\r\n")
            .starts_with(b"HTTP/1.1 400 Bad Request\r\n")
    );
}

#[test]
fn announced_warnings_are_fine() {
    let server = serve(Router::new().route("/", get(async || tracing::warn!(code = 7, "careful"))));
    server.expect_log(Level::WARN, "careful");
    server.client().get("/").send();
    let line = LogLine {
        level: Level::WARN,
        target: module_path!().into(),
        text: "careful code=7".into(),
    };
    assert_eq!(server.log_lines(), [line]);
}

/// What the engine itself says is in the log too.
#[test]
fn a_panic_in_a_handler_is_announced_or_a_failure() {
    let panics = async || -> &'static str { panic!("on purpose") };
    let server = serve(Router::new().route("/", get(panics)));
    server.expect_log(Level::ERROR, "a handler panicked");
    assert_eq!(server.client().get("/").send().status, 500);
}

#[test]
fn others_fail_the_test() {
    let server = serve(Router::new().route("/", get(async || tracing::error!("oh"))));
    server.client().get("/").send();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(server)));
    let message = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("not announced: ERROR") && message.contains(": oh"),
        "{message}"
    );
    let capture = LogCapture::new();
    capture.expect(Level::WARN, "never");
    capture.collect(|| tracing::info!("fine"));
    assert_eq!(capture.complaints(), ["announced, but did not come: WARN never"]);
}
