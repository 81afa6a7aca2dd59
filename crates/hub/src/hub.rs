//! The hub: one order, many topics.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use crate::broker::{Answer, Broker, MemoryBroker, Publish};
use crate::config::HubConfig;
use crate::cursor::{Cursor, Epoch};
use crate::error::AppendError;
use crate::mailbox::{Interest, Mailbox, Watch};
use crate::message::Message;
use crate::meta::{META_BYTES_MAX, Meta};
use crate::order::Order;
use crate::read::{self, Gap};
use crate::topic::Topic;
use crate::topics::Topics;

/// The largest offset: what a signed 64-bit integer of a database holds.
pub const OFFSET_MAX: u64 = i64::MAX as u64;

/// Topics and their log. Cheap to clone; every clone is the same hub.
#[derive(Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: HubConfig,
    pub(crate) broker: Arc<dyn Broker>,
    /// The life that began last, if one did: see [`Hub::begin`]. Most hubs have one life only, and never look here.
    epoch: RwLock<Epoch>,
    /// There is something in `epoch` that is not in `config`.
    began: AtomicBool,
    /// The last offset. Written after its message is in the log, so whoever reads it finds everything up to it.
    pub(crate) head: AtomicU64,
    /// Held by whoever appends. Taken before `topics`, which is taken before a topic's own locks.
    order: Mutex<Order>,
    topics: RwLock<Topics>,
}

/// How much a hub holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Topics that are remembered.
    pub topics: usize,
    /// Messages that are held.
    pub messages: usize,
    /// What they cost, as [`Message::cost_bytes`] counts.
    pub bytes: usize,
}

/// How much a topic holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicCounts {
    /// Messages that are held.
    pub messages: usize,
    /// What they cost, as [`Message::cost_bytes`] counts.
    pub bytes: usize,
    /// Followers on all cores.
    pub followers: usize,
    /// The topic's floor: messages up to this offset may be lost, none beyond it is.
    pub floor: u64,
}

impl Hub {
    /// A hub whose order is made in this process.
    pub fn new(config: HubConfig) -> Self {
        let broker = Arc::new(MemoryBroker::new(config.keys));
        Self::with_broker(config, broker)
    }

    /// A hub whose order is made by `broker`.
    pub fn with_broker(config: HubConfig, broker: Arc<dyn Broker>) -> Self {
        let head = AtomicU64::new(config.floor);
        let topics = RwLock::new(Topics::new());
        Self {
            inner: Arc::new(Inner {
                epoch: RwLock::new(config.epoch),
                began: AtomicBool::new(false),
                config,
                broker,
                head,
                order: Mutex::default(),
                topics,
            }),
        }
    }

    /// Publishes `data` to `topic` through the hub's broker.
    ///
    /// The answer is the message's cursor; it is ready at once with the [`MemoryBroker`]. See [`Publish`] for
    /// idempotency keys.
    pub fn publish(&self, topic: &str, data: impl Into<Bytes>, now_ms: u64) -> Answer {
        self.publish_with(Publish {
            topic,
            data: data.into(),
            meta: None,
            key: None,
            now_ms,
        })
    }

    /// Publishes as [`Hub::publish`] does, with everything there is to say.
    pub fn publish_with(&self, publish: Publish<'_>) -> Answer {
        self.inner.broker.publish(self, publish)
    }

    /// Appends a message whose offset was assigned elsewhere: by a broker, or in an earlier life of this process.
    ///
    /// Offsets need not be consecutive, but each must be beyond the [head](Hub::head).
    pub fn append(&self, topic: &str, offset: u64, data: Bytes, now_ms: u64) -> Result<(), AppendError> {
        self.append_with(topic, Some(offset), data, None, now_ms)
            .map(drop)
    }

    /// Appends a message with the next offset and answers it: for brokers that let the hub make the order.
    pub fn append_next(&self, topic: &str, data: Bytes, now_ms: u64) -> Result<u64, AppendError> {
        self.append_with(topic, None, data, None, now_ms)
    }

    /// Appends a message with everything there is to say of it: with `offset`, as [`Hub::append`] does, or with the next.
    /// Answers its offset.
    pub fn append_with(
        &self,
        name: &str,
        offset: Option<u64>,
        data: Bytes,
        meta: Option<Arc<Meta>>,
        now_ms: u64,
    ) -> Result<u64, AppendError> {
        let config = &self.inner.config;
        if name.is_empty() || name.len() > config.topic_bytes_max {
            return Err(AppendError::BadTopic);
        }
        let meta_bytes = meta.as_ref().map_or(0, |meta| meta.cost_bytes());
        if data.len() > config.message_bytes_max || meta_bytes > META_BYTES_MAX {
            return Err(AppendError::TooBig);
        }
        let (topic, offset) = {
            let mut order = self.order();
            let offset = self.next_offset(offset)?;
            let at_ms = order.at(now_ms);
            let topic = self.topic_for_append(name, &mut order);
            let message = Message {
                offset,
                previous: topic.newest(),
                at_ms,
                topic: topic.name().clone(),
                data,
                meta,
            };
            let cost_bytes = message.cost_bytes();
            let evicted = topic.push(message, at_ms);
            order.appended(&topic, offset, cost_bytes, evicted);
            order.shrink_to(config.bytes_max);
            self.inner.head.store(offset, Ordering::Release);
            (topic, offset)
        };
        for interest in topic.watchers().iter() {
            interest.notify();
        }
        Ok(offset)
    }

