//! Bodies of requests and answers: their ends, their limits, and that nothing of one is taken for another.

mod common;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use common::{Client, exchange, serve_with, wait_until};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use squall_engine::wire::h1::BodyLimits;
use squall_engine::{BUFFER_BYTES_MAX, BodyControl, BodyError, Limits};

/// What a body does next.
enum Step {
    Data(Vec<u8>),
    Trailers(HeaderMap),
    /// Not now, but soon.
    Later,
    Panic,
}

/// A body that does as it is told.
struct Script(VecDeque<Step>);

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            Some(Step::Trailers(fields)) => Poll::Ready(Some(Ok(Frame::trailers(fields)))),
            Some(Step::Later) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Panic) => panic!("on purpose"),
            None => Poll::Ready(None),
        }
    }
}

fn script(steps: impl IntoIterator<Item = Step>) -> Body {
    Body::new(Script(steps.into_iter().collect()))
}

fn data(text: &str) -> Step {
    Step::Data(text.as_bytes().to_vec())
}

/// A body that panics when it is dropped.
struct BadDrop(&'static [u8]);

impl http_body::Body for BadDrop {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = std::mem::take(&mut self.0);
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(Bytes::from_static(data)))))
    }
}

impl Drop for BadDrop {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "on purpose");
    }
}

fn with_length(bytes: usize, body: Body) -> Response {
    let length = HeaderValue::from(bytes);
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(http::header::CONTENT_LENGTH, length);
    response
}

fn small() -> Limits {
    Limits {
        body: BodyLimits {
            body_bytes_max: 1000,
            ..BodyLimits::default()
        },
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

async fn echo(body: Body) -> Response {
    match body.collect().await {
        Ok(whole) => Response::new(Body::from(whole.to_bytes())),
        Err(error) => Response::new(Body::from(error.to_string())),
    }
}

/// How many pieces its body comes in, and what they are together.
async fn pieces(mut body: Body) -> String {
    let (mut count, mut text) = (0, String::new());
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            count += 1;
            text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
    format!("{count} {text}")
}

/// Reads its body with a limit of its own.
async fn limited(Path(bytes_max): Path<u64>, request: Request) -> Response {
    if let Some(control) = request.extensions().get::<BodyControl>() {
        control.set_bytes_max(bytes_max);
    }
    echo(request.into_body()).await
}

/// Looks at the beginning of its body, then says its limit (0: none of its own), then reads the whole.
async fn looking(Path(bytes_max): Path<u64>, request: Request) -> Response {
    let control = request.extensions().get::<BodyControl>().cloned().unwrap();
    let mut body = request.into_body();
    control.look_ahead(true);
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    control.look_ahead(false);
    // Whatever else comes for this connection is looked at now.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    if bytes_max > 0 {
        control.set_bytes_max(bytes_max);
    }
    match body.collect().await {
        Ok(rest) => format!("{} bytes", first.len() + rest.to_bytes().len()).into_response(),
        Err(error) => error.to_string().into_response(),
    }
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from("a body that must not be sent"));
    *response.status_mut() = status;
    response
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(echo))
        .route("/limit/{bytes}", post(limited))
        .route("/look/{bytes}", post(looking))
        .route("/ignore", post(|| async { "ignored" }))
        .route("/pieces", post(pieces))
        .route(
            "/status/{code}",
            any(|Path(code): Path<u16>| async move { status(StatusCode::from_u16(code).unwrap()) }),
        )
        .route(
            "/panic-later",
            get(|| async { script([Step::Later, data("secret"), Step::Panic]) }),
        )
        .route(
            "/panic-now",
            get(|| async { script([data("secret"), Step::Panic]) }),
        )
        .route("/bad-drop", get(|| async { Body::new(BadDrop(b"dropped")) }))
        .route(
            "/short",
            get(|| async { with_length(10, script([data("short")])) }),
        )
        .route(
            "/short-later",
            get(|| async { with_length(10, script([Step::Later, data("short"), Step::Later])) }),
        )
        .route(
            "/long",
            get(|| async { with_length(10, script([data("0123456789"), Step::Later, data("too long")])) }),
        )
        .route(
            "/trailers",
            get(|| async {
                let mut fields = HeaderMap::new();
                fields.insert("x-sum", HeaderValue::from_static("7"));
                script([data("a"), Step::Later, data("b"), Step::Trailers(fields)])
            }),
        )
        .route(
            "/sized/{bytes}",
            get(|Path(bytes): Path<usize>| async move { vec![b'~'; bytes] }),
        )
        .route(
            "/streamed/{bytes}",
            get(|Path(bytes): Path<usize>| async move {
                script([Step::Later, Step::Data(vec![b'~'; bytes]), Step::Later])
            }),
        )
}

