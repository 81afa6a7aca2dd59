//! What holds a core is seen from outside of it; how a drain goes on is told.

mod common;
#[path = "common/lines.rs"]
mod lines;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use common::{Client, wait_until};
use lines::Lines;
use squall_engine::{Handle, Limits, Server};

fn start(app: Router, limits: Limits) -> (Handle, Lines) {
    let lines = Lines::default();
    let handle = Server::new(app.into_service())
        .bind("127.0.0.1:0")
        .cores(1)
        .limits(limits)
        .log_to(tracing::Dispatch::new(lines.clone()))
        .start()
        .unwrap();
    (handle, lines)
}

fn limits() -> Limits {
    Limits {
        stall_threshold: Duration::from_millis(40),
        ..Limits::default()
    }
}

fn connect(handle: &Handle) -> Client {
    Client {
        socket: std::net::TcpStream::connect(handle.local_addr().unwrap()).unwrap(),
    }
}

/// Holds the thread until it is told otherwise.
fn hold(until: &AtomicBool) {
    while !until.load(Ordering::SeqCst) {
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Whatever holds the core is named by the time that it still holds it, and its end is told.
fn is_named(app: impl FnOnce(Arc<AtomicBool>) -> Router, request: &str, by: &str) {
    let release = Arc::new(AtomicBool::new(false));
    let (handle, lines) = start(app(release.clone()), limits());
    let mut client = connect(&handle);
    client.send(request.as_bytes());
    wait_until(|| lines.has("a core is held"));
    assert_eq!(handle.metrics().total().stalls, 1);
    assert!(!lines.has("goes on"));
    let line = lines.all().remove(0);
    assert!(
        line.starts_with("WARN ") && line.contains(&format!("by=\"{by}\"")),
        "{line}"
    );
    release.store(true, Ordering::SeqCst);
    wait_until(|| lines.has("a core was held, and goes on"));
    handle.shutdown();
    handle.join();
    assert_eq!(handle.metrics().total().stalls, 1);
}

#[test]
fn a_handler_that_holds_its_core_at_once_is_named() {
    is_named(
        |release| Router::new().route("/a/{b}", get(move || async move { hold(&release) })),
        "GET /a/b?secret=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "the handler of GET /a/b",
    );
}

/// A path may hold what nobody should read in a log.
#[test]
fn a_handler_is_named_by_its_route_where_that_is_known() {
    let release = Arc::new(AtomicBool::new(false));
    let held = release.clone();
    let app = Router::new().route("/reset/{token}", get(move || async move { hold(&held) }));
    let lines = Lines::default();
    let handle = Server::new(app.into_service())
        .bind("127.0.0.1:0")
        .cores(1)
        .limits(limits())
        .log_to(tracing::Dispatch::new(lines.clone()))
        .route_names(|path| path.starts_with("/reset/").then(|| "/reset/{token}".to_owned()))
        .start()
        .unwrap();
    let mut client = connect(&handle);
    client.send(b"GET /reset/s3cret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    wait_until(|| lines.has("a core is held"));
    assert!(
        lines.has("by=\"the handler of GET /reset/{token}\""),
        "{:?}",
        lines.all()
    );
    assert!(!lines.has("s3cret"), "{:?}", lines.all());
    let stalls = handle.metrics().stalls_by_route;
    assert_eq!(stalls, [("/reset/{token}".to_owned(), 1)]);
    release.store(true, Ordering::SeqCst);
    wait_until(|| lines.has("goes on"));
    handle.shutdown();
    handle.join();
}

#[test]
fn a_handler_that_holds_its_core_later_is_named() {
    let handler = |release: Arc<AtomicBool>| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        hold(&release);
    };
    is_named(
        move |release| Router::new().route("/later", get(move || handler(release))),
        "GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "the handler of GET /later",
    );
}

#[test]
fn a_body_that_holds_its_core_is_named() {
    let body = |release: Arc<AtomicBool>| {
        let frames = futures_util::stream::unfold(0, move |n| {
            let release = release.clone();
            async move {
                tokio::task::yield_now().await;
                hold(&release);
                (n < 1).then(|| (Ok::<_, std::io::Error>("x"), n + 1))
            }
        });
        Body::from_stream(frames)
    };
    is_named(
        move |release| Router::new().route("/body", get(move || async move { body(release) })),
        "GET /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "the handler of GET /body",
    );
}

#[test]
fn a_task_that_holds_its_core_is_told_apart() {
    is_named(
        |release| {
            Router::new().route(
                "/",
                get(move || async move {
                    tokio::task::spawn_local(async move {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        hold(&release);
                    });
                    "hello"
                }),
            )
        },
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "a task that the application spawned",
    );
}

#[test]
fn a_handler_that_waits_as_it_should_holds_nothing() {
    let app = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "hello"
        }),
    );
    let (handle, lines) = start(app, limits());
    let mut client = connect(&handle);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(client.read_to_end().ends_with("hello"));
    assert_eq!(handle.metrics().total().stalls, 0);
    handle.shutdown();
    handle.join();
    assert!(!lines.has("held"), "{:?}", lines.all());
}

#[test]
fn a_drain_tells_what_is_left_and_what_was_cut() {
    let app = Router::new().route("/", get(std::future::pending::<&'static str>));
    let (handle, lines) = start(
        app,
        Limits {
            drain_timeout: Duration::from_millis(2500),
            ..Limits::default()
        },
    );
    let mut client = connect(&handle);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(|| handle.metrics().total().open.total() == 1);
    handle.shutdown();
    assert!(handle.metrics().draining);
    handle.join();
    let lines = lines.all();
    let told: Vec<_> = lines.iter().filter(|l| l.contains("still draining")).collect();
    assert!(told.len() >= 2, "{lines:?}");
    assert!(
        told[0].contains("connections=1 requests=1 websockets=0 streams=0"),
        "{told:?}"
    );
    assert!(
        lines.iter().any(|l| l.contains("the drain deadline passed")),
        "{lines:?}"
    );
    let end = lines.last().unwrap();
    assert!(end.contains("drained") && end.contains("cut=1"), "{lines:?}");
}
