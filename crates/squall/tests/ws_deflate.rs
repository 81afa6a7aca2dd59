//! Compressed WebSocket messages (RFC 7692) over real sockets: handlers and doors, and what attacks them.

use squall::live::{self, Hub, HubConfig, Live, WsDoor};
use squall::testing::{DeflateRequest, RawConn, TestServer, WsEvent, serve_with};
use squall::web::routing::get;
use squall::web::ws::{Message, WebSocketUpgrade};
use squall::web::{Response, Router};
use squall::{DeflateLimits, Limits};
use squall_engine::wire::ws::{Deflater, Opcode, encode_masked_deflated_frame, encode_masked_frame};

const KEY: [u8; 4] = [1, 2, 3, 4];
const NO_TAKEOVER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// Long enough to be compressed, and small when it is.
fn long() -> String {
    "All happy families are alike. ".repeat(20)
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(talk)
}

async fn plain(upgrade: WebSocketUpgrade) -> Response {
    upgrade.uncompressed().on_upgrade(talk)
}

async fn talk(mut socket: squall::web::ws::Socket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

fn start_with(deflate: DeflateLimits) -> (Live, TestServer) {
    let hub = Hub::new(HubConfig {
        epoch: "e".parse().unwrap(),
        ..HubConfig::default()
    });
    let live = Live::new(hub, live::anyone);
    let publisher = live.clone();
    let says = WsDoor::new().bare().on_message(move |incoming| {
        if let Message::Text(text) = incoming.message {
            publisher.publish("said", text).ready().unwrap().unwrap();
        }
    });
    let router = Router::new()
        .route("/echo", get(echo))
        .route("/plain", get(plain))
        .route("/ws", live.ws(["room"]))
        .route("/bare", live.ws_with(WsDoor::new().bare(), ["room"]))
        .route("/said", live.ws_with(says, ["said"]))
        .route(
            "/open",
            live.ws_with(WsDoor::new().bare().uncompressed(), ["room"]),
        );
    let mut limits = Limits {
        ws_deflate: deflate,
        ..Limits::default()
    };
    limits.ws.message_bytes_max = 100_000;
    limits.ws.frame_bytes_max = 100_000;
    let server = serve_with(router, |server| server.cores(1).limits(limits).live(&live));
    (live, server)
}

fn start() -> (Live, TestServer) {
    start_with(DeflateLimits::default())
}

/// Opens a WebSocket by hand; with the value of `Sec-WebSocket-Extensions` in the answer.
fn open(server: &TestServer, path: &str, offer: &str) -> (RawConn, Option<String>) {
    let mut conn = RawConn::connect(server.addr());
    conn.write(
        format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Extensions: {offer}\r\n\r\n"
        )
        .as_bytes(),
    );
    let head = String::from_utf8(conn.read_until(b"\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let field = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("sec-websocket-extensions:"))
        .map(|line| line[25..].trim().to_owned());
    (conn, field)
}

fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new(6, 15).deflate(payload, &mut out);
    out
}

fn deflated_frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked_deflated_frame(opcode, fin, payload, KEY, &mut frame);
    frame
}

fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked_frame(opcode, fin, payload, KEY, &mut frame);
    frame
}

/// The code of the close that comes next, and that then the connection ends.
#[track_caller]
fn closed_with(conn: &mut RawConn, code: u16) {
    let head = conn.read_exact(2);
    assert_eq!(head[0], 0x88, "a close frame");
    let payload = conn.read_exact(usize::from(head[1]));
    assert_eq!(
        u16::from_be_bytes([payload[0], payload[1]]),
        code,
        "{}",
        payload[2..].escape_ascii()
    );
    assert_eq!(conn.read_to_end(), b"");
}

#[test]
fn messages_are_compressed_both_ways_where_the_client_offers_it() {
    let (_live, server) = start();
    let (mut conn, answer) = open(&server, "/echo", "permessage-deflate; client_max_window_bits");
    assert_eq!(answer.as_deref(), Some(NO_TAKEOVER));
    // RFC 7692, section 7.2.3.1, masked; and back as it is, since it is short.
    conn.write(&deflated_frame(
        Opcode::Text,
        true,
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
    ));
    assert_eq!(conn.read_exact(7), b"\x81\x05Hello");
    // In fragments, with a ping between.
    conn.write(&deflated_frame(Opcode::Text, false, b"\xf2\x48\xcd"));
    conn.write(&frame(Opcode::Ping, true, b"?"));
    conn.write(&frame(Opcode::Continuation, true, b"\xc9\xc9\x07\x00"));
    assert_eq!(conn.read_exact(10), b"\x8a\x01?\x81\x05Hello");
    // Empty.
    conn.write(&deflated_frame(Opcode::Binary, true, b"\x00"));
    assert_eq!(conn.read_exact(2), b"\x82\x00");
    // What is long comes back compressed, each time the same.
    let text = long();
    let mut expect = Vec::new();
    Deflater::new(2, 15).deflate(text.as_bytes(), &mut expect);
    assert!(expect.len() < 100);
    for _ in 0..2 {
        conn.write(&deflated_frame(Opcode::Text, true, &deflated(text.as_bytes())));
        assert_eq!(conn.read_exact(2), [0xc1, expect.len() as u8]);
        assert_eq!(conn.read_exact(expect.len()), expect);
    }
    // What is not compressed is read too.
    conn.write(&frame(Opcode::Text, true, b"plain"));
    assert_eq!(conn.read_exact(7), b"\x81\x05plain");
}

