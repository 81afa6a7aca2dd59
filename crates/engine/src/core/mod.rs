//! One core: an OS thread with a tokio runtime, a poll set nested in it, and a slab of connections.
//!
//! The poll set's descriptor is itself pollable, so the runtime waits on that one descriptor and a single task drains
//! it. A connection that only waits has no task. The files beside this one are methods of [`Core`] by subject; those
//! of one kind of connection are in `crate::conn`.

pub(crate) mod clock;
pub(crate) mod doing;
pub(crate) mod drain;
mod events;
pub(crate) mod link;
#[cfg(any(test, feature = "mock"))]
pub mod mock;
pub(crate) mod slab;
mod spare;
mod sweep;
pub(crate) mod waker;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderMap;
use mio::Events;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::accept::Acceptor;
use crate::app::App;
use crate::conn::h2::Scratch;
use crate::conn::http::Http;
use crate::conn::proxy;
use crate::core::clock::Clock;
use crate::core::doing::Busy;
use crate::core::drain::Drain;
use crate::core::link::{Link, Note};
use crate::core::slab::{CompactPeer, Conn, Slab, State, id_of, token};
use crate::core::spare::Spares;
use crate::limits::{Limits, Tick, ticks};
use crate::listen::Options;
use crate::proxy::Begin;
use crate::shared::Shared;
use crate::socket::{Peer, Socket};
use crate::source::{ConnId, Frame, Source};
use crate::tls::TlsSocket;
use crate::watch::schedstat_of_this_thread;

/// Bytes of the buffer that a core reads into.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// Events taken from the poll set before the core's other tasks get their turn.
const EVENTS_MAX: usize = 256;

/// Turns after which other tasks run, whether or not the core knows of one: a timer may have woken it.
const TURNS_MAX: u32 = 16;

/// Steps of TLS handshakes in one turn: each may take some hundred microseconds, and whoever is connected already must
/// not wait for all who want to be.
const HANDSHAKES_MAX: usize = 8;

/// Boxes of finished exchanges that a core keeps for the next.
const SPARE_MAX: usize = 64;

/// What a core owns. Single-threaded: cells instead of locks, and no borrow outlives a call into foreign code.
pub(crate) struct Core<A: App> {
    pub(crate) app: RefCell<A>,
    pub(crate) limits: Limits,
    /// [`Limits::requests_per_connection_max`].
    pub(crate) requests_max: u32,
    /// Whether requests carry their [`Peer`] as an extension.
    pub(crate) peer_info: bool,
    /// What holds for the connections of each listener, by its number.
    pub(crate) options: Arc<[Options]>,
    /// Whether HTTP/2 is spoken with those who begin it.
    pub(crate) http2: bool,
    pub(crate) conns: RefCell<Slab>,
    pub(crate) link: Arc<Link>,
    pub(crate) source: Rc<dyn Source>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    /// Where answers are encoded; empty between connections.
    pub(crate) out: RefCell<Vec<u8>>,
    /// A cleared header map for the next request.
    pub(crate) spare_headers: RefCell<HeaderMap>,
    /// Boxes for the next exchanges.
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    pub(crate) spare_http: RefCell<Vec<Box<Http>>>,
    /// Boxes for the next futures and bodies.
    pub(crate) spares: Spares<A::Future, A::Body>,
    /// Where HTTP/2 connections read to.
    pub(crate) h2_scratch: Scratch,
    /// Frames of the follower that is being written.
    pub(crate) frames: RefCell<Vec<Frame>>,
    /// Connections that had their turn and have more to do.
    pub(crate) again: RefCell<Vec<ConnId>>,
    /// A task was woken by what the core did: let tasks run before waiting.
    pub(crate) tasks_due: Cell<bool>,
    pub(crate) draining: Cell<Option<Drain>>,
    /// Reads of this turn that may be a step of a TLS handshake: see [`HANDSHAKES_MAX`].
    handshakes_left: Cell<usize>,
    /// Answers of this turn whose time is measured when they are written.
    pub(crate) fresh_answers: Cell<u64>,
    /// WebSocket handlers that run.
    pub(crate) handlers: Cell<usize>,
    /// HTTP/3 is served, or has not ended yet.
    pub(crate) quic_serves: Cell<bool>,
    /// Connections of HTTP/3, which have no record, and those of them that have requests.
    pub(crate) quic_open: Cell<u64>,
    pub(crate) quic_busy: Cell<u64>,
    registry: mio::Registry,
}

