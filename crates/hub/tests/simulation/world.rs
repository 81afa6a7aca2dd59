//! Publishers, cores, subscribers, retention, restarts.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use squall_hub::roster::{Join, Roster};
use squall_hub::{
    Cursor, Epoch, Gap, Hub, HubConfig, KeyWindow, MESSAGE_OVERHEAD_BYTES, Mailbox, Message, Policy, Publish,
    Retention,
};

use crate::model::{Model, Rng};

const CORES: usize = 2;
const SUBSCRIBERS_MAX: usize = 12;
const TOPICS: u64 = 9;
/// "Everything": more than any log here holds.
const ALL: usize = 10_000;

#[derive(Default)]
struct Notes(Mutex<Vec<u32>>);

impl Mailbox for Notes {
    fn moved(&self, tag: u32) {
        self.0.lock().unwrap().push(tag);
    }
}

struct Core {
    notes: Arc<Notes>,
    roster: Roster<usize>,
}

/// Somebody at the far end, who knows what it was told and nothing else.
struct Subscriber {
    core: usize,
    number: u32,
    policy: Policy,
    /// (topic, messages up to here are not part of it).
    topics: Vec<(String, u64)>,
    position: u64,
    /// Reads only now and then.
    slow: bool,
}

/// Who went away, and may come back with its cursor.
struct Gone {
    cursor: Cursor,
    topics: Vec<String>,
}

/// How often the interesting cases came up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) delivered: usize,
    pub(crate) gaps: usize,
    pub(crate) latest: usize,
    pub(crate) closed: usize,
    pub(crate) foreign: usize,
    pub(crate) resumed: usize,
    pub(crate) restored: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.gaps += other.gaps;
        self.latest += other.latest;
        self.closed += other.closed;
        self.foreign += other.foreign;
        self.resumed += other.resumed;
        self.restored += other.restored;
    }
}

pub(crate) struct World {
    rng: Rng,
    now_ms: u64,
    lives: u64,
    hub: Hub,
    model: Model,
    cores: Vec<Core>,
    subscribers: Vec<Option<Subscriber>>,
    gone: Vec<Gone>,
    pub(crate) seen: Seen,
}

fn config(epoch: u64, floor: u64) -> HubConfig {
    let kept = Retention::WINDOW_MESSAGES;
    HubConfig {
        epoch: Epoch::from_number(epoch),
        floor,
        retention: Retention {
            messages_max: kept,
            bytes_max: 40 * MESSAGE_OVERHEAD_BYTES,
            age_ms_max: 900,
        },
        namespaces: vec![
            (
                "t1".into(),
                Retention {
                    bytes_max: 6 * MESSAGE_OVERHEAD_BYTES,
                    ..Retention::default()
                },
            ),
            (
                "t2".into(),
                Retention {
                    age_ms_max: 60,
                    ..Retention::NONE
                },
            ),
        ],
        bytes_max: 90 * MESSAGE_OVERHEAD_BYTES,
        topics_max: 4,
        keys: KeyWindow {
            keys_max: 5,
            ..KeyWindow::default()
        },
        ..HubConfig::default()
    }
}

fn cores(hub: &Hub) -> Vec<Core> {
    let core = |_| {
        let notes = Arc::new(Notes::default());
        Core {
            roster: Roster::new(hub.clone(), notes.clone()),
            notes,
        }
    };
    (0..CORES).map(core).collect()
}

fn seen_by(messages: &[(u32, Message)]) -> Vec<(u64, String)> {
    messages
        .iter()
        .map(|(_, m)| (m.offset, String::from_utf8(m.data.to_vec()).unwrap()))
        .collect()
}

impl World {
    pub(crate) fn new(mut rng: Rng) -> Self {
        let floor = rng.below(3) * 100;
        let hub = Hub::new(config(0, floor));
        let cores = cores(&hub);
        let subscribers = (0..SUBSCRIBERS_MAX).map(|_| None).collect();
        let (model, gone, seen) = (Model::default(), Vec::new(), Seen::default());
        Self {
            rng,
            now_ms: 0,
            lives: 0,
            hub,
            model,
            cores,
            subscribers,
            gone,
            seen,
        }
    }

