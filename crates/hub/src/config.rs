//! What a hub keeps, and for how long.

use crate::cursor::Epoch;

/// How a [`Hub`](crate::Hub) is set up. Every limit is exact: at it is fine, one past it is refused or evicted.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// This life of the log. Give a new one whenever offsets may be given anew (a hub in memory: at each start); keep
    /// it where the order survives (a database). Default: `0`, which only suits tests.
    pub epoch: Epoch,
    /// Offsets up to here are not in the log and never will be: the order goes on from here. Default: 0.
    pub floor: u64,
    /// The same for the topics whose name begins with a prefix, instead of `floor`; the longest prefix wins. For a broker
    /// that kept some topics from an earlier life and not others; at most what the [head](crate::Hub::head) is when the
    /// hub is first read. Default: none.
    pub floors: Vec<(String, u64)>,
    /// What a topic keeps unless a namespace says otherwise.
    pub retention: Retention,
    /// Retention of the topics whose name begins with a prefix (`room:`); the longest prefix wins. Default: none.
    pub namespaces: Vec<(String, Retention)>,
    /// What all topics together may hold, counted by [`Message::cost_bytes`](crate::Message::cost_bytes). The
    /// oldest message of all goes first. Default: 64 MiB.
    pub bytes_max: usize,
    /// Longest name of a topic, in bytes. Default: 255.
    pub topic_bytes_max: usize,
    /// Largest data of one message, in bytes. Default: 1 MiB.
    pub message_bytes_max: usize,
    /// How many topics that nobody follows are remembered; beyond it, one that was quiet is forgotten with all it
    /// holds. Topics that are followed are bounded by their followers. Default: 100,000.
    pub topics_max: usize,
    /// How long idempotency keys are remembered by the [`MemoryBroker`](crate::MemoryBroker).
    pub keys: KeyWindow,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            epoch: Epoch::from_number(0),
            floor: 0,
            floors: Vec::new(),
            retention: Retention::default(),
            namespaces: Vec::new(),
            bytes_max: 64 << 20,
            topic_bytes_max: 255,
            message_bytes_max: 1 << 20,
            topics_max: 100_000,
            keys: KeyWindow::default(),
        }
    }
}

impl HubConfig {
    /// What the topic keeps.
    pub(crate) fn retention_of(&self, topic: &str) -> Retention {
        of_longest_prefix(&self.namespaces, topic).map_or(self.retention, |retention| *retention)
    }

    /// Up to where a topic lacks messages of which nothing else is known.
    pub(crate) fn floor_of(&self, topic: &str) -> u64 {
        of_longest_prefix(&self.floors, topic).map_or(self.floor, |floor| *floor)
    }
}

/// The rule with the longest prefix that the name begins with.
pub(crate) fn of_longest_prefix<'a, T>(rules: &'a [(String, T)], topic: &str) -> Option<&'a T> {
    let fits = rules
        .iter()
        .filter(|(prefix, _)| topic.starts_with(prefix.as_str()));
    fits.max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, value)| value)
}

/// What one topic keeps: the strictest of the three limits decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Most messages. Never fewer than [`Retention::WINDOW_MESSAGES`], see there. Default: 1,000.
    pub messages_max: usize,
    /// Most bytes, counted by [`Message::cost_bytes`](crate::Message::cost_bytes). Default: 4 MiB.
    pub bytes_max: usize,
    /// Longest age in milliseconds. Looked at when something is published to the topic and at every
    /// [`Hub::sweep`](crate::Hub::sweep). Default: one hour.
    pub age_ms_max: u64,
}

impl Retention {
    /// A topic without history still keeps this many messages, so that a socket that is busy for a moment is no gap.
    pub const WINDOW_MESSAGES: usize = 128;

    /// No history: the short live window alone, for ten seconds at most.
    pub const NONE: Self = Self {
        messages_max: 0,
        bytes_max: 1 << 20,
        age_ms_max: 10_000,
    };

    /// The count that is enforced.
    pub(crate) fn messages_kept(&self) -> usize {
        self.messages_max.max(Self::WINDOW_MESSAGES)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            messages_max: 1_000,
            bytes_max: 4 << 20,
            age_ms_max: 3_600_000,
        }
    }
}

/// Which idempotency keys are still known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWindow {
    /// Most keys; the oldest goes first. Default: 10,000.
    pub keys_max: usize,
    /// Longest key, in bytes. Default: 128.
    pub key_bytes_max: usize,
    /// Longest age in milliseconds. Default: five minutes.
    pub age_ms_max: u64,
}

impl Default for KeyWindow {
    fn default() -> Self {
        Self {
            keys_max: 10_000,
            key_bytes_max: 128,
            age_ms_max: 300_000,
        }
    }
}
