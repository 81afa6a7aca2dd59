//! What the whole hub holds, in its one order: who goes first when there is too much.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::Retention;
use crate::topic::{Evicted, Topic};
use crate::topics::Clock;

/// Places of messages that are gone are swept out when there are more of them than messages, and at least this many.
const STALE_PLACES_MAX: usize = 64;

/// Guarded by one lock, held by whoever appends. Readers never need it.
#[derive(Default)]
pub(crate) struct Order {
    /// The latest time that was heard of: time never goes back.
    now_ms: u64,
    /// Messages held by all topics.
    pub(crate) messages: usize,
    /// What they cost.
    pub(crate) bytes: usize,
    /// Where each message is, oldest first; and places of messages that are gone: evicted by their
    /// topic's own limits, or withdrawn.
    places: VecDeque<(u64, Arc<Topic>)>,
    /// When the oldest message of each topic is too old: (moment, offset). One entry a topic that holds any; an entry
    /// whose message is gone already is early, never late.
    ages: BTreeMap<(u64, u64), Arc<Topic>>,
    /// Topics that could be forgotten.
    pub(crate) clock: Clock,
}

impl Order {
    /// Hears what time it is.
    pub(crate) fn at(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    /// A message was appended; its topic evicted some of its own.
    pub(crate) fn appended(&mut self, topic: &Arc<Topic>, offset: u64, cost_bytes: usize, evicted: Evicted) {
        self.messages += 1;
        self.bytes += cost_bytes;
        self.places.push_back((offset, topic.clone()));
        topic.touched.store(true, Ordering::Relaxed);
        self.account(evicted);
        self.schedule(topic);
        if self.places.len() > 2 * self.messages + STALE_PLACES_MAX {
            self.places.retain(|(offset, topic)| topic.holds(*offset));
        }
    }

    /// Evicts the oldest messages of all until the hub holds at most `bytes_max`.
    pub(crate) fn shrink_to(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some((offset, topic)) = self.places.pop_front() else {
                break;
            };
            let evicted = topic.evict(offset);
            self.account(evicted);
        }
    }

    /// Evicts what is too old in every topic.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        let now_ms = self.at(now_ms);
        while let Some(entry) = self.ages.first_entry() {
            if entry.key().0 >= now_ms {
                break;
            }
            let topic = entry.remove();
            topic.ageing.store(false, Ordering::Relaxed);
            let evicted = topic.age(now_ms);
            self.account(evicted);
            self.schedule(&topic);
        }
    }

    /// Takes note of what was evicted.
    pub(crate) fn account(&mut self, evicted: Evicted) {
        self.messages -= evicted.messages;
        self.bytes -= evicted.bytes;
    }

    /// Every topic keeps from now on what `retention` says of it; evicts what that no longer allows.
    pub(crate) fn retain<'a>(
        &mut self,
        topics: impl Iterator<Item = &'a Arc<Topic>>,
        retention: impl Fn(&str) -> Retention,
    ) {
        // All moments are computed anew: some are earlier now.
        for (_, topic) in std::mem::take(&mut self.ages) {
            topic.ageing.store(false, Ordering::Relaxed);
        }
        for topic in topics {
            let evicted = topic.retain(retention(topic.name()), self.now_ms);
            self.account(evicted);
            self.schedule(topic);
        }
    }

    /// Sees to it that the topic is looked at when its oldest message is too old.
    fn schedule(&mut self, topic: &Arc<Topic>) {
        if topic.ageing.load(Ordering::Relaxed) {
            return;
        }
        let (age_ms_max, first) = {
            let log = topic.read();
            let first = log.messages.front().map(|first| (first.at_ms, first.offset));
            (log.retention.age_ms_max, first)
        };
        if let Some((at_ms, offset)) = first.filter(|_| age_ms_max < u64::MAX) {
            topic.ageing.store(true, Ordering::Relaxed);
            self.ages
                .insert((at_ms.saturating_add(age_ms_max), offset), topic.clone());
        }
    }
}
