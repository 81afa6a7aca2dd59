//! The streams of one HTTP/2 connection that did not end in place, as far as their time-outs go.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::body::Meter;
use super::gate::Gate;
use crate::body::BodyErrorKind;
use crate::limits::{Limits, SWEEP_INTERVAL, Tick, ticks};
use crate::metrics::TimedOut;

/// What a connection and the tasks of its streams share.
pub(super) struct Streams {
    pub(super) gate: Arc<Gate>,
    running: RefCell<slab::Slab<Rc<Life>>>,
    /// How many more streams the peer may reset before they were answered (CVE-2023-44487).
    resets_left: Cell<u32>,
    resets_max: u32,
    /// It has reset more.
    reset_too_often: Cell<bool>,
}

impl Verdict {
    /// As what it is counted.
    pub(in crate::conn) fn kind(self) -> TimedOut {
        match self {
            Verdict::HandlerTooSlow => TimedOut::Handler,
            Verdict::BodyTooSlow => TimedOut::Body,
            Verdict::Stalled => TimedOut::WriteStall,
            Verdict::Sipping => TimedOut::WriteRate,
            Verdict::Silent => TimedOut::Silence,
        }
    }
}

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conn) enum Wait {
    /// Its handler, or a body that its handler waits for.
    Handler,
    /// The peer's window, or its socket.
    Write,
    /// The next piece of its answer.
    Nothing,
}

/// What time has made of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conn) enum Verdict {
    HandlerTooSlow,
    BodyTooSlow,
    Stalled,
    /// It takes some, but too little.
    Sipping,
    Silent,
}

/// One stream that has a task.
pub(in crate::conn) struct Life {
    pub(in crate::conn) wait: Cell<Wait>,
    /// Something was sent since the last walk.
    moved: Cell<bool>,
    /// What was sent since the stream began to wait for its peer.
    taken_bytes: Cell<u64>,
    /// Ticks that were spent on what it waits for.
    handler_ticks: Cell<Tick>,
    body_ticks: Cell<Tick>,
    write_ticks: Cell<Tick>,
    /// Those in which it waited for its peer, who may have taken some meanwhile.
    slow_ticks: Cell<Tick>,
    silent_ticks: Cell<Tick>,
    /// The handler's own time-out, if it asked for one.
    pub(in crate::conn) handler_timeout: Cell<Option<Duration>>,
    pub(super) verdict: Cell<Option<Verdict>>,
    pub(super) waker: RefCell<Option<Waker>>,
    pub(super) meter: Option<Arc<Meter>>,
    pub(super) task: RefCell<Option<AbortHandle>>,
}

impl Life {
    pub(in crate::conn) fn new(wait: Wait, meter: Option<Arc<Meter>>) -> Rc<Self> {
        Rc::new(Life {
            wait: Cell::new(wait),
            moved: Cell::new(false),
            taken_bytes: Cell::new(0),
            handler_ticks: Cell::new(0),
            body_ticks: Cell::new(0),
            write_ticks: Cell::new(0),
            slow_ticks: Cell::new(0),
            silent_ticks: Cell::new(0),
            handler_timeout: Cell::new(None),
            verdict: Cell::new(None),
            waker: RefCell::new(None),
            meter,
            task: RefCell::new(None),
        })
    }

    /// So many ticks have passed; what that makes of the stream.
    pub(in crate::conn) fn pass(&self, passed: Tick, limits: &Limits) -> Option<Verdict> {
        let add = |cell: &Cell<Tick>| {
            cell.set(cell.get().saturating_add(passed));
            cell.get()
        };
        match self.wait.get() {
            Wait::Handler => match self.meter.as_ref().filter(|meter| meter.is_waiting()) {
                Some(meter) => {
                    let credit = meter.received_bytes() / limits.body_rate_bytes.max(1);
                    let timeout = limits
                        .body_read_timeout
                        .saturating_add(Duration::from_secs(credit));
                    (add(&self.body_ticks) > ticks(timeout)).then_some(Verdict::BodyTooSlow)
                }
                None => (add(&self.handler_ticks)
                    > ticks(self.handler_timeout.get().unwrap_or(limits.handler_timeout)))
                .then_some(Verdict::HandlerTooSlow),
            },
            Wait::Write => {
                if self.moved.take() {
                    self.write_ticks.set(0);
                    self.silent_ticks.set(0);
                } else if add(&self.write_ticks) > ticks(limits.write_stall_timeout) {
                    return Some(Verdict::Stalled);
                }
                // Who takes a byte now and then never stalls, and would hold the answer for ever.
                let earned = Duration::from_secs(self.taken_bytes.get() / limits.write_rate_bytes.max(1));
                let allowed = limits.write_stall_timeout.saturating_add(earned);
                (add(&self.slow_ticks) > ticks(allowed)).then_some(Verdict::Sipping)
            }
            Wait::Nothing => {
                self.write_ticks.set(0);
                if self.moved.take() {
                    self.silent_ticks.set(0);
                }
                (add(&self.silent_ticks) > ticks(limits.silence_timeout)).then_some(Verdict::Silent)
            }
        }
    }

    /// So much was sent.
    pub(in crate::conn) fn sent(&self, bytes: usize) {
        self.moved.set(true);
        self.taken_bytes.set(self.taken_bytes.get() + bytes as u64);
    }

