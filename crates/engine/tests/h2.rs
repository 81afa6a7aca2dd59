//! Requests over HTTP/2, with prior knowledge.

mod common;
#[path = "common/h2.rs"]
mod h2_client;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{get, post};
use common::{Client, exchange, serve, serve_with, wait_until};
use futures_util::stream;
use h2::Reason;
use h2_client::*;
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use http_body_util::{BodyExt, StreamBody};
use squall_engine::{BodyControl, Deadline, Limits, Peer, Server};
use tokio::sync::Notify;

const SHORT: Duration = Duration::from_millis(300);

fn hello() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async move { body }))
}

#[test]
fn a_request_is_answered_with_what_http_1_would_have() {
    let app = hello().route(
        "/who",
        get(|request: Request| async move {
            assert_eq!(request.version(), Version::HTTP_2);
            let peer = request.extensions().get::<Peer>().unwrap().addr().unwrap();
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            format!("{host} {} {}", peer.ip(), request.uri().path())
        }),
    );
    let server = serve(app);
    run(async {
        let client = connect(&server).await;
        let (head, body) = super_get(&client, "/").await;
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["content-length"], "5");
        assert!(head.headers().contains_key("date"));
        assert_eq!(body, "hello");
        assert_eq!(super_get(&client, "/who").await.1, "example.org 127.0.0.1 /who");
        assert_eq!(super_get(&client, "/none").await.0.status(), 404);
    });
}

use h2_client::get as super_get;

#[test]
fn streams_are_answered_as_they_become_ready() {
    let release = Arc::new(Notify::new());
    let waits = release.clone();
    let app = hello().route(
        "/slow",
        get(move || async move {
            waits.notified().await;
            "slow"
        }),
    );
    let server = serve(app);
    run(async {
        let client = connect(&server).await;
        let slow: Vec<_> = (0..50)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { super_get(&client, "/slow").await.1 })
            })
            .collect();
        assert_eq!(
            super_get(&client, "/").await.1,
            "hello",
            "one that is ready overtakes"
        );
        for waiting in slow {
            release.notify_one();
            let answered = tokio::spawn(async { waiting.await.unwrap() });
            assert_eq!(answered.await.unwrap(), "slow");
        }
    });
}

#[test]
fn a_body_larger_than_every_window_comes_back() {
    let server = serve(hello());
    run(async {
        let mut client = connect(&server).await;
        let sent: Bytes = (0..2_000_000).map(|at: u32| at as u8).collect::<Vec<_>>().into();
        let (answer, mut body) = client.send_request(request("POST", "/echo"), false).unwrap();
        let rest = sent.clone();
        tokio::spawn(async move { send_all(&mut body, rest).await });
        let (head, received) = whole(answer.await.unwrap()).await;
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["content-length"], "2000000");
        assert!(received == sent);
    });
}

/// Sends a body at the pace of its window.
async fn send_all(body: &mut h2::SendStream<Bytes>, mut rest: Bytes) {
    while !rest.is_empty() {
        body.reserve_capacity(rest.len());
        let room = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
        let part = rest.split_to(room.unwrap().unwrap().min(rest.len()));
        body.send_data(part, rest.is_empty()).unwrap();
    }
}

#[test]
fn trailers_go_both_ways() {
    let app = Router::new().route(
        "/",
        post(|request: Request| async move {
            let collected = request.into_body().collect().await.unwrap();
            let trailers = collected.trailers().unwrap().clone();
            let frames = [
                http_body::Frame::data(collected.to_bytes()),
                http_body::Frame::trailers(trailers),
            ];
            Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, std::io::Error>))))
        }),
    );
    let server = serve(app);
    run(async {
        let mut client = connect(&server).await;
        let (answer, mut body) = client.send_request(request("POST", "/"), false).unwrap();
        body.send_data("hello".into(), false).unwrap();
        let fields = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("5"))]);
        body.send_trailers(fields.clone()).unwrap();
        let mut answer = answer.await.unwrap().into_body();
        assert_eq!(read(&mut answer).await, "hello");
        assert_eq!(trailers(&mut answer).await.unwrap(), fields);
    });
}

