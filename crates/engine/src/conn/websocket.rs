//! A WebSocket connection with a handler: bytes to messages, messages to bytes.

use std::rc::Rc;
use std::sync::Arc;

use squall_wire::ws::{Decoder, Deflate, Event, Role, ping_frame, pong_frame};

use crate::app::App;
use crate::conn::http::Http;
use crate::conn::outbox::write_all;
use crate::conn::wait::Pace;
use crate::core::slab::State;
use crate::core::{Core, Until};
use crate::metrics::TimedOut;
use crate::source::ConnId;
use crate::ws::{ABNORMAL, Channel, Message, NO_STATUS, OnUpgrade, Reading, Socket, Writing, reply_to_close};

/// Writes of one connection before the others have their turn.
const ROUNDS_MAX: usize = 16;

/// A WebSocket that is in the hands of a handler.
pub(crate) struct WebSocket {
    pub(crate) channel: Arc<Channel>,
    decoder: Decoder,
    reading: Reading,
    /// Frames that the socket has taken up to `written_bytes`.
    pub(crate) owed: Vec<u8>,
    written_bytes: usize,
    pace: Pace,
    /// There may be bytes in the socket that no event will announce.
    unread: bool,
    /// We asked whether the peer is there, and nothing came since.
    pinged: bool,
    /// The peer's close has come, or its bytes broke the protocol: when nothing is owed, the connection ends.
    over: bool,
    /// The deadline of our own close is set.
    closing: bool,
}

impl WebSocket {
    pub(crate) fn may_read(&mut self) -> bool {
        let full = self.over || !self.owed.is_empty() || self.channel.is_paused();
        self.unread |= full;
        !full
    }

    /// What is still to come of the frame that has begun.
    pub(crate) fn frame_left_bytes(&self) -> u64 {
        self.decoder.frame_left_bytes()
    }

    pub(crate) fn is_owed(&self) -> bool {
        !self.owed.is_empty()
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        // Says nothing new if the peer closed as it should.
        self.channel.end(ABNORMAL);
    }
}

/// Counts a handler for as long as it runs.
pub(crate) struct Running<A: App>(Rc<Core<A>>);

impl<A: App> Running<A> {
    pub(crate) fn new(core: Rc<Core<A>>) -> Self {
        core.handlers.set(core.handlers.get() + 1);
        Running(core)
    }
}

impl<A: App> Drop for Running<A> {
    fn drop(&mut self) {
        self.0.handlers.set(self.0.handlers.get().saturating_sub(1));
        if std::thread::panicking() {
            self.0.link.counts.panics.add(1);
        }
        if self.0.draining.get().is_some() {
            self.0.link.wake();
        }
    }
}

