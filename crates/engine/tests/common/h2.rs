//! Clients of HTTP/2: the h2 crate's, and one that sends frames as bytes.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::Future;
use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};

use super::common::{Client, Running, plaintext};

/// Runs a client; one that waits longer than this has failed.
pub(crate) fn run<F: Future>(client: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), client)
            .await
            .unwrap()
    })
}

/// Connects with the defaults of the h2 crate.
pub(crate) async fn connect(server: &Running) -> SendRequest<Bytes> {
    connect_with(server, &h2::client::Builder::new()).await.0
}

/// Connects; with what the connection comes to in the end.
pub(crate) async fn connect_with(
    server: &Running,
    builder: &h2::client::Builder,
) -> (SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let address = server.handle().local_addr().unwrap();
    let socket = plaintext(std::net::TcpStream::connect(address).unwrap());
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::TcpStream::from_std(socket).unwrap();
    let (send, connection) = builder.handshake(socket).await.unwrap();
    let ended = tokio::spawn(connection);
    (send.ready().await.unwrap(), ended)
}

pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("http://example.org{path}"))
        .body(())
        .unwrap()
}

/// Sends a request without a body and gives back its answer, all of it.
pub(crate) async fn get(send: &SendRequest<Bytes>, path: &str) -> (Response<()>, Bytes) {
    ask(send, request("GET", path)).await
}

pub(crate) async fn ask(send: &SendRequest<Bytes>, request: Request<()>) -> (Response<()>, Bytes) {
    let mut send = send.clone().ready().await.unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    whole(answer.await.unwrap()).await
}

/// A body to its end.
pub(crate) async fn whole(response: Response<RecvStream>) -> (Response<()>, Bytes) {
    let (parts, mut body) = response.into_parts();
    let bytes = read(&mut body).await;
    (Response::from_parts(parts, ()), bytes)
}

pub(crate) async fn read(body: &mut RecvStream) -> Bytes {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    bytes.into()
}

pub(crate) async fn trailers(body: &mut RecvStream) -> Option<HeaderMap> {
    body.trailers().await.unwrap()
}

/// The preface of a client.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;

/// One frame, as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `GET path` of `a` in HPACK, without Huffman codes and without the dynamic table (RFC 7541 section 6.2.2).
pub(crate) fn get_block(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x01, 1, b'a', 0x04, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path.as_bytes());
    block
}

/// A field of HPACK, without Huffman codes and without the dynamic table.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            field.push(length as u8);
        } else {
            // RFC 7541 section 5.1: a prefix of seven bits, then seven bits at a time.
            field.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                field.push((rest % 128) as u8 | 0x80);
                rest /= 128;
            }
            field.push(rest as u8);
        }
        field.extend_from_slice(text.as_bytes());
    }
    field
}

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a GOAWAY or an RST_STREAM.
    pub(crate) fn reason(&self) -> Reason {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let code: [u8; 4] = self.payload[at..at + 4].try_into().unwrap();
        u32::from_be_bytes(code).into()
    }
}

impl Client {
    /// Connects and says that HTTP/2 is spoken; the settings of both sides are exchanged.
    pub(crate) fn begin_h2(server: &Running) -> Self {
        let mut client = Client::connect(server);
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        client
    }

    /// The next frame; none when the server has closed.
    pub(crate) fn read_frame(&mut self) -> Option<Frame> {
        let mut header = [0; 9];
        match self.socket.read(&mut header[..1]) {
            Ok(0) => return None,
            // A server that has closed answers what still comes with a reset.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return None,
            read => assert_eq!(read.unwrap(), 1),
        }
        self.socket.read_exact(&mut header[1..]).unwrap();
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; length as usize];
        self.socket.read_exact(&mut payload).unwrap();
        Some(Frame {
            kind: header[3],
            flags: header[4],
            stream: u32::from_be_bytes(header[5..].try_into().unwrap()),
            payload,
        })
    }

    /// The next frame of this kind; others are passed over.
    pub(crate) fn wait_for(&mut self, kind: u8) -> Frame {
        self.wait_for_one_of(&[kind])
    }

    /// The next frame of one of these kinds; others are passed over.
    pub(crate) fn wait_for_one_of(&mut self, kinds: &[u8]) -> Frame {
        loop {
            let frame = self.read_frame().expect("the server closed");
            if kinds.contains(&frame.kind) {
                return frame;
            }
        }
    }

    /// Sends these bytes again and again until the server has had enough; why, and how often they were sent at most.
    pub(crate) fn flood(&mut self, times_max: usize, bytes: impl Fn(usize) -> Vec<u8>) -> (Reason, usize) {
        self.socket.set_nonblocking(true).unwrap();
        let mut received = Vec::new();
        let mut sent = 0;
        'flood: for at in 0..times_max {
            let bytes = bytes(at);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match self.socket.write(rest) {
                    Ok(n) => rest = &rest[n..],
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => break 'flood,
                }
                if self.drain_into(&mut received) || has_goaway(&received) {
                    break 'flood;
                }
            }
            sent = at + 1;
        }
        self.socket.set_nonblocking(false).unwrap();
        // What the server said last may still be on its way.
        let mut buffer = [0; 4096];
        while !has_goaway(&received) {
            match self.socket.read(&mut buffer) {
                Ok(n) if n > 0 => received.extend_from_slice(&buffer[..n]),
                other => panic!("no GOAWAY after {sent} times: {other:?}"),
            }
        }
        (goaway(&received).unwrap(), sent)
    }

    /// Reads what is there; whether the server closed.
    fn drain_into(&mut self, received: &mut Vec<u8>) -> bool {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(0) => true,
            Ok(n) => {
                received.extend_from_slice(&buffer[..n]);
                false
            }
            Err(e) => e.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

fn has_goaway(received: &[u8]) -> bool {
    goaway(received).is_some()
}

/// The error code of the first GOAWAY among these frames.
fn goaway(mut rest: &[u8]) -> Option<Reason> {
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        if rest.len() < 9 + length {
            return None;
        }
        if rest[3] == GOAWAY {
            return Some(u32::from_be_bytes(rest[13..17].try_into().unwrap()).into());
        }
        rest = &rest[9 + length..];
    }
    None
}
