//! What a core is told by other threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use squall_hub::Mailbox;

use super::connection::Direct;

/// One core's.
pub(crate) struct CoreMailbox {
    /// Topics that moved, by the core's numbers: each once until the core has looked.
    moved: Mutex<Vec<u32>>,
    /// What handles say to single connections. Bounded by each connection's window.
    direct: Mutex<Vec<Direct>>,
    /// There is something in `direct`.
    has_direct: AtomicBool,
    /// Wakes the core.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl CoreMailbox {
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            moved: Mutex::default(),
            direct: Mutex::default(),
            has_direct: AtomicBool::new(false),
            wake: Box::new(wake),
        }
    }

    pub(crate) fn wake(&self) {
        (self.wake)();
    }

    pub(crate) fn say(&self, direct: Direct) {
        self.direct
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(direct);
        self.has_direct.store(true, Ordering::Release);
        self.wake();
    }

    /// Swaps what was said with `into`, which is empty.
    pub(crate) fn take_direct(&self, into: &mut Vec<Direct>) {
        debug_assert!(into.is_empty());
        if self.has_direct.swap(false, Ordering::Acquire) {
            std::mem::swap(
                &mut *self.direct.lock().unwrap_or_else(PoisonError::into_inner),
                into,
            );
        }
    }

    pub(crate) fn has_direct(&self) -> bool {
        self.has_direct.load(Ordering::Acquire)
    }

    /// Swaps the topics that moved with `into`, which is empty.
    pub(crate) fn take_moved(&self, into: &mut Vec<u32>) {
        debug_assert!(into.is_empty());
        std::mem::swap(
            &mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner),
            into,
        );
    }
}

impl Mailbox for CoreMailbox {
    fn moved(&self, tag: u32) {
        self.moved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(tag);
        self.wake();
    }
}
