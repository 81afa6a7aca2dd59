//! One topic: its part of the log, its floor, who watches it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::config::Retention;
use crate::mailbox::Interest;
use crate::message::Message;

/// An empty log gives its memory back when it has room for more than this many messages.
const EMPTY_LOG_MESSAGES: usize = 16;

/// A topic. Written under the hub's order lock alone; read by everybody.
pub(crate) struct Topic {
    name: Arc<str>,
    /// The last offset that was ever appended here; 0 if none is known. Written before the hub's head.
    newest: AtomicU64,
    /// The topic's floor: every message up to here may be missing, none beyond it is.
    lost: AtomicU64,
    log: RwLock<Log>,
    /// The cores that watch it.
    watchers: Mutex<Vec<Arc<Interest>>>,
    /// Published to since the hub last looked for a topic to forget. Under the order lock.
    pub(crate) touched: AtomicBool,
    /// Has a place among the topics that can be forgotten. Under the order lock.
    pub(crate) forgettable: AtomicBool,
    /// Has a place in the order's list by age. Under the order lock.
    pub(crate) ageing: AtomicBool,
}

/// The messages that a topic holds, oldest first.
pub(crate) struct Log {
    /// What it keeps from now on.
    pub(crate) retention: Retention,
    pub(crate) messages: VecDeque<Message>,
    /// Sum of their costs.
    pub(crate) bytes: usize,
}

impl Topic {
    /// A topic of which nothing is known but that messages up to `lost` may have been forgotten.
    pub(crate) fn new(name: Arc<str>, retention: Retention, lost: u64) -> Self {
        Self {
            name,
            newest: AtomicU64::new(0),
            lost: AtomicU64::new(lost),
            log: RwLock::new(Log {
                retention,
                messages: VecDeque::new(),
                bytes: 0,
            }),
            watchers: Mutex::default(),
            touched: AtomicBool::new(false),
            forgettable: AtomicBool::new(false),
            ageing: AtomicBool::new(false),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The topic's floor. Exact while the log is held, a lower bound otherwise.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// The last offset that was appended.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Log> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Log> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watchers(&self) -> MutexGuard<'_, Vec<Arc<Interest>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a message, then evicts what the topic's own limits no longer allow.
    pub(crate) fn push(&self, message: Message, now_ms: u64) -> Evicted {
        debug_assert!(message.offset > self.newest() && message.offset > self.lost());
        let mut log = self.write();
        self.newest.store(message.offset, Ordering::Release);
        log.bytes += message.cost_bytes();
        log.messages.push_back(message);
        self.enforce(&mut log, now_ms)
    }

    /// Evicts what is too old.
    pub(crate) fn age(&self, now_ms: u64) -> Evicted {
        self.enforce(&mut self.write(), now_ms)
    }

    /// From now on it keeps this; evicts what that no longer allows.
    pub(crate) fn retain(&self, retention: Retention, now_ms: u64) -> Evicted {
        let mut log = self.write();
        log.retention = retention;
        self.enforce(&mut log, now_ms)
    }

    fn enforce(&self, log: &mut Log, now_ms: u64) -> Evicted {
        let mut evicted = Evicted::default();
        while let Some(first) = log.messages.front() {
            let count = log.messages.len();
            // The newest stays however big it is (the hub's own limit bounds it): else it would be a gap for all.
            let too_many =
                count > log.retention.messages_kept() || (count > 1 && log.bytes > log.retention.bytes_max);
            if !too_many && now_ms.saturating_sub(first.at_ms) <= log.retention.age_ms_max {
                break;
            }
            self.evict_first(log, &mut evicted);
        }
        evicted
    }

    /// Evicts the oldest message if it is `offset`.
    pub(crate) fn evict(&self, offset: u64) -> Evicted {
        let mut evicted = Evicted::default();
        let mut log = self.write();
        if log.messages.front().is_some_and(|first| first.offset == offset) {
            self.evict_first(&mut log, &mut evicted);
        }
        evicted
    }

    /// Evicts everything.
    pub(crate) fn evict_all(&self) -> Evicted {
        let mut evicted = Evicted::default();
        let mut log = self.write();
        while !log.messages.is_empty() {
            self.evict_first(&mut log, &mut evicted);
        }
        evicted
    }

    /// Nothing up to `floor`, which is at or beyond all that is held, is held any more.
    pub(crate) fn lose(&self, floor: u64) -> Evicted {
        let mut log = self.write();
        let evicted = Evicted {
            messages: log.messages.len(),
            bytes: log.bytes,
        };
        log.messages = VecDeque::new();
        log.bytes = 0;
        self.lost.store(floor, Ordering::Release);
        evicted
    }

    /// Sets the floor of a topic that nothing was appended to.
    pub(crate) fn restore(&self, floor: u64) {
        let log = self.write();
        if self.newest() == 0 && log.messages.is_empty() {
            self.lost.store(floor, Ordering::Release);
        }
    }

    /// Nothing up to `floor` is held any more.
    pub(crate) fn lose_up_to(&self, floor: u64) -> Evicted {
        let mut evicted = Evicted::default();
        let mut log = self.write();
        while log.messages.front().is_some_and(|first| first.offset <= floor) {
            self.evict_first(&mut log, &mut evicted);
        }
        self.lost.fetch_max(floor, Ordering::AcqRel);
        evicted
    }

    /// Takes out every message that `unwanted` picks, and says which. The floor stays: they were not lost, they are not to be had.
    pub(crate) fn withdraw(&self, unwanted: impl Fn(&Message) -> bool, offsets: &mut Vec<u64>) -> Evicted {
        let mut evicted = Evicted::default();
        let mut log = self.write();
        log.messages.retain(|message| {
            let goes = unwanted(message);
            if goes {
                evicted.messages += 1;
                evicted.bytes += message.cost_bytes();
                offsets.push(message.offset);
            }
            !goes
        });
        log.bytes -= evicted.bytes;
        evicted
    }

    /// Whether the log holds the message with this offset.
    pub(crate) fn holds(&self, offset: u64) -> bool {
        let log = self.read();
        log.messages
            .binary_search_by_key(&offset, |message| message.offset)
            .is_ok()
    }

    fn evict_first(&self, log: &mut Log, evicted: &mut Evicted) {
        let Some(message) = log.messages.pop_front() else {
            return;
        };
        log.bytes -= message.cost_bytes();
        evicted.messages += 1;
        evicted.bytes += message.cost_bytes();
        self.lost.store(message.offset, Ordering::Release);
        if log.messages.is_empty() && log.messages.capacity() > EMPTY_LOG_MESSAGES {
            log.messages = VecDeque::new();
        }
    }
}

/// What an eviction freed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evicted {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}
