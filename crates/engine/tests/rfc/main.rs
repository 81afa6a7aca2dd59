//! The rules that the RFCs lay on a server, each test named after its section: literal bytes on a real socket.
//!
//! Here is what holds for a whole connection. Every spelling of a rule is a row of the tests of `squall-wire`
//! (`h1_head.rs`, `h1_body.rs`, `ws_frames.rs`, ...), and of `tests/e2e/tests/attacks.rs` against a whole program.

#[path = "../common/answers.rs"]
mod answers;
#[path = "../common/mod.rs"]
mod common;

mod rfc6455;
mod rfc9110;
mod rfc9112;

use std::convert::Infallible;

use answers::Answer;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use common::{Client, Running};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, StreamBody};

/// The last request of a connection: what it is answered shows that the ones before were read as they should be.
const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What an attacker would like to have taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/last", get(async || "last"))
        .route("/echo", any(async |body: Bytes| body))
        .route("/ignore", post(async || "ignored"))
        .route(
            "/seen",
            any(async |request: Request| format!("{:?} {:?}", request.method(), request.uri())),
        )
        .route("/host", get(async |headers: HeaderMap| field(&headers, "host")))
        .route("/x", get(async |headers: HeaderMap| field(&headers, "x")))
        .route("/stream", get(async || Body::from_stream(stream::iter(parts()))))
        .route("/trailers", get(async || trailers()))
        .route("/trailing", post(trailing))
        .route("/fields/{count}", get(with_fields))
        .route("/status/{code}", any(status))
        .route("/panic", get(panic))
}

fn parts() -> [Result<&'static str, Infallible>; 2] {
    [Ok("one"), Ok("two")]
}

fn field(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    values.join("|")
}

fn trailers() -> Response {
    let mut fields = HeaderMap::new();
    fields.insert("x-sum", HeaderValue::from_static("7"));
    let frames = [
        Ok::<_, Infallible>(http_body::Frame::data(Bytes::from_static(b"ab"))),
        Ok(http_body::Frame::trailers(fields)),
    ];
    Response::new(Body::new(StreamBody::new(stream::iter(frames))))
}

/// The trailers of the request.
async fn trailing(request: Request) -> Response {
    match request.into_body().collect().await {
        Ok(whole) => {
            let sum = whole.trailers().map(|fields| field(fields, "x-sum"));
            sum.unwrap_or_default().into_response()
        }
        Err(error) => error.to_string().into_response(),
    }
}

async fn with_fields(Path(count): Path<usize>) -> Response {
    let mut response = "fields".into_response();
    for number in 0..count {
        let value = HeaderValue::from(number);
        response.headers_mut().append("x-number", value);
    }
    response
}

/// A status with all that it may not have.
async fn status(Path(code): Path<u16>) -> Response {
    let mut response = Response::new(Body::from("a body"));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

async fn panic() -> &'static str {
    if true { panic!("on purpose") } else { "" }
}

fn serve() -> Running {
    common::serve(app())
}

/// Sends, and reads all answers until the server closes.
fn talk(server: &Running, request: impl AsRef<[u8]>) -> Vec<Answer> {
    let mut client = Client::connect(server);
    // The server may refuse and close before it has all of this.
    let _ = std::io::Write::write_all(&mut client.socket, request.as_ref());
    read_answers(&mut client, false)
}

/// As [`talk`], for a first request that is a HEAD.
fn talk_head(server: &Running, request: impl AsRef<[u8]>) -> Vec<Answer> {
    let mut client = Client::connect(server);
    client.send(request.as_ref());
    read_answers(&mut client, true)
}

fn read_answers(client: &mut Client, is_head: bool) -> Vec<Answer> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut client.socket, &mut bytes).unwrap();
    let (answers, rest) = answers::read_all(&bytes, |number| is_head && number == 0)
        .unwrap_or_else(|error| panic!("{error}\nin {}", bytes.escape_ascii()));
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    answers
}

/// One refusal and the close; what stands behind the request is never read as another.
#[track_caller]
fn refused(server: &Running, status: u16, request: impl AsRef<[u8]>) {
    let request = request.as_ref();
    let answers = talk(server, [request, SMUGGLED.as_bytes()].concat());
    let name = request.escape_ascii();
    assert_eq!(answers::statuses(&answers), [status], "{name}: {answers:?}");
    assert!(answers[0].closes() && answers[0].whole, "{name}: {answers:?}");
    assert!(answers[0].field("date").is_some(), "{name}: {answers:?}");
}

/// The request is answered 200 with this body, and the one behind it is read from its first byte.
#[track_caller]
fn accepted(server: &Running, body: &str, request: impl AsRef<[u8]>) {
    let request = request.as_ref();
    let answers = talk(server, [request, LAST.as_bytes()].concat());
    let name = request.escape_ascii();
    assert_eq!(answers::statuses(&answers), [200, 200], "{name}: {answers:?}");
    assert_eq!(answers[0].text(), body, "{name}");
    assert_eq!(answers[1].text(), "last", "{name}");
}
