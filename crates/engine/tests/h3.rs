//! HTTP/3 (RFC 9114) on real sockets, with the h3 crate's client.
#![cfg(feature = "http3")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::{Buf, Bytes};
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use http_body_util::StreamBody;
use squall_engine::{Limits, Peer};

mod common;
#[path = "common/h3.rs"]
mod h3_client;
#[path = "common/source.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod source;

use common::Running;
use h3_client::*;
use source::doors;

fn routes() -> Router {
    Router::new()
        .route(
            "/",
            get(async |request: Request| {
                let peer = request.extensions().get::<Peer>().and_then(Peer::addr);
                format!(
                    "{} {} {}",
                    request.headers()["host"].to_str().unwrap(),
                    peer.is_some(),
                    request.uri().path()
                )
            }),
        )
        .route("/echo", post(async |body: Bytes| body))
        .route(
            "/panic",
            get(async || -> &'static str { panic!("this handler always panics") }),
        )
        .route(
            "/never",
            get(async || -> &'static str { std::future::pending().await }),
        )
        .route(
            "/later",
            get(async || {
                tokio::task::yield_now().await;
                "later"
            }),
        )
        .route(
            "/stream",
            get(async || {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", "3".parse().unwrap());
                let frames =
                    ["one", "two"].map(|text| http_body::Frame::data(Bytes::from_static(text.as_bytes())));
                let frames = frames.into_iter().chain([http_body::Frame::trailers(trailers)]);
                Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))))
            }),
        )
        .route(
            "/broken",
            get(async || {
                let frames = [
                    Ok(Bytes::from_static(b"half")),
                    Err(std::io::Error::other("broken")),
                ];
                Body::from_stream(stream::iter(frames))
            }),
        )
}

#[test]
fn requests_are_answered_in_place_and_later() {
    run(async {
        let served = served(routes(), Limits::default());
        let (mut client, _quic) = served.connect().await;
        let (response, body) = fetched(&mut client, "GET", "/", b"").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-length"], body.len().to_string());
        assert!(response.headers().contains_key("date"));
        assert_eq!(body, b"localhost true /");
        assert_eq!(fetched(&mut client, "GET", "/later", b"").await.1, b"later");
        let (head, none) = fetched(&mut client, "HEAD", "/later", b"").await;
        assert_eq!(
            (head.headers()["content-length"].as_bytes(), none.len()),
            (&b"5"[..], 0)
        );
        assert_eq!(
            fetched(&mut client, "GET", "/absent", b"").await.0.status(),
            StatusCode::NOT_FOUND
        );
    });
}

#[test]
fn bodies_go_both_ways() {
    run(async {
        let served = served(routes(), Limits::default());
        let (mut client, _quic) = served.connect().await;
        let large: Vec<u8> = (0..1_500_000_u32).map(|i| i as u8).collect();
        assert!(fetched(&mut client, "POST", "/echo", &large).await.1 == large);
        let mut stream = ask(&mut client, "GET", "/stream").await;
        stream.finish().await.unwrap();
        stream.recv_response().await.unwrap();
        let (body, trailers) = body_of(&mut stream).await;
        assert_eq!(body, b"onetwo");
        assert_eq!(trailers.unwrap()["x-sum"], "3");
    });
}

#[test]
fn a_body_past_its_limit_is_413_and_a_length_that_lies_is_refused() {
    run(async {
        let mut limits = Limits::default();
        limits.body.body_bytes_max = 1000;
        let served = served(routes(), limits);
        let (mut client, _quic) = served.connect().await;
        assert_eq!(
            fetched(&mut client, "POST", "/echo", &[b'x'; 1000])
                .await
                .0
                .status(),
            StatusCode::OK
        );
        let (response, _) = fetched(&mut client, "POST", "/echo", &[b'x'; 1001]).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        for (said, sent) in [("5", &b"four"[..]), ("3", b"four")] {
            let request = http::Request::post("https://localhost/echo").header("content-length", said);
            let mut stream = client.send_request(request.body(()).unwrap()).await.unwrap();
            stream.send_data(Bytes::copy_from_slice(sent)).await.unwrap();
            stream.finish().await.unwrap();
            let response = stream.recv_response().await.unwrap();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{said}");
        }
    });
}

