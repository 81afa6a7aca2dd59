//! What is known of files, and the small ones themselves: bounded in number and bytes.
//!
//! Two generations: what is asked for is in the young one or comes back to it; when the young one has half of what there may be,
//! it becomes the old one, and what was old is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::entry::Entry;

/// About what an entry costs beside its bytes.
const ENTRY_COST_BYTES: usize = 1024;

#[derive(Debug)]
pub(crate) struct Cache {
    generations: Mutex<Generations>,
    entries_max: usize,
    bytes_max: usize,
    /// Its clock begins here.
    since: Instant,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Arc<Entry>>,
    young_bytes: usize,
    old: HashMap<String, Arc<Entry>>,
}

impl Cache {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self {
            generations: Mutex::default(),
            entries_max,
            bytes_max,
            since: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its clock: milliseconds. Never 0, which is the time of what was never checked.
    pub(crate) fn now_ms(&self) -> u64 {
        let since_ms = self.since.elapsed().as_millis();
        u64::try_from(since_ms).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// What is known, of whatever age.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Entry>> {
        let mut generations = self.lock();
        if let Some(entry) = generations.young.get(name) {
            return Some(entry.clone());
        }
        let (name, entry) = generations.old.remove_entry(name)?;
        self.insert(&mut generations, name, entry.clone());
        Some(entry)
    }

    /// What was held against the file less than `fresh_ms` ago.
    pub(crate) fn fresh(&self, name: &str, fresh_ms: u64) -> Option<Arc<Entry>> {
        if fresh_ms == 0 {
            return None;
        }
        self.get(name)
            .filter(|entry| self.now_ms().saturating_sub(entry.checked_ms()) < fresh_ms)
    }

    pub(crate) fn put(&self, name: &str, entry: Arc<Entry>) {
        let mut generations = self.lock();
        generations.old.remove(name);
        self.insert(&mut generations, name.to_owned(), entry);
    }

    pub(crate) fn remove(&self, name: &str) {
        let mut generations = self.lock();
        generations.old.remove(name);
        if let Some((name, entry)) = generations.young.remove_entry(name) {
            generations.young_bytes -= cost(&name, &entry);
        }
    }

    fn insert(&self, generations: &mut Generations, name: String, entry: Arc<Entry>) {
        let bytes = cost(&name, &entry);
        if bytes > self.bytes_max / 2 {
            return;
        }
        let full = generations.young.len() >= self.entries_max / 2
            || generations.young_bytes + bytes > self.bytes_max / 2;
        if full && !generations.young.contains_key(&name) {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        generations.young_bytes += bytes;
        if let Some(replaced) = generations.young.insert(name.clone(), entry) {
            generations.young_bytes -= cost(&name, &replaced);
        }
        debug_assert!(generations.young.len() <= self.entries_max);
    }

    #[cfg(test)]
    pub(super) fn holds(&self) -> (usize, usize) {
        let generations = self.lock();
        let all = || generations.young.iter().chain(&generations.old);
        let bytes = all().map(|(name, entry)| cost(name, entry)).sum();
        let young: usize = generations.young.iter().map(|(n, e)| cost(n, e)).sum();
        assert_eq!(young, generations.young_bytes);
        (all().count(), bytes)
    }
}

fn cost(name: &str, entry: &Entry) -> usize {
    name.len() + entry.memory_bytes() + ENTRY_COST_BYTES
}
