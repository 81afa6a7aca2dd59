//! A connection in the hands of a task: the task reads and writes its socket, the core tells it when that is worth
//! trying, and keeps its time-outs.

use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::ReadBuf;
use tokio::task::coop::poll_proceed;

use crate::app::App;
use crate::conn::websocket::Running;
use crate::core::Core;
use crate::core::link::{Link, Note};
use crate::core::slab::State as ConnState;
use crate::limits::{Limits, SWEEP_INTERVAL, Tick, ticks};
use crate::metrics::TimedOut;
use crate::raw::{Service, Stream};
use crate::socket::Socket;
use crate::source::ConnId;

/// Ticks between two looks at a stream's time-outs: a second.
const LOOK_TICKS: Tick = (1000 / SWEEP_INTERVAL.as_millis()) as Tick;

/// The core's side of a stream.
pub(crate) struct Held {
    shared: Arc<Shared>,
    /// Ticks in which nothing moved.
    quiet_ticks: Tick,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.close(ErrorKind::ConnectionAborted);
    }
}

/// What a core and a task share of a connection.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    link: Arc<Link>,
    conn: ConnId,
}

#[derive(Debug)]
struct State {
    /// Given back to the core when the task lets go of it; `Away` when it is closed.
    socket: Socket,
    /// Read before the task had it: what came with a proxy's header.
    early: BytesMut,
    /// Why it is closed.
    closed: Option<ErrorKind>,
    /// There may be bytes in the socket, and it may take some.
    readable: bool,
    writable: bool,
    /// The peer's end was announced: a short read does not show that it was the last.
    hung_up: bool,
    /// The peer's end was read.
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Something moved since the sweep looked.
    moved: bool,
    idle_ticks: Option<Tick>,
    released: bool,
    draining: bool,
    drains: Vec<Waker>,
    /// Not counted yet: only the core's thread counts.
    bytes_in: u64,
    bytes_out: u64,
}

