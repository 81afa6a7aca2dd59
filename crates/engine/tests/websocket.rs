//! WebSockets with a handler, in literal frames.

mod common;

use std::io::Read;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use common::{Client, serve, serve_with};
use http::{HeaderMap, Method, StatusCode, Version};
use squall_engine::wire::ws::{Opcode, check_upgrade, encode_masked_frame};
use squall_engine::{Limits, Message, OnUpgrade, Socket};

async fn upgrade<F, Fut>(headers: HeaderMap, handler: F) -> Response
where
    F: FnOnce(Socket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let accept = match check_upgrade(&Method::GET, Version::HTTP_11, &headers) {
        Ok(accept) => accept,
        Err(error) => return error.status().into_response(),
    };
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    *response.headers_mut() = accept.response_fields(None);
    response.extensions_mut().insert(OnUpgrade::new(handler));
    response
}

async fn echo(mut socket: Socket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

fn app() -> Router {
    Router::new()
        .route("/", get(|headers: HeaderMap| upgrade(headers, echo)))
        .route(
            "/close",
            get(|headers: HeaderMap| {
                upgrade(headers, |mut socket| async move {
                    socket.send(Message::Text("bye".to_owned())).await.unwrap();
                    socket.close(4000, "enough");
                })
            }),
        )
}

const HANDSHAKE: &str = "HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn open(server: &common::Running, path: &str) -> Client {
    let mut client = Client::connect(server);
    client.send(format!("GET {path} {HANDSHAKE}").as_bytes());
    let head = client.read_head();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{head}"
    );
    assert!(
        head.to_ascii_lowercase().contains("\r\nconnection: upgrade\r\n"),
        "{head}"
    );
    client
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked_frame(opcode, true, payload, [1, 2, 3, 4], &mut frame);
    frame
}

fn expect_bytes(client: &mut Client, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    client.socket.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes);
}

#[test]
fn messages_are_echoed_and_pings_answered() {
    let server = serve(app());
    let mut client = open(&server, "/");
    client.send(&frame(Opcode::Text, b"hello"));
    expect_bytes(&mut client, b"\x81\x05hello");
    client.send(&frame(Opcode::Ping, b"there?"));
    expect_bytes(&mut client, b"\x8a\x06there?");
    for byte in frame(Opcode::Binary, b"slow") {
        client.send(&[byte]);
    }
    expect_bytes(&mut client, b"\x82\x04slow");
}

#[test]
fn a_close_is_answered_with_its_code() {
    let server = serve(app());
    let mut client = open(&server, "/");
    client.send(&frame(Opcode::Close, &[0x0b, 0xb8]));
    expect_bytes(&mut client, &[0x88, 2, 0x0b, 0xb8]);
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_handler_closes_with_a_code_and_a_reason() {
    let server = serve(app());
    let mut client = open(&server, "/close");
    expect_bytes(&mut client, b"\x81\x03bye\x88\x08\x0f\xa0enough");
    client.send(&frame(Opcode::Close, &[0x0f, 0xa0]));
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn an_unmasked_frame_is_1002_and_bad_text_1007() {
    let server = serve(app());
    let mut client = open(&server, "/");
    client.send(b"\x81\x01a");
    let mut answer = Vec::new();
    client.socket.read_to_end(&mut answer).unwrap();
    assert_eq!(&answer[..1], [0x88]);
    assert_eq!(&answer[2..4], 1002u16.to_be_bytes());
    let mut client = open(&server, "/");
    client.send(&frame(Opcode::Text, b"\xff"));
    let mut answer = Vec::new();
    client.socket.read_to_end(&mut answer).unwrap();
    assert_eq!(&answer[2..4], 1007u16.to_be_bytes());
}

#[test]
fn frames_that_come_with_the_handshake_are_not_lost() {
    let server = serve(app());
    let mut client = Client::connect(&server);
    let mut bytes = format!("GET / {HANDSHAKE}").into_bytes();
    bytes.extend_from_slice(&frame(Opcode::Text, b"early"));
    client.send(&bytes);
    client.read_head();
    expect_bytes(&mut client, b"\x81\x05early");
}

#[test]
fn a_quiet_peer_is_pinged_and_then_cut() {
    let short = Duration::from_millis(300);
    let server = serve_with(
        app(),
        Limits {
            ping_interval: short,
            ping_timeout: short,
            ..Limits::default()
        },
    );
    let mut client = open(&server, "/");
    expect_bytes(&mut client, b"\x89\x00");
    client.send(&frame(Opcode::Pong, b""));
    expect_bytes(&mut client, b"\x89\x00");
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_peer_that_does_not_read_stops_the_handler() {
    let app = Router::new().route(
        "/",
        get(|headers: HeaderMap| {
            upgrade(headers, |mut socket| async move {
                while socket.send(Message::Binary(vec![7; 10_000].into())).await.is_ok() {}
            })
        }),
    );
    let short = Duration::from_millis(500);
    let server = serve_with(
        app,
        Limits {
            write_stall_timeout: short,
            ..Limits::default()
        },
    );
    let client = open(&server, "/");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while server.handle().open_connections() > 0 {
        assert!(std::time::Instant::now() < deadline, "it was not cut");
        std::thread::yield_now();
    }
    drop(client);
}

#[test]
fn a_flood_of_messages_is_echoed_whole() {
    let server = serve(app());
    let mut client = open(&server, "/");
    let payload = vec![b'x'; 1000];
    let mut writer = client.socket.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        let one = frame(Opcode::Text, &[b'x'; 1000]);
        for _ in 0..3000 {
            std::io::Write::write_all(&mut writer, &one).unwrap();
        }
    });
    let mut expected = vec![0x81, 126, 3, 232];
    expected.extend_from_slice(&payload);
    for _ in 0..3000 {
        expect_bytes(&mut client, &expected);
    }
    thread.join().unwrap();
}

#[test]
fn a_drain_says_that_the_server_goes_away() {
    let server = serve(app());
    let mut client = open(&server, "/");
    server.handle().shutdown();
    let mut head = [0; 4];
    client.socket.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x88);
    assert_eq!(&head[2..4], 1001u16.to_be_bytes());
    client.send(&frame(Opcode::Close, &[0x03, 0xe9]));
    server.handle().join();
}
