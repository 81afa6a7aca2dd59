//! What the server counts is what happened.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use common::{Client, exchange, serve_with, wait_until};
use squall_engine::Limits;
use squall_engine::metrics::{Activity, Protocol, Rejected, TimedOut};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn limits() -> Limits {
    Limits {
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route(
        "/panic",
        get(|| async { if true { panic!("on purpose") } else { "" } }),
    )
}

#[test]
fn requests_are_counted_by_status_and_measured() {
    let server = serve_with(hello(), limits());
    let mut client = Client::connect(&server);
    client.send(&GET.repeat(10));
    for _ in 0..10 {
        client.read_head();
        client.expect("hello");
    }
    exchange(
        &server,
        "GET /no HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    exchange(&server, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    exchange(&server, "GET / HTTP/3.0\r\n\r\n");
    let total = server.handle().metrics().total();
    assert_eq!(total.requests, [(200, 10), (404, 1), (500, 1), (505, 1)]);
    assert_eq!(total.accepted, 4);
    assert_eq!(total.panics, 1);
    assert_eq!(total.rejected.get(Rejected::Failed), 1);
    assert_eq!(total.rejected.get(Rejected::Version), 1);
    assert_eq!(total.rejected.total(), 2);
    // What the engine answers itself has no time of a handler.
    assert_eq!(total.latency.count(), 11);
    assert!(total.latency.sum < Duration::from_secs(20));
}

#[test]
fn bytes_are_counted_both_ways() {
    let server = serve_with(hello(), limits());
    let mut client = Client::connect(&server);
    client.send(GET);
    let answer = client.read_head() + "hello";
    client.expect("hello");
    let total = || server.handle().metrics().total();
    assert_eq!(total().bytes_in, GET.len() as u64);
    // Counted when the write is done: the peer may have the bytes a moment before.
    wait_until(|| total().bytes_out == answer.len() as u64);
}

#[test]
fn a_handler_that_waits_is_measured_with_its_wait() {
    let app = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            "hello"
        }),
    );
    let server = serve_with(app, limits());
    let mut client = Client::connect(&server);
    client.send(GET);
    client.read_head();
    let latency = server.handle().metrics().total().latency;
    assert_eq!(latency.count(), 1);
    assert!(latency.sum >= Duration::from_millis(29), "{:?}", latency.sum);
}

#[test]
fn open_connections_are_counted_by_what_they_do() {
    let (begun, has_begun) = mpsc::channel();
    let app = hello().route(
        "/slow",
        get(move || async move {
            begun.send(()).unwrap();
            std::future::pending::<&'static str>().await
        }),
    );
    let server = serve_with(app, limits());
    let mut parked = Client::connect(&server);
    parked.send(GET);
    parked.read_head();
    let mut active = Client::connect(&server);
    active.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    // Answered and told so, but it does not close.
    let mut lingering = Client::connect(&server);
    lingering.send(b"nonsense\r\n\r\n");
    lingering.read_head();
    let open = || server.handle().metrics().total().open;
    wait_until(|| open().total() == 3);
    for activity in [Activity::Parked, Activity::Active, Activity::Lingering] {
        assert_eq!(open().get(Protocol::Http1, activity), 1, "{activity:?}");
    }
    assert_eq!(server.handle().metrics().open_connections, 3);
}

#[test]
fn time_outs_are_counted_by_kind() {
    let short = Duration::from_millis(250);
    let limits = Limits {
        header_read_timeout: short,
        idle_timeout: short,
        handler_timeout: short,
        ..limits()
    };
    let app = hello().route("/slow", get(std::future::pending::<&'static str>));
    let server = serve_with(app, limits);
    exchange(&server, "GET / HT");
    exchange(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    exchange(&server, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    let total = server.handle().metrics().total();
    for kind in [TimedOut::Head, TimedOut::Idle, TimedOut::Handler] {
        assert_eq!(total.timed_out.get(kind), 1, "{kind:?}");
    }
    assert_eq!(total.requests, [(200, 1), (408, 1), (503, 1)]);
}

#[test]
fn a_core_that_works_is_busy_and_one_that_waits_is_not() {
    let app = Router::new().route(
        "/",
        get(|| async {
            let until = std::time::Instant::now() + Duration::from_millis(60);
            while std::time::Instant::now() < until {
                std::hint::spin_loop();
            }
            "worked"
        }),
    );
    let server = serve_with(app, limits());
    let mut client = Client::connect(&server);
    client.send(GET);
    client.read_head();
    let metrics = || server.handle().metrics();
    wait_until(|| metrics().cores[0].busy >= Duration::from_millis(59));
    wait_until(|| metrics().uptime > metrics().cores[0].busy * 3);
}
