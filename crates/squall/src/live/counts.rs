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
}

#[derive(Default)]
pub(crate) struct Counters {
    doors: [AtomicUsize; 3],
    pub(crate) gaps: AtomicU64,
    pub(crate) closed_behind: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) sent_back: AtomicU64,
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
        }
    }
}
