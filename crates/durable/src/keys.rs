//! Idempotency keys that were seen lately, in memory as on disk.

use std::collections::{HashMap, VecDeque};

use squall_hub::{KeyWindow, PublishError};

use crate::store::KeyRow;

/// Keys that one commit forgets, at most, beside as many as it remembers.
const GONE_MAX: usize = 512;

#[derive(Default)]
pub(crate) struct Keys {
    limits: KeyWindow,
    /// By topic and key; the offset and the moment it was given.
    offsets: HashMap<String, (u64, u64)>,
    /// Every row on disk, oldest first.
    rows: VecDeque<KeyRow>,
}

impl Keys {
    pub(crate) fn new(limits: KeyWindow) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Whether a key is one at all.
    pub(crate) fn check(limits: &KeyWindow, key: &str) -> Result<(), PublishError> {
        match key.is_empty() || key.len() > limits.key_bytes_max {
            true => Err(PublishError::BadKey),
            false => Ok(()),
        }
    }

    /// The offset of the first message with this key.
    pub(crate) fn find(&self, topic: &str, key: &str, now_ms: u64) -> Option<u64> {
        let (offset, at_ms) = self.offsets.get(&full_key(topic, key))?;
        (now_ms.saturating_sub(*at_ms) <= self.limits.age_ms_max).then_some(*offset)
    }

    /// Whether keys are remembered at all.
    pub(crate) fn any(&self) -> bool {
        self.limits.keys_max > 0
    }

    /// The oldest keys, as far as they are too many with `more`, or too old.
    pub(crate) fn gone(&self, more: usize, now_ms: u64) -> Vec<KeyRow> {
        let too_many = (self.rows.len() + more).saturating_sub(self.limits.keys_max);
        let mut number = 0;
        let gone = self.rows.iter().take(GONE_MAX + more).take_while(|row| {
            number += 1;
            number <= too_many || now_ms.saturating_sub(row.at_ms) > self.limits.age_ms_max
        });
        gone.cloned().collect()
    }

    /// Remembers what is on the disk.
    pub(crate) fn remember(&mut self, row: KeyRow) {
        self.offsets
            .insert(full_key(&row.topic, &row.key), (row.offset, row.at_ms));
        self.rows.push_back(row);
    }

    /// Forgets the oldest, which are not on the disk any more.
    pub(crate) fn forget(&mut self, count: usize) {
        for row in self.rows.drain(..count) {
            let full = full_key(&row.topic, &row.key);
            // The same key may have been given again since this one was too old.
            if self
                .offsets
                .get(&full)
                .is_some_and(|(offset, _)| *offset == row.offset)
            {
                self.offsets.remove(&full);
            }
        }
    }
}

/// The length in front keeps `("ab", "c")` and `("a", "bc")` apart.
pub(crate) fn full_key(topic: &str, key: &str) -> String {
    format!("{}:{topic}{key}", topic.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_by_count_and_age() {
        let mut keys = Keys::new(KeyWindow {
            keys_max: 2,
            key_bytes_max: 3,
            age_ms_max: 10,
        });
        let row =
            |offset, at_ms, key: &str| KeyRow::new(offset, at_ms, "t".into(), std::sync::Arc::from(key));
        let offsets = |rows: Vec<KeyRow>| rows.iter().map(|row| row.offset).collect::<Vec<_>>();
        keys.remember(row(1, 0, "a"));
        keys.remember(row(2, 5, "b"));
        assert_eq!(keys.find("t", "a", 10), Some(1));
        assert_eq!(keys.find("t", "a", 11), None, "one past its age");
        assert_eq!(offsets(keys.gone(0, 10)), []);
        assert_eq!(offsets(keys.gone(1, 10)), [1], "one too many");
        assert_eq!(offsets(keys.gone(0, 16)), [1, 2], "too old");
        keys.remember(row(3, 11, "a"));
        keys.forget(1);
        assert_eq!(keys.find("t", "a", 11), Some(3), "given again");
        assert_eq!(Keys::check(&keys.limits, "abcd"), Err(PublishError::BadKey));
        assert_eq!(Keys::check(&keys.limits, ""), Err(PublishError::BadKey));
        assert_eq!(Keys::check(&keys.limits, "abc"), Ok(()));
    }
}
