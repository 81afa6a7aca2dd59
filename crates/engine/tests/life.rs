//! Time-outs, slow peers, cancelled handlers, drains: what ends a connection, and what does not.

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use common::{Client, exchange, serve, serve_with};
use squall_engine::{Limits, Server};

const SHORT: Duration = Duration::from_millis(300);

fn hello() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async move { body }))
}

#[test]
fn a_head_that_does_not_come_is_answered_408_and_cut() {
    let server = serve_with(
        hello(),
        Limits {
            header_read_timeout: SHORT,
            ..Limits::default()
        },
    );
    let mut client = Client::connect(&server);
    client.send(b"GET / HT");
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn drops_of_a_head_do_not_prolong_its_time() {
    let server = serve_with(
        hello(),
        Limits {
            header_read_timeout: SHORT,
            ..Limits::default()
        },
    );
    let mut client = Client::connect(&server);
    client
        .socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    client.send(b"GET / HTTP/1.1\r\n");
    let mut answer = [0; 12];
    // A drop every 20 ms until the server has had enough; without a bound this would never end.
    loop {
        match client.socket.read(&mut answer) {
            Ok(n) => return assert_eq!(&answer[..n], b"HTTP/1.1 408"),
            Err(_) => client.send(b"a"),
        }
    }
}

#[test]
fn a_connection_that_never_speaks_is_closed() {
    let server = serve_with(
        hello(),
        Limits {
            header_read_timeout: SHORT,
            ..Limits::default()
        },
    );
    assert_eq!(Client::connect(&server).read_to_end(), "");
}

#[test]
fn an_idle_connection_is_closed() {
    let server = serve_with(
        hello(),
        Limits {
            idle_timeout: SHORT,
            ..Limits::default()
        },
    );
    assert!(exchange(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("hello"));
}

#[test]
fn a_body_that_does_not_come_is_answered_408() {
    let server = serve_with(
        hello(),
        Limits {
            body_read_timeout: SHORT,
            ..Limits::default()
        },
    );
    let answer = exchange(
        &server,
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
    );
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn a_handler_that_does_not_answer_is_answered_for() {
    let app = Router::new().route("/", get(std::future::pending::<&'static str>));
    let server = serve_with(
        app,
        Limits {
            handler_timeout: SHORT,
            ..Limits::default()
        },
    );
    let answer = exchange(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[test]
fn a_peer_that_does_not_read_stops_the_handler_and_is_cut() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let app = Router::new().route(
        "/",
        get(move || async move {
            let frames = std::iter::repeat_with(move || {
                counter.fetch_add(16 * 1024, Ordering::Relaxed);
                Ok::<_, std::convert::Infallible>(Bytes::from_static(&[7; 16 * 1024]))
            });
            axum::body::Body::from_stream(futures_util::stream::iter(frames))
        }),
    );
    let server = serve_with(
        app,
        Limits {
            write_stall_timeout: SHORT,
            ..Limits::default()
        },
    );
    let mut client = Client::connect(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // Wait for the cut without reading: the server counts its connections.
    wait_until(|| server.handle().open_connections() == 0);
    // What the kernel buffers on both sides, and 64 KiB of ours.
    assert!(
        made.load(Ordering::Relaxed) < 16 * 1024 * 1024,
        "{} bytes made",
        made.load(Ordering::Relaxed)
    );
}

#[test]
fn a_handler_whose_peer_goes_away_is_cancelled() {
    struct Guard(mpsc::Sender<()>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (dropped, is_dropped) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let app = Router::new().route(
        "/",
        get(move || async move {
            let _guard = Guard(dropped);
            begun.send(()).unwrap();
            std::future::pending::<&'static str>().await
        }),
    );
    let server = serve(app);
    let mut client = Client::connect(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    drop(client);
    is_dropped.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_drain_finishes_what_runs_and_closes_what_waits() {
    let (begun, has_begun) = mpsc::channel();
    let release = Arc::new(tokio::sync::Notify::new());
    let released = release.clone();
    let app = hello().route(
        "/slow",
        get(move || async move {
            begun.send(()).unwrap();
            released.notified().await;
            "slow"
        }),
    );
    let server = serve_with(app, Limits::default());
    let mut parked = Client::connect(&server);
    parked.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(parked.read_head().starts_with("HTTP/1.1 200"));
    parked.expect("hello");
    let mut slow = Client::connect(&server);
    slow.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    server.handle().shutdown();
    assert_eq!(parked.read_to_end(), "");
    release.notify_one();
    let answer = slow.read_to_end();
    assert!(
        answer.contains("onnection: close\r\n") && answer.ends_with("slow"),
        "{answer}"
    );
    server.handle().join();
}

#[test]
fn a_large_answer_arrives_whole_at_a_slow_reader() {
    let big: Bytes = (0..3_000_000u32).map(|n| n as u8).collect::<Vec<_>>().into();
    let answer = big.clone();
    let server = serve(Router::new().route("/", get(move || async move { answer })));
    let mut client = Client::connect(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.read_head();
    assert!(head.contains("content-length: 3000000\r\n"), "{head}");
    let mut body = Vec::new();
    let mut piece = [0; 1000];
    while let Ok(n @ 1..) = client.socket.read(&mut piece) {
        body.extend_from_slice(&piece[..n]);
    }
    assert!(body == big, "{} bytes", body.len());
}

#[test]
fn bodies_of_any_size_are_echoed_with_back_pressure() {
    let app = Router::new().route("/", post(|body: axum::body::Body| async { body }));
    let limits = Limits {
        body: squall_engine::wire::h1::BodyLimits {
            body_bytes_max: 1 << 30,
            ..Default::default()
        },
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    let mut client = Client::connect(&server);
    let sent: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\nConnection: close\r\n\r\n");
    let mut writer = client.socket.try_clone().unwrap();
    let copy = sent.clone();
    let thread = std::thread::spawn(move || writer.write_all(&copy).unwrap());
    let head = client.read_head();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut body = Vec::new();
    client.socket.read_to_end(&mut body).unwrap();
    thread.join().unwrap();
    // An axum body hides its length, so it comes back in chunks.
    assert!(body.len() > sent.len() || body == sent, "{} bytes", body.len());
}

#[test]
fn a_unix_socket_serves_and_is_removed() {
    let path = std::env::temp_dir().join(format!("squall-{}.sock", std::process::id()));
    let handle = Server::new(hello().into_service())
        .bind(&format!("unix:{}", path.display()))
        .cores(1)
        .start()
        .unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    handle.shutdown();
    handle.join();
    assert!(!path.exists());
}

#[test]
fn two_addresses_and_both_families() {
    let handle = Server::new(hello().into_service())
        .bind("127.0.0.1:0")
        .bind("[::1]:0")
        .start()
        .unwrap();
    for address in handle.local_addrs() {
        let squall_engine::Address::Tcp(addr) = address else {
            unreachable!()
        };
        let mut client = std::net::TcpStream::connect(addr).unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
    }
    handle.shutdown();
    handle.join();
}

#[test]
fn an_address_that_is_none_is_an_error_for_people() {
    let error = Server::new(hello().into_service())
        .bind("nonsense")
        .start()
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("'nonsense' is not an address to listen on"),
        "{error}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = Server::new(hello().into_service())
        .bind_to(taken.local_addr().unwrap())
        .start()
        .err()
        .unwrap();
    assert!(error.is_address_in_use(), "{error}");
}

/// Waits for what another thread does; gives up, loudly, after 20 seconds.
fn wait_until(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        std::thread::yield_now();
    }
}

/// A program that a handler starts would keep connections open that we have closed, and could read them.
#[test]
fn no_descriptor_is_inherited() {
    let server = serve(hello());
    let mut client = Client::connect(&server);
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_head();
    let mut looked = 0;
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let Ok(to) = std::fs::read_link(entry.path()) else {
            continue;
        };
        let to = to.to_string_lossy().into_owned();
        // Pipes and files may be those of whoever started the tests.
        if !to.starts_with("socket:") && !to.starts_with("anon_inode:") {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(info) = std::fs::read_to_string(format!("/proc/self/fdinfo/{name}")) else {
            continue;
        };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        assert_ne!(flags & 0o2_000_000, 0, "{to} is left open by exec");
        looked += 1;
    }
    // The listener, the connection's two ends, and what the cores wait on.
    assert!(looked >= 5, "only {looked} descriptors");
}