#[test]
fn a_handler_that_panics_or_fails_costs_its_own_stream() {
    run(async {
        let served = served(routes(), Limits::default());
        let (mut client, _quic) = served.connect().await;
        let (response, _) = fetched(&mut client, "GET", "/panic", b"").await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let mut stream = ask(&mut client, "GET", "/broken").await;
        stream.finish().await.unwrap();
        let mut failed = stream.recv_response().await.is_err();
        while !failed {
            match stream.recv_data().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("half an answer looked whole"),
                Err(_) => failed = true,
            }
        }
        assert_eq!(fetched(&mut client, "GET", "/later", b"").await.1, b"later");
    });
}

#[test]
fn a_handler_that_takes_too_long_is_503() {
    run(async {
        let limits = Limits {
            handler_timeout: Duration::from_millis(300),
            ..Limits::default()
        };
        let served = served(routes(), limits);
        let (mut client, _quic) = served.connect().await;
        let (response, _) = fetched(&mut client, "GET", "/never", b"").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn a_drain_finishes_what_runs_and_closes() {
    run(async {
        let gate = Arc::new(tokio::sync::Notify::new());
        let began = Arc::new(tokio::sync::Notify::new());
        let (open, begins) = (gate.clone(), began.clone());
        let router = Router::new().route(
            "/",
            get(async move || {
                begins.notify_one();
                open.notified().await;
                "done"
            }),
        );
        let served = served(router, Limits::default());
        let (mut client, quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/").await;
        stream.finish().await.unwrap();
        began.notified().await;
        served.handle.handle().shutdown();
        gate.notify_one();
        assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::OK);
        assert_eq!(body_of(&mut stream).await.0, b"done");
        quic.close(0u8.into(), b"");
        tokio::task::spawn_blocking(move || served.handle.handle().join())
            .await
            .unwrap();
    });
}

#[test]
fn a_tunnel_is_refused_and_costs_its_own_stream() {
    run(async {
        let served = served(routes(), Limits::default());
        let (mut client, _quic) = served.connect().await;
        let request = http::Request::connect("localhost:443").body(()).unwrap();
        let mut stream = client.send_request(request).await.unwrap();
        stream.finish().await.unwrap();
        assert!(stream.recv_response().await.is_err());
        assert_eq!(fetched(&mut client, "GET", "/later", b"").await.1, b"later");
    });
}

#[test]
fn a_stream_of_events_follows_the_log_over_http_3() {
    run(async {
        let served = served(doors(), Limits::default());
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/sse").await;
        stream.finish().await.unwrap();
        assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::OK);
        // More than the pipe and the windows hold at once, so that both ends wait for the other in turn.
        let messages: Vec<Bytes> = (0..3000).map(|i| Bytes::from(format!("{i:01023}\n"))).collect();
        let expected = messages.concat();
        served.log.publish(messages);
        let mut received = Vec::new();
        while received.len() < expected.len() {
            let mut piece = stream.recv_data().await.unwrap().unwrap();
            received.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
        }
        assert!(received == expected);
        assert_eq!(served.log.following(), 1);
    });
}

#[test]
fn a_long_poll_is_answered_over_http_3() {
    run(async {
        let served = served(doors(), Limits::default());
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/poll").await;
        stream.finish().await.unwrap();
        // Another request shows that the poll has had its turn.
        assert_eq!(fetched(&mut client, "GET", "/", b"").await.1, b"hello");
        served.log.publish([Bytes::from_static(b"news")]);
        let response = stream.recv_response().await.unwrap();
        assert_eq!(response.headers()["content-length"], "4");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(body_of(&mut stream).await.0, b"news");
        assert_eq!(served.log.following(), 0);
    });
}

#[test]
fn answers_over_tcp_say_where_http_3_is_spoken() {
    run(async {
        let served = served(routes(), Limits::default());
        let port = served.address.port();
        let said = tokio::task::spawn_blocking(move || {
            let mut client = common::Client::connect(&served.handle);
            client.send(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
            client.read_head()
        });
        let said = said.await.unwrap();
        assert!(
            said.contains(&format!("alt-svc: h3=\":{port}\"; ma=86400\r\n")),
            "{said}"
        );
    });
}