impl<A: App> Core<A> {
    /// The handshake is written: the handler begins.
    pub(crate) fn become_websocket(
        self: &Rc<Self>,
        id: ConnId,
        mut http: Box<Http>,
        upgrade: OnUpgrade,
        deflate: Option<Deflate>,
    ) {
        let Some(callback) = upgrade.take() else {
            tracing::error!("a response with an upgrade was used twice; the connection is closed");
            self.put_http(id, http);
            return self.close(id);
        };
        let channel = Channel::new(self.link.clone(), id, self.limits.ws_buffer_bytes);
        let ws = WebSocket {
            channel: channel.clone(),
            decoder: Decoder::new(Role::Server),
            reading: Reading::new(deflate.as_ref()),
            owed: http.outbox.take_all().to_vec(),
            written_bytes: 0,
            pace: Pace::default(),
            unread: false,
            pinged: false,
            over: false,
            closing: false,
        };
        let early = std::mem::take(&mut http.input);
        if http.unread {
            self.turn_later(id);
        }
        self.recycle(http);
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.state = State::WebSocket(Box::new(ws));
            conn.deadline = self.after(self.limits.ping_interval);
        }
        let handler = callback(Socket::new(channel, Writing::new(deflate)));
        let running = Running::new(self.clone());
        self.spawn_for(id, async move {
            let _running = running;
            handler.await;
        });
        if !early.is_empty() {
            self.ws_received(id, &mut early.to_vec());
        }
        if self.draining.get().is_some() {
            self.ws_drain(id);
        }
    }

    pub(crate) fn ws_received(self: &Rc<Self>, id: ConnId, bytes: &mut [u8]) {
        let Some(mut ws) = self.take_ws(id) else { return };
        ws.pinged = false;
        let mut rest = bytes;
        while !rest.is_empty() && !ws.over {
            let WebSocket { decoder, reading, .. } = &mut *ws;
            let (used, event) = match reading.decode(decoder, rest, &self.limits.ws) {
                Ok(decoded) => decoded,
                Err(violation) => {
                    ws.channel.close(violation.code, violation.reason);
                    ws.channel.end(ABNORMAL);
                    ws.over = true;
                    break;
                }
            };
            match event {
                Some(Event::Text(text)) => self.deliver(&ws, Message::Text(text.into_owned())),
                Some(Event::Binary(data)) => self.deliver(&ws, Message::Binary(data.into_owned().into())),
                Some(Event::Ping(data)) => ws.channel.control(&pong_frame(&data)),
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    ws.channel.close_with(&reply_to_close(close.as_ref()));
                    ws.channel.end(close.map_or(NO_STATUS, |c| c.code));
                    ws.over = true;
                }
                None => break,
            }
            rest = &mut rest[used..];
        }
        let deadline = self.after(self.limits.ping_interval);
        if let Some(conn) = self.conns.borrow_mut().get_mut(id)
            && !ws.closing
            && ws.owed.is_empty()
        {
            conn.deadline = deadline;
        }
        // Answers of the handler leave after its task has run; what the engine itself answers leaves now.
        let answers = ws.over || ws.channel.outbound_bytes() > 0;
        self.put_ws(id, ws);
        if answers {
            self.flush_socket(id);
        }
    }

    fn deliver(&self, ws: &WebSocket, message: Message) {
        // A handler that is behind stops the reading after what is here already: at most one read's worth more.
        ws.channel.push(message);
        self.tasks_due.set(true);
    }

    /// The handler has something to send, caught up, or went away.
    pub(crate) fn socket_moved(self: &Rc<Self>, id: ConnId, buffer: &mut [u8]) {
        self.flush_socket(id);
        let resume = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match &mut conn.state {
                State::WebSocket(ws) => std::mem::take(&mut ws.unread) && ws.may_read(),
                _ => false,
            },
            None => false,
        };
        if resume {
            self.readable(id, buffer, Until::Blocked);
        }
    }

    /// Writes what the handler has sent, until the socket is full.
    pub(crate) fn flush_socket(self: &Rc<Self>, id: ConnId) {
        let Some(mut ws) = self.take_ws(id) else { return };
        let (was_owed, mut progress) = (!ws.owed.is_empty(), false);
        let mut rounds = 0;
        let outcome = loop {
            let blocked = !ws.owed.is_empty();
            ws.channel.take_outbound(&mut ws.owed, blocked);
            if ws.owed.is_empty() {
                break Ok(true);
            }
            let mut conns = self.conns.borrow_mut();
            let Some(conn) = conns.get_mut(id) else { return };
            match write_all(&mut conn.socket, &ws.owed[ws.written_bytes..]) {
                Ok(n) => {
                    progress |= n > 0;
                    self.link.counts.bytes_out.add(n as u64);
                    ws.written_bytes += n;
                    if was_owed {
                        ws.pace.take(n);
                    }
                }
                Err(_) => break Err(()),
            }
            if ws.written_bytes < ws.owed.len() {
                break Ok(false);
            }
            ws.owed.clear();
            ws.owed.shrink_to(1024);
            ws.written_bytes = 0;
            rounds += 1;
            if rounds == ROUNDS_MAX {
                // A handler on another thread can send as fast as we write; what it sent since comes with a note.
                break Ok(true);
            }
        };
        let close_sent = ws.channel.is_close_sent();
        let over = ws.over;
        // The peer's time to answer our close begins when it can have seen it.
        let begins_close = close_sent && outcome == Ok(true) && !ws.closing;
        ws.closing |= begins_close;
        if outcome == Ok(false) && !was_owed {
            ws.pace.begin(self.clock.tick());
        }
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            if begins_close {
                conn.deadline = self.after(self.limits.close_timeout);
            } else if outcome == Ok(false) && (progress || !was_owed) {
                conn.deadline = self.write_deadline(&ws.pace);
            } else if outcome == Ok(true) && was_owed && !ws.closing {
                conn.deadline = self.after(self.limits.ping_interval);
            }
        }
        if outcome == Ok(false) {
            // The sender must know that the socket is full.
            ws.channel.take_outbound(&mut ws.owed, true);
        }
        let unread = outcome == Ok(true) && std::mem::take(&mut ws.unread);
        self.put_ws(id, ws);
        match outcome {
            Err(()) => self.close(id),
            Ok(true) if over => self.linger(id),
            Ok(true) if unread => self.turn_later(id),
            Ok(_) => {}
        }
    }

    /// A ping that is due, or an end that is.
    pub(crate) fn ws_overdue(self: &Rc<Self>, id: ConnId) {
        let Some(mut ws) = self.take_ws(id) else { return };
        let dead = ws.closing || ws.over || ws.pinged || !ws.owed.is_empty();
        if dead {
            if !ws.owed.is_empty() {
                self.count_slow(&ws.pace);
            } else {
                let closing = ws.closing || ws.over;
                let kind = if closing { TimedOut::Close } else { TimedOut::Ping };
                self.link.counts.timed_out.add(kind, 1);
            }
        }
        if !dead {
            ws.pinged = true;
            ws.channel.control(&ping_frame(b""));
            if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
                conn.deadline = self.after(self.limits.ping_timeout);
            }
        }
        self.put_ws(id, ws);
        if dead {
            self.close(id)
        } else {
            self.flush_socket(id)
        }
    }

    /// The server drains: the peer is told to come back to another.
    pub(crate) fn ws_drain(self: &Rc<Self>, id: ConnId) {
        let Some(ws) = self.take_ws(id) else { return };
        ws.channel.close(1001, "the server is going away");
        self.put_ws(id, ws);
        self.flush_socket(id);
    }

    fn take_ws(&self, id: ConnId) -> Option<Box<WebSocket>> {
        let mut conns = self.conns.borrow_mut();
        let conn = conns.get_mut(id)?;
        match std::mem::replace(&mut conn.state, State::Taken) {
            State::WebSocket(ws) => Some(ws),
            other => {
                conn.state = other;
                None
            }
        }
    }

    fn put_ws(&self, id: ConnId, ws: Box<WebSocket>) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.state = State::WebSocket(ws);
        }
    }
}
