//! A WebSocket client.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use squall_engine::wire::ws::{
    DecodeLimits, Decoder, Deflate, DeflateRequest, Deflater, Event, History, Inflate, Inflater, Opcode,
    Role, check_deflate_response, check_response, client_key, encode_client_request,
    encode_masked_deflated_frame, encode_masked_frame,
};

use super::PATIENCE;
use super::answer::{Answer, read_head, read_rest};
use super::raw::{Fill, RawConn};

/// What came over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WsEvent {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    /// A ping; [`WsClient::recv`] answers it and goes on.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The server's close: code and reason, if it gave any.
    Close(Option<(u16, String)>),
    /// The connection is gone, with or without a close before.
    Gone,
}

/// An open WebSocket.
pub struct WsClient {
    conn: RawConn,
    headers: HeaderMap,
    decoder: Decoder,
    compressing: Option<Compressing>,
}

/// What a client has that agreed to compress.
struct Compressing {
    deflater: Deflater,
    forgets: bool,
    inflater: Inflater,
    history: Option<History>,
}

impl Compressing {
    fn new(agreed: &Deflate) -> Self {
        Self {
            deflater: Deflater::new(agreed.level, agreed.client_window_bits),
            forgets: !agreed.client_takeover,
            inflater: Inflater::new(),
            history: agreed
                .server_takeover
                .then(|| History::new(agreed.server_window_bits)),
        }
    }
}

impl WsClient {
    #[expect(clippy::result_large_err, reason = "the answer is what a test looks at")]
    pub(super) fn open(
        addr: SocketAddr,
        target: &str,
        fields: &HeaderMap,
        deflate: Option<&DeflateRequest>,
    ) -> Result<Self, Answer> {
        let key = client_key(crate::random_bytes());
        let mut request = Vec::new();
        encode_client_request(target, &addr.to_string(), &key, fields, &mut request);
        let mut conn = RawConn::connect(addr);
        conn.write(&request);
        let (status, headers) = read_head(&mut conn);
        if status != 101 {
            return Err(read_rest(&mut conn, "GET", status, headers));
        }
        let offered = fields
            .get("sec-websocket-protocol")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let offered: Vec<&str> = offered
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let status = StatusCode::SWITCHING_PROTOCOLS;
        let checked = match deflate {
            None => check_response(status, &headers, &key, &offered).map(|_| None),
            Some(request) => {
                check_deflate_response(status, &headers, &key, &offered, request).map(|(_, agreed)| agreed)
            }
        };
        let agreed = checked.unwrap_or_else(|error| panic!("{error}: {headers:?}"));
        Ok(Self {
            conn,
            headers,
            decoder: Decoder::new(Role::Client),
            compressing: agreed.as_ref().map(Compressing::new),
        })
    }

    /// Whether the server agreed to compress. Then this client compresses every message.
    pub fn is_compressing(&self) -> bool {
        self.compressing.is_some()
    }

    /// The fields of the response that opened it.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Sends a text message.
    pub fn send_text(&mut self, text: &str) {
        self.send_frame(Opcode::Text, text.as_bytes());
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.send_frame(Opcode::Binary, bytes);
    }

    /// Sends a ping.
    pub fn ping(&mut self, payload: &[u8]) {
        self.send_frame(Opcode::Ping, payload);
    }

    /// Sends a close with that code; [`WsClient::recv`] then gives the server's.
    pub fn close(&mut self, code: u16) {
        self.send_frame(Opcode::Close, &code.to_be_bytes());
    }

    /// Sends bytes as they are: for frames that no client would make.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.conn.write(bytes);
    }

    fn send_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let (mut frame, key) = (Vec::new(), crate::random_bytes());
        match &mut self.compressing {
            Some(compressing) if matches!(opcode, Opcode::Text | Opcode::Binary) => {
                if compressing.forgets {
                    compressing.deflater.reset();
                }
                let mut deflated = Vec::new();
                compressing.deflater.deflate(payload, &mut deflated);
                encode_masked_deflated_frame(opcode, true, &deflated, key, &mut frame);
            }
            _ => encode_masked_frame(opcode, true, payload, key, &mut frame),
        }
        self.conn.write(&frame);
    }

    /// The next message, or the end. Pings are answered, pongs passed over.
    ///
    /// # Panics
    /// When nothing comes in [`PATIENCE`].
    #[track_caller]
    pub fn recv(&mut self) -> WsEvent {
        self.try_recv(PATIENCE)
            .unwrap_or_else(|| panic!("no message came in {PATIENCE:?}"))
    }

    /// The next message or the end, if it comes in that time.
    pub fn try_recv(&mut self, time: Duration) -> Option<WsEvent> {
        let deadline = Instant::now() + time;
        loop {
            match self.next_event(deadline)? {
                WsEvent::Ping(payload) => self.send_frame(Opcode::Pong, &payload),
                WsEvent::Pong(_) => {}
                event => return Some(event),
            }
        }
    }

    /// The next event of any kind, pings and pongs too; nothing is answered.
    ///
    /// # Panics
    /// When nothing comes in [`PATIENCE`].
    #[track_caller]
    pub fn recv_any(&mut self) -> WsEvent {
        self.next_event(Instant::now() + PATIENCE)
            .unwrap_or_else(|| panic!("nothing came in {PATIENCE:?}"))
    }

    /// The next message, which must be text.
    ///
    /// # Panics
    /// When it is not, or nothing comes in [`PATIENCE`].
    #[track_caller]
    pub fn text(&mut self) -> String {
        match self.recv() {
            WsEvent::Text(text) => text,
            other => panic!("no text but {other:?}"),
        }
    }

    fn next_event(&mut self, deadline: Instant) -> Option<WsEvent> {
        let limits = DecodeLimits {
            frame_bytes_max: 1 << 30,
            message_bytes_max: 1 << 30,
            ..DecodeLimits::default()
        };
        loop {
            if !self.conn.buffer.is_empty() {
                let inflate = self.compressing.as_mut().map(|compressing| Inflate {
                    inflater: &mut compressing.inflater,
                    history: compressing.history.as_mut(),
                });
                let decoded = self.decoder.decode_with(&mut self.conn.buffer, &limits, inflate);
                let (taken, event) =
                    decoded.unwrap_or_else(|violation| panic!("the server breaks RFC 6455: {violation}"));
                let event = event.map(owned);
                self.conn.buffer.drain(..taken);
                if event.is_some() {
                    return event;
                }
            }
            match self.conn.fill(deadline) {
                Fill::Data => {}
                Fill::Closed => return Some(WsEvent::Gone),
                Fill::TimedOut => return None,
            }
        }
    }
}

fn owned(event: Event<'_>) -> WsEvent {
    match event {
        Event::Text(text) => WsEvent::Text(text.into_owned()),
        Event::Binary(bytes) => WsEvent::Binary(bytes.into_owned()),
        Event::Ping(bytes) => WsEvent::Ping(bytes.to_vec()),
        Event::Pong(bytes) => WsEvent::Pong(bytes.to_vec()),
        Event::Close(frame) => WsEvent::Close(frame.map(|frame| (frame.code, frame.reason.to_string()))),
    }
}
