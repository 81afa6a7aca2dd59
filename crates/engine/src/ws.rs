//! WebSocket connections that run a handler of their own.
//!
//! The handler has a [`Socket`]; the core has the connection. Between them is a channel with back-pressure both ways:
//! a handler that does not receive stops its peer, a peer that does not read stops the handler.

mod deflate;

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use squall_wire::ws::{
    Accept, CloseFrame, Opcode, UpgradeError, check_connect, check_upgrade, close_frame, encode_frame,
};

use crate::core::link::{Link, Note};
use crate::source::ConnId;

pub use deflate::{DEFLATE_BYTES_MAX, DEFLATE_KINDS, deflate_kind, encode_shared};
pub(crate) use deflate::{Reading, Writing};

/// One WebSocket message, as an application sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text; checked.
    Text(String),
    /// Anything.
    Binary(Bytes),
}

impl Message {
    /// How many bytes of payload it has.
    pub fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(data) => data.len(),
        }
    }

    /// Whether it has no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What runs when the handshake's response is written.
type Callback = Box<dyn FnOnce(Socket) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// A response extension: with a `101`, the connection becomes a WebSocket, and the callback runs with it, on the core
/// that owns it.
#[derive(Clone)]
pub struct OnUpgrade(Arc<Mutex<Option<Callback>>>);

impl OnUpgrade {
    /// Runs `callback` once the connection is a WebSocket.
    pub fn new<F, Fut>(callback: F) -> Self
    where
        F: FnOnce(Socket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let callback: Callback = Box::new(move |socket| Box::pin(callback(socket)));
        OnUpgrade(Arc::new(Mutex::new(Some(callback))))
    }

    pub(crate) fn take(&self) -> Option<Callback> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request extension: this is the handshake of a WebSocket over HTTP/2 (RFC 8441). The application sees a `GET`;
/// [`check_handshake`] tells it from one of HTTP/1.1.
#[derive(Clone, Copy, Debug)]
pub struct Extended(pub(crate) ());

/// Checks a client's opening handshake, of HTTP/1.1 (RFC 6455 section 4.2.1) or HTTP/2 (RFC 8441 section 4).
///
/// Both are answered with the fields of [`Accept`] and 101; over HTTP/2 the engine makes a 200 of it. Whether its
/// `Origin` is welcome is not asked here.
///
/// # Errors
/// As [`check_upgrade`]; a WebSocket over HTTP/2 has no key and names no `Upgrade`.
pub fn check_handshake(parts: &http::request::Parts) -> Result<Accept, UpgradeError> {
    match parts.extensions.get::<Extended>() {
        Some(_) => check_connect(&parts.headers),
        None => check_upgrade(&parts.method, parts.version, &parts.headers),
    }
}

/// An open WebSocket, as its handler holds it. Dropping it closes the connection with 1000, or with 1011
/// when its handler panics.
pub struct Socket {
    channel: Arc<Channel>,
    writing: Writing,
}

/// The socket is closed: nothing can be sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the WebSocket is closed")
    }
}

impl std::error::Error for Closed {}

impl Socket {
    pub(crate) fn new(channel: Arc<Channel>, writing: Writing) -> Self {
        Socket { channel, writing }
    }

