//! A record against the log: a contiguous slice, each message once, or a gap that was told.

use std::collections::{HashMap, HashSet};

use crate::Result;

/// One line of a follower's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A message: its cursor, when it was seen, what it was.
    Seen(String, u128, String),
    /// Everything up to this cursor may be lost.
    Gap(String),
    /// A message of this node was acknowledged at this cursor.
    Acked(String, String),
    /// Nobody knows what became of it.
    Unknown(String),
    /// It certainly was not published.
    Failed(String),
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) seen: usize,
    pub(crate) gaps: usize,
    pub(crate) acked: usize,
    pub(crate) unknown: usize,
    pub(crate) failed: usize,
}

/// Reads a record.
pub(crate) fn read(text: &str) -> Result<Vec<Line>> {
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            Ok(match words[..] {
                ["seen", cursor, at_ns, key] => Line::Seen(cursor.into(), at_ns.parse()?, key.into()),
                ["gap", cursor] => Line::Gap(cursor.into()),
                ["acked", cursor, key] => Line::Acked(cursor.into(), key.into()),
                ["unknown", key] => Line::Unknown(key.into()),
                ["failed", key] => Line::Failed(key.into()),
                _ => return Err(format!("a record says {line:?}").into()),
            })
        })
        .collect()
}

/// The log, as a node has it that read all of it at the end: cursor and message, in order.
pub(crate) type Log = Vec<(String, String)>;

/// The messages of a record.
pub(crate) fn log_of(lines: &[Line]) -> Log {
    lines
        .iter()
        .filter_map(|line| match line {
            Line::Seen(cursor, _, key) => Some((cursor.clone(), key.clone())),
            _ => None,
        })
        .collect()
}

/// Holds a record against the log; every breach is a line. The stream must have had one life.
pub(crate) fn check(name: &str, lines: &[Line], log: &Log, breaches: &mut Vec<String>) -> Counts {
    let mut counts = Counts::default();
    let places: HashMap<&str, usize> = log
        .iter()
        .enumerate()
        .map(|(place, (cursor, _))| (cursor.as_str(), place))
        .collect();
    let keys: HashSet<&str> = log.iter().map(|(_, key)| key.as_str()).collect();
    let mut seen_keys = HashSet::new();
    // The place that must come next; `None` after a gap.
    let mut next = Some(0);
    for line in lines {
        match line {
            Line::Seen(cursor, _, key) => {
                counts.seen += 1;
                if !seen_keys.insert(key) {
                    breaches.push(format!("{name} saw {key} twice"));
                }
                match places.get(cursor.as_str()) {
                    Some(place) if log[*place].1 != *key => {
                        breaches.push(format!(
                            "{name} saw {key} at {cursor}, which is {}",
                            log[*place].1
                        ));
                    }
                    Some(place) => {
                        if next.is_some_and(|next| next != *place) {
                            breaches.push(format!(
                                "{name} saw {cursor} out of its place, and no gap was told"
                            ));
                        }
                        next = Some(place + 1);
                    }
                    None => breaches.push(format!("{name} saw {key} at {cursor}, which is not in the log")),
                }
            }
            Line::Gap(_) => {
                counts.gaps += 1;
                next = None;
            }
            Line::Acked(cursor, key) => {
                counts.acked += 1;
                let there = places.get(cursor.as_str()).map(|place| log[*place].1.as_str());
                if there != Some(key) {
                    breaches.push(format!("{key} was acknowledged at {cursor} and is not there"));
                }
            }
            Line::Unknown(_) => counts.unknown += 1,
            Line::Failed(key) => {
                counts.failed += 1;
                if keys.contains(key.as_str()) {
                    breaches.push(format!("{key} was said not to be published and is in the log"));
                }
            }
        }
    }
    if next != Some(log.len()) {
        breaches.push(format!("{name} did not see the end"));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(record: &str) -> Vec<String> {
        let log: Log = (1..=4).map(|n| (format!("e:{n}"), format!("m{n}"))).collect();
        let mut breaches = Vec::new();
        check("x", &read(record).unwrap(), &log, &mut breaches);
        breaches
    }

    #[test]
    fn what_breaks_the_promise_is_seen() {
        let all = "seen e:1 0 m1\nseen e:2 0 m2\nacked e:2 m2\nseen e:3 0 m3\nseen e:4 0 m4\n";
        assert!(breaches(all).is_empty());
        assert!(breaches("seen e:1 0 m1\ngap e:3\nseen e:4 0 m4\n").is_empty());
        for (bad, why) in [
            (
                "seen e:1 0 m1\nseen e:3 0 m3\nseen e:4 0 m4\n",
                "out of its place",
            ),
            (
                "seen e:2 0 m2\nseen e:3 0 m3\nseen e:4 0 m4\n",
                "out of its place",
            ),
            (&format!("{all}seen e:4 0 m4\n"), "twice"),
            ("seen e:1 0 m2\ngap e:4\n", "which is m1"),
            ("gap e:3\nseen e:4 0 m4\nacked e:5 m5\n", "is not there"),
            ("gap e:3\nseen e:4 0 m4\nacked e:3 m5\n", "is not there"),
            ("gap e:3\nseen e:4 0 m4\nfailed m2\n", "not to be published"),
            ("seen e:1 0 m1\n", "the end"),
            ("gap e:3\nseen f:4 0 m4\n", "not in the log"),
        ] {
            let found = breaches(bad);
            assert!(
                found.iter().any(|breach| breach.contains(why)),
                "{bad}: {found:?}"
            );
        }
        assert!(read("nonsense").is_err());
    }
}
