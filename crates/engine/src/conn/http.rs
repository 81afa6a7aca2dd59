//! An HTTP/1 connection with a request under way: its state, and what moves it.
//!
//! Bytes come in, requests go to the application one at a time, answers go out; what a peer pipelines waits in the
//! socket. How a request is begun is in [`super::request`], how it is answered in [`super::answer`].

use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use squall_wire::h1::{BodyDecoder, BodyFraming, Parsed, Reject, parse_head};
use tokio::task::AbortHandle;

use crate::app::App;
use crate::body::{BodyErrorKind, Judge};
pub(crate) use crate::conn::becomes::Becomes;
use crate::conn::h2::PREFACE;
use crate::conn::outbox::{Flushed, Outbox};
use crate::conn::small;
use crate::conn::wait::Pace;
pub(crate) use crate::conn::wait::Wait;
use crate::core::Core;
use crate::core::clock::Micros;
use crate::core::slab::State;
use crate::file::FileFrames;
use crate::limits::{BUFFER_BYTES_MAX, Tick};
use crate::socket::Speaks;
use crate::source::{ConnId, Framing};

/// One HTTP/1 connection that is not parked.
#[derive(Default)]
pub(crate) struct Http {
    /// Received and not used yet; at most one read's worth.
    pub(crate) input: Bytes,
    /// The beginning of a head. Either this or `input` is empty.
    pub(crate) partial: Vec<u8>,
    /// How long `partial` was when it was last looked at.
    looked_bytes: usize,
    pub(crate) outbox: Outbox,
    /// The request that is being read or answered.
    pub(crate) exchange: Option<Exchange>,
    /// No request is taken any more; the connection closes when nothing is owed.
    pub(crate) closing: bool,
    /// Nothing was asked on this connection before: it may turn out to be HTTP/2.
    pub(crate) is_first: bool,
    /// An answer was cut where nothing but the end of the connection tells.
    pub(crate) cut: bool,
    /// The peer may still be sending: its last bytes must be read away, or our answer would be lost in a reset.
    pub(crate) linger: bool,
    /// There may be bytes in the socket that no event will announce.
    pub(crate) unread: bool,
    /// What the connection becomes when the head of its answer is written.
    pub(crate) becomes: Option<Becomes>,
    /// Fields that the response of a parked long-poll already had.
    pub(crate) parked_headers: Option<Box<HeaderMap>>,
    /// A streaming answer that waits for room in `outbox`.
    pub(crate) room: Option<Waker>,
    pub(crate) wait: Wait,
    /// When `wait` began, or last moved.
    pub(crate) since: Tick,
    /// Since the peer is owed something.
    pub(crate) pace: Pace,
    /// The socket took something since the last [`Core::settle`].
    progress: bool,
    /// A request has come since the connection was last parked.
    served: bool,
    /// Those that have come on this connection.
    pub(crate) requests: u32,
}

/// A request between its head and the end of its answer.
pub(crate) struct Exchange {
    pub(crate) version: Version,
    pub(crate) head_request: bool,
    /// A `CONNECT`: no success may be answered, since there is no tunnel.
    pub(crate) tunnel: bool,
    pub(crate) keep_alive: bool,
    /// The peer waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    /// The request's body, until its end has been seen.
    pub(crate) body: Option<Incoming>,
    /// A request body that is here to its end: says whether the handler asked for more of it than it allows.
    pub(crate) judge: Option<Judge>,
    /// The handler, or the stream of its answer, if it did not finish in place.
    pub(crate) task: Option<AbortHandle>,
    /// The head of the answer is written; this is how its body is framed.
    pub(crate) framing: Option<BodyFraming>,
    /// Bytes of a body with a length that are still to come.
    pub(crate) left_bytes: u64,
    /// Where the body gives parts of files, if it may.
    pub(crate) files: Option<FileFrames>,
    /// The answer is complete; the request's body is being thrown away.
    pub(crate) answered: bool,
    /// When its head was complete.
    pub(crate) began: Micros,
    /// The handler's own time-out, if it asked for one.
    pub(crate) handler_timeout: Option<Duration>,
}

/// A request body on its way in.
pub(crate) struct Incoming {
    pub(crate) decoder: BodyDecoder,
    pub(crate) channel: std::sync::Arc<crate::body::Channel>,
    /// The length that the head declared.
    pub(crate) declared_bytes: Option<u64>,
    pub(crate) bytes_max: u64,
    pub(crate) received_bytes: u64,
    /// Those of them that nobody wanted.
    pub(crate) discarded_bytes: u64,
    /// Not a byte is read before the handler asks: it may still change the limit, or refuse.
    pub(crate) held: bool,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Whoever still reads this body must not wait for ever. Says nothing new if the end has come.
        self.channel.fail(BodyErrorKind::Gone);
    }
}