    /// The next message; none when the connection has ended, see [`Socket::close_code`] for how.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`Socket::recv`], for hand-written futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.channel.poll_recv(cx)
    }

    /// Sends a message. Waits while the peer does not read and the buffer
    /// ([`crate::Limits::ws_buffer_bytes`]) is full.
    ///
    /// # Errors
    /// [`Closed`], when the connection has ended or a close was sent.
    pub async fn send(&mut self, message: Message) -> Result<(), Closed> {
        poll_fn(|cx| self.channel.poll_room(cx)).await?;
        let (opcode, payload) = match &message {
            Message::Text(text) => (Opcode::Text, text.as_bytes()),
            Message::Binary(data) => (Opcode::Binary, &data[..]),
        };
        if let Writing::Plain = self.writing {
            return self.channel.write(opcode, payload);
        }
        // Compressed before the core is kept from the channel.
        let mut frame = Vec::new();
        self.writing.encode(opcode, payload, &mut frame);
        self.channel.write_frame(&frame)
    }

    /// Sends a ping; at most 125 bytes of `payload` are sent. The engine pings quiet peers by itself.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Closed> {
        poll_fn(|cx| self.channel.poll_room(cx)).await?;
        self.channel
            .write(Opcode::Ping, &payload[..payload.len().min(125)])
    }

    /// Begins the close with a code (RFC 6455 section 7.4) and a reason of at most 123 bytes. What the peer sent before
    /// it answers can still be received.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.channel.close(code, reason);
    }

    /// How the peer closed: its code; 1005 if it gave none, 1006 if the connection was lost. None while it is open.
    pub fn close_code(&self) -> Option<u16> {
        self.channel.lock().ended
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let code = if std::thread::panicking() { 1011 } else { 1000 };
        self.channel.close(code, "");
        self.channel.lock().dropped = true;
        self.channel.tell();
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

/// Between a core and a handler.
pub(crate) struct Channel {
    state: Mutex<State>,
    link: Arc<Link>,
    conn: ConnId,
    buffer_bytes_max: usize,
}

#[derive(Default)]
struct State {
    inbound: VecDeque<Message>,
    inbound_bytes: usize,
    receiver: Option<Waker>,
    /// The core stopped reading until the handler has received.
    paused: bool,
    /// Encoded frames that the core has not taken.
    outbound: Vec<u8>,
    sender: Option<Waker>,
    /// The socket is full: what the core has taken is still with it.
    blocked: bool,
    /// The core was told that there is something to do.
    told: bool,
    close_sent: bool,
    ended: Option<u16>,
    dropped: bool,
}

impl Channel {
    pub(crate) fn new(link: Arc<Link>, conn: ConnId, buffer_bytes_max: usize) -> Arc<Self> {
        Arc::new(Channel {
            state: Mutex::default(),
            link,
            conn,
            buffer_bytes_max,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the core, once, that something changed here.
    fn tell(&self) {
        let told = std::mem::replace(&mut self.lock().told, true);
        if !told {
            self.link.note(Note::Socket(self.conn));
        }
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = self.lock();
        if let Some(message) = state.inbound.pop_front() {
            state.inbound_bytes -= cost(&message);
            let resume = state.paused && state.inbound_bytes < self.buffer_bytes_max / 2;
            state.paused &= !resume;
            drop(state);
            if resume {
                self.tell();
            }
            return Poll::Ready(Some(message));
        }
        if state.ended.is_some() {
            return Poll::Ready(None);
        }
        state.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.lock();
        if state.close_sent || state.ended.is_some() {
            return Poll::Ready(Err(Closed));
        }
        if state.outbound.len() >= self.buffer_bytes_max || (state.blocked && !state.outbound.is_empty()) {
            state.sender = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn write(&self, opcode: Opcode, payload: &[u8]) -> Result<(), Closed> {
        let mut state = self.lock();
        if state.close_sent || state.ended.is_some() {
            return Err(Closed);
        }
        encode_frame(opcode, payload, &mut state.outbound);
        drop(state);
        self.tell();
        Ok(())
    }

    fn write_frame(&self, frame: &[u8]) -> Result<(), Closed> {
        let mut state = self.lock();
        if state.close_sent || state.ended.is_some() {
            return Err(Closed);
        }
        state.outbound.extend_from_slice(frame);
        drop(state);
        self.tell();
        Ok(())
    }

    /// Sends a close frame, once.
    pub(crate) fn close(&self, code: u16, reason: &str) {
        self.close_with(&close_frame(code, reason));
    }

    /// Sends this close frame, if none was sent.
    pub(crate) fn close_with(&self, frame: &[u8]) {
        let mut state = self.lock();
        if state.close_sent || state.ended == Some(ABNORMAL) {
            return;
        }
        state.close_sent = true;
        state.outbound.extend_from_slice(frame);
        drop(state);
        self.tell();
    }

    /// A pong, which does not wait for room: the core reads no more from a peer that is owed much.
    pub(crate) fn control(&self, frame: &[u8]) {
        let mut state = self.lock();
        if !state.close_sent {
            state.outbound.extend_from_slice(frame);
        }
    }

    /// A message came in; whether the core may go on reading.
    pub(crate) fn push(&self, message: Message) -> bool {
        let mut state = self.lock();
        if state.dropped {
            return true;
        }
        state.inbound_bytes += cost(&message);
        state.inbound.push_back(message);
        state.paused = state.inbound_bytes >= self.buffer_bytes_max;
        let (receiver, paused) = (state.receiver.take(), state.paused);
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        !paused
    }

    /// The connection has ended, with this code.
    pub(crate) fn end(&self, code: u16) {
        let mut state = self.lock();
        state.ended.get_or_insert(code);
        let wakers = [state.receiver.take(), state.sender.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Moves what is to be sent into `into`, which is empty; says whether the socket was full before.
    pub(crate) fn take_outbound(&self, into: &mut Vec<u8>, blocked: bool) {
        let mut state = self.lock();
        state.told = false;
        state.blocked = blocked;
        if !blocked && into.is_empty() {
            std::mem::swap(&mut state.outbound, into);
        }
        let sender = if blocked { None } else { state.sender.take() };
        drop(state);
        if let Some(sender) = sender {
            sender.wake();
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    pub(crate) fn is_close_sent(&self) -> bool {
        self.lock().close_sent
    }

    pub(crate) fn outbound_bytes(&self) -> usize {
        self.lock().outbound.len()
    }
}

/// The connection was lost without a close (RFC 6455 section 7.1.5).
pub(crate) const ABNORMAL: u16 = 1006;

/// The peer closed without saying why.
pub(crate) const NO_STATUS: u16 = 1005;

/// What an unread message counts: its payload, and the record that holds it.
fn cost(message: &Message) -> usize {
    message.len() + std::mem::size_of::<Message>()
}

/// The close frame that answers a peer's: its own code (RFC 6455 section 5.5.1).
pub(crate) fn reply_to_close(close: Option<&CloseFrame<'_>>) -> Bytes {
    match close {
        Some(close) => close_frame(close.code, ""),
        None => Bytes::from_static(&[0x88, 0]),
    }
}
