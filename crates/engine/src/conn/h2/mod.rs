//! An HTTP/2 connection (RFC 9113): frames, HPACK and windows are the h2 crate's; when it is polled, what it is
//! given and what its streams may cost is decided here.
//!
//! The connection is a record of the slab like any other and has no task: it is polled when its socket is ready, when
//! a stream has something to send, and by the sweep. A request whose handler is ready is answered in place; one that
//! is not has a task of its own. Streams that become WebSockets or followers get records of their own (see
//! `duplex`), so they cost what they cost over HTTP/1.

pub(in crate::conn) mod answer;
pub(in crate::conn) mod begin;
pub(crate) mod body;
mod duplex;
mod gate;
mod io;
pub(in crate::conn) mod life;
pub(in crate::conn) mod stream;
mod watch;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::Reason;
use h2::server::{Connection, Handshake};
use http::HeaderValue;

use crate::app::App;
use crate::conn::http::Http;
use crate::conn::wait::Pace;
use crate::core::Core;
use crate::core::slab::State;
use crate::core::waker::ConnWaker;
use crate::limits::{BUFFER_BYTES_MAX, H2Limits, Limits, NEVER, SWEEP_INTERVAL, Tick, ticks};
use crate::metrics::{Activity, Protocol, TimedOut};
use crate::source::ConnId;

pub(crate) use io::Scratch;
use io::{Io, Wire, Wrote};
use life::Streams;
use watch::CREDITS_A_REQUEST;
pub(crate) use watch::PREFACE;

/// Polls of one connection in one turn.
const ROUNDS_MAX: usize = 256;

/// Ticks in a second: time-outs of streams are looked at once a second.
const TICKS_A_SECOND: Tick = (1000 / SWEEP_INTERVAL.as_millis()) as Tick;

/// One HTTP/2 connection.
pub(crate) struct H2 {
    phase: Phase,
    wire: Rc<RefCell<Wire>>,
    streams: Rc<Streams>,
    conn_waker: Arc<ConnWaker>,
    /// `conn_waker`, as what polls take.
    waker: Waker,
    /// Since when something has come in part, and how many frames had come then.
    partial: Option<(Tick, u32)>,
    /// When the socket was full, and took nothing since.
    full_since: Option<Tick>,
    /// How fast the socket takes what it is owed, since it is.
    pace: Pace,
    /// Requests that have come.
    requests: u32,
    /// When the last stream ended.
    idle_since: Tick,
    /// When time-outs of streams were looked at.
    walked: Tick,
    /// When the peer was last given credits for the time that passed.
    credited: Tick,
    /// The peer was told to open no more streams.
    going_away: bool,
    /// The peer was told to calm down; it is not told twice.
    calmed: bool,
}

enum Phase {
    Handshake(Handshake<Io, Bytes>),
    Open(Connection<Io, Bytes>),
    /// The h2 crate is done; what it wrote last is on its way.
    Over,
}

impl H2 {
    pub(crate) fn note_readable(&self, hung_up: bool) {
        let mut wire = self.wire.borrow_mut();
        wire.readable = true;
        wire.hung_up |= hung_up;
    }

    /// The socket takes bytes again. Whether somebody waited for that.
    pub(crate) fn note_writable(&self) -> bool {
        let mut wire = self.wire.borrow_mut();
        wire.writable = true;
        wire.flush_socket();
        wire.owed_bytes() > 0
    }

    /// As what the connection is counted.
    pub(crate) fn census(&self) -> (Protocol, Activity) {
        let is_quiet = self.streams.count() == 0 && self.full_since.is_none();
        let activity = if is_quiet {
            Activity::Parked
        } else {
            Activity::Active
        };
        (Protocol::Http2, activity)
    }

    fn has_streams(&self) -> bool {
        match &self.phase {
            Phase::Open(connection) => connection.has_streams(),
            Phase::Handshake(_) | Phase::Over => false,
        }
    }