#[test]
fn nothing_is_compressed_where_nobody_asked_or_somebody_minds() {
    let (live, server) = start();
    for (path, offer) in [
        ("/echo", ""),
        ("/echo", "x-webkit-deflate-frame"),
        ("/echo", "permessage-deflate; server_max_window_bits=8"),
        ("/echo", "permessage-deflate; unknown=1"),
        ("/echo", "permessage-deflate, a=\"b"),
        ("/plain", "permessage-deflate"),
    ] {
        let (mut conn, answer) = open(&server, path, offer);
        assert_eq!(answer, None, "{path} {offer}");
        conn.write(&frame(Opcode::Text, true, long().as_bytes()));
        assert_eq!(conn.read_exact(2), [0x81, 126], "{path} {offer}");
        conn.read_exact(2 + long().len());
        conn.write(&deflated_frame(Opcode::Text, true, b"\x00"));
        closed_with(&mut conn, 1002);
    }
    let (mut conn, answer) = open(&server, "/open", "permessage-deflate");
    assert_eq!(answer, None);
    live.publish("room", long()).ready().unwrap().unwrap();
    assert_eq!(conn.read_exact(2), [0x81, 126]);
    let off = DeflateLimits {
        enabled: false,
        ..DeflateLimits::default()
    };
    let (_live, server) = start_with(off);
    for path in ["/echo", "/ws"] {
        assert_eq!(open(&server, path, "permessage-deflate").1, None);
    }
}

#[test]
fn followers_share_compressed_frames_and_say_compressed_words() {
    let (live, server) = start();
    let (mut one, answer) = open(&server, "/bare", "permessage-deflate; client_max_window_bits");
    assert_eq!(answer.as_deref(), Some(NO_TAKEOVER));
    let (mut small, answer) = open(&server, "/bare", "permessage-deflate; server_max_window_bits=11");
    assert_eq!(
        answer.unwrap(),
        format!("{NO_TAKEOVER}; server_max_window_bits=11")
    );
    let (mut plain, answer) = open(&server, "/bare", "");
    assert_eq!(answer, None);
    live.publish("room", "short").ready().unwrap().unwrap();
    live.publish("room", long()).ready().unwrap().unwrap();
    for (conn, window) in [(&mut one, 15), (&mut small, 9)] {
        let mut expect = Vec::new();
        Deflater::new(2, window).deflate(long().as_bytes(), &mut expect);
        assert_eq!(conn.read_exact(7), b"\x81\x05short");
        assert_eq!(conn.read_exact(2), [0xc1, expect.len() as u8], "{window}");
        assert_eq!(conn.read_exact(expect.len()), expect);
    }
    assert_eq!(plain.read_exact(7), b"\x81\x05short");
    assert_eq!(
        plain.read_exact(4),
        [0x81, 126, (long().len() >> 8) as u8, long().len() as u8]
    );
    assert_eq!(plain.read_exact(long().len()), long().as_bytes());
    // What a follower says.
    let mut said = server
        .client()
        .ws("/said")
        .compressed(DeflateRequest::default())
        .open_ws();
    assert!(said.is_compressing());
    said.send_text("compressed");
    assert_eq!(said.text(), "compressed");
    said.send_text(&long());
    assert_eq!(said.text(), long());
}

#[test]
fn gaps_and_messages_come_with_their_cursors() {
    let (live, server) = start();
    let mut ws = server
        .client()
        .ws("/ws?cursor=old:7")
        .compressed(DeflateRequest::default())
        .open_ws();
    assert!(ws.text().contains("\"gap\":{\"after\":\"old:7\""));
    live.publish("room", long()).ready().unwrap().unwrap();
    let text = ws.text();
    assert!(
        text.starts_with("{\"cursor\":\"e:1\",\"topic\":\"room\",\"data\":\"All happy"),
        "{text}"
    );
    ws.close(1000);
    assert_eq!(ws.recv(), WsEvent::Close(Some((1000, String::new()))));
}