/// [`Exchange::began`] of a long-poll, which is meant to wait.
pub(crate) const UNMEASURED: Micros = Micros::MAX;

impl Exchange {
    /// Whether the handler asked for more of the body than it allows, and was refused.
    pub(crate) fn has_refused(&self) -> bool {
        match (&self.body, &self.judge) {
            (Some(body), _) => body.channel.has_refused(),
            (None, Some(judge)) => judge.has_refused(),
            (None, None) => false,
        }
    }

    /// Whether all that the head promised has been written.
    pub(crate) fn is_written(&self) -> bool {
        matches!(self.framing, Some(BodyFraming::Exact(_))) && self.left_bytes == 0
    }
}

impl Http {
    /// Makes the box ready for another connection.
    pub(crate) fn reset(&mut self) {
        let partial = std::mem::take(&mut self.partial);
        *self = Http {
            partial,
            ..Http::default()
        };
        self.partial.clear();
        self.partial.shrink_to(4096);
    }

    /// Whether bytes are wanted now.
    pub(crate) fn may_read(&mut self) -> bool {
        let full = match &self.exchange {
            Some(exchange) => match &exchange.body {
                Some(body) => body.held || body.channel.is_paused() || !self.input.is_empty(),
                // What is pipelined behind a request stays in the socket, but for one read.
                None => !self.input.is_empty(),
            },
            None => self.closing || !self.input.is_empty() || self.outbox.bytes() >= BUFFER_BYTES_MAX,
        };
        self.unread |= full;
        !full
    }

    /// Whether the request under way, or the one whose head can't be read to its end, is a `HEAD`.
    fn is_head(&self) -> bool {
        if let Some(exchange) = &self.exchange {
            return exchange.head_request;
        }
        let head = if self.partial.is_empty() {
            &self.input[..]
        } else {
            &self.partial[..]
        };
        head.strip_prefix(b"\r\n").unwrap_or(head).starts_with(b"HEAD ")
    }

    /// Requests are here that had to wait for their turn.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty() && self.exchange.is_none()
    }

    pub(crate) fn is_owed(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Nothing is under way.
    fn is_quiescent(&self) -> bool {
        self.exchange.is_none() && self.input.is_empty() && self.partial.is_empty() && self.outbox.is_empty()
    }

    fn take_in(&mut self, bytes: &[u8]) {
        if self.partial.is_empty() {
            self.input = if !self.input.is_empty() {
                [&self.input, bytes].concat().into()
            } else if self.exchange.is_some() {
                // Bytes of a body: whoever keeps them should keep no more than them, or a body in drops is dear.
                Bytes::copy_from_slice(bytes)
            } else {
                small::copied(bytes)
            };
            return;
        }
        self.partial.extend_from_slice(bytes);
        if self.is_worth_a_look(bytes.len()) {
            self.input = Bytes::copy_from_slice(&self.partial);
            self.partial.clear();
        }
    }

    /// Keeps what a peer pipelines behind a long-poll; no more than one read's worth is ever there.
    pub(crate) fn keep_early(&mut self, bytes: &[u8]) {
        self.take_in(bytes);
    }

    /// A head that comes in drops is not parsed at every drop, or its cost would be quadratic: only when it may
    /// have ended, or has doubled.
    fn is_worth_a_look(&self, new_bytes: usize) -> bool {
        let from = self.partial.len().saturating_sub(new_bytes + 3);
        let tail = &self.partial[from..];
        let ended = tail.windows(2).any(|w| w == b"\n\n") || tail.windows(3).any(|w| w == b"\n\r\n");
        ended || self.partial.len() >= self.looked_bytes.saturating_mul(2)
    }

    /// Keeps the beginning of a head until more comes.
    fn hold_partial(&mut self) {
        self.partial.clear();
        self.partial.extend_from_slice(&self.input);
        self.looked_bytes = self.partial.len();
        self.input = Bytes::new();
    }

    /// The socket took something, whatever it was of.
    pub(crate) fn took_some(&mut self) {
        self.progress = true;
    }

    fn waits_for(&self) -> Wait {
        if !self.outbox.is_empty() {
            return Wait::Write;
        }
        match &self.exchange {
            Some(exchange) => match &exchange.body {
                // A peer that waits to be told may send nothing before the handler asks for the body.
                Some(body) if !body.held && !body.channel.is_paused() && !exchange.expects_continue => {
                    Wait::Body
                }
                _ if exchange.framing.is_none() => Wait::Handler,
                _ if exchange.answered => Wait::Nothing,
                _ => Wait::Stream,
            },
            None if self.partial.is_empty() => Wait::Nothing,
            None if !self.served && self.partial == b"\r" => Wait::Request,
            None => Wait::Head,
        }
    }
}