    /// Checks or makes the offset. Called under the order lock.
    fn next_offset(&self, given: Option<u64>) -> Result<u64, AppendError> {
        let head = self.head();
        let offset = given.unwrap_or(head + 1);
        if offset > OFFSET_MAX {
            return Err(AppendError::OffsetTooLarge);
        }
        if offset <= head {
            return Err(AppendError::NotIncreasing { offset, head });
        }
        Ok(offset)
    }

    /// From now on the life is `epoch`, nothing up to `floor` is held, and the order goes on beyond it. Every reader and
    /// follower that has not received everything up to `floor` is told of a gap.
    ///
    /// For brokers that keep the order elsewhere: with another epoch when what they kept was lost or is another log
    /// now; with the same epoch when messages between the head and `floor` are not to be had any more.
    ///
    /// Offsets never go back, whatever the epoch: an error if `floor` is not at or beyond the [head](Hub::head). So
    /// nobody who was at some offset in one life is taken, by mistake, to be at the same offset in another.
    pub fn begin(&self, epoch: Epoch, floor: u64) -> Result<(), AppendError> {
        let held: Vec<Arc<Topic>> = {
            let mut order = self.order();
            let head = self.head();
            if floor > OFFSET_MAX {
                return Err(AppendError::OffsetTooLarge);
            }
            if floor < head {
                return Err(AppendError::NotIncreasing { offset: floor, head });
            }
            let mut topics = self.topics_mut();
            for topic in topics.begin(floor) {
                order.account(topic.lose(floor));
            }
            *self.inner.epoch.write().unwrap_or_else(PoisonError::into_inner) = epoch;
            self.inner.began.store(true, Ordering::Release);
            self.inner.head.store(floor, Ordering::Release);
            topics.all().cloned().collect()
        };
        for topic in held {
            for interest in topic.watchers().iter() {
                interest.notify();
            }
        }
        Ok(())
    }

    /// The topic; made when it is not there, in the place of a quiet one if there are too many.
    pub(crate) fn topic_for_append(&self, name: &str, order: &mut Order) -> Arc<Topic> {
        if let Some(topic) = self.topics().get(name) {
            return topic.clone();
        }
        let mut topics = self.topics_mut();
        while topics.unwatched() >= self.inner.config.topics_max.max(1) {
            let Some(forgotten) = order.clock.forget_one(&mut topics) else {
                break;
            };
            order.account(forgotten.evict_all());
        }
        let topic = topics.get_or_create(name, &self.inner.config);
        if topic.watchers().is_empty() {
            order.clock.add(&topic);
        }
        topic
    }

    /// At most `max` messages of `topics` past `after`, merged in their one order.
    pub fn read(&self, topics: &[&str], after: u64, max: usize) -> Result<Vec<Message>, Gap> {
        let upto = self.head();
        let mut out = Vec::new();
        let mut floor = 0;
        let first = |n: usize, name: &&str| !topics[..n].contains(name);
        for (_, name) in topics.iter().enumerate().filter(|(n, name)| first(*n, name)) {
            if let Err(gap) = self.read_one(name, after, upto, max, &mut out) {
                floor = floor.max(gap.resume);
            }
        }
        if floor > 0 {
            return Err(Gap { resume: floor });
        }
        out.sort_unstable_by_key(|message| message.offset);
        out.truncate(max);
        Ok(out)
    }

    fn read_one(
        &self,
        name: &str,
        after: u64,
        upto: u64,
        max: usize,
        out: &mut Vec<Message>,
    ) -> Result<(), Gap> {
        let topic = {
            let topics = self.topics();
            let Some(topic) = topics.get(name) else {
                let resume = topics.unknown_floor(name, &self.inner.config);
                return if resume > after {
                    Err(Gap { resume })
                } else {
                    Ok(())
                };
            };
            topic.clone()
        };
        read::slice(&topic, after, upto, max, |message| out.push(message.clone()))
    }

    /// The newest messages of a topic that the log still holds, at most `max`, oldest first.
    pub fn history(&self, topic: &str, max: usize) -> Vec<Message> {
        let Some(topic) = self.topics().get(topic).cloned() else {
            return Vec::new();
        };
        let log = topic.read();
        let skip = log.messages.len().saturating_sub(max);
        log.messages.range(skip..).cloned().collect()
    }

