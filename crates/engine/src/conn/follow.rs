//! Parked connections that follow something: no task, no future, a record and a position.

use std::io::{self, ErrorKind, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use bytes::Bytes;
use squall_wire::ws::{Decoder, Event, Role, close_frame, ping_frame, pong_frame};

use crate::app::App;
use crate::conn::http::{Becomes, Http};
use crate::conn::outbox::GATHER_MAX;
use crate::core::Core;
use crate::core::slab::State;
use crate::limits::NEVER;
use crate::socket::Socket;
use crate::source::{After, ConnId, Frame, Framing, Park};
use crate::ws::{Message, reply_to_close};

/// Rounds of gather-writes that one connection gets before the others have their turn.
const ROUNDS_MAX: usize = 16;

/// A connection that follows something.
pub(crate) struct Follow {
    /// Everything up to here is with the socket, or in `extra.rest`.
    position: u64,
    follower: u32,
    framing: Framing,
    /// We asked whether the peer is there, and nothing came since.
    pinged: bool,
    /// The last frames are written or owed; then the connection ends.
    closing: bool,
    /// What a quiet connection does not need.
    extra: Option<Box<Extra>>,
}

#[derive(Default)]
struct Extra {
    /// The unwritten rest of a frame that the socket took only part of. At most one frame is ever half-written.
    rest: Bytes,
    /// A pong or a close that waits for `rest`. A later one replaces it: only the last pong matters.
    control: Bytes,
    /// A message that has come in part.
    decoder: Option<Decoder>,
    /// The request of a long-poll.
    http: Option<Box<Http>>,
}

impl Extra {
    fn is_needed(&self) -> bool {
        self.is_blocked() || self.decoder.is_some() || self.http.is_some()
    }

    fn is_blocked(&self) -> bool {
        !self.rest.is_empty() || !self.control.is_empty()
    }
}

impl Follow {
    pub(crate) fn is_blocked(&self) -> bool {
        self.extra.as_ref().is_some_and(|e| e.is_blocked())
    }

    /// A long-poll's peer may pipeline; one read's worth of it is kept. A peer that is owed bytes is not read from.
    pub(crate) fn may_read(&mut self) -> bool {
        match &mut self.extra {
            Some(extra) => match &mut extra.http {
                Some(http) => http.may_read(),
                None => extra.control.is_empty(),
            },
            None => true,
        }
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    fn trim(&mut self) {
        if self.extra.as_ref().is_some_and(|e| !e.is_needed()) {
            self.extra = None;
        }
    }

    /// Writes what is owed; whether nothing is any more.
    fn flush(&mut self, socket: &mut Socket) -> io::Result<Written> {
        let mut progress = false;
        if let Some(extra) = &mut self.extra {
            for owed in [&mut extra.rest, &mut extra.control] {
                while !owed.is_empty() {
                    let Some(n) = try_write(|| socket.write(owed))? else {
                        return Ok(Written::Part { progress, last: true });
                    };
                    progress = true;
                    bytes::Buf::advance(owed, n);
                }
            }
        }
        self.trim();
        Ok(Written::All)
    }

    /// Writes frames; what the socket takes only in part is owed.
    fn write(&mut self, socket: &mut Socket, frames: &[Frame]) -> io::Result<Written> {
        debug_assert!(!self.is_blocked());
        let written = match frames {
            [] => return Ok(Written::All),
            [one] => try_write(|| socket.write(&one.bytes))?,
            many => {
                let mut slices = [IoSlice::new(&[]); GATHER_MAX];
                for (slice, frame) in slices.iter_mut().zip(many) {
                    *slice = IoSlice::new(&frame.bytes);
                }
                let count = many.len().min(GATHER_MAX);
                try_write(|| socket.write_vectored(&slices[..count]))?
            }
        };
        let mut left = written.unwrap_or(0);
        for (at, frame) in frames.iter().enumerate() {
            if left == 0 {
                return Ok(Written::Part {
                    progress: written.is_some(),
                    last: false,
                });
            }
            debug_assert!(frame.position >= self.position, "positions never decrease");
            self.position = frame.position;
            if left < frame.bytes.len() {
                self.extra().rest = frame.bytes.slice(left..);
                return Ok(Written::Part {
                    progress: true,
                    last: at + 1 == frames.len(),
                });
            }
            left -= frame.bytes.len();
        }
        Ok(Written::All)
    }
}

/// What came of a write.
enum Written {
    All,
    /// Whether anything was taken; whether all that is left is owed.
    Part {
        progress: bool,
        last: bool,
    },
}

impl<A: App> Core<A> {
    /// The head of the answer is written: turns the connection into what it said.
    pub(crate) fn become_other(self: &Rc<Self>, id: ConnId, mut http: Box<Http>, becomes: Becomes) {
        let park = match becomes {
            Becomes::WebSocket(upgrade) => return self.become_websocket(id, http, upgrade),
            Becomes::Parked(park) => park,
        };
        let Park { framing, ticket } = park;
        let Some(attached) = self.source.attach(id, &*ticket) else {
            tracing::error!(
                "a response parks its connection with a ticket that no source knows; it is closed"
            );
            self.put_http(id, http);
            return self.close(id);
        };
        let mut follow = Follow {
            position: attached.position,
            follower: attached.follower,
            framing,
            pinged: false,
            closing: false,
            extra: None,
        };
        let mut early = Bytes::new();
        if framing == Framing::Answer {
            follow.extra().http = Some(http);
        } else {
            early = std::mem::take(&mut http.input);
            let owed = http.outbox.take_all();
            if !owed.is_empty() {
                follow.extra().rest = owed;
            }
            self.recycle(http);
        }
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.state = State::Follow(follow);
        }
        self.follow_deadline(id);
        self.pump(id);
        if !early.is_empty() {
            self.follow_received(id, &mut early.to_vec());
        }
    }

    /// Writes what is next for each of these.
    pub(crate) fn pump_all(self: &Rc<Self>, ready: &mut Vec<ConnId>) {
        for id in ready.drain(..) {
            self.pump(id);
        }
    }

    /// Writes what is next for this connection, until the socket is full or there is nothing more.
    pub(crate) fn pump(self: &Rc<Self>, id: ConnId) {
        let mut frames = self.frames.take();
        let turn = self.pump_rounds(id, &mut frames);
        frames.clear();
        self.frames.replace(frames);
        match turn {
            Turn::Done => {}
            Turn::Again => self.turn_later(id),
            Turn::Closed => self.close(id),
            Turn::Ended => self.end_follow(id),
            Turn::Answered(response) => self.end_poll(id, *response),
        }
    }

    fn pump_rounds(&self, id: ConnId, frames: &mut Vec<Frame>) -> Turn {
        for _ in 0..ROUNDS_MAX {
            frames.clear();
            let (follower, position) = match self.pump_owed(id) {
                Ok(at) => at,
                Err(turn) => return turn,
            };
            let after = self.source.next(follower, position, GATHER_MAX, frames);
            let after = match after {
                After::Respond(response) => return Turn::Answered(response),
                other => other,
            };
            let mut conns = self.conns.borrow_mut();
            let Some(conn) = conns.get_mut(id) else {
                return Turn::Done;
            };
            let State::Follow(follow) = &mut conn.state else {
                return Turn::Done;
            };
            let written = match follow.write(&mut conn.socket, frames) {
                Ok(written) => written,
                Err(_) => return Turn::Closed,
            };
            follow.closing |= matches!(after, After::Close);
            match written {
                Written::Part { last, .. } => {
                    conn.deadline = self.after(self.limits.write_stall_timeout);
                    // What is not even owed yet comes again from the source, and its close with it.
                    follow.closing &= last;
                    return Turn::Done;
                }
                Written::All if follow.closing => return Turn::Ended,
                Written::All => {
                    if follow.framing == Framing::Stream && !frames.is_empty() {
                        conn.deadline = self.after(self.limits.heartbeat_interval);
                    }
                    if frames.len() < GATHER_MAX {
                        return Turn::Done;
                    }
                }
            }
        }
        Turn::Again
    }

    /// Writes what an earlier turn left. With the follower and its position if nothing is owed any more.
    fn pump_owed(&self, id: ConnId) -> Result<(u32, u64), Turn> {
        let mut conns = self.conns.borrow_mut();
        let Some(conn) = conns.get_mut(id) else {
            return Err(Turn::Done);
        };
        let State::Follow(follow) = &mut conn.state else {
            return Err(Turn::Done);
        };
        if !follow.is_blocked() {
            return if follow.closing {
                Err(Turn::Ended)
            } else {
                Ok((follow.follower, follow.position))
            };
        }
        match follow.flush(&mut conn.socket) {
            Ok(Written::All) if follow.closing => Err(Turn::Ended),
            Ok(Written::All) => {
                conn.deadline = match follow.framing {
                    Framing::Stream => self.after(self.limits.heartbeat_interval),
                    Framing::WebSocket => self.after(self.limits.ping_interval),
                    Framing::Answer => NEVER,
                };
                Ok((follow.follower, follow.position))
            }
            Ok(Written::Part { progress, .. }) => {
                if progress {
                    conn.deadline = self.after(self.limits.write_stall_timeout);
                }
                Err(Turn::Done)
            }
            Err(_) => Err(Turn::Closed),
        }
    }

    /// The last frame is with the socket.
    fn end_follow(&self, id: ConnId) {
        let follower = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match std::mem::replace(&mut conn.state, State::Taken) {
                State::Follow(follow) => follow.follower,
                other => {
                    conn.state = other;
                    return;
                }
            },
            None => return,
        };
        self.source.detach(follower);
        self.linger(id);
    }

    /// A long-poll has its answer.
    fn end_poll(self: &Rc<Self>, id: ConnId, response: http::Response<Bytes>) {
        let http = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match std::mem::replace(&mut conn.state, State::Taken) {
                State::Follow(mut follow) => follow.extra.take().and_then(|e| e.http),
                other => {
                    conn.state = other;
                    return;
                }
            },
            None => return,
        };
        match http {
            Some(http) => self.answer_polled(id, http, response),
            None => {
                tracing::error!("a source answered a connection that is not a long-poll; it is closed");
                self.close(id);
            }
        }
    }

    /// Bytes from a peer that follows.
    pub(crate) fn follow_received(self: &Rc<Self>, id: ConnId, bytes: &mut [u8]) {
        let mut conns = self.conns.borrow_mut();
        let Some(conn) = conns.get_mut(id) else { return };
        let State::Follow(follow) = &mut conn.state else {
            return;
        };
        match follow.framing {
            Framing::Stream => {
                drop(conns);
                // Nothing may be sent on a stream that never ends; it is a pipelined request at best.
                self.close(id);
            }
            Framing::Answer => {
                if let Some(http) = &mut follow.extra().http {
                    http.keep_early(bytes);
                }
            }
            Framing::WebSocket => {
                follow.pinged = false;
                if !follow.is_blocked() {
                    conn.deadline = self.after(self.limits.ping_interval);
                }
                let follower = follow.follower;
                let decoder = follow.extra.as_mut().and_then(|e| e.decoder.take());
                drop(conns);
                self.follow_messages(id, follower, decoder, bytes);
            }
        }
    }

    fn follow_messages(
        self: &Rc<Self>,
        id: ConnId,
        follower: u32,
        decoder: Option<Decoder>,
        bytes: &mut [u8],
    ) {
        let mut decoder = decoder.unwrap_or_else(|| Decoder::new(Role::Server));
        let mut rest = bytes;
        while !rest.is_empty() {
            let (used, event) = match decoder.decode(rest, &self.limits.ws) {
                Ok(decoded) => decoded,
                Err(violation) => {
                    return self.follow_control(id, close_frame(violation.code, violation.reason), true);
                }
            };
            match event {
                Some(Event::Text(text)) => {
                    self.follow_deliver(id, follower, Message::Text(text.into_owned()))
                }
                Some(Event::Binary(data)) => {
                    self.follow_deliver(id, follower, Message::Binary(data.into_owned().into()));
                }
                Some(Event::Ping(data)) => self.follow_control(id, pong_frame(&data), false),
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    return self.follow_control(id, reply_to_close(close.as_ref()), true);
                }
                None => break,
            }
            rest = &mut rest[used..];
        }
        if !decoder.is_idle()
            && let Some(conn) = self.conns.borrow_mut().get_mut(id)
            && let State::Follow(follow) = &mut conn.state
        {
            follow.extra().decoder = Some(decoder);
        }
    }

    /// Hands a message to what the application does with it. A panic there costs this connection alone.
    fn follow_deliver(self: &Rc<Self>, id: ConnId, follower: u32, message: Message) {
        if catch_unwind(AssertUnwindSafe(|| self.source.received(follower, message))).is_err() {
            tracing::error!("a message handler panicked; its connection is closed");
            self.follow_control(
                id,
                close_frame(1011, "the server could not handle this message"),
                true,
            );
        }
    }

    /// Writes a pong or a close now, or after the frame that is half written.
    fn follow_control(self: &Rc<Self>, id: ConnId, control: Bytes, last: bool) {
        {
            let mut conns = self.conns.borrow_mut();
            let Some(conn) = conns.get_mut(id) else { return };
            let State::Follow(follow) = &mut conn.state else {
                return;
            };
            if follow.closing {
                return;
            }
            follow.extra().control = control;
            follow.closing = last;
            if last {
                conn.deadline = self.after(self.limits.close_timeout);
            }
        }
        match self.pump_owed(id) {
            Err(Turn::Ended) => self.end_follow(id),
            Err(Turn::Closed) => self.close(id),
            _ => {}
        }
    }

    fn follow_deadline(&self, id: ConnId) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id)
            && let State::Follow(follow) = &conn.state
        {
            conn.deadline = match follow.framing {
                _ if follow.is_blocked() => self.after(self.limits.write_stall_timeout),
                Framing::Stream => self.after(self.limits.heartbeat_interval),
                Framing::WebSocket => self.after(self.limits.ping_interval),
                Framing::Answer => NEVER,
            };
        }
    }

    /// Heartbeats, pings, and the end of those who do not take what they are owed.
    pub(crate) fn follow_overdue(self: &Rc<Self>, id: ConnId) {
        let (follower, framing) = {
            let mut conns = self.conns.borrow_mut();
            let Some(conn) = conns.get_mut(id) else { return };
            let State::Follow(follow) = &mut conn.state else {
                return;
            };
            if follow.is_blocked() || follow.closing || follow.pinged {
                drop(conns);
                return self.close(id);
            }
            follow.pinged = follow.framing == Framing::WebSocket;
            (follow.follower, follow.framing)
        };
        let (beat, next) = match framing {
            Framing::Stream => (self.source.heartbeat(follower), self.limits.heartbeat_interval),
            Framing::WebSocket => (Some(ping_frame(b"")), self.limits.ping_timeout),
            Framing::Answer => return,
        };
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.deadline = self.after(next);
        }
        if let Some(beat) = beat {
            self.follow_control(id, beat, false);
        }
    }

    /// The connection is closed.
    pub(crate) fn follow_gone(&self, follow: Follow) {
        self.source.detach(follow.follower);
        if let Some(http) = follow.extra.and_then(|e| e.http) {
            self.recycle(http);
        }
    }
}

/// How a pump's turn ended.
enum Turn {
    Done,
    Again,
    Closed,
    Ended,
    Answered(Box<http::Response<Bytes>>),
}

/// One write: how many bytes, or none because the socket is full.
fn try_write(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        return match write() {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(n) => Ok(Some(n)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => Err(e),
        };
    }
}