    pub(crate) fn step(&mut self) {
        match self.rng.below(100) {
            0..40 => self.publish(),
            40..45 => self.append(),
            45..50 => self.time_passes(),
            50..60 => self.join(),
            60..64 => self.leave(),
            64..68 => self.change_topics(),
            68..90 => self.drain(),
            90..99 => self.somebody_reads(),
            _ if self.rng.one_in(2) => self.restart(),
            _ => (),
        }
    }

    fn topic(&mut self) -> String {
        format!("t{}", self.rng.below(TOPICS))
    }

    fn publish(&mut self) {
        for _ in 0..=self.rng.below(6) {
            let topic = self.topic();
            let data = format!("{}", self.rng.below(1_000_000));
            let key = self.rng.one_in(4).then(|| format!("k{}", self.rng.below(4)));
            let head = self.hub.head();
            let publish = Publish {
                topic: &topic,
                data: data.clone().into(),
                meta: None,
                key: key.as_deref(),
                now_ms: self.now_ms,
            };
            let offset = self.hub.publish_with(publish).ready().unwrap().unwrap().offset;
            if offset > head {
                self.model.log.push((offset, topic, data));
            } else {
                assert!(key.is_some(), "an old offset only for a key that is known");
                assert!(
                    self.model
                        .log
                        .iter()
                        .any(|(known, name, _)| *known == offset && *name == topic)
                );
            }
        }
    }

    fn append(&mut self) {
        let (topic, data) = (self.topic(), "appended".to_owned());
        let offset = self.hub.head() + 1 + self.rng.below(5);
        self.hub
            .append(&topic, offset, Bytes::from(data.clone()), self.now_ms)
            .unwrap();
        self.model.log.push((offset, topic, data));
    }

    fn time_passes(&mut self) {
        self.now_ms += self.rng.below(100);
        if self.rng.one_in(2) {
            self.hub.sweep(self.now_ms);
        }
    }

    /// Somebody comes: new, back with its cursor, or with a cursor that means nothing here.
    fn join(&mut self) {
        let Some(free) = self.subscribers.iter().position(Option::is_none) else {
            return;
        };
        let (cursor, topics) = self.who_joins();
        let core = self.rng.below(CORES as u64) as usize;
        let policy = [Policy::Gap, Policy::Latest, Policy::Close][self.rng.below(3) as usize];
        let roster = &mut self.cores[core].roster;
        let number = roster.join(Join {
            owner: free as u64,
            kind: 0,
            policy,
            data: free,
        });
        for topic in &topics {
            roster.follow(number, topic, 0, 0).unwrap();
        }
        let position = match cursor {
            None => self.hub.head(),
            Some(cursor) => self.hub.offset_of(&cursor).unwrap_or_else(|| {
                // Told of the gap in its cursor's place.
                assert!(cursor.epoch != self.hub.epoch() || cursor.offset > self.hub.head());
                self.seen.foreign += 1;
                roster.floor(number)
            }),
        };
        self.seen.resumed += usize::from(cursor.is_some());
        let topics = topics.into_iter().map(|topic| (topic, 0)).collect();
        let slow = self.rng.one_in(3);
        self.subscribers[free] = Some(Subscriber {
            core,
            number,
            policy,
            topics,
            position,
            slow,
        });
        if !slow {
            self.serve(free, ALL);
        }
    }