    /// The last offset of the order.
    pub fn head(&self) -> u64 {
        self.inner.head.load(Ordering::Acquire)
    }

    /// The cursor of the head.
    ///
    /// Take it *before* you read what you show: then everything that is published meanwhile comes with the stream.
    pub fn cursor(&self) -> Cursor {
        self.cursor_at(self.head())
    }

    /// The cursor of an offset of this hub.
    pub fn cursor_at(&self, offset: u64) -> Cursor {
        Cursor {
            epoch: self.epoch(),
            offset,
        }
    }

    /// This life of the log.
    pub fn epoch(&self) -> Epoch {
        if self.inner.began.load(Ordering::Acquire) {
            return *self.inner.epoch.read().unwrap_or_else(PoisonError::into_inner);
        }
        self.inner.config.epoch
    }

    /// What it was made with; the life it is in now is [`Hub::epoch`], and what topics keep may have been changed by
    /// [`Hub::retain`].
    pub fn config(&self) -> &HubConfig {
        &self.inner.config
    }

    /// The offset from which a reader with this cursor reads on, or `None` if the cursor is of another life: another
    /// epoch, or the same one with an offset beyond the head (a life whose end was lost).
    ///
    /// For the latter everything may be different: it is a gap, up to the floor of the reader's topics.
    pub fn offset_of(&self, cursor: &Cursor) -> Option<u64> {
        (cursor.epoch == self.epoch() && cursor.offset <= self.head()).then_some(cursor.offset)
    }

    /// Up to where messages of any of these topics may be lost.
    pub fn floor(&self, topics: &[&str]) -> u64 {
        let known = self.topics();
        let floors = topics.iter().map(|name| {
            known.get(name).map_or_else(
                || known.unknown_floor(name, &self.inner.config),
                |topic| topic.lost(),
            )
        });
        floors.max().unwrap_or(0)
    }

    /// Evicts what is too old. Call it about once a second; several callers do no harm.
    pub fn sweep(&self, now_ms: u64) {
        self.order().sweep(now_ms);
    }

    /// How much the hub holds.
    pub fn counts(&self) -> Counts {
        let order = self.order();
        let topics = self.topics().len();
        Counts {
            topics,
            messages: order.messages,
            bytes: order.bytes,
        }
    }

    /// How much a topic holds; all zeros but the floor if it is not known.
    pub fn topic_counts(&self, topic: &str) -> TopicCounts {
        let topics = self.topics();
        let Some(topic) = topics.get(topic) else {
            return TopicCounts {
                floor: topics.unknown_floor(topic, &self.inner.config),
                ..TopicCounts::default()
            };
        };
        let followers = topic
            .watchers()
            .iter()
            .map(|interest| interest.followers() as usize)
            .sum();
        let log = topic.read();
        TopicCounts {
            messages: log.messages.len(),
            bytes: log.bytes,
            followers,
            floor: topic.lost(),
        }
    }

    /// From now on `mailbox` is told whenever `topic` has moved, until the [`Watch`] is dropped.
    ///
    /// An error for a name that nothing could be published to.
    pub fn watch(&self, topic: &str, mailbox: Arc<dyn Mailbox>, tag: u32) -> Result<Watch, AppendError> {
        if topic.is_empty() || topic.len() > self.inner.config.topic_bytes_max {
            return Err(AppendError::BadTopic);
        }
        let interest = Arc::new(Interest::new(mailbox, tag));
        let mut topics = self.topics_mut();
        let topic = topics.get_or_create(topic, &self.inner.config);
        let mut watchers = topic.watchers();
        if watchers.is_empty() {
            topics.watch_begins();
        }
        watchers.push(interest.clone());
        drop(watchers);
        Ok(Watch {
            hub: self.clone(),
            topic,
            interest,
        })
    }

    /// Undoes [`Hub::watch`]; the topic may be forgotten when nobody else watches it.
    pub(crate) fn unwatch(&self, topic: &Arc<Topic>, interest: &Arc<Interest>) {
        let mut order = self.order();
        let mut topics = self.topics_mut();
        let mut watchers = topic.watchers();
        watchers.retain(|other| !Arc::ptr_eq(other, interest));
        let last = watchers.is_empty();
        drop(watchers);
        if last && topics.watch_ends(topic, &self.inner.config) {
            order.clock.add(topic);
        }
    }

    pub(crate) fn order(&self) -> MutexGuard<'_, Order> {
        self.inner.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn topics(&self) -> RwLockReadGuard<'_, Topics> {
        self.inner.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn topics_mut(&self) -> RwLockWriteGuard<'_, Topics> {
        self.inner.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({})", self.cursor())
    }
}
