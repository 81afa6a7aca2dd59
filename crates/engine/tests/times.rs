//! Time-outs beside those of `life.rs`: peers that take little, bodies that say nothing, lines that are empty,
//! handlers that know what they have left.

mod common;

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use common::{Client, Running, exchange, serve_with, wait_until};
use squall_engine::metrics::{Rejected, TimedOut};
use squall_engine::{Deadline, Limits};
use tokio::sync::Notify;

const SHORT: Duration = Duration::from_millis(300);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn limits() -> Limits {
    Limits {
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn timed_out(server: &Running, kind: TimedOut) -> u64 {
    server.handle().metrics().total().timed_out.get(kind)
}

/// Reads some now and then, until it is enough or there is no more; how many bytes.
fn sip(client: &mut Client, is_enough: impl Fn() -> bool) -> usize {
    let (mut taken, mut piece) = (0, vec![0; 256 * 1024]);
    while !is_enough() {
        match client.socket.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => taken += n,
        }
        // What a slow peer is: one that lets time pass.
        std::thread::park_timeout(Duration::from_millis(20));
    }
    taken
}

#[test]
fn slow_read_a_peer_that_sips_is_cut_although_it_never_stalls() {
    const BIG_BYTES: usize = 256 * 1024 * 1024;
    let app = Router::new().route("/", get(|| async { vec![b'b'; BIG_BYTES] }));
    let server = serve_with(
        app,
        Limits {
            write_stall_timeout: Duration::from_millis(1000),
            write_rate_bytes: 1024 * 1024 * 1024,
            ..limits()
        },
    );
    let mut client = Client::connect(&server);
    client.send(GET);
    let taken = sip(&mut client, || timed_out(&server, TimedOut::WriteRate) == 1);
    assert!(taken < BIG_BYTES, "{taken}");
    assert_eq!(timed_out(&server, TimedOut::WriteStall), 0);
}

#[test]
fn slow_read_a_peer_that_is_slow_but_fast_enough_gets_all() {
    const BIG_BYTES: usize = 24 * 1024 * 1024;
    let app = Router::new().route("/", get(|| async { vec![b'b'; BIG_BYTES] }));
    let server = serve_with(
        app,
        Limits {
            write_stall_timeout: Duration::from_millis(1000),
            write_rate_bytes: 100 * 1024,
            ..limits()
        },
    );
    let mut client = Client::connect(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.read_head();
    let began = Instant::now();
    assert_eq!(sip(&mut client, || false), BIG_BYTES);
    // It took longer than a peer may that takes nothing.
    assert!(
        began.elapsed() > Duration::from_millis(1000),
        "{:?}",
        began.elapsed()
    );
}

/// A connection may be used again so often, however its requests come, and the last answer says that it was.
#[test]
fn requests_of_a_connection_at_the_limit_and_past_it() {
    for (max, answered) in [(Some(3), 3), (Some(1), 1), (Some(0), 1), (None, 8)] {
        let server = serve_with(
            hello(),
            Limits {
                requests_per_connection_max: max,
                ..limits()
            },
        );
        let check = |head: &str, at: usize| {
            let is_last = max.is_some() && at == answered;
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert_eq!(
                head.contains("connection: close\r\n"),
                is_last,
                "{max:?} {at} {head}"
            );
        };
        // One after the other: between them the connection is parked.
        let mut client = Client::connect(&server);
        for at in 1..=answered {
            client.send(GET);
            check(&client.read_head(), at);
            client.expect("hello");
        }
        // All at once.
        let mut pipelining = Client::connect(&server);
        pipelining.send(&GET.repeat(8));
        for at in 1..=answered {
            check(&pipelining.read_head(), at);
            pipelining.expect("hello");
        }
        if max.is_some() {
            assert_eq!(client.read_to_end(), "");
            assert_eq!(pipelining.read_to_end(), "");
        }
    }
}

#[test]
fn a_body_that_yields_nothing_is_cut() {
    let app = Router::new().route(
        "/",
        get(|| async {
            Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>())
        }),
    );
    let server = serve_with(
        app,
        Limits {
            silence_timeout: SHORT,
            ..limits()
        },
    );
    let mut client = Client::connect(&server);
    client.send(GET);
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // Nothing says that it was complete.
    assert!(
        answer.ends_with("\r\n\r\n") && !answer.contains("\r\n0\r\n"),
        "{answer}"
    );
    assert_eq!(timed_out(&server, TimedOut::Silence), 1);
}

#[test]
fn a_body_that_yields_now_and_then_is_not_silent() {
    let app = Router::new().route(
        "/",
        get(|| async {
            let ticks = futures_util::stream::unfold(0, |n| async move {
                tokio::time::sleep(Duration::from_millis(250)).await;
                (n < 5).then(|| (Ok::<_, std::io::Error>(format!("{n};")), n + 1))
            });
            Body::from_stream(ticks)
        }),
    );
    let server = serve_with(
        app,
        Limits {
            silence_timeout: Duration::from_millis(1000),
            ..limits()
        },
    );
    let answer = exchange(&server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("2\r\n4;\r\n0\r\n\r\n"), "{answer}");
}

#[test]
fn rfc9112_2_2_an_empty_line_on_an_idle_connection_is_ignored() {
    let server = serve_with(
        hello(),
        Limits {
            header_read_timeout: SHORT,
            idle_timeout: Duration::from_millis(1200),
            ..limits()
        },
    );
    for line in [&b"\r\n"[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n"] {
        let mut client = Client::connect(&server);
        client.send(GET);
        client.read_head();
        client.expect("hello");
        client.send(line);
        if line.len() > 2 {
            client.read_head();
            client.expect("hello");
        }
        // Longer than a head may take.
        assert_eq!(Client::connect(&server).read_to_end(), "");
        client.send(GET);
        assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
        client.expect("hello");
        // And its end is that of an idle connection.
        assert_eq!(client.read_to_end(), "");
    }
    assert_eq!(timed_out(&server, TimedOut::Head), 0);
}

#[test]
fn empty_lines_alone_do_not_keep_a_connection() {
    let server = serve_with(
        hello(),
        Limits {
            header_read_timeout: SHORT,
            idle_timeout: Duration::from_secs(600),
            ..limits()
        },
    );
    for drops in [&[&b"\r\n"[..]][..], &[b"\r", b"\n"]] {
        let mut client = Client::connect(&server);
        client
            .socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        // Until the server has had enough.
        'cut: loop {
            for bytes in drops {
                use std::io::Write;
                if client.socket.write_all(bytes).is_err() {
                    break 'cut;
                }
                match client.socket.read(&mut [0; 512]) {
                    Ok(_) => break 'cut,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => break 'cut,
                }
            }
        }
    }
}

#[test]
fn a_handler_reads_how_long_it_has() {
    let app = Router::new()
        .route(
            "/",
            get(|| async {
                let first = Deadline::current().unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
                let then = Deadline::current().unwrap();
                // The ticks of the time-outs are coarse.
                let apart = first.at().max(then.at()) - first.at().min(then.at());
                assert!(apart <= squall_engine::SWEEP_INTERVAL, "{apart:?}");
                format!("{}", then.left().as_secs())
            }),
        )
        .route(
            "/elsewhere",
            get(|| async {
                let elsewhere =
                    tokio::spawn(async { Deadline::current().is_none() && !Deadline::set_timeout(SHORT) });
                elsewhere.await.unwrap().to_string()
            }),
        );
    let server = serve_with(
        app,
        Limits {
            handler_timeout: Duration::from_secs(3601),
            ..limits()
        },
    );
    let answer = exchange(&server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\n3600"), "{answer}");
    let answer = exchange(
        &server,
        "GET /elsewhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.ends_with("\r\n\r\ntrue"), "{answer}");
}

#[test]
fn a_handler_may_ask_for_less_time_or_more() {
    let release = Arc::new(Notify::new());
    let (released, released_too) = (release.clone(), release.clone());
    let app = Router::new()
        .route(
            "/less",
            get(|| async {
                assert!(Deadline::set_timeout(SHORT));
                std::future::pending::<&'static str>().await
            }),
        )
        .route(
            "/later",
            get(|| async {
                tokio::task::yield_now().await;
                assert!(Deadline::set_timeout(SHORT));
                std::future::pending::<&'static str>().await
            }),
        )
        .route(
            "/more",
            get(move || async move {
                Deadline::set_timeout(Duration::from_secs(600));
                released.notified().await;
                "more"
            }),
        )
        .route(
            "/neither",
            get(move || async move {
                released_too.notified().await;
                "neither"
            }),
        );
    let server = serve_with(
        app,
        Limits {
            handler_timeout: Duration::from_secs(2),
            ..limits()
        },
    );
    let mut more = Client::connect(&server);
    more.send(b"GET /more HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut neither = Client::connect(&server);
    neither.send(b"GET /neither HTTP/1.1\r\nHost: a\r\n\r\n");
    let began = Instant::now();
    for path in ["/less", "/later"] {
        let answer = exchange(&server, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    assert!(
        began.elapsed() < Duration::from_millis(1900),
        "{:?}",
        began.elapsed()
    );
    assert!(neither.read_head().starts_with("HTTP/1.1 503 "));
    release.notify_one();
    assert!(more.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    more.expect("more");
    assert_eq!(timed_out(&server, TimedOut::Handler), 3);
}

#[test]
fn more_handlers_than_may_run_are_answered_503_and_their_connections_stay() {
    let (begun, has_begun) = mpsc::channel();
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let app = hello()
        .route(
            "/slow",
            get(move || async move {
                begun.send(()).unwrap();
                released.notified().await;
                "slow"
            }),
        )
        .route("/echo", post(|body: String| async move { body }));
    let server = serve_with(
        app,
        Limits {
            handlers_max: Some(2),
            ..limits()
        },
    );
    let mut slow: Vec<_> = (0..2).map(|_| Client::connect(&server)).collect();
    for client in &mut slow {
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    wait_until(|| server.handle().metrics().total().handlers == 2);
    let mut client = Client::connect(&server);
    // With a body, which is read away.
    client.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    let head = client.read_head();
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
    assert!(head.contains("\r\nretry-after: 5\r\n"), "{head}");
    client.expect("the server has too much to do\n");
    release.notify_one();
    wait_until(|| server.handle().metrics().total().handlers == 1);
    client.send(GET);
    assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    client.expect("hello");
    assert_eq!(
        server
            .handle()
            .metrics()
            .total()
            .rejected
            .get(Rejected::Unavailable),
        1
    );
    // One whose peer goes away is counted no more either.
    drop(slow);
    wait_until(|| server.handle().metrics().total().handlers == 0);
}
