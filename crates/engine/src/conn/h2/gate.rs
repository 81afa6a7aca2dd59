//! What all streams of one HTTP/2 connection count together: what they have handed over and not sent, and resets.
//!
//! Why: windows that the peer opens wide and a socket that it does not read would fill our memory, stream by stream.
//! What is owed to one socket stops at [`BUFFER_BYTES_MAX`], whatever protocol is spoken over it.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

use super::watch::CREDITS_A_PIECE;
use crate::limits::BUFFER_BYTES_MAX;

/// Streams that may be reset on one connection, however slowly, before its peer is told to open another: h2 0.4.20 keeps the
/// record (328 bytes) of a stream that was reset while it waited for the connection's window until the connection ends.
const RESETS_EVER_MAX: u32 = 1000;

/// Shut while much is owed. Shared by a connection and its streams, those with a record of their own too.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Handed to the h2 crate since it last had nothing left to write.
    owed_bytes: AtomicUsize,
    /// Streams that wait for the gate to open.
    waiting: Mutex<Vec<Waker>>,
    /// Credits that were earned by sending, until the connection takes them.
    credits: AtomicU32,
    /// Streams that were reset before their end, see [`RESETS_EVER_MAX`].
    resets_ever: AtomicU32,
}

impl Gate {
    /// A piece of a body goes to the h2 crate.
    pub(super) fn pass(&self, bytes: usize) {
        self.owed_bytes.fetch_add(bytes, Ordering::Relaxed);
        let large = u32::try_from(bytes / 4096).unwrap_or(u32::MAX);
        self.credits
            .fetch_add(large.saturating_add(CREDITS_A_PIECE), Ordering::Relaxed);
    }

    /// Whether so much is owed that the next piece must wait. If so, `waker` is woken when the gate opens.
    pub(super) fn is_shut(&self, waker: &Waker) -> bool {
        if self.owed_bytes.load(Ordering::Relaxed) < BUFFER_BYTES_MAX {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        true
    }

    /// All that was handed over is with the socket. Whether somebody waited for that.
    pub(super) fn open(&self) -> bool {
        self.owed_bytes.store(0, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let waited = !waiting.is_empty();
        waiting.into_iter().for_each(Waker::wake);
        waited
    }

    /// A stream was reset before its end, which is anybody's right, but see [`RESETS_EVER_MAX`].
    pub(super) fn note_cut(&self) {
        self.resets_ever.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether another connection should take the place of this one.
    pub(super) fn is_worn_out(&self) -> bool {
        self.resets_ever.load(Ordering::Relaxed) >= RESETS_EVER_MAX
    }

    pub(super) fn take_credits(&self) -> u32 {
        self.credits.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl std::task::Wake for Nobody {
        fn wake(self: std::sync::Arc<Self>) {}
    }

    #[test]
    fn the_gate_shuts_at_the_limit_and_opens_when_all_is_sent() {
        let (gate, waker) = (Gate::default(), Waker::from(std::sync::Arc::new(Nobody)));
        gate.pass(BUFFER_BYTES_MAX - 1);
        assert!(!gate.is_shut(&waker));
        gate.pass(1);
        assert!(gate.is_shut(&waker));
        assert!(gate.is_shut(&waker));
        assert_eq!(gate.waiting.lock().unwrap().len(), 1, "a stream waits once");
        assert!(gate.open());
        assert!(!gate.is_shut(&waker));
        assert!(!gate.open());
    }

    #[test]
    fn a_connection_is_worn_out_by_resets_however_slow() {
        let gate = Gate::default();
        for _ in 1..RESETS_EVER_MAX {
            gate.note_cut();
        }
        assert!(!gate.is_worn_out());
        gate.note_cut();
        assert!(gate.is_worn_out());
    }
}
