//! How a node is: for `/readyz`, metrics, and people.

use std::sync::atomic::{AtomicU64, Ordering};

use squall_hub::Epoch;

use crate::shared::Shared;

/// How a node is, at one moment. Counters count since its start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// There is a connection to a server.
    pub connected: bool,
    /// The recent part of the stream has been read once: readers and followers find what the cluster has, or had when it
    /// was last there. Stays true.
    pub loaded: bool,
    /// The consumer lives and the node is where the stream is, but for what is on its way.
    pub current: bool,
    /// How long `current` has been what it is, in milliseconds.
    pub since_ms: u64,
    /// What went wrong last, on one line; `None` if nothing ever did. It may be long over: see `current`.
    pub last_error: Option<String>,
    /// The life of the log that the node is in.
    pub epoch: Option<Epoch>,
    /// Everything up to this offset is in the hub.
    pub applied: u64,
    /// Messages that are on their way to the stream.
    pub in_flight: usize,
    /// Messages and words that the stream acknowledged.
    pub published: u64,
    /// Of these, those that it had already: the same key, or an attempt whose acknowledgement was lost.
    pub duplicates: u64,
    /// Attempts beyond the first.
    pub attempts_again: u64,
    /// Publishes that were refused because too many were in flight.
    pub busy: u64,
    /// Publishes of which nobody knows.
    pub timed_out: u64,
    /// Publishes that certainly were not.
    pub unavailable: u64,
    /// Messages of the stream that are, or were, in the hub.
    pub received: u64,
    /// Words of the bus.
    pub words: u64,
    /// Messages of the stream that are nobody's: no topic's subject, or beyond the hub's limits.
    pub foreign: u64,
    /// Messages that waited beyond `consume_messages_max` and were read again.
    pub dropped: u64,
    /// How often the connection was lost.
    pub disconnects: u64,
    /// How many consumers were made: one, and one for each time that something was missing.
    pub consumers: u64,
    /// How often messages were lost for this node that the stream no longer had: everybody was told of a gap.
    pub holes: u64,
    /// How many lives of the log the node has seen: 1, and one for each time that the stream was another or had lost data.
    pub lives: u64,
}

impl Status {
    /// Whether the node is up to date with its stream.
    pub fn is_current(&self) -> bool {
        self.current
    }

    /// For a readiness check that takes the node out when publishing cannot work: an error, on one line, unless it is up to
    /// date. Those who would rather have readers served from what there is look at `loaded`.
    pub fn check(&self) -> Result<(), String> {
        if self.current {
            return Ok(());
        }
        let why = self.last_error.as_deref().unwrap_or("it has not begun yet");
        Err(format!(
            "not up to date with the stream for {} ms: {why}",
            self.since_ms
        ))
    }
}

impl Shared {
    pub(crate) fn status(&self) -> Status {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let connected = self
            .link
            .borrow()
            .as_ref()
            .is_some_and(|link| link.is_connected());
        let in_flight = self.config.publishes_max - self.messages.available_permits();
        let counters = &self.counters;
        let place = self.place();
        Status {
            connected,
            loaded: place.loaded,
            current: place.current && connected,
            since_ms: u64::try_from(place.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            last_error: place.last_error.clone(),
            epoch: place.life.map(crate::life::Life::epoch),
            applied: self.applied(),
            in_flight,
            published: read(&counters.published),
            duplicates: read(&counters.duplicates),
            attempts_again: read(&counters.attempts_again),
            busy: read(&counters.busy),
            timed_out: read(&counters.timed_out),
            unavailable: read(&counters.unavailable),
            received: read(&counters.received),
            words: read(&counters.words),
            foreign: read(&counters.foreign),
            dropped: read(&counters.dropped),
            disconnects: read(&counters.disconnects),
            consumers: read(&counters.consumers),
            holes: read(&counters.holes),
            lives: read(&counters.lives),
        }
    }
}
