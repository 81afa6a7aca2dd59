//! Time-outs that must fire, or must not, and ends that must not cut what was said before them.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use common::{Client, Running, serve_with, wait_until};
use http::{HeaderMap, Method, StatusCode, Version};
use http_body_util::BodyExt;
use squall_engine::wire::ws::check_upgrade;
use squall_engine::{Limits, Message, OnUpgrade, Server, Socket};
use tokio::sync::Notify;

const SHORT: Duration = Duration::from_millis(300);

/// Lets time pass, as the server counts it: a connection that says nothing is closed after its header time-out.
fn let_a_header_timeout_pass(server: &Running) {
    assert_eq!(Client::connect(server).read_to_end(), "");
}

/// A handler that says when it begins, and ends when it is told.
fn held(begun: mpsc::Sender<()>, release: Arc<Notify>) -> axum::routing::MethodRouter {
    get(move || async move {
        begun.send(()).unwrap();
        release.notified().await;
        "held"
    })
}

fn upgrade<F, Fut>(headers: &HeaderMap, handler: F) -> Response
where
    F: FnOnce(Socket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let Ok(accept) = check_upgrade(&Method::GET, Version::HTTP_11, headers) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    *response.headers_mut() = accept.response_fields(None);
    response.extensions_mut().insert(OnUpgrade::new(handler));
    response
}

const FIELDS: &str = "HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