    /// The peer has taken all that there was for it.
    pub(in crate::conn) fn caught_up(&self) {
        self.wait.set(Wait::Nothing);
        self.taken_bytes.set(0);
        self.slow_ticks.set(0);
    }

    /// How long its handler has been at work.
    pub(in crate::conn) fn worked(&self) -> Duration {
        SWEEP_INTERVAL * self.handler_ticks.get()
    }
}

impl Streams {
    pub(super) fn new(resets_max: u32) -> Rc<Self> {
        Rc::new(Streams {
            gate: Arc::default(),
            running: RefCell::default(),
            resets_left: Cell::new(resets_max),
            resets_max,
            reset_too_often: Cell::new(false),
        })
    }

    pub(super) fn add(&self, life: Rc<Life>) -> usize {
        self.running.borrow_mut().insert(life)
    }

    pub(super) fn remove(&self, key: usize) {
        self.running.borrow_mut().try_remove(key);
    }

    pub(super) fn count(&self) -> usize {
        self.running.borrow().len()
    }

    /// The peer reset a stream that was not answered to its end.
    pub(super) fn note_reset(&self) {
        self.gate.note_cut();
        match self.resets_left.get().checked_sub(1) {
            Some(left) => self.resets_left.set(left),
            None => self.reset_too_often.set(true),
        }
    }

    /// Time gives resets back.
    pub(super) fn forgive_resets(&self, count: u32) {
        let left = self.resets_left.get().saturating_add(count);
        self.resets_left.set(left.min(self.resets_max));
    }

    pub(super) fn is_reset_too_often(&self) -> bool {
        self.reset_too_often.get()
    }

    /// Tells those streams whose time is over.
    pub(super) fn pass(&self, passed: Tick, limits: &Limits) {
        let lives: Vec<Rc<Life>> = self
            .running
            .borrow()
            .iter()
            .map(|(_, life)| life.clone())
            .collect();
        for life in lives {
            let Some(verdict) = life.pass(passed, limits) else {
                continue;
            };
            life.verdict.set(Some(verdict));
            if let Some(meter) = &life.meter {
                meter.fail(BodyErrorKind::TimedOut);
            }
            if let Some(waker) = life.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }
}

impl Streams {
    /// The connection is gone: so are the handlers of its streams.
    pub(super) fn cancel(&self) {
        for (_, life) in self.running.borrow().iter() {
            if let Some(task) = &*life.task.borrow() {
                task.abort();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_stream_waits_for_is_counted() {
        let limits = Limits::default();
        let handler = ticks(limits.handler_timeout);
        let life = Life::new(Wait::Handler, None);
        assert_eq!(life.pass(handler, &limits), None);
        life.wait.set(Wait::Nothing);
        assert_eq!(life.pass(handler, &limits), None);
        life.wait.set(Wait::Handler);
        assert_eq!(life.pass(1, &limits), Some(Verdict::HandlerTooSlow));
    }

    #[test]
    fn a_body_that_yields_nothing_is_silent() {
        let limits = Limits::default();
        let silence = ticks(limits.silence_timeout);
        let life = Life::new(Wait::Nothing, None);
        assert_eq!(life.pass(silence, &limits), None);
        life.sent(1);
        assert_eq!(life.pass(silence, &limits), None);
        assert_eq!(life.pass(1, &limits), Some(Verdict::Silent));
    }

    #[test]
    fn a_peer_that_takes_something_is_not_stalled() {
        let limits = Limits::default();
        let stall = ticks(limits.write_stall_timeout);
        let life = Life::new(Wait::Write, None);
        assert_eq!(life.pass(stall, &limits), None);
        // It took enough for a second time.
        life.sent(30 * 500);
        assert_eq!(life.pass(stall, &limits), None);
        life.caught_up();
        life.wait.set(Wait::Write);
        assert_eq!(life.pass(stall, &limits), None);
        assert_eq!(life.pass(1, &limits), Some(Verdict::Stalled));
    }

    #[test]
    fn a_peer_that_sips_is_not_stalled_but_too_slow() {
        let limits = Limits::default();
        let stall = ticks(limits.write_stall_timeout);
        let life = Life::new(Wait::Write, None);
        life.sent(limits.write_rate_bytes as usize - 1);
        for _ in 0..stall {
            assert_eq!(life.pass(1, &limits), None);
            life.sent(0);
        }
        assert_eq!(life.pass(1, &limits), Some(Verdict::Sipping));
        // A byte more would have earned a second.
        let life = Life::new(Wait::Write, None);
        life.sent(limits.write_rate_bytes as usize);
        let earned = ticks(Duration::from_secs(1));
        for _ in 0..stall + earned {
            assert_eq!(life.pass(1, &limits), None);
            life.sent(0);
        }
        assert_eq!(life.pass(1, &limits), Some(Verdict::Sipping));
    }

    #[test]
    fn resets_are_counted_and_forgiven() {
        let streams = Streams::new(2);
        streams.note_reset();
        streams.note_reset();
        assert!(!streams.is_reset_too_often());
        streams.forgive_resets(100);
        streams.note_reset();
        streams.note_reset();
        assert!(!streams.is_reset_too_often());
        streams.note_reset();
        assert!(streams.is_reset_too_often());
    }
}
