//! Over HTTP/3 a peer may cost what it may over HTTP/1 and HTTP/2, and no more.
#![cfg(feature = "http3")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::{Buf, Bytes};
use futures_util::stream;
use http::StatusCode;
use squall_engine::metrics::{Activity, Protocol, Refused, TimedOut};
use squall_engine::tls::{Alpn, TlsInfo};
use squall_engine::{Deadline, Limits};
use tokio::sync::Notify;

mod common;
#[path = "common/h3.rs"]
mod h3_client;
#[path = "common/lines.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod lines;
#[path = "common/source.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod source;

use common::Running;
use h3_client::*;
use source::doors;

const SHORT: Duration = Duration::from_millis(300);

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

fn timed_out(served: &Served, kind: TimedOut) -> u64 {
    served.handle.handle().metrics().total().timed_out.get(kind)
}

/// A client whose windows for one stream are so small, in bytes.
fn narrow(window_bytes: u32) -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .stream_receive_window(window_bytes.into())
        .receive_window(window_bytes.into());
    transport
}

/// Reads a body, each 64 KiB a moment after the last; how much came, and whether all did.
async fn sip(stream: &mut Stream) -> (usize, bool) {
    let (mut taken, mut rested) = (0, 0);
    loop {
        match stream.recv_data().await {
            Ok(Some(piece)) => taken += piece.remaining(),
            Ok(None) => return (taken, true),
            Err(_) => return (taken, false),
        }
        if taken - rested >= 64 * 1024 {
            rested = taken;
            // What a slow peer is: one that lets time pass.
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

#[test]
fn a_handler_has_the_time_that_it_asked_for() {
    run(async {
        let limits = Limits {
            handler_timeout: Duration::from_secs(40),
            ..Limits::default()
        };
        let router = Router::new()
            .route(
                "/left",
                get(async || {
                    let first = Deadline::current().unwrap().left();
                    tokio::task::yield_now().await;
                    let then = Deadline::current().unwrap().left();
                    format!("{} {}", first.as_secs() / 10, then.as_secs() / 10)
                }),
            )
            .route(
                "/less",
                get(async || {
                    assert!(Deadline::set_timeout(SHORT));
                    std::future::pending::<&'static str>().await
                }),
            )
            .route(
                "/later",
                get(async || {
                    tokio::task::yield_now().await;
                    assert!(Deadline::set_timeout(SHORT));
                    std::future::pending::<&'static str>().await
                }),
            )
            .route(
                "/body",
                get(async || {
                    Body::from_stream(stream::once(async {
                        tokio::task::yield_now().await;
                        Ok::<_, Infallible>(format!("{:?}", Deadline::current()))
                    }))
                }),
            );
        let served = served(router, limits);
        let (mut client, _quic) = served.connect().await;
        assert_eq!(fetched(&mut client, "GET", "/left", b"").await.1, b"3 3");
        for path in ["/less", "/later"] {
            let (head, _) = fetched(&mut client, "GET", path, b"").await;
            assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(head.headers().contains_key("retry-after"), "{path}");
        }
        assert_eq!(fetched(&mut client, "GET", "/body", b"").await.1, b"None");
        assert_eq!(timed_out(&served, TimedOut::Handler), 2);
    });
}

#[test]
fn handlers_at_the_limit_and_past_it() {
    run(async {
        let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, waits) = (begun.clone(), release.clone());
        let router = hello().route(
            "/held",
            get(async move || {
                begins.notify_one();
                waits.notified().await;
                "held"
            }),
        );
        let limits = Limits {
            handlers_max: Some(1),
            ..Limits::default()
        };
        let served = served(router, limits);
        let (mut client, _quic) = served.connect().await;
        let mut held = ask(&mut client, "GET", "/held").await;
        held.finish().await.unwrap();
        begun.notified().await;
        assert_eq!(served.handle.handle().metrics().total().handlers, 1);
        let (head, _) = fetched(&mut client, "GET", "/", b"").await;
        assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(head.headers().contains_key("retry-after"));
        release.notify_one();
        assert_eq!(held.recv_response().await.unwrap().status(), StatusCode::OK);
        assert_eq!(body_of(&mut held).await.0, b"held");
        assert_eq!(fetched(&mut client, "GET", "/", b"").await.1, b"hello");
    });
}

#[test]
fn slow_body_is_answered_408() {
    run(async {
        let limits = Limits {
            body_read_timeout: SHORT,
            ..Limits::default()
        };
        let router = Router::new().route("/echo", post(async |body: Bytes| body));
        let served = served(router, limits);
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "POST", "/echo").await;
        stream.send_data(Bytes::from_static(b"half")).await.unwrap();
        let head = stream.recv_response().await.unwrap();
        assert_eq!(head.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(timed_out(&served, TimedOut::Body), 1);
        assert_eq!(fetched(&mut client, "POST", "/echo", b"whole").await.1, b"whole");
    });
}

#[test]
fn a_peer_that_waits_for_100_continue_is_told_when_the_body_is_wanted() {
    run(async {
        let router = Router::new().route("/echo", post(async |body: Bytes| body));
        let served = served(router, Limits::default());
        let (mut client, _quic) = served.connect().await;
        let request = http::Request::post("https://localhost/echo").header("expect", "100-continue");
        let mut stream = client.send_request(request.body(()).unwrap()).await.unwrap();
        assert_eq!(
            stream.recv_response().await.unwrap().status(),
            StatusCode::CONTINUE
        );
        stream.send_data(Bytes::from_static(b"body")).await.unwrap();
        stream.finish().await.unwrap();
        assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::OK);
        assert_eq!(body_of(&mut stream).await.0, b"body");
    });
}

#[test]
fn a_body_that_yields_nothing_is_cut() {
    run(async {
        let router = Router::new().route(
            "/",
            get(async || {
                let first = stream::once(async { Ok::<_, Infallible>("first") });
                Body::from_stream(stream::StreamExt::chain(first, stream::pending()))
            }),
        );
        let limits = Limits {
            silence_timeout: SHORT,
            ..Limits::default()
        };
        let served = served(router, limits);
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/").await;
        stream.finish().await.unwrap();
        stream.recv_response().await.unwrap();
        assert_eq!(sip(&mut stream).await, (5, false));
        assert_eq!(timed_out(&served, TimedOut::Silence), 1);
    });
}

const BIG_BYTES: usize = 8 * 1024 * 1024;

fn big() -> Router {
    Router::new().route("/", get(async || vec![b'b'; BIG_BYTES]))
}

#[test]
fn slow_read_a_peer_that_takes_nothing_is_cut() {
    run(async {
        let limits = Limits {
            write_stall_timeout: SHORT,
            ..Limits::default()
        };
        let served = served_with(big(), limits, narrow(64 * 1024), None);
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/").await;
        stream.finish().await.unwrap();
        stream.recv_response().await.unwrap();
        let server = served.handle.handle();
        while server.metrics().total().timed_out.get(TimedOut::WriteStall) == 0 {
            tokio::task::yield_now().await;
        }
        let (taken, whole) = sip(&mut stream).await;
        assert!(!whole && taken < BIG_BYTES, "{taken}");
    });
}

/// Its body is one piece: what the peer takes of it must count before it has all of it.
#[test]
fn slow_read_a_peer_that_is_slow_but_fast_enough_gets_all() {
    run(async {
        let limits = Limits {
            write_stall_timeout: SHORT,
            write_rate_bytes: 1,
            ..Limits::default()
        };
        let served = served_with(big(), limits, narrow(64 * 1024), None);
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/").await;
        stream.finish().await.unwrap();
        stream.recv_response().await.unwrap();
        let began = Instant::now();
        assert_eq!(sip(&mut stream).await, (BIG_BYTES, true));
        assert!(began.elapsed() > 3 * SHORT, "{:?}", began.elapsed());
    });
}

#[test]
fn slow_read_a_peer_that_sips_is_cut_although_it_never_stalls() {
    run(async {
        let limits = Limits {
            write_stall_timeout: SHORT,
            write_rate_bytes: 1024 * 1024 * 1024,
            ..Limits::default()
        };
        let served = served_with(big(), limits, narrow(64 * 1024), None);
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/").await;
        stream.finish().await.unwrap();
        stream.recv_response().await.unwrap();
        let (taken, whole) = sip(&mut stream).await;
        assert!(!whole && taken > 64 * 1024, "{taken}");
        assert_eq!(timed_out(&served, TimedOut::WriteRate), 1);
        assert_eq!(timed_out(&served, TimedOut::WriteStall), 0);
    });
}

#[test]
fn a_handler_that_holds_its_core_is_named() {
    let release = Arc::new(AtomicBool::new(false));
    let released = release.clone();
    let hold = move || {
        while !released.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    };
    let router = Router::new().route(
        "/later",
        get(async move || {
            tokio::task::yield_now().await;
            hold();
            "later"
        }),
    );
    let lines = lines::Lines::default();
    let logs = tracing::Dispatch::new(lines.clone());
    run(async {
        let limits = Limits {
            stall_threshold: Duration::from_millis(40),
            ..Limits::default()
        };
        let transport = quinn::TransportConfig::default();
        let served = served_with(router, limits, transport, Some(logs));
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/later?secret=1").await;
        stream.finish().await.unwrap();
        while !lines.has("a core is held") {
            tokio::task::yield_now().await;
        }
        assert!(lines.has("by=\"the handler of GET /later\""), "{:?}", lines.all());
        release.store(true, Ordering::SeqCst);
        stream.recv_response().await.unwrap();
        assert_eq!(body_of(&mut stream).await.0, b"later");
    });
}

#[test]
fn an_idle_connection_that_sends_pings_is_told_to_go_and_goes() {
    run(async {
        let limits = Limits {
            idle_timeout: Duration::from_millis(500),
            ..Limits::default()
        };
        let mut transport = quinn::TransportConfig::default();
        transport.keep_alive_interval(Some(Duration::from_millis(100)));
        let served = served_with(hello(), limits, transport, None);
        let (mut client, quic) = served.connect().await;
        assert_eq!(fetched(&mut client, "GET", "/", b"").await.1, b"hello");
        quic.closed().await;
        let server = served.handle.handle();
        while server.open_connections() != 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(timed_out(&served, TimedOut::Idle), 1);
    });
}

#[test]
fn the_last_request_that_a_connection_may_have_is_answered_before_it_goes() {
    run(async {
        let limits = Limits {
            requests_per_connection_max: Some(2),
            ..Limits::default()
        };
        let served = served(hello(), limits);
        let (mut client, quic) = served.connect().await;
        for _ in 0..2 {
            assert_eq!(fetched(&mut client, "GET", "/", b"").await.1, b"hello");
        }
        quic.closed().await;
        let (mut again, _quic) = served.connect().await;
        assert_eq!(fetched(&mut again, "GET", "/", b"").await.1, b"hello");
    });
}

#[test]
fn connections_are_counted_with_all_others_and_past_the_cap_refused() {
    run(async {
        let limits = Limits {
            connections_max: 1,
            ..Limits::default()
        };
        let served = served(hello(), limits);
        let server = served.handle.handle();
        let (mut client, quic) = served.connect().await;
        assert_eq!(fetched(&mut client, "GET", "/", b"").await.1, b"hello");
        assert_eq!(server.open_connections(), 1);
        let connecting = served.client.connect(served.address, "localhost").unwrap();
        assert!(connecting.await.is_err());
        assert_eq!(server.metrics().refused.get(Refused::ConnectionsMax), 1);
        assert_eq!(server.metrics().total().accepted, 1);
        while server
            .metrics()
            .total()
            .open
            .get(Protocol::Http3, Activity::Parked)
            != 1
        {
            tokio::task::yield_now().await;
        }
        quic.close(0u8.into(), b"");
        while server.open_connections() != 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_request_says_what_the_handshake_came_to() {
    run(async {
        let router = Router::new().route(
            "/",
            get(async |request: Request| {
                let tls = request.extensions().get::<TlsInfo>().unwrap();
                assert_eq!(tls.alpn(), Some(Alpn::Http3));
                format!("{:?} {}", tls.version(), tls.server_name().unwrap())
            }),
        );
        let served = served(router, Limits::default());
        let (mut client, _quic) = served.connect().await;
        assert_eq!(fetched(&mut client, "GET", "/", b"").await.1, b"Tls13 localhost");
    });
}

#[test]
fn a_drain_cuts_what_does_not_end_and_does_not_make_it_look_whole() {
    run(async {
        let router = Router::new().route(
            "/",
            get(async || {
                let first = stream::once(async { Ok::<_, Infallible>("first") });
                Body::from_stream(stream::StreamExt::chain(first, stream::pending()))
            }),
        );
        let served = served(router, Limits::default());
        let (mut client, _quic) = served.connect().await;
        let mut stream = ask(&mut client, "GET", "/").await;
        stream.finish().await.unwrap();
        stream.recv_response().await.unwrap();
        served.handle.handle().shutdown();
        assert_eq!(sip(&mut stream).await, (5, false));
        assert_eq!(timed_out(&served, TimedOut::Drain), 1);
    });
}

#[test]
fn head_of_a_stream_and_of_a_poll_is_a_head() {
    run(async {
        let served = served(doors(), Limits::default());
        let (mut client, _quic) = served.connect().await;
        let (head, body) = fetched(&mut client, "HEAD", "/sse", b"").await;
        assert_eq!((head.status(), body.len()), (StatusCode::OK, 0));
        let mut poll = ask(&mut client, "HEAD", "/poll").await;
        poll.finish().await.unwrap();
        // Another request shows that the poll has had its turn.
        assert_eq!(fetched(&mut client, "GET", "/", b"").await.1, b"hello");
        served.log.publish([Bytes::from_static(b"news")]);
        let head = poll.recv_response().await.unwrap();
        assert_eq!(head.headers()["content-length"], "4");
        assert_eq!(body_of(&mut poll).await.0, b"");
    });
}

/// Reads a stream until these bytes are there.
async fn read_until(stream: &mut quinn::RecvStream, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !enough(&bytes) {
        let chunk = stream.read_chunk(1024, true).await.unwrap().unwrap();
        bytes.extend_from_slice(&chunk.bytes);
    }
    bytes
}

/// RFC 9114 section 5.2: GOAWAY names the first stream that will not be served; a client may send that request again
/// elsewhere, so it must not be one that is answered. And section 3 of RFC 9220: who does not speak WebSockets does not
/// say so.
#[test]
fn goaway_names_the_first_stream_that_is_not_served() {
    run(async {
        let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, waits) = (begun.clone(), release.clone());
        let router = Router::new().route(
            "/",
            get(async move || {
                begins.notify_one();
                waits.notified().await;
                "held"
            }),
        );
        let served = served(router, Limits::default());
        let quic = served.client.connect(served.address, "localhost").unwrap();
        let quic = quic.await.unwrap();
        let mut control = quic.open_uni().await.unwrap();
        // The control stream, and SETTINGS without any.
        control.write_all(&[0x00, 0x04, 0x00]).await.unwrap();
        let (mut send, mut recv) = quic.open_bi().await.unwrap();
        // GET https://localhost/ in QPACK, by its static table.
        let block = [&[0, 0, 0xd1, 0xd7, 0xc1, 0x50, 9], &b"localhost"[..]].concat();
        let head = [&[0x01, block.len() as u8], &block[..]].concat();
        send.write_all(&head).await.unwrap();
        send.finish().unwrap();
        begun.notified().await;
        let mut theirs = loop {
            let mut stream = quic.accept_uni().await.unwrap();
            let mut kind = [0];
            stream.read_exact(&mut kind).await.unwrap();
            if kind == [0x00] {
                break stream;
            }
        };
        let settings = read_until(&mut theirs, |bytes| {
            bytes.len() > 1 && bytes.len() >= 2 + usize::from(bytes[1])
        });
        let settings = settings.await;
        assert_eq!(settings[0], 0x04, "SETTINGS");
        let connect = settings[2..].windows(2).find(|pair| pair[0] == 0x08);
        assert_eq!(
            connect,
            Some(&[0x08, 0x00][..]),
            "SETTINGS_ENABLE_CONNECT_PROTOCOL"
        );
        served.handle.handle().shutdown();
        let goaway = read_until(&mut theirs, |bytes| bytes.len() >= 3).await;
        assert_eq!(goaway, [0x07, 0x01, 0x04], "stream 0 is served, 4 would not be");
        release.notify_one();
        assert!(recv.read_to_end(1000).await.unwrap().ends_with(b"held"));
    });
}
