//! A real server on a real socket, in literal bytes.

mod common;

use common::{exchange, serve};

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route(
            "/later",
            get(|| async {
                tokio::task::yield_now().await;
                "later"
            }),
        )
        .route(
            "/panic",
            get(|| async { if true { panic!("on purpose") } else { "" } }),
        )
        .route(
            "/stream",
            get(|| async {
                let frames = (0..3).map(|n| Ok::<_, std::convert::Infallible>(format!("part {n};")));
                axum::body::Body::from_stream(futures_util::stream::iter(frames))
            }),
        )
}

#[test]
fn a_request_is_answered() {
    let server = serve(app());
    let answer = exchange(&server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nHello, World!"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 13\r\n"), "{answer}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = serve(app());
    let answer = exchange(
        &server,
        "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    );
    let bodies: Vec<_> = answer
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|a| a.split("\r\n\r\n").nth(1).unwrap())
        .collect();
    assert_eq!(bodies, ["later", "Hello, World!", "abc"]);
}

#[test]
fn more_requests_than_a_turn_takes_are_all_answered() {
    let server = serve(app());
    let mut requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    requests.push_str("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = exchange(&server, &requests);
    assert_eq!(answer.matches("Hello, World!").count(), 1001);
}

#[test]
fn a_body_that_streams_is_chunked() {
    let server = serve(app());
    let answer = exchange(
        &server,
        "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(
        answer.ends_with("7\r\npart 0;\r\n7\r\npart 1;\r\n7\r\npart 2;\r\n0\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn a_panic_is_a_500() {
    let server = serve(app());
    let answer = exchange(&server, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

#[test]
fn chunked_bodies_are_read_whole_and_in_drops() {
    let server = serve(app());
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let answer = exchange(&server, &format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    assert!(answer.ends_with("\r\n\r\nabcde"), "{answer}");
    let mut client = common::Client::connect(&server);
    for byte in format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").bytes() {
        client.send(&[byte]);
    }
    let answer = client.read_to_end();
    assert!(answer.ends_with("\r\n\r\nabcde"), "{answer}");
}

#[test]
fn a_peer_that_expects_to_be_told_is_told() {
    let server = serve(app());
    let mut client = common::Client::connect(&server);
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
    client.expect("HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"ok");
    let answer = client.read_to_end();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"),
        "{answer}"
    );
}

#[test]
fn a_body_past_its_limit_is_refused_without_being_read() {
    let server = serve(app());
    let answer = exchange(
        &server,
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("onnection: close\r\n"), "{answer}");
}

#[test]
fn a_malformed_head_is_refused_and_the_connection_closed() {
    let server = serve(app());
    let answer = exchange(
        &server,
        "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1);
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let server = serve(app());
    let answer = exchange(&server, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(
        answer.contains("\r\ncontent-length: 13\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}
