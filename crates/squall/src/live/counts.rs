//! How many follow, and what happened to them.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::access::Door;

/// How many connections follow now, and what happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Connections that follow over Server-Sent Events.
    pub sse: usize,
    /// Long-polls that wait.
    pub poll: usize,
    /// Connections that follow over a WebSocket.
    pub ws: usize,
    /// Gaps that somebody was told of. One that a full socket did not take is counted again.
    pub gaps: u64,
    /// Connections that were closed because the log's tail had passed them.
    pub closed_behind: u64,
    /// Connections whose right was ended.
    pub ended: u64,
    /// Connections that had to come back because their core, or their own queue, could not be kept up to date.
    pub sent_back: u64,
    /// Followers that came back with a cursor, had missed something, and got all of it. Long-polls are not counted.
    pub recovered: u64,
    /// ... and of whose messages some were gone.
    pub recovered_with_gap: u64,
}

/// Why the server lets go of a follower.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Closed {
    Ended,
    TooBig,
    Restart,
    ComeBack,
    Behind,
    Handle,
    Session,
}

/// How they are called in the metrics, in the order of [`Closed`].
const CLOSED: [&str; 7] = ["1008", "1009", "1012", "1013", "4008", "handle", "session"];

#[derive(Default)]
pub(crate) struct Counters {
    doors: [AtomicUsize; 3],
    pub(crate) gaps: AtomicU64,
    pub(crate) closed_behind: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) sent_back: AtomicU64,
    pub(crate) recovered: AtomicU64,
    pub(crate) recovered_with_gap: AtomicU64,
    closed: [AtomicU64; CLOSED.len()],
}

impl Counters {
    fn door(&self, door: Door) -> &AtomicUsize {
        &self.doors[door as usize]
    }

    pub(crate) fn came(&self, door: Door) {
        self.door(door).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn left(&self, door: Door) {
        self.door(door).fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, closed: Closed, times: u64) {
        self.closed[closed as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// How often each has happened.
    pub(crate) fn closes(&self) -> [(&'static str, u64); CLOSED.len()] {
        std::array::from_fn(|at| (CLOSED[at], self.closed[at].load(Ordering::Relaxed)))
    }

    pub(crate) fn read(&self) -> LiveCounts {
        let door = |door| self.door(door).load(Ordering::Relaxed);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LiveCounts {
            sse: door(Door::Sse),
            poll: door(Door::Poll),
            ws: door(Door::Ws),
            gaps: count(&self.gaps),
            closed_behind: count(&self.closed_behind),
            ended: count(&self.ended),
            sent_back: count(&self.sent_back),
            recovered: count(&self.recovered),
            recovered_with_gap: count(&self.recovered_with_gap),
        }
    }
}
