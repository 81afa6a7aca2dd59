//! Which messages of which topic are on disk: so that what the hub evicts can be deleted without a search.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use squall_hub::Hub;

use crate::config::{Durability, Rules};
use crate::plan::{Plan, Removed, TopicChange};

/// A topic that has fewer messages to delete is left for the next pass: a row is not rewritten for every message.
const TRIM_MIN: usize = 64;
/// Topics that one step of a pass looks at, at most.
const STEP_TOPICS_MAX: usize = 4_096;
/// Deletions of one step, at most; and beside two for each new message, of every commit.
pub(crate) const TRIM_MAX: usize = 512;

/// One topic on disk.
#[derive(Debug)]
struct OnDisk {
    floor: u64,
    /// Offsets and sums of its messages, oldest first.
    messages: VecDeque<(u64, u64)>,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    topics: HashMap<Arc<str>, OnDisk>,
    /// All names, and some that are gone: in which order passes look at them.
    ring: Vec<Arc<str>>,
    /// Where the pass goes on.
    next: usize,
    /// How many names this pass has still to look at.
    left_in_pass: usize,
    messages: usize,
}

impl Index {
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }

    pub(crate) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// The topic has a row.
    pub(crate) fn add_topic(&mut self, name: Arc<str>, floor: u64) {
        if let Some(known) = self.topics.get_mut(&name) {
            known.floor = floor;
            return;
        }
        self.ring.push(name.clone());
        let messages = VecDeque::new();
        self.topics.insert(name, OnDisk { floor, messages });
    }

    /// The message has a row. Its topic must have one.
    pub(crate) fn add_message(&mut self, topic: &str, offset: u64, sum: u64) {
        if let Some(known) = self.topics.get_mut(topic) {
            known.messages.push_back((offset, sum));
            self.messages += 1;
        }
    }

    /// The name as it is kept here, if the topic has a row.
    pub(crate) fn name(&self, topic: &str) -> Option<&Arc<str>> {
        self.topics.get_key_value(topic).map(|(name, _)| name)
    }

    /// Whether the message is on disk.
    pub(crate) fn holds(&self, topic: &str, offset: u64) -> bool {
        let known = self.topics.get(topic);
        known.is_some_and(|known| {
            known
                .messages
                .binary_search_by_key(&offset, |(offset, _)| *offset)
                .is_ok()
        })
    }

    /// Plans to delete these messages, as far as they are there.
    pub(crate) fn remove(&self, topic: &str, offsets: impl Iterator<Item = u64>, plan: &mut Plan) {
        let Some((name, known)) = self.topics.get_key_value(topic) else {
            return;
        };
        for offset in offsets {
            let at = known
                .messages
                .binary_search_by_key(&offset, |(offset, _)| *offset);
            if let Ok(at) = at {
                let (topic, sum) = (name.clone(), known.messages[at].1);
                plan.removed.insert(offset, Removed { topic, sum });
            }
        }
    }

    /// Plans to delete what the hub has evicted of the topics that are written to.
    pub(crate) fn trim_written(&self, hub: &Hub, rules: &Rules, plan: &mut Plan) {
        let names: BTreeSet<Arc<str>> = plan.rows.iter().map(|row| row.topic.clone()).collect();
        let mut left = 2 * plan.rows.len() + TRIM_MAX;
        for name in names {
            // What a withdrawal has trimmed is as short as it can be.
            if plan.topics.contains_key(&name) {
                continue;
            }
            self.trim(&name, TRIM_MIN, hub, rules, plan, &mut left);
        }
    }

    /// Plans to delete all that the hub has evicted of a topic.
    pub(crate) fn trim_all(&self, topic: &str, hub: &Hub, rules: &Rules, plan: &mut Plan) {
        if let Some(name) = self.name(topic) {
            let mut left = usize::MAX;
            self.trim(name, 1, hub, rules, plan, &mut left);
        }
    }

    /// From now on a pass looks at all topics.
    pub(crate) fn begin_pass(&mut self) {
        self.left_in_pass = self.ring.len();
    }

    /// A step of a pass: plans to delete what the hub has evicted of the next topics in turn. Answers whether there are
    /// more to look at.
    pub(crate) fn trim_step(&mut self, hub: &Hub, rules: &Rules, plan: &mut Plan) -> bool {
        let mut left = TRIM_MAX;
        for _ in 0..self.left_in_pass.min(STEP_TOPICS_MAX) {
            if self.next >= self.ring.len() {
                self.next = 0;
            }
            let Some(name) = self.ring.get(self.next).cloned() else {
                break;
            };
            if !self.topics.contains_key(&name) {
                self.ring.swap_remove(self.next);
                self.left_in_pass -= 1;
                continue;
            }
            if !plan.topics.contains_key(&name) {
                self.trim(&name, 1, hub, rules, plan, &mut left);
            }
            if left == 0 {
                // This one may have more.
                return true;
            }
            self.next += 1;
            self.left_in_pass -= 1;
        }
        self.left_in_pass > 0
    }

    fn trim(&self, name: &Arc<str>, min: usize, hub: &Hub, rules: &Rules, plan: &mut Plan, left: &mut usize) {
        let Some(known) = self.topics.get(name) else {
            return;
        };
        let kept = rules.of(name) == Durability::Disk;
        let floor = if kept { hub.floor(&[name]) } else { u64::MAX };
        let lost = known.messages.partition_point(|(offset, _)| *offset <= floor);
        if floor <= known.floor || lost < min.min(known.messages.len().max(1)) && lost > 0 {
            return;
        }
        let count = lost.min(*left);
        if count == 0 && lost > 0 {
            return;
        }
        for (offset, sum) in known.messages.range(..count) {
            let (topic, sum) = (name.clone(), *sum);
            plan.removed.insert(*offset, Removed { topic, sum });
        }
        *left -= count;
        let all = count == known.messages.len() && !plan.rows.iter().any(|row| row.topic == *name);
        let after = match () {
            () if all && (!kept || !hub.remembers(name)) => None,
            () if count == lost && kept => Some(floor),
            () => Some(known.messages[count - 1].0),
        };
        let before = Some(known.floor);
        plan.topics.insert(name.clone(), TopicChange { before, after });
    }

    /// Takes over what is on the disk now.
    pub(crate) fn apply(&mut self, plan: &Plan) {
        for (name, change) in &plan.topics {
            if let Some(floor) = change.after {
                self.add_topic(name.clone(), floor);
            }
        }
        for (offset, removed) in &plan.removed {
            let Some(known) = self.topics.get_mut(&removed.topic) else {
                continue;
            };
            let first = known.messages.front().is_some_and(|(first, _)| first == offset);
            let at = match first {
                true => Ok(0),
                false => known.messages.binary_search_by_key(offset, |(offset, _)| *offset),
            };
            if let Ok(at) = at {
                known.messages.remove(at);
                self.messages -= 1;
            }
        }
        for row in &plan.rows {
            self.add_message(&row.topic, row.offset, row.sum);
        }
        for (name, change) in &plan.topics {
            if change.after.is_none() {
                self.topics.remove(name);
            }
        }
    }
}
