//! What other threads, and handlers, say to a core.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;

use crate::core::doing::Doing;
use crate::metrics::count::Counts;
use crate::socket::{Peer, Socket};
use crate::source::ConnId;

/// One thing a core is told.
#[derive(Debug)]
pub(crate) enum Note {
    /// The acceptor hands a connection over, from the listener of this number.
    Accepted(Socket, Peer, u16),
    /// A request body's reader caught up, began to wait, or went away.
    Resume(ConnId),
    /// A WebSocket handler has something to send, caught up, or went away.
    Socket(ConnId),
    /// What was polled for a connection is worth another look: see [`crate::core::waker::ConnWaker`].
    Woken(ConnId),
    /// Finish what runs, then end.
    Drain,
}

/// The way to one core from everywhere else.
#[derive(Debug, Default)]
pub(crate) struct Link {
    notes: Mutex<Vec<Note>>,
    /// What the source follows moved: [`crate::source::Source::drain`] is due.
    moved: AtomicBool,
    /// The core was woken and has not looked yet: nobody needs to wake it again.
    woken: AtomicBool,
    /// The core's main task, when it waits.
    main: Mutex<Option<Waker>>,
    /// Connections of this core, for the acceptor's choice.
    pub(crate) open: AtomicUsize,
    /// What the core counts.
    pub(crate) counts: Counts,
    /// What the core is doing now.
    pub(crate) doing: Doing,
    /// Where the system says how long the core's thread has waited for a CPU.
    pub(crate) schedstat: OnceLock<PathBuf>,
    /// The core is gone: it takes no notes. Changes under the lock of `notes`.
    ended: AtomicBool,
}

impl Link {
    /// Whether there is a core that will hear it.
    pub(crate) fn note(&self, note: Note) -> bool {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_ended() {
            return false;
        }
        if matches!(note, Note::Accepted(..)) {
            // Counted only where somebody will close it.
            self.open.fetch_add(1, Ordering::Relaxed);
        }
        notes.push(note);
        drop(notes);
        self.wake();
        true
    }

    /// The core is gone, and its connections with it; those that it never looked at too.
    pub(crate) fn end(&self) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        self.ended.store(true, Ordering::Release);
        self.open.store(0, Ordering::Relaxed);
        notes.clear();
    }

    /// How long the core's thread has waited for a CPU so far.
    pub(crate) fn run_delay(&self) -> std::time::Duration {
        self.schedstat
            .get()
            .map(|path| crate::watch::run_delay(path))
            .unwrap_or_default()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn moved(&self) {
        if !self.moved.swap(true, Ordering::AcqRel) {
            self.wake();
        }
    }

    /// The core will look at its notes and its left-over work soon.
    pub(crate) fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            let waker = self.main.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Called by the core before it waits: whether there is something to do instead.
    pub(crate) fn poll_woken(&self, waker: &Waker) -> bool {
        {
            let mut main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
            if !main.as_ref().is_some_and(|m| m.will_wake(waker)) {
                *main = Some(waker.clone());
            }
        }
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Moves all notes into `into`.
    pub(crate) fn take_notes(&self, into: &mut Vec<Note>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut notes);
    }

    pub(crate) fn take_moved(&self) -> bool {
        self.moved.swap(false, Ordering::AcqRel)
    }
}

/// Tells a core that what its [`crate::source::Source`] follows has moved.
///
/// Idempotent and cheap: waking a core that is awake costs an atomic operation and no system call.
#[derive(Clone, Debug)]
pub struct CoreWaker(pub(crate) Arc<Link>);

impl CoreWaker {
    /// The core will call [`crate::source::Source::drain`] soon, after everything that happened before this call.
    pub fn wake(&self) {
        self.0.moved();
    }
}