#[test]
fn head_and_bodiless_statuses_have_no_data() {
    let app = hello()
        .route(
            "/none",
            get(|| async { (StatusCode::NO_CONTENT, [("content-length", "3")]) }),
        )
        .route(
            "/same",
            get(|| async {
                (
                    StatusCode::NOT_MODIFIED,
                    [("content-length", "3"), ("etag", "\"a\"")],
                )
            }),
        );
    let server = serve(app);
    run(async {
        let client = connect(&server).await;
        let (head, body) = ask(&client, request("HEAD", "/")).await;
        assert_eq!((head.status(), &body[..]), (StatusCode::OK, &b""[..]));
        assert_eq!(head.headers()["content-length"], "5");
        let (head, body) = super_get(&client, "/none").await;
        assert_eq!((head.status(), &body[..]), (StatusCode::NO_CONTENT, &b""[..]));
        assert!(!head.headers().contains_key("content-length"));
        let (head, body) = super_get(&client, "/same").await;
        assert_eq!((head.status(), &body[..]), (StatusCode::NOT_MODIFIED, &b""[..]));
        assert_eq!(head.headers()["content-length"], "3");
    });
}

#[test]
fn fields_of_an_http_1_connection_are_left_out_of_answers() {
    let app = Router::new().route(
        "/",
        get(|| async {
            (
                [
                    ("connection", "close, x"),
                    ("transfer-encoding", "chunked"),
                    ("x", "y"),
                ],
                "ok",
            )
        }),
    );
    let server = serve(app);
    run(async {
        let client = connect(&server).await;
        let (head, body) = super_get(&client, "/").await;
        assert_eq!(body, "ok");
        assert_eq!(head.headers()["x"], "y");
        assert!(!head.headers().contains_key("connection"));
        assert!(!head.headers().contains_key("transfer-encoding"));
        assert_eq!(super_get(&client, "/").await.1, "ok", "the connection stays");
    });
}

#[test]
fn a_handler_that_does_not_read_stops_its_peer() {
    let release = Arc::new(Notify::new());
    let waits = release.clone();
    let app = Router::new().route(
        "/",
        post(move |request: Request| async move {
            waits.notified().await;
            let body = request.into_body().collect().await.unwrap();
            body.to_bytes().len().to_string()
        }),
    );
    let limits = Limits::default();
    let window = limits.h2.stream_window_bytes as usize;
    let server = serve_with(app, limits);
    run(async {
        let mut client = connect(&server).await;
        let (answer, mut body) = client.send_request(request("POST", "/"), false).unwrap();
        let total = window + 10;
        let mut sent = 0;
        // As much as the window takes, and then no more.
        while sent < window {
            body.reserve_capacity(total - sent);
            let room = std::future::poll_fn(|cx| body.poll_capacity(cx))
                .await
                .unwrap()
                .unwrap();
            body.send_data(vec![0; room].into(), false).unwrap();
            sent += room;
        }
        body.reserve_capacity(total - sent);
        let more = tokio::time::timeout(SHORT, std::future::poll_fn(|cx| body.poll_capacity(cx)));
        assert!(more.await.is_err(), "the window is used up");
        release.notify_one();
        send_all(&mut body, vec![0; total - sent].into()).await;
        assert_eq!(whole(answer.await.unwrap()).await.1, total.to_string());
    });
}