/// RFC 9113 section 3.2: who agreed to HTTP/2 speaks it.
const NOT_HTTP2: Reject = Reject {
    status: StatusCode::BAD_REQUEST,
    reason: "the peers have agreed to speak HTTP/2",
};

impl<A: App> Core<A> {
    pub(crate) fn http_received(self: &Rc<Self>, id: ConnId, bytes: &[u8]) {
        let Some(mut http) = self.take_http(id) else {
            return;
        };
        http.take_in(bytes);
        self.serve(id, http);
    }

    /// Answers what is in `http.input`, as far as that goes, in one write.
    pub(crate) fn serve(self: &Rc<Self>, id: ConnId, mut http: Box<Http>) {
        let mut burst = 0;
        loop {
            if http.exchange.is_some() {
                self.feed_body(id, &mut http);
                if http.exchange.is_some() {
                    break;
                }
            }
            if http.closing || http.becomes.is_some() || http.input.is_empty() {
                break;
            }
            if http.outbox.bytes() + self.out.borrow().len() >= BUFFER_BYTES_MAX {
                match self.flush(id, &mut http) {
                    Ok(Flushed::All) => {}
                    Ok(Flushed::Blocked { .. }) => break,
                    Err(_) => {
                        self.put_http(id, http);
                        return self.close(id);
                    }
                }
            }
            if burst == self.limits.pipelined_burst_max {
                http.unread = true;
                break;
            }
            burst += 1;
            let parsed = parse_head(
                &http.input,
                &self.limits.head,
                &mut self.spare_headers.borrow_mut(),
            );
            match parsed {
                Ok(Parsed::Complete(_)) if http.is_first && self.speaks(id) == Speaks::Http2 => {
                    self.refuse(&mut http, &NOT_HTTP2);
                }
                Ok(Parsed::Complete(head)) => {
                    http.is_first = false;
                    bytes::Buf::advance(&mut http.input, head.head_bytes);
                    http.served = true;
                    http.requests = http.requests.wrapping_add(1);
                    self.begin(id, &mut http, head);
                }
                // An empty line before a request line is ignored (RFC 9112 section 2.2). Alone it is no beginning of a
                // request that would have to come in time.
                Ok(Parsed::Partial) if *http.input == *b"\r\n" => http.input = Bytes::new(),
                Ok(Parsed::Partial) => http.hold_partial(),
                Err(_) if self.is_h2(id, &http) => return self.become_h2(id, http),
                Err(reject) => self.refuse(&mut http, &reject),
            }
        }
        self.settle(id, http);
    }

