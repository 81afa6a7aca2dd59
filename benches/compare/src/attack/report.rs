//! What came of attacks, as text and as a table for the documents.

use std::fmt::Write as _;
use std::time::Duration;

use super::Outcome;
use super::flood::Ends;
use super::plans::Attack;
use crate::stats::Histogram;

/// One attack and what a server made of it.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub attack: Attack,
    /// Connections.
    pub attackers: usize,
    /// Memory and time.
    pub outcome: Outcome,
    /// The last words to the attackers.
    pub ends: Ends,
    /// The latency of a bystander before.
    pub quiet: Histogram,
    /// The same, while the attack went on.
    pub beside: Histogram,
}

impl Row {
    /// What the server did not keep to; nothing if all is well.
    #[must_use]
    pub fn missed(&self) -> Vec<&'static str> {
        let allowed = self.attack.allowed();
        let p99 = self.quiet.quantile(0.99).mul_f64(1.5) + allowed.p99;
        let rules = [
            (self.outcome.all_gone.is_some(), "all are cut"),
            (
                self.outcome.bytes_per_attacker(self.attackers) <= allowed.bytes_each,
                "memory within its limit",
            ),
            (
                self.beside.count() > 0 && self.beside.quantile(0.99) <= p99,
                "the bystander is served as before",
            ),
        ];
        rules
            .into_iter()
            .filter(|(kept, _)| !kept)
            .map(|(_, what)| what)
            .collect()
    }

    /// What ended it: the last words, and when the last attacker was gone.
    #[must_use]
    pub fn end(&self) -> String {
        let total: usize = self.ends.values().sum();
        let mut ends: Vec<_> = self.ends.iter().collect();
        ends.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let words: Vec<_> = ends
            .into_iter()
            .map(|(words, count)| {
                if *count == total {
                    words.clone()
                } else {
                    format!("{words} ({count})")
                }
            })
            .collect();
        let when = match (self.outcome.first_gone, self.outcome.all_gone) {
            (Some(first), Some(all)) => format!(", {} to {} s", seconds(first), seconds(all)),
            _ => String::new(),
        };
        words.join(", ") + &when
    }

    /// For somebody who watches.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "{}: {} connections, each: {}\n",
            self.attack.name(),
            self.attackers,
            self.attack.what()
        );
        let _ = writeln!(
            out,
            "  memory: {:.1} MiB before, {:.1} MiB more at worst: {:.2} KiB each, at most {:.0}",
            mib(self.outcome.before.bytes),
            mib(self.outcome.bytes()),
            self.outcome.bytes_per_attacker(self.attackers) / 1024.0,
            self.attack.allowed().bytes_each / 1024.0
        );
        let _ = writeln!(out, "  bystander before: {}", latency(&self.quiet));
        let _ = writeln!(out, "  bystander during: {}", latency(&self.beside));
        let _ = writeln!(out, "  end: {}", self.end());
        for what in self.missed() {
            let _ = writeln!(out, "  MISSED {what}");
        }
        out
    }
}

/// The table of all of them.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| attack | connections | memory at worst | per connection | bystander p50 / p99 before | during | what ended it |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let pair =
            |histogram: &Histogram| format!("{} / {}", micros(histogram, 0.5), micros(histogram, 0.99));
        let _ = writeln!(
            out,
            "| **{}**: {} | {} | {:.1} MiB | {:.1} KiB | {} | {} | {} |",
            row.attack.name(),
            row.attack.what(),
            row.attackers,
            mib(row.outcome.bytes()),
            row.outcome.bytes_per_attacker(row.attackers) / 1024.0,
            pair(&row.quiet),
            pair(&row.beside),
            row.end(),
        );
    }
    out
}

fn latency(histogram: &Histogram) -> String {
    let max = histogram.max().as_secs_f64() * 1e3;
    format!(
        "p50 {}, p99 {}, max {max:.1} ms ({} requests)",
        micros(histogram, 0.5),
        micros(histogram, 0.99),
        histogram.count()
    )
}

fn micros(histogram: &Histogram, q: f64) -> String {
    let micros = histogram.quantile(q).as_secs_f64() * 1e6;
    if micros < 10_000.0 {
        format!("{micros:.0} µs")
    } else {
        format!("{:.1} ms", micros / 1e3)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::Standing;

    fn row(bytes: u64, all_gone: Option<Duration>, p99: Duration) -> Row {
        let before = Standing {
            bytes: 1 << 20,
            files: 9,
        };
        let mut quiet = Histogram::default();
        quiet.record(Duration::from_micros(100));
        let mut beside = Histogram::default();
        beside.record(p99);
        Row {
            attack: Attack::SlowHeads,
            attackers: 10,
            outcome: Outcome {
                before,
                worst: Standing {
                    bytes: before.bytes + bytes,
                    files: 19,
                },
                first_gone: all_gone,
                all_gone,
            },
            ends: Ends::from([("408".to_owned(), 9), ("reset".to_owned(), 1)]),
            quiet,
            beside,
        }
    }

    #[test]
    fn what_is_missed_is_said() {
        let (soon, fast) = (Some(Duration::from_secs(10)), Duration::from_micros(120));
        assert!(row(10_000, soon, fast).missed().is_empty());
        assert_eq!(row(10 << 20, soon, fast).missed(), ["memory within its limit"]);
        assert_eq!(row(0, None, fast).missed(), ["all are cut"]);
        let slow = Duration::from_millis(5);
        assert_eq!(row(0, soon, slow).missed(), ["the bystander is served as before"]);
    }

    #[test]
    fn ends_are_told_most_frequent_first() {
        let row = row(0, Some(Duration::from_secs(10)), Duration::ZERO);
        assert_eq!(row.end(), "408 (9), reset (1), 10.0 to 10.0 s");
        assert!(markdown(&[row]).contains("| 10 | 0.0 MiB | 0.0 KiB |"));
    }
}
