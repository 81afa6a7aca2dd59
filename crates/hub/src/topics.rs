//! Which topics there are, and what is known of those that were forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::{HubConfig, Retention, of_longest_prefix};
use crate::topic::Topic;

/// All topics that the hub remembers.
pub(crate) struct Topics {
    map: HashMap<Arc<str>, Arc<Topic>>,
    /// No forgotten topic lost a message beyond this.
    forgotten_floor: u64,
    /// How many of `map` are watched: those are not counted against `topics_max`.
    watched: usize,
    /// What topics keep, if that was changed since the hub was made.
    rules: Option<Rules>,
}

/// What topics keep: most of them, and those whose names begin with a prefix.
struct Rules {
    retention: Retention,
    namespaces: Vec<(String, Retention)>,
}

impl Topics {
    pub(crate) fn new() -> Self {
        Self {
            map: HashMap::new(),
            forgotten_floor: 0,
            watched: 0,
            rules: None,
        }
    }

    /// Topics that are made from now on keep this. Those that there are: [`Order::retain`](crate::order::Order::retain).
    pub(crate) fn set_rules(&mut self, retention: Retention, namespaces: Vec<(String, Retention)>) {
        self.rules = Some(Rules {
            retention,
            namespaces,
        });
    }

    /// What a topic keeps.
    pub(crate) fn retention_of(&self, name: &str, config: &HubConfig) -> Retention {
        match &self.rules {
            Some(rules) => of_longest_prefix(&rules.namespaces, name).map_or(rules.retention, |found| *found),
            None => config.retention_of(name),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Topic>> {
        self.map.get(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// The floor of a topic that is not in `map`.
    pub(crate) fn unknown_floor(&self, name: &str, config: &HubConfig) -> u64 {
        self.forgotten_floor.max(config.floor_of(name))
    }

    pub(crate) fn forgotten_floor(&self) -> u64 {
        self.forgotten_floor
    }

    /// Every topic; nothing up to `floor` is held of those that are not known.
    pub(crate) fn begin(&mut self, floor: u64) -> impl Iterator<Item = &Arc<Topic>> {
        self.forgotten_floor = self.forgotten_floor.max(floor);
        self.map.values()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.map.values()
    }

    /// How many topics could be forgotten.
    pub(crate) fn unwatched(&self) -> usize {
        self.map.len() - self.watched
    }

    /// The topic; made when it is not there.
    pub(crate) fn get_or_create(&mut self, name: &str, config: &HubConfig) -> Arc<Topic> {
        if let Some(topic) = self.map.get(name) {
            return topic.clone();
        }
        let name: Arc<str> = name.into();
        let topic = Arc::new(Topic::new(
            name.clone(),
            self.retention_of(&name, config),
            self.unknown_floor(&name, config),
        ));
        self.map.insert(name, topic.clone());
        topic
    }

    /// The topic has its first watcher.
    pub(crate) fn watch_begins(&mut self) {
        self.watched += 1;
    }

    /// The topic's last watcher is gone. Answers whether there is anything to remember of it.
    pub(crate) fn watch_ends(&mut self, topic: &Arc<Topic>, config: &HubConfig) -> bool {
        self.watched -= 1;
        let remember = topic.newest() > 0 || topic.lost() > self.unknown_floor(topic.name(), config);
        if !remember {
            self.map.remove(topic.name());
        }
        remember
    }

    /// Forgets the topic. What it still held is lost for everybody, and the floor of the unknown says so.
    fn forget(&mut self, topic: &Arc<Topic>) {
        self.forgotten_floor = self.forgotten_floor.max(topic.newest()).max(topic.lost());
        self.map.remove(topic.name());
    }

    fn holds(&self, topic: &Arc<Topic>) -> bool {
        self.map
            .get(topic.name())
            .is_some_and(|held| Arc::ptr_eq(held, topic))
    }
}

/// Topics that nobody watches, in the order in which they are looked at when one must be forgotten.
///
/// A clock: a topic that was published to since the last look gets a second round, so the quiet go first, in
/// amortised constant time. Invariant: every topic that is not watched has one place here.
#[derive(Default)]
pub(crate) struct Clock {
    queue: VecDeque<Arc<Topic>>,
}

impl Clock {
    pub(crate) fn add(&mut self, topic: &Arc<Topic>) {
        if !topic.forgettable.swap(true, Ordering::Relaxed) {
            self.queue.push_back(topic.clone());
        }
    }

    /// Forgets one topic and answers it, so that what it held can be evicted.
    pub(crate) fn forget_one(&mut self, topics: &mut Topics) -> Option<Arc<Topic>> {
        while let Some(topic) = self.queue.pop_front() {
            if !topics.holds(&topic) || !topic.watchers().is_empty() {
                topic.forgettable.store(false, Ordering::Relaxed);
            } else if topic.touched.swap(false, Ordering::Relaxed) {
                self.queue.push_back(topic);
            } else {
                topics.forget(&topic);
                return Some(topic);
            }
        }
        None
    }
}
