//! RFC 6455, WebSocket: the handshake and the frames of a client, answered by a server.

use std::io::{Read as _, Write as _};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, Method, StatusCode, Version};
use squall_engine::wire::ws::check_upgrade;
use squall_engine::{Message, OnUpgrade, Socket};

use crate::common::{Client, Running, serve};

async fn upgrade(method: Method, version: Version, headers: HeaderMap) -> Response {
    let accept = match check_upgrade(&method, version, &headers) {
        Ok(accept) => accept,
        Err(error) => return (error.status(), error.fields(), error.reason()).into_response(),
    };
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    *response.headers_mut() = accept.response_fields(accept.select(&["chat"]));
    response.extensions_mut().insert(OnUpgrade::new(echo));
    response
}

async fn echo(mut socket: Socket) {
    while let Some(message) = socket.recv().await {
        if message == Message::Text("close".to_owned()) {
            socket.close(4000, "as you wish");
        } else if socket.send(message).await.is_err() {
            break;
        }
    }
}

fn server() -> Running {
    serve(Router::new().route("/", any(upgrade)))
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

fn handshake(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
}

fn sound() -> String {
    handshake(&format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{KEY}"
    ))
}

fn head_of(server: &Running, request: &str) -> String {
    let mut client = Client::connect(server);
    client.send(request.as_bytes());
    client.read_head().to_ascii_lowercase()
}

