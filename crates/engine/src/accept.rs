//! The acceptor: accepts for all cores and gives each connection to the core that has the fewest.
//!
//! It has a thread of its own, unless there is one core alone: then it is a task of that core, as each connection would cost two
//! switches between threads that share a CPU.
//!
//! What there is no room for is refused here, before a core hears of it: see [`shed`].

pub(crate) mod addresses;
mod bucket;
pub(crate) mod descriptors;
mod shed;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use rustix::io::Errno;

use crate::accept::bucket::Bucket;
use crate::accept::shed::{Room, Shed};
use crate::core::link::{Link, Note};
use crate::core::nest;
use crate::limits::Limits;
use crate::listen::{Listener, Options};
use crate::metrics::Refused;
use crate::proxy::Begin;
use crate::shared::Shared;
use crate::socket::{Peer, Socket};

/// Wakes the acceptor for its end.
pub(crate) const STOP: Token = Token(usize::MAX);

/// How long to wait when there is no descriptor for another connection, not even to refuse it.
const PAUSE: Duration = Duration::from_millis(50);

/// Events that are taken at once.
const EVENTS_MAX: usize = 64;

/// Connections that one listener gives before the others, and the end of the server, have their turn.
const TURN_MAX: usize = 256;

/// What the acceptor has.
pub(crate) struct Acceptor {
    poll: Poll,
    doors: Doors,
}

/// Where connections come in, and what is asked of each.
struct Doors {
    listeners: Vec<Listener>,
    /// Of the listener with the same number.
    options: Arc<[Options]>,
    links: Vec<Arc<Link>>,
    connections_max: usize,
    shared: Arc<Shared>,
    rate: Option<Bucket>,
    shed: Shed,
}

impl Acceptor {
    pub(crate) fn new(
        mut listeners: Vec<Listener>,
        options: Arc<[Options]>,
        links: Vec<Arc<Link>>,
        shared: Arc<Shared>,
        limits: &Limits,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (at, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(at))?;
        }
        let doors = Doors {
            listeners,
            options,
            links,
            connections_max: limits.connections_max.min(descriptors::for_connections()),
            rate: limits
                .accept_rate_max
                .map(|rate| Bucket::new(rate, Instant::now())),
            shed: Shed::new(shared.clone(), limits.retry_after)?,
            shared,
        };
        Ok(Acceptor { poll, doors })
    }

    /// What ends [`Acceptor::run`].
    pub(crate) fn stopper(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), STOP)
    }

    /// How many connections may be open: the limit, or what the process has descriptors for.
    pub(crate) fn connections_max(&self) -> usize {
        self.doors.connections_max
    }

    /// Accepts, as a task of the one core there is, until it is stopped; then the listeners close.
    pub(crate) async fn run_on_core(self) {
        let Acceptor { poll, mut doors } = self;
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut poll = match nest(poll) {
            Ok(poll) => poll,
            Err(error) => {
                tracing::error!(%error, "the acceptor cannot wait for connections; it ends");
                return;
            }
        };
        let mut timeout = None;
        loop {
            let ready = poll.readable_mut();
            let waited = match timeout {
                None => Ok(ready.await),
                Some(time) => tokio::time::timeout(time, ready).await,
            };
            if let Ok(guard) = waited {
                let polled = guard.and_then(|mut guard| {
                    guard.get_inner_mut().poll(&mut events, Some(Duration::ZERO))?;
                    if events.iter().count() < EVENTS_MAX {
                        guard.clear_ready();
                    }
                    Ok(())
                });
                if let Err(error) = polled
                    && error.kind() != io::ErrorKind::Interrupted
                {
                    tracing::error!(%error, "the acceptor cannot wait for connections; it ends");
                    return;
                }
                if events.iter().any(|e| e.token() == STOP) {
                    return;
                }
            }
            timeout = doors.accept_all();
        }
    }

    /// Accepts until it is stopped; then the listeners close.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut timeout = None;
        loop {
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the acceptor cannot wait for connections; it ends");
                return;
            }
            if events.iter().any(|e| e.token() == STOP) {
                return;
            }
            timeout = self.doors.accept_all();
        }
    }
}

