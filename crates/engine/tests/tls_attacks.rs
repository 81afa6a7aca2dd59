//! What a peer may do to a TLS listener, each named for it, and what ends it.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use common::tls::{
    AUTHORITY, BOTH, TLS12, TLS13, ask, client, connect, connect_tcp, serve_tls, session, tls,
};
use common::{Running, wait_until};
use rustls::ClientConfig;
use squall_engine::tls::{Tls, TlsSettings};

fn settings() -> TlsSettings {
    TlsSettings::new(vec![AUTHORITY.server(&["localhost"])])
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: axum::body::Bytes| async move { body }))
}

fn serve(settings: TlsSettings) -> (Running, Tls) {
    let tls = tls(settings);
    (serve_tls(app(), &tls), tls)
}

fn anybody() -> Arc<ClientConfig> {
    Arc::new(client(BOTH, None))
}

/// The first flight of a client.
fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    session(&anybody(), "localhost").write_tls(&mut bytes).unwrap();
    bytes
}

fn is_well(server: &Running) {
    assert_eq!(ask(server, &anybody(), "localhost").unwrap(), "hello");
    wait_until(|| server.handle().open_connections() == 0);
}

/// Everything that comes until the server closes; a reset is an end, too.
fn read_all(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match socket.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            Ok(0) => return bytes,
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("it does not close: {error}"),
        }
    }
}

#[test]
fn a_handshake_that_is_cut_leaves_nothing() {
    let (server, _) = serve(settings());
    let hello = hello();
    for cut in [0, 1, 5, hello.len() / 2, hello.len()] {
        let mut socket = connect_tcp(&server);
        socket.write_all(&hello[..cut]).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        read_all(&mut socket);
    }
    is_well(&server);
}

#[test]
fn garbage_is_answered_with_an_alert() {
    let (server, _) = serve(settings());
    let sorts = [
        vec![0; 100],
        vec![0x80; 100],
        vec![0xff; 70_000],
        b"get / http/1.1\r\n\r\n".to_vec(),
    ];
    for garbage in sorts {
        let mut socket = connect_tcp(&server);
        // The server may close before all is written.
        let _ = socket.write_all(&garbage);
        let answer = read_all(&mut socket);
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    }
    is_well(&server);
}

#[test]
fn a_client_hello_that_never_ends_is_cut_at_its_limit() {
    let (server, _) = serve(settings());
    // A handshake message of 16 MiB, in records of 16 KiB.
    let mut record = vec![0x16, 3, 1, 0x40, 0];
    record.extend([1, 0xff, 0xff, 0xff]);
    record.resize(5 + 0x4000, 7);
    let mut socket = connect_tcp(&server);
    let mut sent = 0;
    while socket.write_all(&record).is_ok() {
        sent += record.len();
        record[5..9].copy_from_slice(&[7; 4]);
        assert!(sent < 64 << 20, "it is never cut");
    }
    is_well(&server);
}

#[test]
fn a_handshake_may_be_as_long_as_its_limit_and_no_longer() {
    let hello = hello();
    for (bytes_max, passes) in [(hello.len(), true), (hello.len() - 1, false)] {
        let (server, _) = serve(TlsSettings {
            handshake_bytes_max: bytes_max,
            ..settings()
        });
        let mut socket = connect_tcp(&server);
        socket.write_all(&hello).unwrap();
        if passes {
            // It waits for the rest of the handshake.
            let mut start = [0; 5];
            socket.read_exact(&mut start).unwrap();
            assert_eq!(start[0], 0x16);
            socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            let mut rest = Vec::new();
            let waits = socket.read_to_end(&mut rest).unwrap_err();
            assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
        } else {
            read_all(&mut socket);
        }
    }
}

#[test]
fn a_slow_handshake_is_cut() {
    let quick = TlsSettings {
        handshake_timeout: Duration::from_millis(300),
        ..settings()
    };
    let (server, _) = serve(quick);
    let hello = hello();
    let mut silent = connect_tcp(&server);
    let mut half = connect_tcp(&server);
    half.write_all(&hello[..hello.len() / 2]).unwrap();
    let mut unfinished = connect_tcp(&server);
    unfinished.write_all(&hello).unwrap();
    for socket in [&mut silent, &mut half, &mut unfinished] {
        read_all(socket);
    }
    is_well(&server);
}

#[test]
fn a_handshake_in_drops_is_a_handshake() {
    let (server, _) = serve(settings());
    let mut socket = connect_tcp(&server);
    let mut session = session(&anybody(), "localhost");
    while session.is_handshaking() {
        let mut bytes = Vec::new();
        session.write_tls(&mut bytes).unwrap();
        for byte in bytes {
            socket.write_all(&[byte]).unwrap();
        }
        if session.wants_read() {
            session.read_tls(&mut socket).unwrap();
            session.process_new_packets().unwrap();
        }
    }
}