fn open(server: &Running) -> Client {
    let mut client = Client::connect(server);
    client.send(sound().as_bytes());
    let head = client.read_head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

/// A masked frame whose first byte is this, and whose length needs no extension.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    assert!(payload.len() < 126);
    let mut frame = vec![first, 0x80 | payload.len() as u8];
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// What the server sends after these bytes until it closes.
fn until_closed(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut client = open(server);
    // It may have closed before it has all of this.
    let _ = client.socket.write_all(bytes);
    let mut all = Vec::new();
    let _ = client.socket.read_to_end(&mut all);
    all
}

/// The connection fails with this code: one close frame, then the end.
#[track_caller]
fn fails(server: &Running, code: u16, bytes: &[u8]) {
    let all = until_closed(server, bytes);
    let what = all.escape_ascii();
    assert!(all.len() >= 4 && all[0] == 0x88, "{what}");
    assert_eq!(all.len(), 2 + usize::from(all[1]), "{what}");
    assert_eq!(u16::from_be_bytes([all[2], all[3]]), code, "{what}");
}

#[test]
fn rfc6455_section_4_2_1_what_is_no_handshake_is_refused() {
    let server = server();
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade";
    let version = "Sec-WebSocket-Version: 13";
    for (status, request) in [
        (400, handshake(&format!("{upgrade}\r\n{version}"))),
        (400, handshake(&format!("{upgrade}\r\n{KEY}"))),
        (
            400,
            handshake(&format!("Upgrade: websocket\r\n{version}\r\n{KEY}")),
        ),
        (
            400,
            handshake(&format!("{upgrade}\r\n{version}\r\n{KEY}\r\n{KEY}")),
        ),
        (
            400,
            handshake(&format!("{upgrade}\r\n{version}\r\nSec-WebSocket-Key: short")),
        ),
        (
            400,
            handshake(&format!(
                "{upgrade}\r\n{version}\r\n{KEY}\r\nSec-WebSocket-Protocol: a, a"
            )),
        ),
        (
            400,
            handshake(&format!(
                "{upgrade}\r\n{version}\r\n{KEY}\r\nSec-WebSocket-Protocol: a b"
            )),
        ),
        (405, sound().replace("GET", "POST")),
        (400, sound().replace("HTTP/1.1", "HTTP/1.0")),
        (
            426,
            handshake(&format!("Connection: Upgrade\r\n{version}\r\n{KEY}")),
        ),
        (
            426,
            handshake(&format!(
                "Upgrade: h2c\r\nConnection: Upgrade\r\n{version}\r\n{KEY}"
            )),
        ),
    ] {
        let head = head_of(&server, &request);
        assert!(
            head.starts_with(&format!("http/1.1 {status} ")),
            "{request}: {head}"
        );
    }
}

#[test]
fn rfc6455_section_4_2_2_the_answer_to_a_handshake() {
    let server = server();
    let head = head_of(&server, &sound());
    for line in [
        "http/1.1 101 switching protocols\r\n",
        "\r\nupgrade: websocket\r\n",
        "\r\nconnection: upgrade\r\n",
        "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    // Nothing that was not offered, and no length of a body that there is not.
    for name in [
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "content-length",
        "transfer-encoding",
    ] {
        assert!(!head.contains(name), "{head}");
    }
    let offered = sound().replace("Host: a", "Host: a\r\nSec-WebSocket-Protocol: soap, chat");
    assert!(head_of(&server, &offered).contains("\r\nsec-websocket-protocol: chat\r\n"));
}

#[test]
fn rfc6455_section_4_2_2_a_bad_offer_of_an_extension_is_no_error() {
    let server = server();
    for offer in [
        "permessage-deflate; x=y",
        "permessage-deflate; client_max_window_bits=99",
        ";;",
        "a, , b",
    ] {
        let request = sound().replace(
            "Host: a",
            &format!("Host: a\r\nSec-WebSocket-Extensions: {offer}"),
        );
        let head = head_of(&server, &request);
        assert!(head.starts_with("http/1.1 101 "), "{offer}: {head}");
        assert!(!head.contains("x=y") && !head.contains("=99"), "{offer}: {head}");
    }
}

#[test]
fn rfc6455_section_4_4_another_version_is_told_ours() {
    let server = server();
    for version in ["8", "12", "14", "13, 8", "013", ""] {
        let request = sound().replace("Version: 13", &format!("Version: {version}"));
        let head = head_of(&server, &request);
        assert!(head.starts_with("http/1.1 426 "), "{version}: {head}");
        assert!(
            head.contains("\r\nsec-websocket-version: 13\r\n"),
            "{version}: {head}"
        );
        // RFC 9110, section 15.5.22.
        assert!(head.contains("\r\nupgrade: websocket\r\n"), "{version}: {head}");
    }
}

#[test]
fn rfc6455_section_5_1_an_unmasked_frame_is_1002() {
    fails(&server(), 1002, b"\x81\x05hello");
}

#[test]
fn rfc6455_section_5_1_no_frame_of_the_server_is_masked() {
    let server = server();
    let mut client = open(&server);
    client.send(&frame(0x81, b"hello"));
    assert_eq!(client.read_exactly(7), b"\x81\x05hello");
}

#[test]
fn rfc6455_section_5_2_reserved_bits_and_opcodes_are_1002() {
    let server = server();
    for first in [0xc1, 0xa1, 0x91, 0x83, 0x84, 0x87, 0x8b, 0x8f, 0xf1] {
        fails(&server, 1002, &frame(first, b"x"));
    }
}

#[test]
fn rfc6455_section_5_2_a_length_has_its_shortest_form() {
    let server = server();
    fails(&server, 1002, b"\x82\xfe\x00\x01\0\0\0\0x");
    fails(&server, 1002, b"\x82\xff\0\0\0\0\0\0\0\x01\0\0\0\0x");
    // The most significant bit is 0.
    fails(&server, 1002, b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn rfc6455_section_5_4_fragments() {
    let server = server();
    let mut client = open(&server);
    client.send(
        &[
            frame(0x01, b"a"),
            frame(0x89, b"p"),
            frame(0x00, b""),
            frame(0x80, b"b"),
        ]
        .concat(),
    );
    assert_eq!(client.read_exactly(3 + 4), b"\x8a\x01p\x81\x02ab");
    fails(&server, 1002, &frame(0x80, b"nothing to continue"));
    fails(&server, 1002, &[frame(0x01, b"a"), frame(0x81, b"b")].concat());
    fails(&server, 1002, &[frame(0x01, b"a"), frame(0x82, b"b")].concat());
}

#[test]
fn rfc6455_section_5_5_control_frames_are_short_and_whole() {
    let server = server();
    for first in [0x08, 0x09, 0x0a] {
        fails(&server, 1002, &frame(first, b""));
    }
    for first in [0x88, 0x89, 0x8a] {
        fails(
            &server,
            1002,
            &[&[first, 0xfe, 0, 126, 0, 0, 0, 0][..], &[b'x'; 126]].concat(),
        );
    }
}

#[test]
fn rfc6455_section_5_5_1_a_close_is_answered_once_and_nothing_after_it() {
    let server = server();
    let close = frame(0x88, &[0x03, 0xe8]);
    let all = until_closed(&server, &[close.clone(), frame(0x81, b"late"), close].concat());
    assert_eq!(all, b"\x88\x02\x03\xe8");
    assert_eq!(until_closed(&server, &frame(0x88, b"")), b"\x88\x00");
}

#[test]
fn rfc6455_section_5_5_1_no_data_after_the_close_of_the_server() {
    let server = server();
    let mut client = open(&server);
    client.send(&frame(0x81, b"close"));
    let close = client.read_exactly(2 + 2 + "as you wish".len());
    assert_eq!(close[..4], [0x88, 13, 0x0f, 0xa0]);
    // Neither an echo nor a pong, and no second close.
    client.send(
        &[
            frame(0x81, b"late"),
            frame(0x89, b"late"),
            frame(0x88, &[0x0f, 0xa0]),
        ]
        .concat(),
    );
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn rfc6455_section_5_5_2_a_ping_is_answered_with_its_data() {
    let server = server();
    let mut client = open(&server);
    for data in [&b""[..], b"x", &[0xff; 125]] {
        client.send(&frame(0x89, data));
        let pong = client.read_exactly(2 + data.len());
        assert_eq!(
            (pong[0], usize::from(pong[1]), &pong[2..]),
            (0x8a, data.len(), data)
        );
    }
}

#[test]
fn rfc6455_section_5_5_3_a_pong_that_nobody_asked_for_is_ignored() {
    let server = server();
    let mut client = open(&server);
    client.send(&[frame(0x8a, b"unasked"), frame(0x81, b"x")].concat());
    assert_eq!(client.read_exactly(3), b"\x81\x01x");
}

#[test]
fn rfc6455_section_7_1_1_the_server_closes_the_socket_after_both_closes() {
    let server = server();
    let mut client = open(&server);
    client.send(&frame(0x88, &[0x03, 0xe8]));
    // It ends though we keep our side open.
    assert_eq!(client.read_exactly(4), b"\x88\x02\x03\xe8");
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn rfc6455_section_7_4_close_codes_that_may_not_be_sent_are_1002() {
    let server = server();
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        fails(&server, 1002, &frame(0x88, &code.to_be_bytes()));
    }
    fails(&server, 1002, &frame(0x88, b"x"));
    for code in [1000_u16, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4999] {
        let all = until_closed(&server, &frame(0x88, &code.to_be_bytes()));
        assert_eq!(all, [&[0x88, 2][..], &code.to_be_bytes()].concat());
    }
}

#[test]
fn rfc6455_section_8_1_text_and_reasons_that_are_not_utf_8_are_1007() {
    let server = server();
    for text in [
        &b"\xff"[..],
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"a\xe2\x82",
    ] {
        fails(&server, 1007, &frame(0x81, text));
    }
    fails(
        &server,
        1007,
        &[frame(0x01, b"\xe2\x82"), frame(0x80, b"")].concat(),
    );
    fails(&server, 1007, &frame(0x88, b"\x03\xe8\xff"));
    let mut client = open(&server);
    client.send(&[frame(0x01, b"\xe2\x82"), frame(0x80, b"\xac")].concat());
    assert_eq!(client.read_exactly(5), b"\x81\x03\xe2\x82\xac");
}

#[test]
fn rfc6455_section_10_4_a_message_past_its_limit_is_1009() {
    let server = server();
    // In one frame: told by its header, of whose payload not a byte has come.
    fails(&server, 1009, b"\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0");
    fails(&server, 1009, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
    // The sum of fragments.
    let half = [&b"\x02\xff\0\0\0\0\0\x08\0\0\0\0\0\0"[..], &[b'x'; 512 * 1024]].concat();
    let rest = b"\x80\xff\0\0\0\0\0\x08\0\x01\0\0\0\0";
    fails(&server, 1009, &[&half, &rest[..]].concat());
}