#[test]
fn a_peer_without_window_stops_the_handler() {
    let produced = Arc::new(AtomicUsize::new(0));
    let counts = produced.clone();
    let app = hello().route(
        "/endless",
        get(move || {
            let counts = counts.clone();
            async move {
                let pieces = stream::repeat_with(move || {
                    counts.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1000]))
                });
                Body::from_stream(pieces)
            }
        }),
    );
    let server = serve(app);
    run(async {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(10_000);
        let (client, _) = connect_with(&server, &builder).await;
        let (answer, _) = client
            .clone()
            .send_request(request("GET", "/endless"), true)
            .unwrap();
        let mut body = answer.await.unwrap().into_body();
        let mut received = 0;
        while received < 10_000 {
            received += body.data().await.unwrap().unwrap().len();
        }
        assert_eq!(super_get(&client, "/").await.1, "hello", "other streams go on");
        assert_eq!(produced.load(Ordering::SeqCst), 11);
        body.flow_control().release_capacity(10_000).unwrap();
        assert!(!body.data().await.unwrap().unwrap().is_empty(), "it goes on");
    });
}

#[test]
fn a_socket_that_is_not_read_stops_all_handlers() {
    let produced = Arc::new(AtomicUsize::new(0));
    let counts = produced.clone();
    let app = hello().route(
        "/endless",
        get(move || {
            let counts = counts.clone();
            async move {
                let pieces = stream::repeat_with(move || {
                    counts.fetch_add(1000, Ordering::SeqCst);
                    Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1000]))
                });
                Body::from_stream(pieces)
            }
        }),
    );
    let limits = Limits {
        write_stall_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    let mut client = Client::connect_narrow(&server);
    // Windows as wide as can be, for a hundred streams at once.
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    let window = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    client.send(&[PREFACE, &settings, &window].concat());
    for at in 0..100 {
        client.send(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1 + 2 * at,
            &get_block("/endless"),
        ));
    }
    wait_until(|| produced.load(Ordering::SeqCst) > 0);
    wait_until(|| server.handle().open_connections() == 0);
    // What the kernel took, 64 KiB, and a piece of each stream: nothing grows with the windows.
    let total = produced.load(Ordering::SeqCst);
    assert!(
        total < 8 * 1024 * 1024,
        "{total} bytes were produced for a peer that reads nothing"
    );
}

#[test]
fn a_body_past_its_limit_is_refused_and_the_connection_goes_on() {
    let app = hello().route(
        "/route",
        post(|request: Request| async move {
            let control = request.extensions().get::<BodyControl>().unwrap().clone();
            control.set_bytes_max(10);
            request
                .into_body()
                .collect()
                .await
                .map_or(0, |body| body.to_bytes().len())
                .to_string()
        }),
    );
    let mut limits = Limits::default();
    limits.body.body_bytes_max = 1000;
    let server = serve_with(app, limits);
    run(async {
        let mut client = connect(&server).await;
        for (path, size, declared, status) in [
            ("/echo", 1000, false, 200),
            ("/echo", 1001, false, 413),
            ("/echo", 1001, true, 413),
            ("/route", 10, false, 200),
            ("/route", 11, false, 413),
            ("/route", 11, true, 413),
        ] {
            client = client.ready().await.unwrap();
            let mut head = request("POST", path);
            if declared {
                head.headers_mut().insert("content-length", size.into());
            }
            let (answer, mut body) = client.send_request(head, false).unwrap();
            // The server may have answered, and reset the stream, before all of it was sent.
            let _ = body.send_data(vec![0; size].into(), true);
            let (head, _) = whole(answer.await.unwrap()).await;
            assert_eq!(head.status(), status, "{path} {size} {declared}");
        }
    });
}