impl Shared {
    fn new(socket: Socket, link: Arc<Link>, conn: ConnId, idle_ticks: Tick) -> Arc<Self> {
        let state = State {
            socket,
            early: BytesMut::new(),
            closed: None,
            readable: true,
            writable: true,
            hung_up: false,
            ended: false,
            reader: None,
            writer: None,
            moved: false,
            idle_ticks: Some(idle_ticks),
            released: false,
            draining: false,
            drains: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
        };
        Arc::new(Shared {
            state: Mutex::new(state),
            link,
            conn,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves this whole: nothing here can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A peer that sends without a pause must not have the core for itself.
        let coop = ready!(poll_proceed(cx));
        let mut state = self.lock();
        loop {
            if let Some(kind) = state.closed {
                return Poll::Ready(Err(kind.into()));
            }
            if !state.early.is_empty() {
                let count = state.early.len().min(into.remaining());
                into.put_slice(&state.early.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if !state.readable {
                state.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let room = into.remaining();
            match state.socket.read(into.initialize_unfilled()) {
                Ok(count) => {
                    into.advance(count);
                    state.ended |= count == 0 && room > 0;
                    state.readable = state.socket.may_have_more(count, room) || state.hung_up || state.ended;
                    state.moved = true;
                    state.bytes_in += count as u64;
                    coop.made_progress();
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => state.readable = false,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        let mut state = self.lock();
        loop {
            if let Some(kind) = state.closed {
                return Poll::Ready(Err(kind.into()));
            }
            if !state.writable {
                state.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            match state.socket.write_vectored(slices) {
                Ok(count) => {
                    state.moved = true;
                    state.bytes_out += count as u64;
                    coop.made_progress();
                    return Poll::Ready(Ok(count));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => state.writable = false,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    pub(crate) fn poll_flush(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.lock().closed {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Ready(Ok(())),
        }
    }

    pub(crate) fn shutdown(&self) {
        self.lock().socket.shutdown_write();
    }

    pub(crate) fn set_idle_ticks(&self, idle_ticks: Option<Tick>) {
        self.lock().idle_ticks = idle_ticks;
    }

    pub(crate) fn poll_draining(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.draining || state.closed.is_some() {
            return Poll::Ready(());
        }
        if !state.drains.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.drains.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The task lets go of it.
    pub(crate) fn release(&self) {
        self.lock().released = true;
        self.link.note(Note::Woken(self.conn));
    }

    /// The core tells of an event.
    fn announce(&self, readable: bool, writable: bool, hung_up: bool) {
        let mut state = self.lock();
        state.readable |= readable;
        state.writable |= writable;
        state.hung_up |= hung_up;
        if writable {
            // What the socket itself owes. What fails here fails again at the next read.
            let _ = state.socket.flush();
        }
        let reader = if readable { state.reader.take() } else { None };
        let writer = if writable { state.writer.take() } else { None };
        drop(state);
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }

    fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        let drains = std::mem::take(&mut state.drains);
        drop(state);
        drains.into_iter().for_each(Waker::wake);
    }

    /// The connection is over, for this reason unless there was one already.
    fn close(&self, kind: ErrorKind) {
        let mut state = self.lock();
        state.closed.get_or_insert(kind);
        let socket = state.socket.take();
        let mut wakers = std::mem::take(&mut state.drains);
        wakers.extend(state.reader.take());
        wakers.extend(state.writer.take());
        drop(state);
        drop(socket);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<A: App> Core<A> {
    /// A connection begins, after its handshake if it is under TLS: if its listener has a service of its own, that gets
    /// it.
    pub(crate) fn begin_service(self: &Rc<Self>, id: ConnId, listener: u16) {
        if let Some(service) = &self.options[usize::from(listener)].raw {
            self.become_stream(id, service);
        }
    }

    /// Bytes that were read before the task had the connection.
    pub(crate) fn stream_received(&self, id: ConnId, bytes: &[u8]) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id)
            && let ConnState::Stream(held) = &conn.state
        {
            held.shared.lock().early.extend_from_slice(bytes);
        }
    }

    /// Gives a connection to a service.
    fn become_stream(self: &Rc<Self>, id: ConnId, service: &Service) {
        let (stream, deadline) = {
            let mut conns = self.conns.borrow_mut();
            let Some(conn) = conns.get_mut(id) else { return };
            let socket = conn.socket.take();
            let idle_ticks = ticks(self.limits.idle_timeout);
            let shared = Shared::new(socket, self.link.clone(), id, idle_ticks);
            if self.draining.get().is_some() {
                shared.drain();
            }
            let (peer, proxied) = (conn.peer.peer(), conn.peer.proxied().cloned());
            let stream = Stream::new(shared.clone(), peer, proxied, conn.socket.tls_info().cloned());
            conn.state = ConnState::Stream(Box::new(Held {
                shared,
                quiet_ticks: 0,
            }));
            (stream, self.clock.tick().saturating_add(LOOK_TICKS))
        };
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.deadline = deadline;
        }
        let served = service.serve(stream);
        let running = Running::new(self.clone());
        tokio::task::spawn_local(async move {
            let _running = running;
            served.await;
        });
        self.tasks_due.set(true);
    }

    /// The socket of a stream is ready, or the task has let go of it.
    pub(crate) fn stream_event(self: &Rc<Self>, id: ConnId, readable: bool, writable: bool, hung_up: bool) {
        let released = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match &conn.state {
                ConnState::Stream(held) => {
                    held.shared.announce(readable, writable, hung_up);
                    self.count_stream(held);
                    let mut state = held.shared.lock();
                    state.released.then(|| (state.ended, state.socket.take()))
                }
                _ => None,
            },
            None => None,
        };
        self.tasks_due.set(true);
        let Some((ended, socket)) = released else { return };
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.socket = socket;
        }
        // Bytes that nobody has read make the close a reset, and a reset can overtake our last bytes.
        if ended { self.finish(id) } else { self.linger(id) }
    }

    /// Looks at the time-outs of a stream.
    pub(crate) fn stream_overdue(self: &Rc<Self>, id: ConnId) {
        let late = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => {
                conn.deadline = self.clock.tick().saturating_add(LOOK_TICKS);
                match &mut conn.state {
                    ConnState::Stream(held) => {
                        self.count_stream(held);
                        held.is_late(&self.limits)
                    }
                    _ => None,
                }
            }
            None => None,
        };
        if let Some(why) = late {
            self.link.counts.timed_out.add(why, 1);
            self.close(id);
        }
    }

    /// The server drains.
    pub(crate) fn stream_drain(&self, id: ConnId) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id)
            && let ConnState::Stream(held) = &conn.state
        {
            held.shared.drain();
        }
        self.tasks_due.set(true);
    }

    fn count_stream(&self, held: &Held) {
        let mut state = held.shared.lock();
        self.link.counts.bytes_in.add(std::mem::take(&mut state.bytes_in));
        self.link
            .counts
            .bytes_out
            .add(std::mem::take(&mut state.bytes_out));
    }
}

impl Held {
    /// Which time-out has passed, if any.
    fn is_late(&mut self, limits: &Limits) -> Option<TimedOut> {
        let mut state = self.shared.lock();
        if std::mem::take(&mut state.moved) {
            self.quiet_ticks = 0;
            return None;
        }
        self.quiet_ticks = self.quiet_ticks.saturating_add(LOOK_TICKS);
        let stalled = state.writer.is_some() && self.quiet_ticks >= ticks(limits.write_stall_timeout);
        let idle = state.idle_ticks.is_some_and(|ticks| self.quiet_ticks >= ticks);
        let why = match (stalled, idle) {
            (true, _) => TimedOut::WriteStall,
            (_, true) => TimedOut::Idle,
            _ => return None,
        };
        drop(state);
        self.shared.close(ErrorKind::TimedOut);
        Some(why)
    }
}
