//! What is known of files, the small ones themselves, and the larger ones open: bounded in number and bytes.
//!
//! Two generations: what is asked for is in the young one or comes back to it; when the young one has half of what there may be,
//! it becomes the old one, and what was old is forgotten.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::entry::Entry;

/// About what an entry costs beside its bytes.
const ENTRY_COST_BYTES: usize = 1024;

/// Values by name, bounded.
#[derive(Debug)]
struct Generations<V> {
    young: HashMap<String, Kept<V>>,
    young_bytes: usize,
    old: HashMap<String, Kept<V>>,
    entries_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Kept<V> {
    value: V,
    bytes: usize,
}

impl<V: Clone> Generations<V> {
    fn new(entries_max: usize, bytes_max: usize) -> Mutex<Self> {
        Mutex::new(Self {
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
            entries_max,
            bytes_max,
        })
    }

    fn get(&mut self, name: &str) -> Option<V> {
        if let Some(kept) = self.young.get(name) {
            return Some(kept.value.clone());
        }
        let (name, kept) = self.old.remove_entry(name)?;
        let value = kept.value.clone();
        self.insert(name, kept);
        Some(value)
    }

    fn put(&mut self, name: String, value: V, bytes: usize) {
        self.old.remove(&name);
        self.insert(name, Kept { value, bytes });
    }

    fn remove(&mut self, name: &str) {
        self.old.remove(name);
        if let Some(kept) = self.young.remove(name) {
            self.young_bytes -= kept.bytes;
        }
    }

    fn insert(&mut self, name: String, kept: Kept<V>) {
        if let Some(replaced) = self.young.remove(&name) {
            self.young_bytes -= replaced.bytes;
        }
        if kept.bytes > self.bytes_max / 2 {
            return;
        }
        let full =
            self.young.len() >= self.entries_max / 2 || self.young_bytes + kept.bytes > self.bytes_max / 2;
        if full {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += kept.bytes;
        self.young.insert(name, kept);
        debug_assert!(self.young_bytes <= self.bytes_max);
    }
}

fn lock<V>(generations: &Mutex<Generations<V>>) -> MutexGuard<'_, Generations<V>> {
    generations.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: Mutex<Generations<Arc<Entry>>>,
    /// Its clock begins here.
    since: Instant,
}

impl Cache {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self {
            entries: Generations::new(entries_max, bytes_max),
            since: Instant::now(),
        }
    }

    /// Its clock: milliseconds. Never 0, which is the time of what was never checked.
    pub(crate) fn now_ms(&self) -> u64 {
        let since_ms = self.since.elapsed().as_millis();
        u64::try_from(since_ms).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// What is known, of whatever age.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Entry>> {
        lock(&self.entries).get(name)
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
        let bytes = name.len() + entry.memory_bytes() + ENTRY_COST_BYTES;
        lock(&self.entries).put(name.to_owned(), entry, bytes);
    }

    pub(crate) fn remove(&self, name: &str) {
        lock(&self.entries).remove(name);
    }

    /// Entries and bytes.
    #[cfg(test)]
    pub(super) fn holds(&self) -> (usize, usize) {
        let entries = lock(&self.entries);
        let all = || entries.young.values().chain(entries.old.values());
        let young: usize = entries.young.values().map(|kept| kept.bytes).sum();
        assert_eq!(young, entries.young_bytes);
        (all().count(), all().map(|kept| kept.bytes).sum())
    }
}

/// Files that are kept open, so that the next download need not open them.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    files: Mutex<Generations<Arc<File>>>,
    file_bytes_max: u64,
}

impl OpenFiles {
    /// A file that was removed takes room on its disk while it is open: none above `file_bytes_max` is kept.
    pub(crate) fn new(files_max: usize, file_bytes_max: u64) -> Self {
        Self {
            // Each counts one byte.
            files: Generations::new(files_max, files_max),
            file_bytes_max,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<File>> {
        lock(&self.files).get(name)
    }

    pub(crate) fn put(&self, name: &str, file: &Arc<File>, file_bytes: u64) {
        if file_bytes <= self.file_bytes_max {
            lock(&self.files).put(name.to_owned(), file.clone(), 1);
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        lock(&self.files).remove(name);
    }
}