    fn who_joins(&mut self) -> (Option<Cursor>, Vec<String>) {
        if !self.gone.is_empty() && !self.rng.one_in(4) {
            let back = self.rng.below(self.gone.len() as u64) as usize;
            let Gone { cursor, topics } = self.gone.swap_remove(back);
            return (Some(cursor), topics);
        }
        let mut topics: Vec<String> = (0..=self.rng.below(4)).map(|_| self.topic()).collect();
        topics.sort();
        topics.dedup();
        let cursor = self
            .rng
            .one_in(8)
            .then(|| self.hub.cursor_at(self.hub.head() + self.rng.below(3)));
        (cursor, topics)
    }

    fn leave(&mut self) {
        let who = self.rng.below(SUBSCRIBERS_MAX as u64) as usize;
        self.take_leave(who);
    }

    fn take_leave(&mut self, who: usize) {
        let Some(subscriber) = self.subscribers[who].take() else {
            return;
        };
        assert_eq!(
            self.cores[subscriber.core].roster.leave(subscriber.number),
            Some(who)
        );
        let cursor = self.hub.cursor_at(subscriber.position);
        // A topic that was joined late cannot be told from the others by one cursor: who comes back asks for the
        // rest from its cursor on, which is more than it was owed, so the model forgets the late start as well.
        let topics = subscriber.topics.into_iter().map(|(topic, _)| topic).collect();
        self.gone.push(Gone { cursor, topics });
    }

    fn change_topics(&mut self) {
        let topic = self.topic();
        let who = self.rng.below(SUBSCRIBERS_MAX as u64) as usize;
        let Some(subscriber) = self.subscribers[who].as_mut() else {
            return;
        };
        let roster = &mut self.cores[subscriber.core].roster;
        let known = subscriber.topics.iter().position(|(name, _)| *name == topic);
        match known {
            Some(known) => {
                subscriber.topics.swap_remove(known);
                assert!(roster.unfollow(subscriber.number, &topic, None));
            }
            None => {
                let from = self.hub.head();
                roster.follow(subscriber.number, &topic, 0, from).unwrap();
                subscriber.topics.push((topic, from));
            }
        }
    }

    /// A core looks at its notes and serves whom they name.
    fn drain(&mut self) {
        let core = self.rng.below(CORES as u64) as usize;
        for who in self.named(core) {
            let slow = self.subscribers[who]
                .as_ref()
                .is_some_and(|subscriber| subscriber.slow);
            let max = if slow { self.rng.below(3) as usize } else { ALL };
            self.serve(who, max);
        }
    }

    fn named(&mut self, core: usize) -> Vec<usize> {
        let Core { notes, roster } = &mut self.cores[core];
        let tags = std::mem::take(&mut *notes.0.lock().unwrap());
        let mut named = Vec::new();
        roster.moved(&tags, |_, follower| named.push(follower.data));
        named
    }

    fn somebody_reads(&mut self) {
        let who = self.rng.below(SUBSCRIBERS_MAX as u64) as usize;
        let max = self.rng.below(20) as usize;
        self.serve(who, max);
    }

    /// What a core does for one connection that has room for `max` messages.
    fn serve(&mut self, who: usize, max: usize) {
        let Some(subscriber) = self.subscribers[who].as_ref() else {
            return;
        };
        let upto = self.hub.head();
        let roster = &self.cores[subscriber.core].roster;
        let (number, position) = (subscriber.number, subscriber.position);
        let mut out = Vec::new();
        let Err(gap) = roster.read(number, position, upto, max, &mut out) else {
            self.deliver(who, &out);
            return;
        };
        let resume = roster.resume(number, gap, upto);
        self.gap(who, gap, resume, upto);
        // As a core does: it goes on until there is nothing more or no more room.
        self.serve(who, max);
    }

    fn deliver(&mut self, who: usize, out: &[(u32, Message)]) {
        let subscriber = self.subscribers[who].as_mut().unwrap();
        self.seen.delivered += out.len();
        if let Some((_, last)) = out.last() {
            subscriber.position = last.offset;
        }
    }