/// What a core is made of.
pub(crate) struct Parts<A: App> {
    pub(crate) app: A,
    pub(crate) limits: Limits,
    pub(crate) peer_info: bool,
    pub(crate) options: Arc<[Options]>,
    pub(crate) http2: bool,
    pub(crate) link: Arc<Link>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) source: Rc<dyn Source>,
    /// What it does first, beside waiting for connections.
    pub(crate) prelude: Option<Prelude<A>>,
}

/// Something that a core begins with.
pub(crate) type Prelude<A> = Box<dyn FnOnce(&Rc<Core<A>>) -> io::Result<()> + Send>;

/// Runs a core on this thread until it has drained, and the acceptor if it is the only core. Calls `ready` when it has all that
/// it needs from the system.
pub(crate) fn run<A: App>(
    link: &Arc<Link>,
    make: impl FnOnce() -> Parts<A>,
    acceptor: Option<Acceptor>,
    ready: impl FnOnce(),
) -> io::Result<()> {
    if let Some(schedstat) = schedstat_of_this_thread() {
        link.schedstat.get_or_init(|| schedstat);
    }
    let (parked, unparked) = (link.clone(), link.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || parked.doing.becomes(Busy::Idle))
        .on_thread_unpark(move || unparked.doing.becomes(Busy::Task))
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let poll = mio::Poll::new()?;
        let mut parts = make();
        let prelude = parts.prelude.take();
        let core = Rc::new(Core::new(parts, poll.registry().try_clone()?));
        if let Some(prelude) = prelude {
            prelude(&core)?;
        }
        let poll = nest(poll)?;
        ready();
        if let Some(acceptor) = acceptor {
            tokio::task::spawn_local(acceptor.run_on_core());
        }
        core.drive(poll).await
    })
}

impl<A: App> Core<A> {
    fn new(parts: Parts<A>, registry: mio::Registry) -> Self {
        Core {
            app: RefCell::new(parts.app),
            requests_max: parts.limits.requests_per_connection_max.unwrap_or(u32::MAX),
            limits: parts.limits,
            peer_info: parts.peer_info,
            options: parts.options,
            http2: parts.http2,
            conns: RefCell::default(),
            link: parts.link,
            source: parts.source,
            shared: parts.shared,
            clock: Clock::default(),
            out: RefCell::default(),
            spare_headers: RefCell::default(),
            spare_http: RefCell::default(),
            spares: Spares::default(),
            h2_scratch: Scratch::default(),
            frames: RefCell::default(),
            again: RefCell::default(),
            tasks_due: Cell::new(false),
            draining: Cell::new(None),
            handshakes_left: Cell::new(HANDSHAKES_MAX),
            fresh_answers: Cell::new(0),
            handlers: Cell::new(0),
            quic_serves: Cell::new(false),
            quic_open: Cell::new(0),
            quic_busy: Cell::new(0),
            registry,
        }
    }

