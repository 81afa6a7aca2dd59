//! Session records in this process: gone when it ends. For tests and for sites without a database.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Key, Record, Store, StoreError};
use crate::BoxFuture;

/// A [`Store`] in memory, of at most so many records.
///
/// When it is full, a new session pushes out the one that was used longest ago; an anonymous one before one that
/// is signed in, so that visitors cannot sign out members by their number.
pub struct MemoryStore {
    records: Mutex<HashMap<Key, Record>>,
    records_max: usize,
}

impl MemoryStore {
    /// Room for `records_max` sessions, some 300 bytes each and their data.
    pub fn new(records_max: usize) -> Self {
        Self {
            records: Mutex::new(HashMap::new()),
            records_max: records_max.max(1),
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records().is_empty()
    }

    fn records(&self) -> MutexGuard<'_, HashMap<Key, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove_where(&self, gone: impl Fn(&Record) -> bool) -> u64 {
        let mut records = self.records();
        let before = records.len();
        records.retain(|_, record| !gone(record));
        (before - records.len()) as u64
    }
}

/// Removes the anonymous session that was used longest ago, and a sixteenth of the others with it, so that a flood of
/// visitors does not look through all of them each time; if there is none, the oldest of those that are signed in.
fn make_room(records: &mut HashMap<Key, Record>) {
    let anonymous = records.values().filter(|record| record.owner.is_none());
    let mut visitors: Vec<_> = anonymous.map(|record| (record.seen_ms, record.key)).collect();
    if visitors.is_empty() {
        let oldest = records.values().min_by_key(|record| record.seen_ms);
        let oldest = oldest.map(|record| record.key);
        records.retain(|key, _| Some(*key) != oldest);
        return;
    }
    let sixteenth = visitors.len() / 16;
    visitors.select_nth_unstable(sixteenth);
    for (_, key) in &visitors[..=sixteenth] {
        records.remove(key);
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Store for MemoryStore {
    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        ready(self.records().get(key).cloned())
    }

    fn insert(&self, record: Record) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut records = self.records();
        if records.len() >= self.records_max && !records.contains_key(&record.key) {
            make_room(&mut records);
        }
        records.insert(record.key, record);
        ready(())
    }

    fn update(&self, record: Record) -> BoxFuture<'_, Result<bool, StoreError>> {
        let mut records = self.records();
        let found = records.get_mut(&record.key).map(|have| *have = record).is_some();
        ready(found)
    }

    fn remove<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.records().remove(key);
        ready(())
    }

    fn remove_owner(&self, owner: u64, except: Option<Key>) -> BoxFuture<'_, Result<u64, StoreError>> {
        ready(self.remove_where(|record| record.owner == Some(owner) && Some(record.key) != except))
    }

    fn remove_expired(
        &self,
        created_before_ms: u64,
        seen_before_ms: u64,
    ) -> BoxFuture<'_, Result<u64, StoreError>> {
        ready(
            self.remove_where(|record| {
                record.created_ms < created_before_ms || record.seen_ms < seen_before_ms
            }),
        )
    }
}
