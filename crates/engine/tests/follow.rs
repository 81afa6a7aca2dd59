//! Connections that follow a log: what they are sent, to the byte, and that each is let go of once.

mod common;
#[path = "common/source.rs"]
mod source;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use common::{Client, Running, wait_until};
use http::HeaderMap;
use source::{Log, doors, park, park_from, serve_log};
use squall_engine::source::Framing;
use squall_engine::wire::ws::{Opcode, encode_masked_frame};
use squall_engine::{Limits, Message};

const SHORT: Duration = Duration::from_millis(300);

const HANDSHAKE: &str = "HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn limits() -> Limits {
    Limits {
        drain_timeout: Duration::from_secs(20),
        close_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

fn serve(limits: Limits) -> (Running, Arc<Log>) {
    serve_log(doors(), 1, limits)
}

fn follow_sse(server: &Running) -> Client {
    let mut client = Client::connect(server);
    client.send(b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    client
}

fn follow_ws(server: &Running) -> Client {
    let mut client = Client::connect(server);
    client.send(format!("GET /ws {HANDSHAKE}").as_bytes());
    assert!(client.read_head().starts_with("HTTP/1.1 101 "));
    client
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_masked_frame(opcode, true, payload, [1, 2, 3, 4], &mut frame);
    frame
}

/// One frame of the server: its first byte and its payload.
fn read_frame(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.read_exactly(2);
    let length = match head[1] {
        126 => u16::from_be_bytes(client.read_exactly(2).try_into().unwrap()).into(),
        127 => u64::from_be_bytes(client.read_exactly(8).try_into().unwrap()) as usize,
        length => length.into(),
    };
    (head[0], client.read_exactly(length))
}

/// Messages of many sizes, empty ones among them, that differ in every byte's neighbourhood.
fn messages(count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|n| {
            let length = [0, 1, 1000, 1000, 1000, 4096, 40_000][n % 7];
            (0..length).map(|at| b'a' + ((n + at) % 26) as u8).collect()
        })
        .collect()
}

/// Every follower was let go of exactly once.
fn assert_all_detached(log: &Log) {
    wait_until(|| log.following() == 0);
    assert_eq!(log.strangers.load(Ordering::SeqCst), 0);
    assert_eq!(
        log.attached.load(Ordering::SeqCst),
        log.detached.load(Ordering::SeqCst)
    );
}

#[test]
fn a_slow_reader_of_a_stream_gets_every_byte() {
    let (server, log) = serve(limits());
    let sent = messages(3000);
    let mut client = follow_sse(&server);
    log.publish(sent[..1500].iter().cloned());
    let mut expected = Vec::new();
    sent.iter().for_each(|m| expected.extend_from_slice(m));
    let mut got = Vec::new();
    let mut more = Some(&sent[1500..]);
    let mut buffer = vec![0; 7000];
    while got.len() < expected.len() {
        let count = client.socket.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the stream ended after {} bytes", got.len());
        got.extend_from_slice(&buffer[..count]);
        if got.len() > expected.len() / 4
            && let Some(more) = more.take()
        {
            log.publish(more.iter().cloned());
        }
    }
    assert!(got == expected, "other bytes than were published");
    drop(client);
    assert_all_detached(&log);
}

#[test]
fn many_followers_on_many_cores_get_every_message_once() {
    let (server, log) = serve_log(doors(), 4, limits());
    let mut clients: Vec<_> = (0..40).map(|_| follow_ws(&server)).collect();
    let sent: Vec<Bytes> = (0..200).map(|n| Bytes::from(format!("message {n}"))).collect();
    for message in &sent {
        log.publish([message.clone()]);
    }
    for client in &mut clients {
        for message in &sent {
            assert_eq!(read_frame(client), (0x81, message.to_vec()));
        }
    }
    drop(clients);
    assert_all_detached(&log);
    wait_until(|| server.handle().open_connections() == 0);
}

#[test]
fn frames_of_one_size_fill_a_socket_and_go_on() {
    const TOTAL_BYTES: usize = 8 * 1024 * 1024;
    for size in [512, 1024, 16_384, 65_536] {
        let (server, log) = serve(limits());
        let mut client = follow_sse(&server);
        log.publish((0..TOTAL_BYTES / size).map(|n| Bytes::from(vec![b'a' + (n % 26) as u8; size])));
        for n in 0..TOTAL_BYTES / size {
            assert!(client.read_exactly(size) == vec![b'a' + (n % 26) as u8; size]);
        }
        drop(client);
        assert_all_detached(&log);
    }
}

#[test]
fn a_follower_that_never_reads_is_cut_whatever_is_published() {
    let (server, log) = serve(Limits {
        write_stall_timeout: SHORT,
        ..limits()
    });
    let clients = [follow_sse(&server), follow_ws(&server)];
    log.publish((0..2000).map(|_| Bytes::from_static(&[b'x'; 16_384])));
    // What is published meanwhile does not prolong its time.
    wait_until(|| {
        log.publish([Bytes::from_static(b"more")]);
        log.following() == 0
    });
    drop(clients);
    assert_all_detached(&log);
}

#[test]
fn a_quiet_stream_has_heartbeats() {
    let (server, log) = serve(Limits {
        heartbeat_interval: SHORT,
        ..limits()
    });
    let mut client = follow_sse(&server);
    client.expect(":\n:\n");
    log.publish([Bytes::from_static(b"news")]);
    client.expect("news:\n");
}

#[test]
fn a_quiet_follower_is_pinged_and_then_cut_in_time() {
    let (server, log) = serve(Limits {
        ping_interval: Duration::from_secs(3),
        ping_timeout: SHORT,
        ..limits()
    });
    let mut client = follow_ws(&server);
    assert_eq!(read_frame(&mut client), (0x89, vec![]));
    let pinged = Instant::now();
    assert_eq!(client.read_to_end(), "");
    assert!(
        pinged.elapsed() < Duration::from_secs(2),
        "{:?}",
        pinged.elapsed()
    );
    assert_all_detached(&log);
}

#[test]
fn a_follower_that_answers_pings_stays() {
    let (server, log) = serve(Limits {
        ping_interval: SHORT,
        ping_timeout: SHORT,
        ..limits()
    });
    let mut client = follow_ws(&server);
    for _ in 0..4 {
        assert_eq!(read_frame(&mut client), (0x89, vec![]));
        client.send(&frame(Opcode::Pong, b""));
    }
    log.publish([Bytes::from_static(b"news")]);
    while read_frame(&mut client) != (0x81, b"news".to_vec()) {}
    assert_eq!(log.following(), 1);
}

#[test]
fn pings_to_a_full_socket_break_no_frame_and_stop_no_reading() {
    let (server, log) = serve(limits());
    let mut client = follow_ws(&server);
    let sent: Vec<Bytes> = (0..600)
        .map(|n| Bytes::from(vec![b'a' + (n % 26) as u8; 16_000]))
        .collect();
    log.publish(sent.iter().cloned());
    let mut writer = client.socket.try_clone().unwrap();
    let thread = std::thread::spawn(move || {
        for n in 0..40_000u32 {
            writer.write_all(&frame(Opcode::Ping, &n.to_be_bytes())).unwrap();
        }
        writer
            .write_all(&frame(Opcode::Text, b"after the pings"))
            .unwrap();
    });
    let mut data = 0;
    let mut last_pong = None;
    while data < sent.len() || last_pong != Some(39_999) {
        match read_frame(&mut client) {
            (0x81, payload) => {
                assert!(payload == sent[data], "message {data}");
                data += 1;
            }
            (0x8a, payload) => {
                let pong = u32::from_be_bytes(payload.try_into().unwrap());
                assert!(last_pong.is_none_or(|last| last < pong));
                last_pong = Some(pong);
            }
            other => panic!("{other:?}"),
        }
    }
    thread.join().unwrap();
    assert_eq!(log.heard(1), [Message::Text("after the pings".to_owned())]);
}

#[test]
fn a_follower_that_closes_is_answered_with_its_code() {
    let (server, log) = serve(limits());
    let mut client = follow_ws(&server);
    client.send(&frame(Opcode::Close, &[0x0b, 0xb8]));
    assert_eq!(read_frame(&mut client), (0x88, vec![0x0b, 0xb8]));
    assert_eq!(client.read_to_end(), "");
    assert_all_detached(&log);
}

#[test]
fn a_follower_that_breaks_the_protocol_is_told_and_let_go() {
    let (server, log) = serve(limits());
    for (bytes, code) in [
        (b"\x81\x01a".to_vec(), 1002u16),
        (frame(Opcode::Text, b"\xff"), 1007),
        (
            b"\x82\xff\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00".to_vec(),
            1009,
        ),
    ] {
        let mut client = follow_ws(&server);
        client.send(&bytes);
        let (opcode, payload) = read_frame(&mut client);
        assert_eq!((opcode, &payload[..2]), (0x88, &code.to_be_bytes()[..]));
        assert_eq!(client.read_to_end(), "");
    }
    assert_all_detached(&log);
}

#[test]
fn messages_in_drops_and_fragments_are_heard_whole() {
    let (server, log) = serve(limits());
    let mut client = follow_ws(&server);
    let mut bytes = Vec::new();
    encode_masked_frame(Opcode::Text, false, b"one ", [9, 8, 7, 6], &mut bytes);
    encode_masked_frame(Opcode::Ping, true, b"?", [9, 8, 7, 6], &mut bytes);
    encode_masked_frame(Opcode::Continuation, true, b"message", [5, 4, 3, 2], &mut bytes);
    for byte in bytes {
        client.send(&[byte]);
    }
    assert_eq!(read_frame(&mut client), (0x8a, b"?".to_vec()));
    assert_eq!(log.heard(1), [Message::Text("one message".to_owned())]);
}

#[test]
fn a_panic_over_a_message_closes_its_connection_alone() {
    let (server, log) = serve(limits());
    let mut other = follow_ws(&server);
    let mut client = follow_ws(&server);
    let mut bytes = frame(Opcode::Text, b"panic");
    bytes.extend_from_slice(&frame(Opcode::Text, b"never heard"));
    client.send(&bytes);
    let (opcode, payload) = read_frame(&mut client);
    assert_eq!((opcode, &payload[..2]), (0x88, &1011u16.to_be_bytes()[..]));
    assert_eq!(client.read_to_end(), "");
    other.send(&frame(Opcode::Text, b"heard"));
    assert_eq!(log.heard(1), [Message::Text("heard".to_owned())]);
    drop(other);
    assert_all_detached(&log);
}

#[test]
fn a_panic_of_the_source_closes_its_connection_alone() {
    let route = get(|h: HeaderMap| async move { park_from(u64::MAX, Framing::Stream, &h) });
    let (server, log) = serve_log(doors().route("/panic", route), 1, limits());
    let mut other = follow_sse(&server);
    let mut client = Client::connect(&server);
    client.send(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_head();
    assert_eq!(client.read_to_end(), "");
    log.publish([Bytes::from_static(b"news")]);
    other.expect("news");
    drop(other);
    assert_all_detached(&log);
}

#[test]
fn a_response_that_no_source_knows_is_closed() {
    let server = common::serve_with(doors(), limits());
    assert!(common::exchange(&server, "GET /sse HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("\r\n\r\n"));
    assert_eq!(
        common::exchange(&server, "GET /poll HTTP/1.1\r\nHost: a\r\n\r\n"),
        ""
    );
}

#[test]
fn a_long_poll_is_answered_later_and_its_connection_used_again() {
    let (server, log) = serve(limits());
    let mut client = Client::connect(&server);
    client.send(b"GET /poll HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(|| log.following() == 1);
    log.publish([Bytes::from_static(b"news")]);
    let head = client.read_head();
    assert!(head.contains("\r\ncontent-length: 4\r\n"), "{head}");
    assert!(
        head.contains("\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"),
        "{head}"
    );
    client.expect("news");
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.read_head().starts_with("HTTP/1.1 200 OK\r\n"));
    client.expect("hello");
    client.send(b"HEAD /poll HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(client.read_to_end().ends_with("\r\n\r\n"));
    assert_all_detached(&log);
}

#[test]
fn a_request_behind_a_long_poll_waits_its_turn() {
    let (server, log) = serve(limits());
    let mut client = Client::connect(&server);
    client.send(b"GET /poll HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
    wait_until(|| log.following() == 1);
    client.send(b"TP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    log.publish([Bytes::from_static(b"news")]);
    let answer = client.read_to_end();
    let bodies: Vec<_> = answer
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|a| a.split("\r\n\r\n").nth(1).unwrap())
        .collect();
    assert_eq!(bodies, ["news", "hello", "hello"]);
    assert_all_detached(&log);
}

#[test]
fn long_polls_that_are_answered_at_once_do_not_pile_up() {
    let (server, log) = serve(limits());
    log.publish([Bytes::from_static(b"old")]);
    let mut client = Client::connect(&server);
    let mut bytes = b"GET /poll HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2000);
    bytes.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.send(&bytes);
    let answer = client.read_to_end();
    assert_eq!(answer.matches("\r\n\r\nold").count(), 2000);
    assert!(answer.ends_with("hello"));
    assert_all_detached(&log);
}

#[test]
fn what_comes_before_a_late_handshake_is_not_lost() {
    let release = Arc::new(tokio::sync::Notify::new());
    let released = release.clone();
    let app = Router::new().route(
        "/ws",
        get(move |headers: HeaderMap| async move {
            released.notified().await;
            park(Framing::WebSocket, &headers)
        }),
    );
    let (server, log) = serve_log(app, 1, limits());
    let mut client = Client::connect(&server);
    let mut bytes = format!("GET /ws {HANDSHAKE}").into_bytes();
    for _ in 0..30 {
        bytes.extend_from_slice(&frame(Opcode::Text, &[b'x'; 10_000]));
    }
    client.send(&bytes);
    release.notify_one();
    client.read_head();
    assert_eq!(log.heard(30).len(), 30);
}

#[test]
fn a_drain_says_farewell_to_all_who_follow() {
    let (server, log) = serve(limits());
    let mut sse = follow_sse(&server);
    let mut ws = follow_ws(&server);
    let mut poll = Client::connect(&server);
    poll.send(b"GET /poll HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until(|| log.following() == 3);
    server.handle().shutdown();
    assert_eq!(sse.read_to_end(), "bye");
    let (opcode, payload) = read_frame(&mut ws);
    assert_eq!((opcode, &payload[..2]), (0x88, &1001u16.to_be_bytes()[..]));
    let answer = poll.read_to_end();
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    drop((sse, ws, poll));
    server.handle().join();
    assert_all_detached(&log);
    assert_eq!(server.handle().open_connections(), 0);
}

#[test]
fn a_drain_does_not_wait_for_those_who_only_read_to_close_too() {
    let hour = Duration::from_secs(3600);
    let (server, log) = serve(Limits {
        close_timeout: hour,
        drain_timeout: hour,
        ..limits()
    });
    let _sse = follow_sse(&server);
    wait_until(|| log.following() == 1);
    server.handle().shutdown();
    server.handle().join();
    assert_all_detached(&log);
}

#[test]
fn a_drain_gives_a_slow_follower_all_that_was_published() {
    let (server, log) = serve(limits());
    let mut client = follow_sse(&server);
    let sent = messages(2000);
    log.publish(sent.iter().cloned());
    server.handle().shutdown();
    let mut got = Vec::new();
    client.socket.read_to_end(&mut got).unwrap();
    let mut expected = sent.concat();
    expected.extend_from_slice(b"bye");
    assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
    drop(client);
    server.handle().join();
    assert_all_detached(&log);
}

#[test]
fn a_follower_that_goes_away_is_let_go() {
    let (server, log) = serve(limits());
    let mut poll = Client::connect(&server);
    poll.send(b"GET /poll HTTP/1.1\r\nHost: a\r\n\r\n");
    let clients = (follow_sse(&server), follow_ws(&server), poll);
    wait_until(|| log.following() == 3);
    drop(clients);
    assert_all_detached(&log);
    wait_until(|| server.handle().open_connections() == 0);
}
