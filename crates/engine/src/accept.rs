//! The acceptor: one thread that accepts for all cores and gives each connection to the core that has the fewest.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use crate::core::link::{Link, Note};
use crate::listen::Listener;

/// Wakes the acceptor for its end.
pub(crate) const STOP: Token = Token(usize::MAX);

/// How long to wait when there is no descriptor, or no place, for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections that one listener gives before the others, and the end of the server, have their turn.
const TURN_MAX: usize = 256;

/// What the acceptor has.
pub(crate) struct Acceptor {
    poll: Poll,
    listeners: Vec<Listener>,
    links: Vec<Arc<Link>>,
    connections_max: usize,
}

impl Acceptor {
    pub(crate) fn new(
        mut listeners: Vec<Listener>,
        links: Vec<Arc<Link>>,
        connections_max: usize,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (at, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(at))?;
        }
        Ok(Acceptor {
            poll,
            listeners,
            links,
            connections_max,
        })
    }

    /// What ends [`Acceptor::run`].
    pub(crate) fn stopper(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), STOP)
    }

    /// Accepts until it is stopped; then the listeners close.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(64);
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
            // An edge is seen once: after a pause, every listener may have connections waiting.
            timeout = None;
            for at in 0..self.listeners.len() {
                timeout = timeout.max(self.accept_some(at));
            }
        }
    }

    /// Accepts from one listener. If it must be looked at again, whatever the poll set says: after how long.
    fn accept_some(&self, at: usize) -> Option<Duration> {
        for _ in 0..TURN_MAX {
            let open: usize = self.links.iter().map(|l| l.open.load(Ordering::Relaxed)).sum();
            if open >= self.connections_max {
                return Some(PAUSE);
            }
            match self.listeners[at].accept() {
                Ok((socket, peer)) => {
                    let cores = self.links.iter().filter(|l| !l.is_ended());
                    if let Some(link) = cores.min_by_key(|l| l.open.load(Ordering::Relaxed)) {
                        link.note(Note::Accepted(socket, peer));
                    }
                }
                Err(e) => match e.kind() {
                    io::ErrorKind::WouldBlock => return None,
                    // The peer gave up while it waited, or a signal came.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => {
                        // EMFILE, ENFILE, ENOBUFS, ENOMEM: what is open goes on, and new ones wait in the kernel.
                        tracing::warn!(error = %e, "cannot accept a connection now; trying again");
                        return Some(PAUSE);
                    }
                },
            }
        }
        Some(Duration::ZERO)
    }
}