    /// Ends it for a peer that costs too much.
    fn calm_down(&mut self, reason: &'static str) {
        tracing::debug!(reason, "an HTTP/2 connection is ended");
        if let Phase::Open(connection) = &mut self.phase {
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
        self.going_away = true;
        self.calmed = true;
    }

    /// Whether the peer has just been told to calm down.
    fn costs_too_much(&mut self) -> bool {
        if self.calmed {
            return false;
        }
        if !self.going_away && self.streams.gate.is_worn_out() {
            self.go_away();
            return true;
        }
        if self.wire.borrow().watch.is_exhausted() {
            self.calm_down("too many frames that do nothing");
        } else if self.streams.is_reset_too_often() {
            self.calm_down("too many streams were reset");
        }
        self.calmed
    }

    /// The peer shall open no more streams.
    fn go_away(&mut self) {
        if let Phase::Open(connection) = &mut self.phase {
            connection.graceful_shutdown();
        }
        self.going_away = true;
    }

    /// What the peer has earned since the last turn.
    fn credit(&mut self, now: Tick, limits: &H2Limits) {
        let seconds = now.saturating_sub(self.credited) / TICKS_A_SECOND;
        let mut wire = self.wire.borrow_mut();
        wire.watch.earn(self.streams.gate.take_credits());
        if seconds > 0 {
            self.credited = now;
            wire.watch
                .earn(seconds.saturating_mul(limits.control_frames_a_second));
            self.streams
                .forgive_resets(seconds.saturating_mul(limits.resets_a_second));
        }
    }

    /// Notes what began and what ended in a turn.
    fn note_times(&mut self, now: Tick, wrote: Wrote) {
        let wire = self.wire.borrow();
        self.partial = match self.partial {
            _ if !wire.watch.is_partial() => None,
            Some((since, frames)) if frames == wire.watch.frames() => Some((since, frames)),
            _ => Some((now, wire.watch.frames())),
        };
        drop(wire);
        self.full_since = match (wrote, self.full_since) {
            (Wrote::All, _) => None,
            (Wrote::Part { .. }, None) => {
                self.pace.begin(now);
                Some(now)
            }
            (Wrote::Part { taken_bytes: 0 }, since) => since,
            (Wrote::Part { taken_bytes }, _) => {
                self.pace.take(taken_bytes);
                Some(now)
            }
        };
        if self.streams.count() == 0 {
            self.walked = now;
        }
        if self.has_streams() {
            self.idle_since = now;
        }
    }

    /// When the sweep has something to do.
    fn deadline(&self, limits: &Limits) -> Tick {
        let after = |since: Tick, timeout| since.saturating_add(ticks(timeout));
        let mut deadline = NEVER;
        if let Some(since) = self.full_since {
            let stalled = after(since, limits.write_stall_timeout);
            deadline = deadline.min(stalled).min(self.pace.deadline(limits));
        }
        if let Some((since, _)) = self.partial {
            deadline = deadline.min(after(since, limits.header_read_timeout));
        }
        if self.streams.count() > 0 {
            deadline = deadline.min(self.walked.saturating_add(TICKS_A_SECOND));
        } else if !self.has_streams() {
            let timeout = if self.going_away {
                limits.close_timeout
            } else {
                limits.idle_timeout
            };
            deadline = deadline.min(after(self.idle_since, timeout));
        }
        deadline
    }
}

impl Drop for H2 {
    fn drop(&mut self) {
        self.streams.cancel();
    }
}

/// What driving the h2 crate for one turn came to.
enum Driven {
    /// It waits.
    Waits,
    /// It has more to do, after the others had their turn.
    More,
    /// It is over: what it wrote last is to be delivered.
    Over,
    /// It is broken.
    Broken,
}

impl<A: App> Core<A> {
    /// A connection whose first bytes are the preface of HTTP/2.
    pub(crate) fn become_h2(self: &Rc<Self>, id: ConnId, mut http: Box<Http>) {
        let early = std::mem::take(&mut http.input);
        self.recycle(http);
        let socket = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => conn.socket.take(),
            None => return,
        };
        let limits = &self.limits.h2;
        let scratch = self.h2_scratch.clone();
        let wire = Wire::new(
            socket,
            early,
            limits.control_frames_max,
            scratch,
            self.link.clone(),
        );
        let wire = Rc::new(RefCell::new(wire));
        let conn_waker = ConnWaker::new(self.link.clone(), id);
        let now = self.clock.tick();
        let h2 = H2 {
            phase: Phase::Handshake(builder(&self.limits).handshake(Io(wire.clone()))),
            wire,
            streams: Streams::new(limits.resets_max),
            waker: conn_waker.clone().into(),
            conn_waker,
            partial: Some((now, 0)),
            full_since: None,
            pace: Pace::default(),
            requests: 0,
            idle_since: now,
            walked: now,
            credited: now,
            going_away: false,
            calmed: false,
        };
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.state = State::H2(Box::new(h2));
        }
        self.h2_turn(id);
    }

    /// Does all that can be done for this connection now.
    pub(crate) fn h2_turn(self: &Rc<Self>, id: ConnId) {
        let Some(mut h2) = self.take_h2(id) else { return };
        let now = self.clock.tick();
        h2.credit(now, &self.limits.h2);
        h2.wire.borrow_mut().begin_turn(&mut self.out.borrow_mut());
        let driven = self.h2_drive(id, &mut h2);
        let wrote = h2.wire.borrow_mut().end_turn(&mut self.out.borrow_mut());
        h2.conn_waker.end();
        let over = matches!(driven, Driven::Over);
        if over {
            h2.phase = Phase::Over;
            h2.streams.cancel();
        }
        let wrote = match wrote {
            Ok(wrote) if !matches!(driven, Driven::Broken) => wrote,
            _ => {
                drop(h2);
                return self.close(id);
            }
        };
        if over && wrote == Wrote::All {
            return self.h2_over(id, &h2);
        }
        if wrote == Wrote::All && h2.streams.gate.open() {
            self.tasks_due.set(true);
        }
        let more = {
            let wire = h2.wire.borrow();
            matches!(driven, Driven::More) || wire.more || (wire.refused && wrote == Wrote::All)
        };
        h2.note_times(now, wrote);
        if more {
            self.turn_later(id);
        }
        let deadline = h2.deadline(&self.limits);
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.deadline = deadline;
            conn.state = State::H2(h2);
        }
    }

    /// Lets the h2 crate read, gives what comes out of it to the application, and lets it write.
    fn h2_drive(self: &Rc<Self>, id: ConnId, h2: &mut H2) -> Driven {
        let mut accepted = 0;
        for _ in 0..ROUNDS_MAX {
            h2.conn_waker.begin();
            let mut cx = Context::from_waker(&h2.waker);
            let connection = match &mut h2.phase {
                Phase::Over => return Driven::Over,
                Phase::Handshake(handshake) => match Pin::new(handshake).poll(&mut cx) {
                    Poll::Pending => return Driven::Waits,
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "an HTTP/2 connection did not begin");
                        return Driven::Over;
                    }
                    Poll::Ready(Ok(connection)) => {
                        h2.phase = Phase::Open(connection);
                        if self.draining.get().is_some() {
                            h2.go_away();
                        }
                        continue;
                    }
                },
                Phase::Open(connection) => connection,
            };
            // Nothing more is taken on for a peer that does not read, nor for one that has had its turn.
            let had_its_turn = accepted == self.limits.pipelined_burst_max;
            if had_its_turn || h2.wire.borrow().is_full() {
                return match connection.poll_closed(&mut cx) {
                    Poll::Ready(closed) => closed.map_or_else(|error| failed(&error), |()| Driven::Over),
                    Poll::Pending if had_its_turn => Driven::More,
                    Poll::Pending => {
                        h2.wire.borrow_mut().refused = true;
                        Driven::Waits
                    }
                };
            }
            match connection.poll_accept(&mut cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    accepted += 1;
                    h2.wire.borrow_mut().watch.earn(CREDITS_A_REQUEST);
                    h2.requests = h2.requests.saturating_add(1);
                    if h2.requests >= self.requests_max && !h2.going_away {
                        h2.go_away();
                    }
                    self.h2_begin(id, &h2.streams.clone(), request, respond);
                }
                Poll::Ready(Some(Err(error))) => return failed(&error),
                Poll::Ready(None) => return Driven::Over,
                Poll::Pending if h2.costs_too_much() => {}
                Poll::Pending if h2.conn_waker.is_again() => {}
                Poll::Pending => return Driven::Waits,
            }
        }
        Driven::More
    }

    /// All is said: the peer's last bytes are read away, so that ours are not lost in a reset.
    fn h2_over(self: &Rc<Self>, id: ConnId, h2: &H2) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.socket = h2.wire.borrow_mut().take_socket();
        }
        self.linger(id);
    }

    /// A time-out of the connection, or of one of its streams, has passed, or it is time to look.
    pub(crate) fn h2_overdue(self: &Rc<Self>, id: ConnId) {
        let Some(mut h2) = self.take_h2(id) else { return };
        let now = self.clock.tick();
        let late = |since: Tick, timeout| since.saturating_add(ticks(timeout)) <= now;
        let limits = &self.limits;
        let is_stalled = h2
            .full_since
            .is_some_and(|since| late(since, limits.write_stall_timeout) || h2.pace.deadline(limits) <= now);
        let is_slow = h2
            .partial
            .is_some_and(|(since, _)| late(since, limits.header_read_timeout));
        let is_idle = h2.streams.count() == 0 && !h2.has_streams();
        let is_gone = is_idle && h2.going_away && late(h2.idle_since, limits.close_timeout);
        let begins = matches!(h2.phase, Phase::Handshake(_));
        if is_stalled || is_gone || (is_slow && begins) {
            match (is_stalled, is_gone) {
                (true, _) => self.count_slow(&h2.pace),
                (_, true) => self.link.counts.timed_out.add(TimedOut::Close, 1),
                _ => self.link.counts.timed_out.add(TimedOut::Handshake, 1),
            }
            drop(h2);
            return self.close(id);
        }
        if is_slow {
            self.link.counts.timed_out.add(TimedOut::Head, 1);
            h2.calm_down("a head did not arrive in time");
        }
        if is_idle && !h2.going_away && late(h2.idle_since, limits.idle_timeout) {
            self.link.counts.timed_out.add(TimedOut::Idle, 1);
            h2.go_away();
            h2.idle_since = now;
        }
        h2.streams.pass(now.saturating_sub(h2.walked), limits);
        h2.walked = now;
        self.put_h2(id, h2);
        self.h2_turn(id);
    }

    /// The server drains: the peer opens no more streams, and those that it has are finished.
    pub(crate) fn h2_drain(self: &Rc<Self>, id: ConnId) {
        let Some(mut h2) = self.take_h2(id) else { return };
        h2.go_away();
        h2.idle_since = self.clock.tick();
        self.put_h2(id, h2);
        self.h2_turn(id);
    }

    /// The `Date` of now.
    fn h2_date(&self) -> HeaderValue {
        self.clock.date_value()
    }

    fn take_h2(&self, id: ConnId) -> Option<Box<H2>> {
        let mut conns = self.conns.borrow_mut();
        let conn = conns.get_mut(id)?;
        match std::mem::replace(&mut conn.state, State::Taken) {
            State::H2(h2) => Some(h2),
            other => {
                conn.state = other;
                None
            }
        }
    }

    fn put_h2(&self, id: ConnId, h2: Box<H2>) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.state = State::H2(h2);
        }
    }
}

/// Why the h2 crate gave up. It has told the peer, unless the socket is broken.
fn failed(error: &h2::Error) -> Driven {
    tracing::debug!(%error, "an HTTP/2 connection ended by an error");
    if error.is_io() {
        Driven::Broken
    } else {
        Driven::Over
    }
}

/// What the h2 crate bounds by itself.
fn builder(limits: &Limits) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    let head_bytes_max = u32::try_from(limits.head.head_bytes_max).unwrap_or(u32::MAX);
    builder
        .initial_window_size(limits.h2.stream_window_bytes)
        .initial_connection_window_size(limits.h2.connection_window_bytes)
        .max_concurrent_streams(limits.h2.streams_max)
        .max_header_list_size(head_bytes_max)
        .max_send_buffer_size(BUFFER_BYTES_MAX)
        .max_pending_accept_reset_streams(limits.h2.pending_resets_max)
        .max_local_error_reset_streams(Some(limits.h2.stream_errors_max))
        .enable_connect_protocol();
    builder
}