#[test]
fn a_handshake_flood_does_not_keep_others_waiting() {
    let (server, _) = serve(settings());
    let hello = hello();
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let mut socket = connect_tcp(&server);
            socket.write_all(&hello).unwrap();
            socket
        })
        .collect();
    assert_eq!(ask(&server, &anybody(), "localhost").unwrap(), "hello");
    // Each of them is answered in its turn.
    for mut socket in flood {
        let mut start = [0; 1];
        socket.read_exact(&mut start).unwrap();
        assert_eq!(start, [0x16]);
    }
    is_well(&server);
}

#[test]
fn a_request_that_is_cut_is_not_served_and_its_handler_ends() {
    static SERVED: AtomicUsize = AtomicUsize::new(0);
    let app = app().route(
        "/count",
        post(|body: axum::body::Bytes| async move {
            SERVED.fetch_add(1, Ordering::SeqCst);
            body
        }),
    );
    let server = serve_tls(app, &tls(settings()));
    let mut stream = connect(&server, &anybody(), "localhost").unwrap();
    stream
        .write_all(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .unwrap();
    // The end of TCP without a close_notify is no end that was meant.
    stream.sock.shutdown(Shutdown::Write).unwrap();
    read_all(&mut stream.sock);
    is_well(&server);
    assert_eq!(SERVED.load(Ordering::SeqCst), 0);
}

#[test]
fn a_record_that_was_changed_on_its_way_ends_the_connection() {
    for versions in [TLS12, TLS13] {
        let (server, _) = serve(settings());
        let mut stream = connect(&server, &Arc::new(client(versions, None)), "localhost").unwrap();
        stream
            .conn
            .writer()
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut sealed = Vec::new();
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut sealed).unwrap();
        }
        let last = sealed.len() - 1;
        sealed[last] ^= 1;
        stream.sock.write_all(&sealed).unwrap();
        let mut answer = Vec::new();
        let error = stream.read_to_end(&mut answer).unwrap_err();
        assert!(
            answer.is_empty() && error.to_string().contains("BadRecordMac"),
            "{error}"
        );
        is_well(&server);
    }
}

#[test]
fn what_stands_behind_a_close_is_not_looked_at() {
    let (server, _) = serve(settings());
    let mut stream = connect(&server, &anybody(), "localhost").unwrap();
    stream.conn.send_close_notify();
    let mut bytes = Vec::new();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut bytes).unwrap();
    }
    bytes.extend([0x17, 3, 3, 0, 50]);
    bytes.extend([7; 50]);
    stream.sock.write_all(&bytes).unwrap();
    read_all(&mut stream.sock);
    is_well(&server);
}

#[test]
fn a_flood_of_key_changes_is_ended() {
    let (server, _) = serve(settings());
    let mut stream = connect(&server, &Arc::new(client(TLS13, None)), "localhost").unwrap();
    let mut changes = 0;
    loop {
        let changed = stream.conn.refresh_traffic_keys().is_ok();
        if !changed || stream.flush().is_err() || changes == 100_000 {
            break;
        }
        changes += 1;
    }
    read_all(&mut stream.sock);
    assert!(changes < 100_000, "it was never ended");
    is_well(&server);
}

#[test]
fn an_answer_that_is_cut_does_not_look_complete() {
    // A body that fails on its way, to a client of HTTP/1.0, which only sees the end of the connection.
    let failing = || async {
        let parts = [Ok(axum::body::Bytes::from_static(b"half")), Err("on purpose")];
        Body::from_stream(futures_util::stream::iter(parts))
    };
    let app = app().route("/failing", get(failing));
    let server = serve_tls(app, &tls(settings()));
    let mut stream = connect(&server, &anybody(), "localhost").unwrap();
    stream.write_all(b"GET /failing HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    assert!(
        end.is_err(),
        "its end was said as if it were meant: {}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn a_client_that_renegotiates_gets_nowhere() {
    let (server, _) = serve(settings());
    let address = server.handle().local_addr().unwrap().to_string();
    let openssl = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    // Where there is no openssl, rustls, which never does it, is all there is.
    let Ok(mut openssl) = openssl else { return };
    openssl.stdin.take().unwrap().write_all(b"R\n").unwrap();
    let output = openssl.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("RENEGOTIATING") && said.contains("no renegotiation"),
        "{said}"
    );
    is_well(&server);
}
