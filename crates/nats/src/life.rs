//! One life of the log: which stream it is, and which of its lives.
//!
//! Offsets of a node never go back, whatever happens to the stream. A stream's first life gives offsets that are its
//! sequences. When it lost data, or is another stream now, its sequences begin somewhere lower again: then the next life
//! begins, whose offsets are `number << 32` beyond the sequences. The number is kept where all nodes find it, in the
//! stream's description, so all nodes give the same cursors; and everybody who has a cursor of an earlier life is below the
//! new one's floor, and is told.

use squall_hub::Epoch;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What stands before the number in a stream's description.
const LIFE_MARK: &str = "squall-life=";

/// What stands there before the stream's own id, if a node made it.
const ID_MARK: &str = "squall-id=";

/// The base-36 digits of an id, and of a creation time in nanoseconds until the year 2119.
const ID_DIGITS: usize = 12;

/// The last number that an offset has room for.
pub(crate) const LIFE_MAX: u32 = (1 << 31) - 1;

/// Which stream, and which of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// What tells the stream from every other: the id that its description says, or else when it was made, in nanoseconds
    /// since 1970. The id first: when two nodes make a stream at once, servers may not agree on when that was.
    pub(crate) stream: u64,
    /// Counts lives from 0.
    pub(crate) number: u32,
}

impl Life {
    /// The offset of a sequence of the stream.
    pub(crate) fn offset(self, sequence: u64) -> u64 {
        self.base().saturating_add(sequence)
    }

    /// What is added to sequences.
    pub(crate) fn base(self) -> u64 {
        u64::from(self.number) << 32
    }

    /// The same on every node.
    pub(crate) fn epoch(self) -> Epoch {
        let mut text = padded(self.stream);
        if self.number > 0 {
            // Four digits are 1.6 million lives.
            text.push_str(&base36(u64::from(self.number) % 36_u64.pow(4)));
        }
        text.parse().expect("sixteen of 0-9a-z at most")
    }
}

/// The number of the life that begins beyond `head`.
pub(crate) fn number_beyond(head: u64) -> u32 {
    if head == 0 {
        return 0;
    }
    u32::try_from((head >> 32) + 1).unwrap_or(LIFE_MAX).min(LIFE_MAX)
}

/// The description of a stream that a node makes.
pub(crate) fn describe(number: u32, random: u64) -> String {
    let id = padded(random % 36_u64.pow(ID_DIGITS as u32));
    if number == 0 {
        return format!("{ID_MARK}{id}");
    }
    format!("{ID_MARK}{id} {LIFE_MARK}{number}")
}

/// The id that a stream's description says, if it says one.
pub(crate) fn id_in(description: &str) -> Option<u64> {
    let (_, rest) = description.split_once(ID_MARK)?;
    let id = rest.get(..ID_DIGITS)?;
    let plain = id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    plain.then(|| u64::from_str_radix(id, 36).ok())?
}

/// The number of the life that a stream's description says; 0 if it says none.
pub(crate) fn number_in(description: &str) -> u32 {
    let Some((_, rest)) = description.split_once(LIFE_MARK) else {
        return 0;
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().unwrap_or(0).min(LIFE_MAX)
}

/// The description with that number; the rest of it stays.
pub(crate) fn with_number(description: &str, number: u32) -> String {
    match description.split_once(LIFE_MARK) {
        Some((before, rest)) => {
            let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}{LIFE_MARK}{number}{after}")
        }
        None if description.is_empty() => format!("{LIFE_MARK}{number}"),
        None => format!("{description} {LIFE_MARK}{number}"),
    }
}

/// Nanoseconds since 1970 of a time as JetStream writes it.
pub(crate) fn parse_time_ns(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos()).ok()
}

fn padded(number: u64) -> String {
    format!("{:0>ID_DIGITS$}", base36(number))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.reverse();
    String::from_utf8(digits).expect("ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_have_epochs_of_their_own_and_offsets_that_never_go_back() {
        let first = Life {
            stream: 1_795_372_800_123_456_789,
            number: 0,
        };
        let second = Life { number: 1, ..first };
        let other = Life {
            stream: first.stream + 1,
            number: 0,
        };
        assert_eq!(first.epoch().as_str().len(), ID_DIGITS);
        assert_eq!(second.epoch().as_str(), format!("{}1", first.epoch()));
        assert_ne!(first.epoch(), other.epoch());
        assert_eq!(first.offset(17), 17);
        assert_eq!(second.offset(17), (1 << 32) + 17);
        let last = Life {
            stream: u64::MAX / 8,
            number: LIFE_MAX,
        };
        assert!(last.epoch().as_str().len() <= squall_hub::EPOCH_BYTES_MAX);
        assert!(last.offset(u64::from(u32::MAX)) <= squall_hub::OFFSET_MAX);
    }

    #[test]
    fn the_next_life_is_beyond_everything() {
        assert_eq!(number_beyond(0), 0, "nothing was given: nothing to be beyond of");
        assert_eq!(number_beyond(1), 1);
        assert_eq!(number_beyond(u64::from(u32::MAX)), 1);
        assert_eq!(number_beyond(1 << 32), 2);
        assert_eq!(number_beyond(u64::MAX), LIFE_MAX);
    }

    #[test]
    fn the_id_is_kept_in_the_description() {
        for (number, random) in [(0, 5), (7, u64::MAX)] {
            let text = describe(number, random);
            assert_eq!(id_in(&text), Some(random % 36_u64.pow(12)));
            assert_eq!(number_in(&text), number);
            let next = with_number(&text, number + 1);
            assert_eq!((id_in(&next), number_in(&next)), (id_in(&text), number + 1));
        }
        for none in [
            "",
            "squall-id=",
            "squall-id=short",
            "squall-id=00000000000Z",
            "squall-id=ééééééé",
        ] {
            assert_eq!(id_in(none), None, "{none}");
        }
    }

    #[test]
    fn the_number_is_kept_in_the_description() {
        assert_eq!(number_in(""), 0);
        assert_eq!(number_in("the shop's events"), 0);
        assert_eq!(with_number("", 3), "squall-life=3");
        let text = with_number("the shop's events", 3);
        assert_eq!(number_in(&text), 3);
        assert_eq!(with_number(&text, 12), "the shop's events squall-life=12");
        assert_eq!(with_number("a squall-life=3, b", 4), "a squall-life=4, b");
        assert_eq!(number_in("squall-life=99999999999"), 0);
    }

    #[test]
    fn times_are_read_to_the_nanosecond() {
        assert_eq!(
            parse_time_ns("2026-11-22T18:40:00.123456789Z"),
            Some(1_795_372_800_123_456_789)
        );
        assert_eq!(
            parse_time_ns("2026-11-22T18:40:00Z"),
            Some(1_795_372_800_000_000_000)
        );
        assert_eq!(parse_time_ns("yesterday"), None);
    }
}
