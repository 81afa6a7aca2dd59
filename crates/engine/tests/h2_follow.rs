//! Streams of HTTP/2 that follow a log or are WebSockets: as over HTTP/1, many of them on one connection.

mod common;
#[path = "common/h2.rs"]
mod h2_client;
#[path = "common/source.rs"]
mod source;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use common::{Client, Running, wait_until};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use h2_client::{
    END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, ask, connect, connect_with, frame, get as ask_get,
    get_block, request, run, whole,
};
use http::StatusCode;
use source::{Log, doors, serve_log};
use squall_engine::wire::ws::{Opcode, close_frame, encode_masked_frame, text_frame};
use squall_engine::ws::check_handshake;
use squall_engine::{Limits, Message, OnUpgrade};

const SHORT: Duration = Duration::from_millis(300);

fn limits() -> Limits {
    Limits {
        drain_timeout: Duration::from_secs(20),
        close_timeout: Duration::from_secs(1),
        ..Limits::default()
    }
}

fn serve(limits: Limits) -> (Running, Arc<Log>) {
    serve_log(doors().route("/echo", get(echo)), 1, limits)
}

/// A WebSocket with a handler that says back what it hears.
async fn echo(request: Request) -> Response {
    let accept = match check_handshake(&request.into_parts().0) {
        Ok(accept) => accept,
        Err(error) => return error.status().into_response(),
    };
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    *response.headers_mut() = accept.response_fields(accept.select(&["chat"]));
    let upgrade = OnUpgrade::new(|mut socket| async move {
        while let Some(message) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    });
    response.extensions_mut().insert(upgrade);
    response
}

/// Begins to follow over SSE.
async fn follow(client: &SendRequest<Bytes>) -> RecvStream {
    let mut client = client.clone().ready().await.unwrap();
    let (answer, _) = client.send_request(request("GET", "/sse"), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("content-length"));
    answer.into_body()
}

/// The handshake of a WebSocket (RFC 8441 section 5.1).
fn handshake(path: &str) -> http::Request<()> {
    let mut request = request("CONNECT", path);
    request
        .extensions_mut()
        .insert(Protocol::from_static("websocket"));
    let fields = request.headers_mut();
    fields.insert("sec-websocket-version", "13".parse().unwrap());
    request
}

/// One WebSocket, on one stream.
struct Socket {
    send: SendStream<Bytes>,
    recv: RecvStream,
    received: Vec<u8>,
}

impl Socket {
    async fn open(client: &SendRequest<Bytes>, path: &str) -> Self {
        let mut client = client.clone().ready().await.unwrap();
        let (answer, send) = client.send_request(handshake(path), false).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        for name in ["upgrade", "connection", "sec-websocket-accept"] {
            assert!(!answer.headers().contains_key(name), "{name}");
        }
        let (recv, received) = (answer.into_body(), Vec::new());
        Socket { send, recv, received }
    }

    fn say(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frame = Vec::new();
        encode_masked_frame(opcode, true, payload, [1, 2, 3, 4], &mut frame);
        self.send.send_data(frame.into(), false).unwrap();
    }

    async fn expect(&mut self, frame: &[u8]) {
        while self.received.len() < frame.len() {
            let data = self.recv.data().await.expect("the stream ended").unwrap();
            self.recv.flow_control().release_capacity(data.len()).unwrap();
            self.received.extend_from_slice(&data);
        }
        assert_eq!(self.received.drain(..frame.len()).collect::<Vec<_>>(), frame);
    }
}

async fn expect(body: &mut RecvStream, text: &str) {
    let mut received = Vec::new();
    while received.len() < text.len() {
        let data = body.data().await.expect("the stream ended").unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        received.extend_from_slice(&data);
    }
    assert_eq!(String::from_utf8_lossy(&received), text);
}

/// The stream ends, and is not cut.
async fn ends(body: &mut RecvStream) {
    while let Some(data) = body.data().await {
        assert_eq!(data.unwrap(), "", "an empty DATA frame may carry the end");
    }
}

#[test]
fn many_streams_of_one_connection_follow_and_are_let_go_of() {
    let (server, log) = serve(limits());
    run(async {
        let client = connect(&server).await;
        let mut followers = Vec::new();
        for _ in 0..100 {
            followers.push(follow(&client).await);
        }
        log.publish([Bytes::from_static(b"one"), Bytes::from_static(b"two")]);
        for follower in &mut followers {
            expect(follower, "onetwo").await;
        }
        assert_eq!(ask_get(&client, "/").await.1, "hello");
        assert_eq!(server.handle().open_connections(), 1);
        assert_eq!(log.following(), 100);
        // Half of them reset, the others go with their connection.
        drop(followers.split_off(50));
        while log.following() > 50 {
            tokio::task::yield_now().await;
        }
    });
    wait_until(|| log.following() == 0);
    assert_eq!(log.strangers.load(Ordering::SeqCst), 0);
}

