//! Parked connections that follow something: no task, no future, a record and a position.

use std::io::{self, ErrorKind, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use bytes::Bytes;
use squall_wire::ws::{Decoder, Event, Role, close_frame, ping_frame, pong_frame};

use crate::app::App;
use crate::conn::http::{Becomes, Http};
use crate::conn::outbox::{Flushed, GATHER_MAX};
use crate::conn::wait::Pace;
use crate::core::Core;
use crate::core::slab::State;
use crate::limits::{NEVER, Tick};
use crate::metrics::count::Counter;
use crate::metrics::{Activity, Protocol, TimedOut};
use crate::socket::Socket;
use crate::source::{After, ConnId, Frame, Framing, Park};
use crate::ws::{Message, Reading, reply_to_close};

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
    /// The peer of a WebSocket may compress what it sends.
    inflates: bool,
    /// What a quiet connection does not need.
    extra: Option<Box<Extra>>,
}

#[derive(Default)]
struct Extra {
    /// A frame that the socket took only part of, or none: at most one frame is ever owed.
    rest: Bytes,
    /// A pong or a close that waits for `rest`, and of which nothing is written. A later one replaces it: only the
    /// last pong matters.
    control: Bytes,
    /// How fast the peer takes what it is owed.
    pace: Pace,
    /// There may be bytes in the socket that no event will announce.
    unread: bool,
    /// A message that has come in part.
    decoder: Option<Decoder>,
    /// The request of a long-poll.
    http: Option<Box<Http>>,
}