    /// The core's main task.
    async fn drive(self: Rc<Self>, mut poll: AsyncFd<mio::Poll>) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut notes = Vec::new();
        let mut ready = Vec::new();
        let mut again = Vec::new();
        let mut turns: u32 = 0;
        let mut sweep = tokio::time::interval(crate::limits::SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = poll_fn(|cx| self.poll_due(cx, &mut poll, &mut events, &mut sweep)).await?;
            self.link.doing.becomes(Busy::Engine);
            self.clock.refresh();
            self.handshakes_left.set(HANDSHAKES_MAX);
            for event in &events {
                let id = id_of(event.token());
                self.guarded(id, || {
                    if event.is_writable() {
                        self.writable(id);
                    }
                    if event.is_read_closed() || event.is_error() {
                        self.hung_up(id);
                        self.readable(id, &mut buffer, Until::Blocked);
                    } else if event.is_readable() {
                        self.readable(id, &mut buffer, Until::Short);
                    }
                });
            }
            events.clear();
            self.link.take_notes(&mut notes);
            for note in notes.drain(..) {
                self.hear(note, &mut buffer);
            }
            std::mem::swap(&mut again, &mut *self.again.borrow_mut());
            // However often a connection asked, it gets one turn.
            again.sort_unstable();
            again.dedup();
            for id in again.drain(..) {
                self.guarded(id, || self.turn(id, &mut buffer));
            }
            turns = turns.wrapping_add(1);
            if self.tasks_due.replace(false) || turns.is_multiple_of(TURNS_MAX) {
                self.link.doing.becomes(Busy::Task);
                let_tasks_run().await;
                self.link.doing.becomes(Busy::Engine);
                self.link.take_notes(&mut notes);
                for note in notes.drain(..) {
                    self.hear(note, &mut buffer);
                }
            }
            if self.link.take_moved() {
                self.asked(|| self.source.drain(&mut ready));
                self.pump_all(&mut ready);
            }
            if due.sweep {
                self.sweep(&mut ready);
            }
            if self.draining.get().is_some() && self.is_drained() {
                return Ok(());
            }
            self.link.doing.becomes(Busy::Task);
        }
    }

    /// Waits for whatever comes first: a socket, a note, the next sweep; or nothing, if work is left over.
    fn poll_due(
        &self,
        cx: &mut Context<'_>,
        poll: &mut AsyncFd<mio::Poll>,
        events: &mut Events,
        sweep: &mut tokio::time::Interval,
    ) -> Poll<io::Result<Due>> {
        let mut due = Due {
            sweep: sweep.poll_tick(cx).is_ready(),
        };
        if due.sweep {
            // Registers for the next tick; a missed tick would be due at once, which is right as well.
            due.sweep |= sweep.poll_tick(cx).is_ready();
        }
        let woken = self.link.poll_woken(cx.waker()) || !self.again.borrow().is_empty();
        while let Poll::Ready(guard) = poll.poll_read_ready_mut(cx) {
            let mut guard = guard?;
            match guard.get_inner_mut().poll(events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let count = events.iter().count();
            if count < EVENTS_MAX {
                guard.clear_ready();
            }
            if count > 0 {
                return Poll::Ready(Ok(due));
            }
        }
        if woken || due.sweep {
            Poll::Ready(Ok(due))
        } else {
            Poll::Pending
        }
    }

    fn hear(self: &Rc<Self>, note: Note, buffer: &mut [u8]) {
        match note {
            Note::Accepted(accepted, peer, listener) => match self.accept(accepted, peer, listener) {
                Ok(id) => {
                    self.link.counts.accepted.add(1);
                    if self.draining.get().is_some() {
                        self.drain_parked(id, buffer);
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection was lost before it began");
                }
            },
            Note::Resume(id) => self.guarded(id, || self.resume_body(id, buffer)),
            Note::Socket(id) => self.guarded(id, || self.socket_moved(id, buffer)),
            Note::Woken(id) => self.guarded(id, || self.woken(id, buffer)),
            Note::Drain => self.begin_drain(buffer),
        }
    }

    /// Does something for a connection. What panics in it, such as the drop of an application's value, costs that
    /// connection and not the core.
    pub(crate) fn guarded(&self, id: ConnId, act: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(act)).is_err() {
            self.link.counts.panics.add(1);
            tracing::error!("what was done for a connection panicked; it is closed");
            // What was encoded for this connection must not reach another.
            self.out.borrow_mut().clear();
            self.asked(|| self.close(id));
        }
    }

    /// Asks the source for something that concerns all; a panic there must not end the core.
    pub(crate) fn asked(&self, ask: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(ask)).is_err() {
            self.link.counts.panics.add(1);
            tracing::error!("the source of a core panicked; its connections go on");
        }
    }

    fn accept(self: &Rc<Self>, mut socket: Socket, peer: Peer, listener: u16) -> io::Result<ConnId> {
        let begin = self.options[usize::from(listener)].begin(&peer);
        let (peer, state) = match begin {
            Begin::Client => (CompactPeer::from(peer), State::Fresh),
            _ => (CompactPeer::proxy(peer, None), proxy::state(listener, begin)),
        };
        if let Some(tls) = &self.options[usize::from(listener)].tls {
            let now = begin == Begin::Client;
            socket = Socket::under_tls(TlsSocket::new(socket, tls, listener, now, self.http2));
        }
        let id = self.conns.borrow_mut().next_id();
        socket
            .register(&self.registry, token(id))
            .inspect_err(|_| self.left(peer.counted()))?;
        let deadline = self.first_deadline(&socket);
        let conn = Conn {
            socket,
            peer,
            life: id.life,
            deadline,
            state,
        };
        // What the peer has sent already is announced by the poll set, as everything that comes later.
        self.conns.borrow_mut().insert(id, conn);
        if begin == Begin::Client {
            self.begin_unless_tls(id, listener);
        }
        Ok(id)
    }

    /// A service begins; under TLS only when the handshake is complete.
    pub(crate) fn begin_unless_tls(self: &Rc<Self>, id: ConnId, listener: u16) {
        if self.options[usize::from(listener)].tls.is_none() {
            self.begin_service(id, listener);
        }
    }

    /// Forgets the connection; the socket closes, its handler is cancelled, its follower detached.
    pub(crate) fn close(&self, id: ConnId) {
        let Some(conn) = self.conns.borrow_mut().remove(id) else {
            return;
        };
        // A stream within another connection was never let in by the acceptor.
        if !conn.socket.is_stream() {
            self.left(conn.peer.counted());
        }
        match conn.state {
            State::Http(http) => self.http_gone(http),
            State::Follow(follow) => self.follow_gone(follow),
            State::WebSocket(_)
            | State::H2(_)
            | State::Stream(_)
            | State::Fresh
            | State::Parked(_)
            | State::ProxyHeader(_)
            | State::Lingering(_)
            | State::Taken => {}
        }
    }

    /// A connection that the acceptor let in is gone.
    fn left(&self, counted: Option<Peer>) {
        // Whoever sees that it is not open any more may count on its place.
        if let Some(peer) = counted {
            self.shared.addresses.leave(&peer);
        }
        self.link.open.fetch_sub(1, Ordering::Release);
    }

    /// Closes a connection that has said all that it had to say.
    pub(crate) fn finish(&self, id: ConnId) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.socket.finish();
        }
        self.close(id);
    }

    /// The connection is about to close where that must not look as if it were meant.
    pub(crate) fn abandon(&self, id: ConnId) {
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.socket.abandon();
        }
    }

    /// Says our last to the peer, then throws away what it sends until it closes or the deadline comes.
    pub(crate) fn linger(&self, id: ConnId) {
        /// Bytes that a peer may still send after our last.
        const LINGER_BYTES_MAX: u32 = 1024 * 1024;
        let deadline = self.after(self.limits.close_timeout);
        if let Some(conn) = self.conns.borrow_mut().get_mut(id) {
            conn.socket.shutdown_write();
            conn.state = State::Lingering(LINGER_BYTES_MAX);
            conn.deadline = deadline;
            // What came while the connection was not read from was announced already, and so was the peer's end.
            self.turn_later(id);
        }
    }

    /// The tick that is `duration` from now.
    pub(crate) fn after(&self, duration: Duration) -> Tick {
        self.clock.tick().saturating_add(ticks(duration))
    }

    /// A box for an exchange.
    pub(crate) fn new_http(&self) -> Box<Http> {
        self.spare_http.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a quiescent box back.
    pub(crate) fn recycle(&self, mut http: Box<Http>) {
        let mut spare = self.spare_http.borrow_mut();
        if spare.len() < SPARE_MAX {
            http.reset();
            spare.push(http);
        }
    }
}

/// Lets the runtime wait on the poll set's descriptor.
#[expect(
    deprecated,
    reason = "the replacement is unsafe; a mio::Poll owns its one descriptor for as long as it lives"
)]
pub(crate) fn nest(poll: mio::Poll) -> io::Result<AsyncFd<mio::Poll>> {
    AsyncFd::with_interest(poll, Interest::READABLE)
}

/// What made the core's main task go on, beside events and notes, which it always looks at.
struct Due {
    sweep: bool,
}

/// How far a turn reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// A read that does not fill the buffer has emptied the socket; what comes later has an event of its own.
    Short,
    /// The end may stand behind the bytes, and was announced with them: only another read shows it.
    Blocked,
}

/// Goes to the end of the queue of tasks that are ready, without a look at the runtime's own poll set.
async fn let_tasks_run() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
