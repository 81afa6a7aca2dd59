//! Wakers of connections: what was polled for a connection tells its core that it is worth another look.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;

use crate::core::link::{Link, Note};
use crate::source::ConnId;

/// Nobody has been told anything.
const IDLE: u8 = 0;
/// The core has a note and has not looked yet.
const NOTED: u8 = 1;
/// The core looks right now.
const RUNNING: u8 = 2;
/// It looks, and was told again meanwhile.
const AGAIN: u8 = 3;

/// Wakes one connection of a core; a wake while the connection has its turn costs an atomic operation and no note.
#[derive(Debug)]
pub(crate) struct ConnWaker {
    link: Arc<Link>,
    conn: ConnId,
    state: AtomicU8,
}

impl ConnWaker {
    pub(crate) fn new(link: Arc<Link>, conn: ConnId) -> Arc<Self> {
        Arc::new(ConnWaker {
            link,
            conn,
            state: AtomicU8::new(IDLE),
        })
    }

    /// The connection has its turn: what is said from here on is seen by [`ConnWaker::is_again`].
    pub(crate) fn begin(&self) {
        self.state.store(RUNNING, Ordering::Release);
    }

    /// Whether something was said since [`ConnWaker::begin`].
    pub(crate) fn is_again(&self) -> bool {
        self.state.load(Ordering::Acquire) == AGAIN
    }

    /// The turn is over. What was said in it and not looked at yet becomes a note.
    pub(crate) fn end(&self) {
        if self.state.swap(IDLE, Ordering::AcqRel) == AGAIN {
            self.tell();
        }
    }

    /// The note was heard; whatever is said from now on needs another.
    pub(crate) fn heard(&self) {
        self.state.store(IDLE, Ordering::Release);
    }

    fn tell(&self) {
        let told = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
                IDLE => Some(NOTED),
                RUNNING => Some(AGAIN),
                _ => None,
            });
        if told == Ok(IDLE) {
            self.link.note(Note::Woken(self.conn));
        }
    }
}

impl Wake for ConnWaker {
    fn wake(self: Arc<Self>) {
        self.tell();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_it_is_woken_one_note_comes() {
        let (link, id) = (Arc::new(Link::default()), ConnId { slot: 3, life: 4 });
        let waker = ConnWaker::new(link.clone(), id);
        let notes = || {
            let mut notes = Vec::new();
            link.take_notes(&mut notes);
            notes.len()
        };
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(notes(), 1);
        waker.begin();
        waker.wake_by_ref();
        assert!(waker.is_again());
        assert_eq!(notes(), 0, "who has its turn needs no note");
        waker.end();
        assert_eq!(notes(), 1, "what it did not look at comes again");
        waker.begin();
        waker.end();
        assert_eq!(notes(), 0);
        waker.heard();
        waker.wake_by_ref();
        assert_eq!(notes(), 1);
    }
}