// There are as many of these as there are followers.
const _: () = assert!(size_of::<Follow>() == 24);

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

    /// As what the connection is counted.
    pub(crate) fn census(&self) -> (Protocol, Activity) {
        let protocol = match self.framing {
            Framing::Stream => Protocol::Stream,
            Framing::WebSocket => Protocol::WebSocket,
            Framing::Answer => Protocol::Poll,
        };
        let activity = if self.is_blocked() {
            Activity::Active
        } else {
            Activity::Parked
        };
        (protocol, activity)
    }

    /// A long-poll's peer may pipeline; one read's worth of it is kept. A peer that is owed bytes is not read from.
    pub(crate) fn may_read(&mut self) -> bool {
        match &mut self.extra {
            Some(extra) => match &mut extra.http {
                Some(http) => http.may_read(),
                None => {
                    extra.unread |= !extra.control.is_empty();
                    extra.control.is_empty()
                }
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

    /// Writes what is owed. A short write has filled the socket, so that an event tells when it takes more.
    fn flush(&mut self, socket: &mut Socket, bytes_out: &Counter) -> io::Result<Flushed> {
        let mut progress = false;
        if let Some(extra) = &mut self.extra {
            loop {
                if extra.rest.is_empty() {
                    extra.rest = std::mem::take(&mut extra.control);
                }
                if extra.rest.is_empty() {
                    break;
                }
                let Some(n) = try_write(|| socket.write(&extra.rest))? else {
                    return Ok(Flushed::Blocked { progress });
                };
                progress = true;
                bytes_out.add(n as u64);
                extra.pace.take(n);
                bytes::Buf::advance(&mut extra.rest, n);
            }
        }
        Ok(Flushed::All)
    }

    /// Writes frames. The first that the socket does not take whole is owed, even if it took nothing of it: what is
    /// owed is what a writable socket is looked at for.
    fn write(&mut self, socket: &mut Socket, frames: &[Frame], bytes_out: &Counter) -> io::Result<Written> {
        debug_assert!(!self.is_blocked());
        let mut rest = frames;
        while let [first, ..] = rest {
            let batch = &rest[..rest.len().min(GATHER_MAX)];
            let bytes: usize = batch.iter().map(|f| f.bytes.len()).sum();
            let written = match batch.len() {
                _ if bytes == 0 => Some(0),
                1 => try_write(|| socket.write(&first.bytes))?,
                count => {
                    let mut slices = [IoSlice::new(&[]); GATHER_MAX];
                    for (slice, frame) in slices.iter_mut().zip(batch) {
                        *slice = IoSlice::new(&frame.bytes);
                    }
                    try_write(|| socket.write_vectored(&slices[..count]))?
                }
            };
            let mut left = written.unwrap_or(0);
            bytes_out.add(left as u64);
            for frame in batch {
                debug_assert!(frame.position >= self.position, "positions never decrease");
                self.position = frame.position;
                rest = &rest[1..];
                if left < frame.bytes.len() {
                    self.extra().rest = frame.bytes.slice(left..);
                    return Ok(Written::Part {
                        last: rest.is_empty(),
                    });
                }
                left -= frame.bytes.len();
            }
        }
        Ok(Written::All)
    }
}

/// What came of writing frames.
enum Written {
    All,
    /// Whether what is owed now is the last of them.
    Part {
        last: bool,
    },
}

impl<A: App> Core<A> {
    /// The head of the answer is written: turns the connection into what it said.
    pub(crate) fn become_other(self: &Rc<Self>, id: ConnId, mut http: Box<Http>, becomes: Becomes) {
        let (park, deflate) = match becomes {
            Becomes::WebSocket(upgrade, deflate) => return self.become_websocket(id, http, upgrade, deflate),
            Becomes::Parked(park, deflate) => (park, deflate),
        };
        let Park { framing, ticket } = park;
        let attached = match &deflate {
            None => self.source.attach(id, &*ticket),
            Some(deflate) => self.source.attach_deflated(id, &*ticket, deflate),
        };
        let Some(attached) = attached else {
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
            inflates: deflate.is_some(),
            extra: None,
        };
        let mut early = Bytes::new();
        if http.unread {
            self.turn_later(id);
        }
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
            // One whose socket is full goes on when it is writable; until then a message costs it nothing.
            let blocked = match self.conns.borrow_mut().get_mut(id) {
                Some(conn) => matches!(&conn.state, State::Follow(follow) if follow.is_blocked()),
                None => true,
            };
            if !blocked {
                self.guarded(id, || self.pump(id));
            }
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
            let written = match follow.write(&mut conn.socket, frames, &self.link.counts.bytes_out) {
                Ok(written) => written,
                Err(_) => return Turn::Closed,
            };
            follow.closing |= matches!(after, After::Close);
            match written {
                Written::Part { last } => {
                    conn.deadline = self.begin_blocked(follow);
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
        match follow.flush(&mut conn.socket, &self.link.counts.bytes_out) {
            Ok(Flushed::All) if follow.closing => Err(Turn::Ended),
            Ok(Flushed::All) => {
                if follow.extra.as_ref().is_some_and(|e| e.unread) {
                    follow.extra().unread = false;
                    self.turn_later(id);
                }
                follow.trim();
                conn.deadline = self.quiet_deadline(follow);
                Ok((follow.follower, follow.position))
            }
            Ok(Flushed::Blocked { progress }) => {
                if progress && let Some(extra) = &follow.extra {
                    conn.deadline = self.write_deadline(&extra.pace);
                }
                Err(Turn::Done)
            }
            Err(_) => Err(Turn::Closed),
        }
    }

    /// The last frame is with the socket.
    fn end_follow(&self, id: ConnId) {
        let (follower, framing) = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match std::mem::replace(&mut conn.state, State::Taken) {
                State::Follow(follow) => (follow.follower, follow.framing),
                other => {
                    conn.state = other;
                    return;
                }
            },
            None => return,
        };
        self.source.detach(follower);
        if framing == Framing::Stream {
            // Nothing can be on its way to us that a reset could lose our last bytes for.
            return self.finish(id);
        }
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
            Some(http) if self.is_virtual(id) => self.respond_virtual(id, http, response),
            Some(http) => self.answer_polled(id, http, response),
            None => {
                tracing::error!("a source answered a connection that is not a long-poll; it is closed");
                self.close(id);
            }
        }
    }

    fn is_virtual(&self, id: ConnId) -> bool {
        match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => conn.socket.is_stream(),
            None => false,
        }
    }

    /// The answer of a long-poll that is a stream within another connection: the stream frames its head, and its body
    /// is the last that is written.
    fn respond_virtual(self: &Rc<Self>, id: ConnId, mut http: Box<Http>, response: http::Response<Bytes>) {
        let begun = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match &mut conn.socket {
                Socket::Virtual(stream) => stream.respond(response),
                _ => return,
            },
            None => return,
        };
        match begun {
            Ok(body) => {
                http.outbox.push(body);
                http.closing = true;
                self.settle(id, http);
            }
            Err(_) => self.close(id),
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
                let reading = if follow.inflates {
                    Reading::Deflated(None)
                } else {
                    Reading::Plain
                };
                drop(conns);
                self.follow_messages(id, follower, (decoder, reading), bytes);
            }
        }
    }

    fn follow_messages(
        self: &Rc<Self>,
        id: ConnId,
        follower: u32,
        (decoder, mut reading): (Option<Decoder>, Reading),
        bytes: &mut [u8],
    ) {
        let mut decoder = decoder.unwrap_or_else(|| Decoder::new(Role::Server));
        let mut rest = bytes;
        while !rest.is_empty() {
            let (used, event) = match reading.decode(&mut decoder, rest, &self.limits.ws) {
                Ok(decoded) => decoded,
                Err(violation) => {
                    self.follow_control(id, close_frame(violation.code, violation.reason), true);
                    return;
                }
            };
            let follows = match event {
                Some(Event::Text(text)) => {
                    self.follow_deliver(id, follower, Message::Text(text.into_owned()))
                }
                Some(Event::Binary(data)) => {
                    self.follow_deliver(id, follower, Message::Binary(data.into_owned().into()))
                }
                Some(Event::Ping(data)) => self.follow_control(id, pong_frame(&data), false),
                Some(Event::Pong(_)) => true,
                Some(Event::Close(close)) => {
                    self.follow_control(id, reply_to_close(close.as_ref()), true);
                    return;
                }
                None => break,
            };
            if !follows {
                // Its number may belong to another follower by now.
                return;
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

    /// Hands a message to what the application does with it; whether the connection goes on. A panic there costs
    /// this connection alone.
    fn follow_deliver(self: &Rc<Self>, id: ConnId, follower: u32, message: Message) -> bool {
        if catch_unwind(AssertUnwindSafe(|| self.source.received(follower, message))).is_ok() {
            return true;
        }
        self.link.counts.panics.add(1);
        tracing::error!("a message handler panicked; its connection is closed");
        let close = close_frame(1011, "the server could not handle this message");
        self.follow_control(id, close, true);
        false
    }

    /// Writes a pong, a ping, a heartbeat or a close, now or after the frame that is owed; then whatever else there
    /// is. Whether the connection still follows.
    fn follow_control(self: &Rc<Self>, id: ConnId, control: Bytes, last: bool) -> bool {
        {
            let mut conns = self.conns.borrow_mut();
            let Some(conn) = conns.get_mut(id) else {
                return false;
            };
            let State::Follow(follow) = &mut conn.state else {
                return false;
            };
            if follow.closing {
                return true;
            }
            if !follow.is_blocked() {
                conn.deadline = self.begin_blocked(follow);
            }
            follow.extra().control = control;
            follow.closing = last;
        }
        self.pump(id);
        match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => matches!(conn.state, State::Follow(_)),
            None => false,
        }
    }

    fn follow_deadline(&self, id: ConnId) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id)
            && let State::Follow(follow) = &mut conn.state
        {
            conn.deadline = if follow.is_blocked() {
                self.begin_blocked(follow)
            } else {
                self.quiet_deadline(follow)
            };
        }
    }

    /// The peer is owed something from now on: until when it must have taken some.
    fn begin_blocked(&self, follow: &mut Follow) -> Tick {
        let pace = &mut follow.extra().pace;
        pace.begin(self.clock.tick());
        self.write_deadline(pace)
    }

    /// When something is due on a connection that is owed nothing.
    fn quiet_deadline(&self, follow: &Follow) -> Tick {
        match follow.framing {
            Framing::Stream => self.after(self.limits.heartbeat_interval),
            Framing::WebSocket if follow.pinged => self.after(self.limits.ping_timeout),
            Framing::WebSocket => self.after(self.limits.ping_interval),
            Framing::Answer => NEVER,
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
                match &follow.extra {
                    Some(extra) if extra.is_blocked() => self.count_slow(&extra.pace),
                    _ => self.link.counts.timed_out.add(TimedOut::Ping, 1),
                }
                drop(conns);
                return self.close(id);
            }
            follow.pinged = follow.framing == Framing::WebSocket;
            conn.deadline = self.quiet_deadline(follow);
            (follow.follower, follow.framing)
        };
        let beat = match framing {
            Framing::Stream => self.source.heartbeat(follower),
            Framing::WebSocket => Some(ping_frame(b"")),
            Framing::Answer => None,
        };
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