    fn gap(&mut self, who: usize, gap: Gap, resume: Option<u64>, upto: u64) {
        let subscriber = self.subscribers[who].as_mut().unwrap();
        self.seen.gaps += 1;
        let Some(resume) = resume else {
            assert_eq!(subscriber.policy, Policy::Close);
            self.seen.closed += 1;
            return self.take_leave(who);
        };
        assert!(resume >= gap.resume && resume > subscriber.position);
        if subscriber.policy == Policy::Latest {
            let left = self.model.next(&subscriber.topics, resume, upto, ALL);
            assert!(left.len() <= 1, "only the newest is left: {left:?}");
            self.seen.latest += 1;
        } else {
            assert_eq!(resume, gap.resume);
        }
        subscriber.position = resume;
    }

    /// The process ends; the next one has a new log, or the same with what a database kept of it.
    fn restart(&mut self) {
        for who in 0..SUBSCRIBERS_MAX {
            self.take_leave(who);
        }
        if self.rng.one_in(2) {
            self.lives += 1;
            let floor = self.rng.below(2) * self.hub.head();
            self.hub = Hub::new(config(self.lives, floor));
            self.model = Model::default();
        } else {
            // The end of the log may be lost with the process.
            let lost = if self.rng.one_in(3) {
                self.rng.below(4) as usize
            } else {
                0
            };
            self.model.log.truncate(self.model.log.len().saturating_sub(lost));
            let last = self.model.log.last().map_or(0, |(offset, ..)| *offset);
            let floor = last.saturating_sub(self.rng.below(60));
            self.hub = Hub::new(config(self.lives, floor));
            for (offset, topic, data) in self.model.log.iter().filter(|(offset, ..)| *offset > floor) {
                self.hub
                    .append(topic, *offset, Bytes::from(data.clone()), self.now_ms)
                    .unwrap();
            }
            self.seen.restored += 1;
        }
        self.cores = cores(&self.hub);
    }

    /// The invariant, for everybody, now.
    pub(crate) fn check_everybody(&mut self) {
        let upto = self.hub.head();
        let max = if self.rng.one_in(2) {
            ALL
        } else {
            self.rng.below(5) as usize
        };
        for subscriber in self.subscribers.iter().flatten() {
            let roster = &self.cores[subscriber.core].roster;
            let mut out = Vec::new();
            match roster.read(subscriber.number, subscriber.position, upto, max, &mut out) {
                Ok(()) => {
                    let owed = self
                        .model
                        .next(&subscriber.topics, subscriber.position, upto, max);
                    assert_eq!(seen_by(&out), owed, "position {}", subscriber.position);
                }
                Err(gap) => {
                    // Told only if the hub really cannot vouch for one of the topics, and no further than it must.
                    let floor = |(topic, from): &(String, u64)| {
                        let floor = self.hub.topic_counts(topic).floor;
                        (floor > subscriber.position.max(*from)).then_some(floor)
                    };
                    assert_eq!(subscriber.topics.iter().filter_map(floor).max(), Some(gap.resume));
                    assert!(out.is_empty());
                }
            }
        }
        let counts = self.hub.counts();
        assert!(counts.bytes <= self.hub.config().bytes_max);
        assert!(counts.messages * MESSAGE_OVERHEAD_BYTES <= counts.bytes);
    }

    /// When everybody has been served, nobody is owed anything: no note was lost.
    pub(crate) fn settle(&mut self) {
        for core in 0..CORES {
            for who in self.named(core) {
                self.serve(who, ALL);
            }
        }
        let upto = self.hub.head();
        for subscriber in self
            .subscribers
            .iter()
            .flatten()
            .filter(|subscriber| !subscriber.slow)
        {
            let topics = &subscriber.topics;
            let owed = self.model.next(topics, subscriber.position, upto, ALL);
            let roster = &self.cores[subscriber.core].roster;
            let gap = roster
                .read(subscriber.number, subscriber.position, upto, ALL, &mut Vec::new())
                .is_err();
            assert!(owed.is_empty() || gap, "owed {owed:?}");
        }
    }
}