#[test]
fn a_follower_without_window_waits_and_loses_nothing() {
    let (server, log) = serve(limits());
    run(async {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(10);
        let (client, _) = connect_with(&server, &builder).await;
        let (mut slow, mut other) = (follow(&client).await, follow(&client).await);
        let messages: Vec<Bytes> = (0..1000).map(|at| format!("{at:07}\n").into()).collect();
        let all = messages.concat();
        log.publish(messages);
        expect(&mut other, std::str::from_utf8(&all).unwrap()).await;
        expect(&mut slow, std::str::from_utf8(&all).unwrap()).await;
    });
}

#[test]
fn a_follower_that_never_takes_anything_is_cut_in_time() {
    let (server, log) = serve(Limits {
        write_stall_timeout: SHORT,
        ..limits()
    });
    run(async {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(10);
        let (client, _) = connect_with(&server, &builder).await;
        let mut stalled = follow(&client).await;
        log.publish([Bytes::from(vec![b'x'; 100])]);
        let error = loop {
            match stalled.data().await.unwrap() {
                Ok(data) => assert!(data.len() <= 10),
                Err(error) => break error,
            }
        };
        assert_eq!(error.reason(), Some(Reason::CANCEL));
        assert_eq!(log.following(), 0);
        let (head, _) = ask(&client, request("HEAD", "/")).await;
        assert_eq!(head.status(), 200, "the connection goes on");
    });
}

#[test]
fn a_quiet_follower_gets_heartbeats() {
    let (server, _) = serve(Limits {
        heartbeat_interval: SHORT,
        ..limits()
    });
    run(async {
        let client = connect(&server).await;
        expect(&mut follow(&client).await, ":\n:\n").await;
    });
}

#[test]
fn long_polls_wait_side_by_side_and_are_answered() {
    let (server, log) = serve(limits());
    run(async {
        let client = connect(&server).await;
        let polls: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { ask_get(&client, "/poll").await })
            })
            .collect();
        while log.following() < 20 {
            tokio::task::yield_now().await;
        }
        let large = Bytes::from(vec![b'x'; 300_000]);
        log.publish([large.clone()]);
        for poll in polls {
            let (head, body) = poll.await.unwrap();
            assert_eq!(head.status(), 200);
            assert_eq!(head.headers()["content-length"], "300000");
            assert_eq!(head.headers().get_all("set-cookie").iter().count(), 2);
            assert!(body == large);
        }
        assert_eq!(log.following(), 0);
        assert_eq!(
            ask_get(&client, "/poll").await.1.len(),
            300_000,
            "there is something already"
        );
    });
}