#[test]
fn each_pipelined_request_has_the_whole_time_of_a_handler() {
    let (begun, has_begun) = mpsc::channel();
    let release = Arc::new(Notify::new());
    let limits = Limits {
        header_read_timeout: Duration::from_millis(750),
        handler_timeout: Duration::from_millis(2250),
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = serve_with(Router::new().route("/", held(begun, release.clone())), limits);
    let mut client = Client::connect(&server);
    client.send(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
    for _ in 0..2 {
        has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
        let_a_header_timeout_pass(&server);
        let_a_header_timeout_pass(&server);
        release.notify_one();
        let head = client.read_head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        client.expect("held");
    }
}

#[test]
fn the_time_of_a_body_begins_when_its_peer_is_told_to_send_it() {
    let (begun, has_begun) = mpsc::channel();
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let route = post(move |body: Body| async move {
        begun.send(()).unwrap();
        released.notified().await;
        body.collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default()
    });
    let limits = Limits {
        header_read_timeout: Duration::from_secs(1),
        body_read_timeout: SHORT,
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = serve_with(Router::new().route("/", route), limits);
    let mut client = Client::connect(&server);
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    let_a_header_timeout_pass(&server);
    release.notify_one();
    client.expect("HTTP/1.1 100 Continue\r\n\r\n");
    client.send(b"abc");
    assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    client.expect("abc");
}

#[test]
fn a_slow_reader_of_a_websocket_gets_what_was_sent_before_the_close() {
    const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
    let app = Router::new().route(
        "/",
        get(|headers: HeaderMap| async move {
            upgrade(&headers, |mut socket| async move {
                let message = Message::Binary(vec![7; MESSAGE_BYTES].into());
                socket.send(message).await.unwrap();
            })
        }),
    );
    let limits = Limits {
        header_read_timeout: Duration::from_secs(1),
        close_timeout: SHORT,
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    let mut client = Client::connect_narrow(&server);
    client.send(format!("GET / {FIELDS}\r\n").as_bytes());
    client.read_head();
    let_a_header_timeout_pass(&server);
    let mut bytes = Vec::new();
    client.socket.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 10 + MESSAGE_BYTES + 4);
    assert_eq!(bytes[bytes.len() - 4..], [0x88, 2, 0x03, 0xe8]);
}

#[test]
fn a_request_with_a_body_does_not_become_a_websocket() {
    // A handler that does not check the handshake.
    let app = Router::new().route(
        "/",
        get(|| async {
            let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
            response.extensions_mut().insert(OnUpgrade::new(|_| async {}));
            response
        }),
    );
    let server = serve_with(app, Limits::default());
    let mut client = Client::connect(&server);
    client.send(format!("GET / {FIELDS}Content-Length: 5\r\n\r\nab").as_bytes());
    assert!(client.read_to_end().starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_websocket_whose_handler_panics_is_closed_with_1011() {
    let app = Router::new().route(
        "/",
        get(|headers: HeaderMap| async move {
            upgrade(&headers, |mut socket| async move {
                socket.recv().await;
                panic!("on purpose");
            })
        }),
    );
    let server = serve_with(app, Limits::default());
    let mut client = Client::connect(&server);
    client.send(format!("GET / {FIELDS}\r\n").as_bytes());
    client.read_head();
    client.send(&[0x81, 0x80, 0, 0, 0, 0]);
    assert_eq!(client.read_exactly(4), [0x88, 2, 0x03, 0xf3]);
}

#[test]
fn a_drain_waits_for_handlers_whose_websocket_has_ended() {
    let (begun, has_begun) = mpsc::channel();
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let put_away = Arc::new(AtomicBool::new(false));
    let is_put_away = put_away.clone();
    let app = Router::new().route(
        "/",
        get(move |headers: HeaderMap| async move {
            upgrade(&headers, move |mut socket| async move {
                while socket.recv().await.is_some() {}
                drop(socket);
                begun.send(()).unwrap();
                released.notified().await;
                put_away.store(true, Ordering::SeqCst);
            })
        }),
    );
    let server = serve_with(app, Limits::default());
    let mut client = Client::connect(&server);
    client.send(format!("GET / {FIELDS}\r\n").as_bytes());
    client.read_head();
    drop(client);
    has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    wait_until(|| server.handle().open_connections() == 0);
    server.handle().shutdown();
    wait_until(|| TcpStream::connect(server.handle().local_addr().unwrap()).is_err());
    release.notify_one();
    server.handle().join();
    assert!(is_put_away.load(Ordering::SeqCst));
}

#[test]
fn a_websocket_that_begins_in_a_drain_is_told_of_it() {
    let (begun, has_begun) = mpsc::channel();
    let release = Arc::new(Notify::new());
    let released = release.clone();
    let app = Router::new().route(
        "/",
        get(move |headers: HeaderMap| async move {
            begun.send(()).unwrap();
            released.notified().await;
            upgrade(&headers, |mut socket| async move {
                while socket.recv().await.is_some() {}
            })
        }),
    );
    let server = serve_with(app, Limits::default());
    let mut client = Client::connect(&server);
    client.send(format!("GET / {FIELDS}\r\n").as_bytes());
    has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    server.handle().shutdown();
    release.notify_one();
    assert!(client.read_head().starts_with("HTTP/1.1 101 "));
    let close = client.read_exactly(4);
    assert_eq!((close[0], &close[2..]), (0x88, &1001u16.to_be_bytes()[..]));
    drop(client);
    server.handle().join();
}

#[test]
fn a_drain_leaves_no_connection_that_was_just_accepted() {
    for _ in 0..10 {
        let handle = Server::new(Router::new().route("/", get(|| async { "hello" })).into_service())
            .bind("127.0.0.1:0")
            .cores(3)
            .start()
            .unwrap();
        let address = handle.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let clients = std::thread::spawn(move || {
            let mut clients = Vec::new();
            while !stopped.load(Ordering::Relaxed) && clients.len() < 500 {
                // Once nobody listens it is over: the next who listens there is another test's server, and a socket that
                // happens to get that very port connects to itself.
                let Ok(client) = TcpStream::connect(address) else {
                    break;
                };
                if client.local_addr().ok() == Some(address) {
                    break;
                }
                clients.push(client);
            }
            clients
        });
        wait_until(|| handle.open_connections() > 3);
        handle.shutdown();
        handle.join();
        assert_eq!(handle.open_connections(), 0);
        stop.store(true, Ordering::Relaxed);
        for mut client in clients.join().unwrap() {
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            // Its end or a reset, but no silence.
            match client.read(&mut [0; 16]) {
                Ok(count) => assert_eq!(count, 0),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
            }
        }
    }
}

#[test]
fn what_is_open_is_counted_exactly() {
    let server = serve_with(
        Router::new().route("/", get(|| async { "hello" })),
        Limits {
            connections_max: 40,
            drain_timeout: Duration::from_secs(1),
            ..Limits::default()
        },
    );
    for _ in 0..5 {
        // More than fit: exactly so many are let in.
        let mut clients: Vec<_> = (0..60).map(|_| Client::connect(&server)).collect();
        let mut served = 0;
        for client in &mut clients {
            // Who was refused already may not take it.
            let _ = client.socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            // And under TLS it cannot be told.
            let mut start = [0; 13];
            let answered = client.socket.read_exact(&mut start).is_ok();
            served += usize::from(answered && &start == b"HTTP/1.1 200 ");
            assert!(server.handle().open_connections() <= 40);
        }
        assert_eq!(served, 40);
        drop(clients);
        wait_until(|| server.handle().open_connections() == 0);
    }
}

#[test]
fn a_core_whose_source_cannot_be_made_is_an_error_at_the_start() {
    let error = Server::new(Router::new().into_service())
        .bind("127.0.0.1:0")
        .cores(2)
        .source(Arc::new(|_| -> Rc<dyn squall_engine::source::Source> {
            panic!("on purpose")
        }))
        .start()
        .err()
        .unwrap();
    assert!(error.to_string().contains("a core cannot start"), "{error}");
}

#[test]
fn a_slow_reader_is_not_cut_for_what_it_pipelines() {
    const BIG_BYTES: usize = 24 * 1024 * 1024;
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/big", get(|| async { vec![b'b'; BIG_BYTES] }));
    let limits = Limits {
        header_read_timeout: SHORT,
        write_stall_timeout: Duration::from_millis(2500),
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = serve_with(app, limits);
    let mut client = Client::connect_narrow(&server);
    client.send(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_head();
    for _ in 0..8 {
        let_a_header_timeout_pass(&server);
        client.read_exactly(BIG_BYTES / 8);
    }
    assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    client.expect("hello");
}

#[test]
fn a_handler_that_does_not_read_its_body_is_answered_for() {
    let route = post(|body: Body| async move {
        std::future::pending::<()>().await;
        drop(body);
    });
    let limits = Limits {
        handler_timeout: SHORT,
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = serve_with(Router::new().route("/", route), limits);
    let mut client = Client::connect(&server);
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    client.send(&[b'x'; 300_000]);
    assert!(client.read_to_end().starts_with("HTTP/1.1 503 "));
}
