//! What a core is told by other threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use squall_hub::Mailbox;

use super::connection::Direct;
use super::session::Told;

/// One core's.
pub(crate) struct CoreMailbox {
    /// Topics that moved, by the core's numbers: each once until the core has looked.
    moved: Mutex<Vec<u32>>,
    /// What handles say to single connections. Bounded by each connection's window.
    direct: Mutex<Vec<Direct>>,
    /// What sessions are told: decisions, and commands that came beside their connection.
    told: Mutex<Vec<Told>>,
    /// Names this core among all that there were.
    pub(crate) number: u32,
    /// There is something in `direct` or `told`.
    has_direct: AtomicBool,
    /// Wakes the core.
    wake: Box<dyn Fn() + Send + Sync>,
}

impl CoreMailbox {
    pub(crate) fn new(number: u32, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            told: Mutex::default(),
            number,
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

    pub(crate) fn tell(&self, told: Told) {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(told);
        self.has_direct.store(true, Ordering::Release);
        self.wake();
    }

    /// Takes what sessions were told. To be called after [`CoreMailbox::take_direct`], which lowers the flag.
    pub(crate) fn take_told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
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