#[test]
fn context_takeover_is_an_option_and_never_for_followers() {
    let takeover = DeflateLimits {
        context_takeover: true,
        window_bits_max: 12,
        ..DeflateLimits::default()
    };
    let (live, server) = start_with(takeover);
    let (mut conn, answer) = open(&server, "/echo", "permessage-deflate; client_max_window_bits");
    let answer = answer.unwrap();
    assert_eq!(
        answer,
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
    );
    let mut deflater = Deflater::new(6, 12);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let mut payload = Vec::new();
        deflater.deflate(long().as_bytes(), &mut payload);
        conn.write(&deflated_frame(Opcode::Text, true, &payload));
        let head = conn.read_exact(2);
        assert_eq!(head[0], 0xc1);
        conn.read_exact(usize::from(head[1]));
        sizes.push((payload.len(), head[1]));
    }
    assert!(sizes[1].0 < sizes[0].0 && sizes[1].1 < sizes[0].1, "{sizes:?}");
    // What is short is sent as it is, and referred to by nobody.
    for path in ["/echo", "/said"] {
        let mut ws = server
            .client()
            .ws(path)
            .compressed(DeflateRequest::default())
            .open_ws();
        for text in ["short", &long(), "short", &long()] {
            ws.send_text(text);
            assert_eq!(ws.text(), text, "{path}");
        }
    }
    let (mut follower, answer) = open(&server, "/bare", "permessage-deflate");
    assert_eq!(
        answer.unwrap(),
        format!("{NO_TAKEOVER}; server_max_window_bits=12")
    );
    let (mut later, _) = open(&server, "/bare", "permessage-deflate");
    for _ in 0..2 {
        live.publish("room", long()).ready().unwrap().unwrap();
    }
    let first = follower.read_exact(2);
    let once = [first.clone(), follower.read_exact(usize::from(first[1]))].concat();
    assert_eq!(follower.read_exact(once.len()), once);
    assert_eq!(later.read_exact(2 * once.len()), once.repeat(2));
}

#[test]
fn a_bit_where_it_must_not_be_ends_the_connection() {
    let (_live, server) = start();
    for path in ["/echo", "/bare"] {
        let [half, rest] = [&b"\xf2\x48\xcd"[..], b"\xc9\xc9\x07\x00"];
        for bytes in [
            // On a continuation, in front of none, on control frames.
            [
                deflated_frame(Opcode::Text, false, half),
                vec![0xc0, 0x84, 1, 2, 3, 4],
                rest.to_vec(),
            ]
            .concat(),
            [frame(Opcode::Text, false, b"a"), vec![0xc0, 0x80, 1, 2, 3, 4]].concat(),
            vec![0xc0, 0x80, 1, 2, 3, 4],
            vec![0xc8, 0x80, 1, 2, 3, 4],
            vec![0xc9, 0x80, 1, 2, 3, 4],
            vec![0xca, 0x80, 1, 2, 3, 4],
            // The other reserved bits.
            vec![0xe1, 0x80, 1, 2, 3, 4],
            vec![0xd1, 0x80, 1, 2, 3, 4],
            vec![0xa1, 0x80, 1, 2, 3, 4],
        ] {
            let (mut conn, _) = open(&server, path, "permessage-deflate");
            conn.write(&bytes);
            closed_with(&mut conn, 1002);
        }
    }
}

#[test]
fn what_is_no_deflate_data_or_no_text_ends_the_connection() {
    let (_live, server) = start();
    for path in ["/echo", "/bare"] {
        for payload in [
            &b""[..],
            b"\x06",
            b"\xf2\x00\x11\x00\x00",
            b"\xf2\x48\xcd\xc9\xc9",
            &deflated(b"a\xff"),
            &deflated(b"a\xe2\x82"),
        ] {
            let (mut conn, _) = open(&server, path, "permessage-deflate");
            conn.write(&deflated_frame(Opcode::Text, true, payload));
            closed_with(&mut conn, 1007);
        }
    }
}

#[test]
fn a_bomb_ends_its_connection_and_costs_little() {
    let (_live, server) = start();
    // 64 MiB in 64 KiB, which is less than a frame may have.
    let mut bomb = Vec::new();
    Deflater::new(9, 15).deflate(&vec![b' '; 64 << 20], &mut bomb);
    assert!(bomb.len() < 100_000);
    let mut bystander = server.client().ws("/echo").open_ws();
    for path in ["/echo", "/bare"] {
        for parts in [1, 7] {
            let (mut conn, _) = open(&server, path, "permessage-deflate");
            let pieces: Vec<&[u8]> = bomb.chunks(bomb.len().div_ceil(parts)).collect();
            for (at, piece) in pieces.iter().enumerate() {
                let fin = at + 1 == pieces.len();
                conn.write(&match at {
                    0 => deflated_frame(Opcode::Text, fin, piece),
                    _ => frame(Opcode::Continuation, fin, piece),
                });
            }
            closed_with(&mut conn, 1009);
        }
    }
    bystander.send_text("still here");
    assert_eq!(bystander.text(), "still here");
    // The limit itself, and one past it.
    let (mut conn, _) = open(&server, "/echo", "permessage-deflate");
    conn.write(&deflated_frame(Opcode::Text, true, &deflated(&[b' '; 100_000])));
    let head = conn.read_exact(2);
    assert_eq!(head[0], 0xc1);
    assert!(head[1] < 126, "100,000 spaces are little");
    conn.read_exact(usize::from(head[1]));
    conn.write(&deflated_frame(Opcode::Text, true, &deflated(&[b' '; 100_001])));
    closed_with(&mut conn, 1009);
}