fn serve() -> common::Running {
    serve_with(app(), small())
}

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The statuses of all answers in these bytes.
fn statuses(answers: &str) -> Vec<&str> {
    let starts = answers.match_indices("HTTP/1.1 ");
    starts.map(|(at, _)| &answers[at + 9..at + 12]).collect()
}

#[test]
fn nothing_of_a_body_that_panics_reaches_another_connection() {
    let server = serve();
    let mut other = Client::connect(&server);
    for path in ["/panic-later", "/panic-now", "/bad-drop"] {
        for _ in 0..20 {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = exchange(&server, &request);
            assert!(!answer.contains("0\r\n\r\n") || path == "/bad-drop", "{answer}");
            other.send(HELLO.as_bytes());
            let head = other.read_head();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            other.expect("hello");
        }
    }
    drop(other);
    wait_until(|| server.handle().open_connections() == 0);
}

#[test]
fn a_body_of_another_length_than_its_content_length_ends_the_connection() {
    let server = serve();
    for (path, body) in [
        ("/short", "short"),
        ("/short-later", "short"),
        ("/long", "0123456789"),
    ] {
        let answer = exchange(&server, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"));
        assert!(answer.contains("\r\ncontent-length: 10\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }
}

#[test]
fn answers_without_a_body_are_followed_by_the_next() {
    let server = serve();
    for code in [204, 205, 304] {
        let request = format!("GET /status/{code} HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = exchange(&server, &format!("{request}HEAD{}{LAST}", &request[3..]));
        assert_eq!(
            statuses(&answer),
            [&code.to_string()[..], &code.to_string()[..], "200"]
        );
        assert!(!answer.contains("must not be sent"), "{answer}");
    }
    for path in ["/sized/70000", "/streamed/70000", "/trailers"] {
        let answer = exchange(&server, &format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"));
        assert_eq!(statuses(&answer), ["200", "200"]);
        assert!(
            !answer.contains("~~") && answer.ends_with("\r\n\r\nhello"),
            "{answer}"
        );
    }
}

#[test]
fn a_status_that_is_no_answer_is_a_500() {
    let server = serve();
    for code in [100, 101, 103] {
        let answer = exchange(
            &server,
            &format!("GET /status/{code} HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"),
        );
        assert_eq!(statuses(&answer), ["500"]);
    }
}

#[test]
fn what_follows_a_handlers_close_is_not_answered() {
    let route = get(|| async { ([(http::header::CONNECTION, "close")], "bye") });
    let server = serve_with(app().route("/bye", route), small());
    let answer = exchange(
        &server,
        &format!("{HELLO}GET /bye HTTP/1.1\r\nHost: a\r\n\r\n{HELLO}{HELLO}"),
    );
    assert_eq!(statuses(&answer), ["200", "200"]);
    assert!(
        answer.contains("\r\nconnection: close\r\n") && answer.ends_with("\r\n\r\nbye"),
        "{answer}"
    );
}

#[test]
fn what_follows_a_connect_is_no_request() {
    let server = serve();
    let answer = exchange(
        &server,
        &format!("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n{LAST}"),
    );
    assert_eq!(statuses(&answer).len(), 1, "{answer}");
}

#[test]
fn trailers_are_sent() {
    let server = serve();
    let answer = exchange(
        &server,
        &format!("GET /trailers HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"),
    );
    assert!(
        answer.contains("1\r\na\r\n1\r\nb\r\n0\r\nx-sum: 7\r\n\r\nHTTP/1.1 200"),
        "{answer}"
    );
}

#[test]
fn http_1_0_has_its_body_until_the_close() {
    let server = serve();
    let answer = exchange(
        &server,
        "GET /streamed/5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    );
    assert!(
        !answer.contains("chunked") && answer.contains("connection: close\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n~~~~~"), "{answer}");
    let answer = exchange(
        &server,
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    );
    assert_eq!(statuses(&answer), ["200", "200"]);
}

#[test]
fn bodies_that_end_at_a_buffers_end_are_whole() {
    let server = serve();
    for edge in [16 * 1024, BUFFER_BYTES_MAX, 4 * BUFFER_BYTES_MAX] {
        for bytes in [edge - 1, edge, edge + 1] {
            for path in ["sized", "streamed"] {
                let mut client = Client::connect(&server);
                client.send(format!("GET /{path}/{bytes} HTTP/1.1\r\nHost: a\r\n\r\n{LAST}").as_bytes());
                let answer = client.read_to_end();
                assert_eq!(answer.matches('~').count(), bytes, "{path} {bytes}");
                assert_eq!(statuses(&answer), ["200", "200"], "{path} {bytes}");
            }
        }
    }
}

#[test]
fn a_body_that_nobody_reads_is_no_request() {
    let server = serve_with(app(), Limits::default());
    let evil = "GET /status/418 HTTP/1.1\r\nHost: a\r\n\r\n";
    for times in [1, 100, 3000] {
        let body = evil.repeat(times);
        let sized = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let chunked = format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        for rest in [sized, chunked] {
            let mut client = Client::connect(&server);
            client.send(format!("POST /ignore HTTP/1.1\r\nHost: a\r\n{rest}{LAST}").as_bytes());
            let answer = client.read_to_end();
            assert_eq!(statuses(&answer), ["200", "200"], "{times} times");
        }
    }
}

#[test]
fn a_body_past_what_is_thrown_away_ends_the_connection() {
    let server = serve_with(app(), Limits::default());
    let body = "GET /status/418 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000);
    let mut client = Client::connect(&server);
    let head = format!(
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(format!("{head}{body}").as_bytes());
    assert_eq!(statuses(&client.read_to_end()), ["200"]);
}

#[test]
fn a_body_is_read_up_to_its_limit_and_refused_past_it() {
    let server = serve();
    for (bytes, expected) in [(1000, "200"), (1001, "413"), (70_000, "413")] {
        let body = "y".repeat(bytes);
        let sized = format!("Content-Length: {bytes}\r\n\r\n{body}");
        let half = bytes / 2;
        let chunks = format!(
            "{half:x}\r\n{}\r\n{:x}\r\n{}\r\n",
            &body[..half],
            bytes - half,
            &body[half..]
        );
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        for rest in [sized, chunked] {
            let mut client = Client::connect(&server);
            client.send(format!("POST /echo HTTP/1.1\r\nHost: a\r\n{rest}{LAST}").as_bytes());
            assert_eq!(statuses(&client.read_to_end())[0], expected, "{bytes} bytes");
        }
    }
}

#[test]
fn a_route_has_a_limit_of_its_own() {
    let server = serve();
    // One that holds what ends a chunked body, so that it might be taken for whole.
    let long = "0\r\n\r\n".repeat(4000);
    for (limit, expected) in [(20_000, "200"), (19_999, "413")] {
        let sized = format!("Content-Length: 20000\r\n\r\n{long}");
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n4e20\r\n{long}\r\n0\r\n\r\n");
        for rest in [sized, chunked] {
            let mut client = Client::connect(&server);
            client.send(format!("POST /limit/{limit} HTTP/1.1\r\nHost: a\r\n{rest}{LAST}").as_bytes());
            assert_eq!(statuses(&client.read_to_end())[0], expected, "limit {limit}");
        }
    }
    // Higher than the server's, for a chunk whose first part looks like an end.
    let mut client = Client::connect(&server);
    client.send(
        format!(
            "POST /limit/20000 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n{}",
            &long[..500]
        )
        .as_bytes(),
    );
    wait_until(|| server.handle().open_connections() == 1);
    client.send(format!("{}\r\n0\r\n\r\n{LAST}", &long[500..]).as_bytes());
    assert_eq!(statuses(&client.read_to_end())[0], "200");
    // Lower than the server's, for a body that is still to come.
    let mut client = Client::connect(&server);
    client.send(b"POST /limit/10 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    assert_eq!(statuses(&client.read_to_end()), ["413"]);
}

#[test]
fn a_peer_that_waits_in_vain_to_be_told_loses_its_connection() {
    let server = serve();
    let head = "POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n";
    let answer = exchange(&server, &format!("{head}{LAST}"));
    assert_eq!(statuses(&answer), ["200"]);
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[test]
fn a_body_that_outlives_its_answer_fails_and_holds_up_nobody() {
    let (kept, is_kept) = mpsc::channel::<Body>();
    let route = post(move |body: Body| async move {
        kept.send(body).unwrap();
        "answered"
    });
    let server = serve_with(app().route("/keep", route), Limits::default());
    let mut client = Client::connect(&server);
    client.send(b"POST /keep HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
    client.send(&[b'z'; 100_000]);
    let body = is_kept.recv_timeout(Duration::from_secs(20)).unwrap();
    client.read_head();
    client.expect("answered");
    client.send(&[b'z'; 100_000]);
    client.send(HELLO.as_bytes());
    assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    client.expect("hello");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(body.collect()).unwrap_err().into_inner();
    let error = error.downcast::<BodyError>().unwrap();
    assert!(error.is_gone());
}

#[test]
fn a_routes_lower_limit_holds_for_a_body_that_came_with_its_head() {
    let server = serve();
    for (bytes, expected) in [(10, "200"), (11, "413")] {
        let body = "z".repeat(bytes);
        for rest in [
            format!("Content-Length: {bytes}\r\n\r\n{body}"),
            format!("Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{body}\r\n0\r\n\r\n"),
        ] {
            let answer = exchange(
                &server,
                &format!("POST /limit/10 HTTP/1.1\r\nHost: a\r\n{rest}{LAST}"),
            );
            assert_eq!(statuses(&answer)[0], expected, "{answer}");
        }
    }
}

/// It has arrived to its end before anybody said what its limit is.
#[test]
fn a_routes_lower_limit_holds_for_a_body_that_is_here_already() {
    let (said, is_said) = tokio::sync::mpsc::channel::<()>(1);
    let is_said = std::sync::Arc::new(tokio::sync::Mutex::new(is_said));
    let route = post(move |request: Request| {
        let is_said = is_said.clone();
        async move {
            let control = request.extensions().get::<BodyControl>().cloned().unwrap();
            is_said.lock().await.recv().await;
            control.set_bytes_max(10);
            echo(request.into_body()).await
        }
    });
    let server = serve_with(app().route("/late", route), small());
    let head = "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n";
    let mut client = Client::connect(&server);
    client.send(head.as_bytes());
    wait_until(|| server.handle().open_connections() == 1);
    client.send(b"hello world");
    // An answer on another connection of the same core: what was sent before it has been read.
    assert_eq!(statuses(&exchange(&server, LAST)), ["200"]);
    said.blocking_send(()).unwrap();
    assert_eq!(statuses(&client.read_to_end()), ["413"]);
}

#[test]
fn a_layer_may_look_at_a_body_before_its_route_says_the_limit() {
    let server = serve();
    let long = "y".repeat(100_000);
    for (path, expected) in [
        ("/look/100000", "200"),
        ("/look/99999", "413"),
        ("/look/0", "413"),
    ] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let mut client = Client::connect(&server);
            client.send(
                format!("POST {path} HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: 100000\r\n\r\n")
                    .as_bytes(),
            );
            if !expect.is_empty() {
                client.expect("HTTP/1.1 100 Continue\r\n\r\n");
            }
            client.send(format!("{long}{LAST}").as_bytes());
            let answer = client.read_to_end();
            assert_eq!(statuses(&answer)[0], expected, "{path}");
            assert_eq!(answer.contains("100000 bytes"), expected == "200", "{answer}");
        }
    }
}

#[test]
fn tiny_chunks_are_joined_before_somebody_collects_them() {
    let server = serve();
    let text: String = ('a'..='z').cycle().take(999).collect();
    let head = "POST /pieces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunks: String = text.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    // Not the end: that would be a body that is there whole.
    let mut client = Client::connect(&server);
    client.send(format!("{head}{chunks}").as_bytes());
    client.send(b"0\r\n\r\n");
    let answer = client.read_to_end();
    let (count, got) = answer.rsplit("\r\n\r\n").next().unwrap().split_once(' ').unwrap();
    assert_eq!(got, text);
    assert!(count.parse::<usize>().unwrap() < 20, "{count} pieces");
}