#[test]
fn a_slow_handler_and_a_slow_body_are_answered_by_the_engine() {
    let app = hello().route("/never", get(std::future::pending::<()>));
    let limits = Limits {
        handler_timeout: SHORT,
        body_read_timeout: SHORT,
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    run(async {
        let mut client = connect(&server).await;
        let (head, body) = super_get(&client, "/never").await;
        assert_eq!(head.status(), 503);
        assert_eq!(body, "the handler did not answer in time\n");
        let (answer, mut body) = client.send_request(request("POST", "/echo"), false).unwrap();
        body.send_data("beginning".into(), false).unwrap();
        assert_eq!(answer.await.unwrap().status(), 408);
        assert_eq!(super_get(&client, "/").await.1, "hello", "the connection goes on");
    });
}

#[test]
fn a_handler_may_ask_for_a_time_of_its_own() {
    let app = hello().route(
        "/short",
        get(|| async {
            Deadline::set_timeout(SHORT);
            std::future::pending::<()>().await;
        }),
    );
    let server = serve(app);
    run(async {
        let client = connect(&server).await;
        assert_eq!(super_get(&client, "/short").await.0.status(), 503);
    });
}

#[test]
fn handlers_at_the_limit_and_past_it() {
    let release = Arc::new(Notify::new());
    let (waits, begun) = (release.clone(), Arc::new(Notify::new()));
    let begins = begun.clone();
    let app = hello().route(
        "/slow",
        get(move || async move {
            begins.notify_one();
            waits.notified().await;
            "slow"
        }),
    );
    let limits = Limits {
        handlers_max: Some(1),
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    run(async {
        let client = connect(&server).await;
        let slow = client.clone();
        let slow = tokio::spawn(async move { super_get(&slow, "/slow").await.1 });
        begun.notified().await;
        let (head, _) = super_get(&client, "/").await;
        assert_eq!(head.status(), 503);
        assert!(head.headers().contains_key("retry-after"));
        release.notify_one();
        assert_eq!(slow.await.unwrap(), "slow");
        assert_eq!(super_get(&client, "/").await.1, "hello");
    });
}

#[test]
fn a_stream_whose_peer_gives_no_window_is_reset_in_time() {
    let app = hello().route("/large", get(|| async { vec![0; 100_000] }));
    let limits = Limits {
        write_stall_timeout: SHORT,
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    run(async {
        let client = connect(&server).await;
        let (answer, _) = client
            .clone()
            .send_request(request("GET", "/large"), true)
            .unwrap();
        let error = failure(answer.await.unwrap().into_body()).await;
        assert_eq!(error.reason(), Some(Reason::CANCEL));
        // What the stream had taken of the connection's window is still taken.
        let (head, _) = ask(&client, request("HEAD", "/")).await;
        assert_eq!(head.status(), 200);
    });
}

/// What a body ends with that does not end well.
async fn failure(mut body: h2::RecvStream) -> h2::Error {
    loop {
        if let Err(error) = body.data().await.unwrap() {
            return error;
        }
    }
}

#[test]
fn a_handler_whose_peer_resets_is_cancelled() {
    struct Told(std::sync::mpsc::Sender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (cancelled, is_cancelled) = std::sync::mpsc::channel();
    let begun = Arc::new(Notify::new());
    let begins = begun.clone();
    let app = hello().route(
        "/",
        post(move || async move {
            let _told = Told(cancelled.clone());
            begins.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let server = serve(app);
    run(async {
        let mut client = connect(&server).await;
        let (answer, mut body) = client.send_request(request("POST", "/"), false).unwrap();
        begun.notified().await;
        body.send_reset(Reason::CANCEL);
        drop(answer);
        tokio::task::spawn_blocking(move || is_cancelled.recv_timeout(Duration::from_secs(20)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(super_get(&client, "/").await.1, "hello");
    });
}

#[test]
fn panics_and_failed_bodies_cost_their_stream() {
    let app = hello()
        .route("/panic", get(|| async { panic!("on purpose") as &'static str }))
        .route(
            "/later",
            get(|| async {
                tokio::task::yield_now().await;
                panic!("on purpose") as &'static str
            }),
        )
        .route(
            "/short",
            get(|| async {
                let pieces = stream::iter([Ok("abc"), Err(std::io::Error::other("on purpose"))]);
                ([("content-length", "10")], Body::from_stream(pieces))
            }),
        )
        .route(
            "/long",
            get(|| async {
                let pieces = stream::iter([Ok::<_, std::io::Error>("abc"), Ok("abc")]);
                ([("content-length", "4")], Body::from_stream(pieces))
            }),
        );
    let server = serve(app);
    run(async {
        let client = connect(&server).await;
        for path in ["/panic", "/later"] {
            assert_eq!(super_get(&client, path).await.0.status(), 500, "{path}");
        }
        for path in ["/short", "/long"] {
            let (answer, _) = client.clone().send_request(request("GET", path), true).unwrap();
            // A reset overtakes what was not sent yet, the head too.
            let error = match answer.await {
                Err(error) => error,
                Ok(answer) => failure(answer.into_body()).await,
            };
            assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{path}");
        }
        assert_eq!(super_get(&client, "/").await.1, "hello");
    });
}

#[test]
fn a_peer_that_waits_for_100_continue_is_told_when_the_body_is_wanted() {
    let server = serve(hello());
    run(async {
        let mut client = connect(&server).await;
        let mut head = request("POST", "/echo");
        head.headers_mut()
            .insert("expect", HeaderValue::from_static("100-continue"));
        let (mut answer, mut body) = client.send_request(head, false).unwrap();
        let interim = std::future::poll_fn(|cx| answer.poll_informational(cx)).await;
        assert_eq!(interim.unwrap().unwrap().status(), 100);
        body.send_data("now".into(), true).unwrap();
        assert_eq!(whole(answer.await.unwrap()).await.1, "now");
    });
}

#[test]
fn a_drain_finishes_streams_and_opens_no_more() {
    let release = Arc::new(Notify::new());
    let (waits, begun) = (release.clone(), Arc::new(Notify::new()));
    let begins = begun.clone();
    let app = hello().route(
        "/slow",
        get(move || async move {
            begins.notify_one();
            waits.notified().await;
            "finished"
        }),
    );
    let server = serve(app);
    run(async {
        let (client, ended) = connect_with(&server, &h2::client::Builder::new()).await;
        let slow = client.clone();
        let slow = tokio::spawn(async move { super_get(&slow, "/slow").await.1 });
        begun.notified().await;
        server.handle().shutdown();
        // GOAWAY comes at once, though a stream is open.
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        release.notify_one();
        assert_eq!(slow.await.unwrap(), "finished");
        ended.await.unwrap().unwrap();
    });
    server.handle().join();
}

#[test]
fn an_idle_connection_is_told_to_go_and_goes() {
    let limits = Limits {
        idle_timeout: SHORT,
        ..Limits::default()
    };
    let server = serve_with(hello(), limits);
    run(async {
        let (client, ended) = connect_with(&server, &h2::client::Builder::new()).await;
        assert_eq!(super_get(&client, "/").await.1, "hello");
        ended.await.unwrap().unwrap();
    });
    wait_until(|| server.handle().open_connections() == 0);
}

#[test]
fn a_preface_that_does_not_come_to_its_end_is_cut() {
    let limits = Limits {
        header_read_timeout: SHORT,
        ..Limits::default()
    };
    let server = serve_with(hello(), limits);
    let mut client = Client::connect(&server);
    client.send(&PREFACE[..20]);
    let mut client_read = Vec::new();
    std::io::Read::read_to_end(&mut client.socket, &mut client_read).unwrap();
    // Our settings, and then nothing.
    assert_eq!(client_read.get(3), Some(&SETTINGS));
}

#[test]
fn the_preface_may_come_in_drops() {
    let server = serve(hello());
    let mut client = Client::connect(&server);
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get_block("/"));
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &request].concat();
    for byte in bytes {
        client.send(&[byte]);
    }
    assert_eq!(client.wait_for(DATA).payload, b"hello");
}

#[test]
fn http_2_is_the_first_thing_that_is_said_or_it_is_refused() {
    let server = serve(hello());
    let mut client = Client::connect(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_head();
    client.expect("hello");
    client.send(PREFACE);
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
}

#[test]
fn a_server_may_speak_http_1_alone() {
    let handle = common::bind(Server::new(hello().into_service()))
        .cores(1)
        .http2(false)
        .start()
        .unwrap();
    let server = common::Running::new(handle);
    let answer = exchange(&server, std::str::from_utf8(PREFACE).unwrap());
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
}
