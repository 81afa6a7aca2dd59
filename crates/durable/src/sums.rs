//! Checksums of all that is on disk.
//!
//! Each row has its own, so that wrong bytes are never handed out. Their sum over all rows stands in the state, so that a
//! row that is missing, or that is back, is noticed whatever the store itself thinks of it.

use xxhash_rust::xxh3::Xxh3;

use squall_hub::Epoch;

/// Kinds of rows have different seeds, so that none is taken for another.
const MESSAGE: u64 = 1;
const TOPIC: u64 = 2;
const KEY: u64 = 3;
const STATE: u64 = 4;
const WITNESS: u64 = 5;

/// Takes in values one after the other; lengths go first, so that nothing can move from one to the next.
struct Sum(Xxh3);

impl Sum {
    fn of(kind: u64) -> Self {
        Self(Xxh3::with_seed(kind))
    }

    fn number(mut self, number: u64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let mut sum = self.number(bytes.len() as u64);
        sum.0.update(bytes);
        sum
    }

    fn value(self) -> u64 {
        self.0.digest()
    }
}

pub(crate) fn message(offset: u64, at_ms: u64, topic: &str, meta: Option<&[u8]>, data: &[u8]) -> u64 {
    Sum::of(MESSAGE)
        .number(offset)
        .number(at_ms)
        .bytes(topic.as_bytes())
        .number(u64::from(meta.is_some()))
        .bytes(meta.unwrap_or_default())
        .bytes(data)
        .value()
}

pub(crate) fn topic(name: &str, floor: u64) -> u64 {
    Sum::of(TOPIC).bytes(name.as_bytes()).number(floor).value()
}

pub(crate) fn key(offset: u64, at_ms: u64, topic: &str, key: &str) -> u64 {
    Sum::of(KEY)
        .number(offset)
        .number(at_ms)
        .bytes(topic.as_bytes())
        .bytes(key.as_bytes())
        .value()
}

pub(crate) fn state(numbers: &[u64], epoch: Epoch, rules: &str) -> u64 {
    numbers
        .iter()
        .fold(Sum::of(STATE), |sum, number| sum.number(*number))
        .bytes(epoch.as_str().as_bytes())
        .bytes(rules.as_bytes())
        .value()
}

pub(crate) fn witness(commit: u64, head: u64) -> u64 {
    Sum::of(WITNESS).number(commit).number(head).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is on disks must be read by every later version.
    #[test]
    fn sums_stay_what_they_are() {
        let found = [
            message(1, 2, "t", Some(b"m"), b"d"),
            topic("t", 1),
            key(1, 2, "t", "k"),
            state(&[1, 2, 3], "e".parse().unwrap(), "rules"),
            witness(1, 2),
        ];
        assert_eq!(
            found,
            [
                17_969_616_349_087_716_778,
                13_788_245_128_897_267_468,
                14_024_725_545_854_602_951,
                12_899_723_424_003_011_946,
                16_857_179_849_770_312_828,
            ]
        );
    }

    #[test]
    fn nothing_moves_from_one_value_to_the_next() {
        assert_ne!(
            message(1, 2, "t", None, b"d"),
            message(1, 2, "t", Some(b""), b"d")
        );
        assert_ne!(message(1, 2, "ta", None, b"b"), message(1, 2, "t", None, b"ab"));
        assert_ne!(key(1, 2, "ab", "c"), key(1, 2, "a", "bc"));
    }
}