    /// Writes what is owed, and leaves the connection in the state that follows.
    pub(crate) fn settle(self: &Rc<Self>, id: ConnId, mut http: Box<Http>) {
        if self.flush(id, &mut http).is_err() {
            self.put_http(id, http);
            return self.close(id);
        }
        // Earlier answers do not wait behind a long-poll.
        let waits = http.is_owed()
            && (http.outbox.has_file()
                || matches!(&http.becomes, Some(Becomes::Parked(park, _)) if park.framing == Framing::Answer));
        if !waits && let Some(becomes) = http.becomes.take() {
            return self.become_other(id, http, becomes);
        }
        if http.closing && http.outbox.is_empty() && http.exchange.is_none() {
            if http.cut {
                self.abandon(id);
            }
            // Bytes that nobody has read make the close a reset, and a reset can overtake our last bytes.
            let linger = http.linger || http.unread;
            self.recycle(http);
            return if linger { self.linger(id) } else { self.finish(id) };
        }
        if http.outbox.bytes() < BUFFER_BYTES_MAX
            && let Some(room) = http.room.take()
        {
            room.wake();
            self.tasks_due.set(true);
        }
        if std::mem::take(&mut http.unread) && http.may_read() {
            self.turn_later(id);
        }
        if !http.input.is_empty() && http.exchange.is_none() && http.outbox.is_empty() {
            // The burst is spent: the others first.
            self.turn_later(id);
        }
        if http.is_quiescent() {
            let (served, requests) = (http.served, http.requests);
            self.recycle(http);
            return self.park(id, served, requests);
        }
        let wait = http.waits_for();
        let progress = std::mem::take(&mut http.progress);
        if wait != http.wait || (matches!(wait, Wait::Write | Wait::Stream) && progress) {
            http.wait = wait;
            http.since = self.clock.tick();
        }
        let deadline = self.http_deadline(&http);
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.deadline = deadline.unwrap_or(conn.deadline);
            conn.state = State::Http(http);
        }
    }

    /// The connection waits for its next request: a record, and no more.
    fn park(&self, id: ConnId, served: bool, requests: u32) {
        let deadline = self.after(self.limits.idle_timeout);
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            if served {
                // An empty line is no request: who sends nothing else gets no more time for it.
                conn.deadline = deadline;
            }
            conn.state = State::Parked(requests);
        }
        if self.draining.get().is_some() {
            self.close(id);
        }
    }

    /// Writes `out` and what was owed before it.
    pub(crate) fn flush(&self, id: ConnId, http: &mut Http) -> std::io::Result<Flushed> {
        let mut out = self.out.borrow_mut();
        if out.is_empty() && http.outbox.is_empty() {
            return Ok(Flushed::All);
        }
        let was_owed = !http.outbox.is_empty();
        let owed_bytes = http.outbox.bytes() + out.len();
        let flushed = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => http.outbox.flush(&mut conn.socket, &mut out),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        self.measure_fresh();
        if flushed.is_ok() {
            let taken_bytes = owed_bytes - http.outbox.bytes();
            self.link.counts.bytes_out.add(taken_bytes as u64);
            if was_owed {
                http.pace.take(taken_bytes);
            } else if !http.outbox.is_empty() {
                http.pace.begin(self.clock.tick());
            }
        }
        http.progress |= !matches!(flushed, Ok(Flushed::Blocked { progress: false }));
        out.clear();
        if out.capacity() > 4 * BUFFER_BYTES_MAX {
            out.shrink_to(BUFFER_BYTES_MAX);
        }
        flushed
    }

    /// The head of an answer is encoded. One whose request came in this turn is measured when it is written, with all
    /// others that this write answers.
    pub(crate) fn count_answer(&self, status: StatusCode, began: Micros) {
        let counts = &self.link.counts;
        counts.requests.add(status);
        if began == self.clock.turn() {
            self.fresh_answers.set(self.fresh_answers.get() + 1);
        } else if began != UNMEASURED {
            counts.took(self.clock.now().saturating_sub(began), 1);
        }
    }

    fn measure_fresh(&self) {
        let answers = self.fresh_answers.take();
        if answers > 0 {
            let us = self.clock.now().saturating_sub(self.clock.turn());
            self.link.counts.took(us, answers);
        }
    }

    /// Takes the exchange out of the slab; who takes it puts it back through [`Core::settle`].
    pub(crate) fn take_http(&self, id: ConnId) -> Option<Box<Http>> {
        let mut conns = self.conns.borrow_mut();
        let conn = conns.get_mut(id)?;
        match std::mem::replace(&mut conn.state, State::Taken) {
            State::Http(http) => Some(http),
            State::Parked(requests) => {
                let mut http = self.new_http();
                http.requests = requests;
                Some(http)
            }
            State::Fresh => {
                let mut http = self.new_http();
                http.is_first = true;
                Some(http)
            }
            other => {
                conn.state = other;
                None
            }
        }
    }

    pub(crate) fn put_http(&self, id: ConnId, http: Box<Http>) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.state = State::Http(http);
        }
    }

    /// Answers what cannot be understood, and takes no more from this peer.
    pub(crate) fn refuse(&self, http: &mut Http, reject: &Reject) {
        self.link.counts.refused(reject.status);
        let date = self.clock.date();
        let response = if http.is_head() {
            reject.response_to_head(&date)
        } else {
            reject.response(&date)
        };
        self.out.borrow_mut().extend_from_slice(&response);
        http.closing = true;
        http.linger = true;
        http.exchange = None;
        http.becomes = None;
        http.input = Bytes::new();
        http.partial.clear();
    }

    /// Whether what is no head of HTTP/1 is the preface of HTTP/2, as far as it has come.
    fn is_h2(&self, id: ConnId, http: &Http) -> bool {
        let begun = http.input.len().min(PREFACE.len());
        self.http2
            && http.is_first
            && http.input[..begun] == PREFACE[..begun]
            && self.speaks(id) != Speaks::Http1
    }

    fn speaks(&self, id: ConnId) -> Speaks {
        let mut conns = self.conns.borrow_mut();
        conns
            .get_mut(id)
            .map_or(Speaks::Anything, |conn| conn.socket.speaks())
    }

    pub(crate) fn http_writable(self: &Rc<Self>, id: ConnId) {
        if let Some(http) = self.take_http(id) {
            self.serve(id, http);
        }
    }

    /// The peer closed, at least its sending side.
    pub(crate) fn http_ended(self: &Rc<Self>, id: ConnId) {
        let Some(mut http) = self.take_http(id) else {
            return;
        };
        let is_owed = http.is_owed();
        if http.exchange.is_none() && is_owed {
            // All requests were answered; the answers are still on their way.
            http.closing = true;
            http.linger = false;
            return self.settle(id, http);
        }
        self.put_http(id, http);
        // A handler whose peer went away is cancelled.
        self.close(id);
    }

    /// The connection is closed: cancels its handler.
    pub(crate) fn http_gone(&self, mut http: Box<Http>) {
        if let Some(exchange) = http.exchange.take()
            && let Some(task) = &exchange.task
        {
            task.abort();
        }
        self.recycle(http);
    }
}