impl Doors {
    /// Accepts from every listener. If they must be looked at again, whatever the poll set says: after how long.
    fn accept_all(&mut self) -> Option<Duration> {
        // An edge is seen once: after a pause, every listener may have connections waiting.
        let mut timeout = self.shed.expire(Instant::now());
        for at in 0..self.listeners.len() {
            let again = self.accept_some(at);
            timeout = [timeout, again].into_iter().flatten().min();
        }
        timeout
    }

    /// Accepts from one listener. If it must be looked at again, whatever the poll set says: after how long.
    fn accept_some(&mut self, at: usize) -> Option<Duration> {
        for _ in 0..TURN_MAX {
            if let Some(rate) = &self.rate {
                let wait = rate.wait(Instant::now());
                if !wait.is_zero() {
                    // A herd that comes back after a restart waits in the kernel, instead of being sent away.
                    self.shared.accept.pauses.add(1);
                    return Some(wait);
                }
            }
            match self.listeners[at].accept() {
                Ok((socket, peer)) => self.place(socket, &peer, at),
                Err(e) => match Errno::from_io_error(&e) {
                    Some(Errno::WOULDBLOCK) => return None,
                    // The peer gave up while it waited, or a signal came.
                    Some(Errno::CONNABORTED | Errno::INTR) => {}
                    Some(Errno::MFILE | Errno::NFILE) => {
                        if !self.without_descriptors(at) {
                            return Some(self.pause(&e));
                        }
                    }
                    // ENOBUFS, ENOMEM: what is open goes on, and new ones wait in the kernel.
                    _ => return Some(self.pause(&e)),
                },
            }
        }
        Some(Duration::ZERO)
    }

    /// Gives a connection to a core, if there is room for it.
    fn place(&mut self, socket: Socket, peer: &Peer, at: usize) {
        let now = Instant::now();
        let begin = self.options[at].begin(peer);
        // Under TLS, no answer could be read.
        let clear = self.options[at].tls.is_none();
        if begin == Begin::Refused {
            // Not for want of room: nobody needs to be told in the log how often strangers knock.
            self.shared.accept.refused.add(Refused::Preface, 1);
            tracing::debug!(
                ?peer,
                "closed: a PROXY header is required here, and not believed from this peer"
            );
            return;
        }
        if self.shared.open_connections() >= self.connections_max {
            return self.shed.refuse(socket, Refused::ConnectionsMax, clear, now);
        }
        // A proxy's connections are counted for the clients that it names, by the core that hears of them.
        let is_counted = begin == Begin::Client;
        if is_counted && !self.shared.addresses.enter(peer) {
            return self.shed.refuse(socket, Refused::PerAddressMax, clear, now);
        }
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
        let cores = self.links.iter().filter(|l| !l.is_ended());
        let placed = cores
            .min_by_key(|l| l.open.load(Ordering::Relaxed))
            .is_some_and(|link| link.note(Note::Accepted(socket, *peer, at as u16)));
        if !placed && is_counted {
            self.shared.addresses.leave(peer);
        }
    }

    /// No descriptor is left. Whether it is worth trying again: what could be freed was, or one peer was refused.
    fn without_descriptors(&mut self, at: usize) -> bool {
        match self.shed.make_room() {
            Room::Enough => true,
            Room::None => {
                self.shed.restore();
                false
            }
            Room::ForRefusal => {
                let accepted = self.listeners[at].accept();
                let refused = accepted.is_ok();
                if let Ok((socket, _)) = accepted {
                    let clear = self.options[at].tls.is_none();
                    self.shed
                        .refuse(socket, Refused::Descriptors, clear, Instant::now());
                }
                self.shed.restore();
                refused
            }
        }
    }

    fn pause(&self, error: &io::Error) -> Duration {
        self.shared.accept.pauses.add(1);
        tracing::warn!(%error, "cannot accept a connection now; trying again");
        PAUSE
    }
}