#[test]
fn websockets_follow_and_are_heard() {
    let (server, log) = serve(limits());
    run(async {
        let client = connect(&server).await;
        // Said by the server's settings, which have come when it has answered.
        assert_eq!(ask_get(&client, "/").await.1, "hello");
        assert!(client.is_extended_connect_protocol_enabled());
        let mut one = Socket::open(&client, "/ws").await;
        let mut two = Socket::open(&client, "/ws").await;
        log.publish([Bytes::from_static(b"news")]);
        one.expect(&text_frame(b"news")).await;
        two.expect(&text_frame(b"news")).await;
        one.say(Opcode::Text, b"said");
        one.say(Opcode::Ping, b"?");
        one.expect(&[0x8a, 1, b'?']).await;
        assert_eq!(log.heard(1), [Message::Text("said".to_owned())]);
        one.say(Opcode::Close, &1000_u16.to_be_bytes());
        one.expect(&close_frame(1000, "")).await;
        ends(&mut one.recv).await;
        two.send.send_reset(Reason::CANCEL);
        while log.following() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_websocket_with_a_handler_echoes_more_than_every_window() {
    let (server, _) = serve(limits());
    run(async {
        let client = connect(&server).await;
        let mut socket = Socket::open(&client, "/echo").await;
        for at in 0..20 {
            let payload = vec![at; 60_000];
            let mut frame = Vec::new();
            encode_masked_frame(Opcode::Binary, true, &payload, [1, 2, 3, 4], &mut frame);
            let mut rest = Bytes::from(frame);
            let mut back = Vec::new();
            squall_engine::wire::ws::encode_frame(Opcode::Binary, &payload, &mut back);
            while !rest.is_empty() {
                socket.send.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|cx| socket.send.poll_capacity(cx)).await;
                let part = rest.split_to(room.unwrap().unwrap().min(rest.len()));
                socket.send.send_data(part, false).unwrap();
            }
            socket.expect(&back).await;
        }
        socket.say(Opcode::Close, &1001_u16.to_be_bytes());
        socket.expect(&close_frame(1001, "")).await;
        ends(&mut socket.recv).await;
    });
}

#[test]
fn what_is_no_websocket_handshake_is_refused() {
    let (server, _) = serve(limits());
    run(async {
        let mut client = connect(&server).await;
        // As a GET, which cannot become one over HTTP/2.
        assert_eq!(ask_get(&client, "/ws").await.0.status(), 400);
        let mut without = handshake("/ws");
        without.headers_mut().remove("sec-websocket-version");
        let mut other_version = handshake("/ws");
        other_version
            .headers_mut()
            .insert("sec-websocket-version", "8".parse().unwrap());
        let mut unknown = handshake("/ws");
        unknown
            .extensions_mut()
            .insert(Protocol::from_static("connect-udp"));
        let nowhere = handshake("/none");
        for (request, status) in [
            (without, 400),
            (other_version, 426),
            (unknown, 501),
            (nowhere, 404),
        ] {
            client = client.ready().await.unwrap();
            let (answer, _send) = client.send_request(request, false).unwrap();
            assert_eq!(whole(answer.await.unwrap()).await.0.status(), status);
        }
        assert_eq!(ask_get(&client, "/").await.1, "hello");
    });
}

#[test]
fn a_subprotocol_is_chosen() {
    let (server, _) = serve(limits());
    run(async {
        let mut client = connect(&server).await;
        let mut request = handshake("/echo");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "x, chat".parse().unwrap());
        let (answer, _send) = client.send_request(request, false).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    });
}

#[test]
fn a_drain_says_farewell_on_every_stream_and_ends_the_connection() {
    let (server, log) = serve(limits());
    run(async {
        let (client, ended) = connect_with(&server, &h2::client::Builder::new()).await;
        let mut stream = follow(&client).await;
        let mut socket = Socket::open(&client, "/ws").await;
        let mut handled = Socket::open(&client, "/echo").await;
        log.publish([Bytes::from_static(b"news")]);
        expect(&mut stream, "news").await;
        server.handle().shutdown();
        expect(&mut stream, "bye").await;
        ends(&mut stream).await;
        socket.expect(&text_frame(b"news")).await;
        socket.expect(&close_frame(1001, "bye")).await;
        handled
            .expect(&close_frame(1001, "the server is going away"))
            .await;
        handled.say(Opcode::Close, &1001_u16.to_be_bytes());
        handled.send.send_data(Bytes::new(), true).unwrap();
        socket.send.send_data(Bytes::new(), true).unwrap();
        ended.await.unwrap().unwrap();
    });
    server.handle().join();
    assert_eq!(log.following(), 0);
}

#[test]
fn head_of_a_stream_is_its_head() {
    let (server, log) = serve(limits());
    run(async {
        let client = connect(&server).await;
        let (head, body) = ask(&client, request("HEAD", "/sse")).await;
        assert_eq!((head.status(), body.len()), (StatusCode::OK, 0));
        assert_eq!(log.attached.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_follower_over_http_1_goes_on_beside_those_over_http_2() {
    let (server, log) = serve_log(doors().merge(Router::new()), 1, limits());
    let mut old = common::Client::connect(&server);
    old.send(b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n");
    old.read_head();
    run(async {
        let client = connect(&server).await;
        let mut new = follow(&client).await;
        log.publish([Bytes::from_static(b"to all")]);
        expect(&mut new, "to all").await;
    });
    old.expect("to all");
}

#[test]
fn a_connection_whose_followers_were_reset_a_thousand_times_is_told_to_open_another() {
    const RESETS_MAX: u32 = 1000;
    let (server, log) = serve(limits());
    let mut client = Client::begin_h2(&server);
    for at in 0..RESETS_MAX {
        let stream = 1 + 2 * at;
        client.send(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &get_block("/sse"),
        ));
        assert_eq!(client.wait_for_one_of(&[HEADERS, GOAWAY]).kind, HEADERS, "{at}");
        client.send(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let farewell = client.wait_for(GOAWAY);
    assert_eq!(farewell.payload[4..8], [0; 4], "it did nothing wrong");
    wait_until(|| log.following() == 0);
}
