//! Results as text: a table per work for the terminal, one table for the README.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::metric::{Metric, Sample, digits};
use crate::servers::Kind;
use crate::stats::{median, spread};
use crate::works::{Sizes, Work};

/// What all rounds gave.
#[derive(Debug)]
pub struct Results {
    sizes: Sizes,
    rounds: BTreeMap<(Work, Kind), Vec<Sample>>,
}

/// Rounds that lie further apart than this share of their median are called noisy.
const NOISY: f64 = 0.25;

impl Results {
    /// None yet.
    #[must_use]
    pub fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            rounds: BTreeMap::new(),
        }
    }

    /// Adds one round of one server.
    pub fn add(&mut self, work: Work, kind: Kind, sample: Sample) {
        self.rounds.entry((work, kind)).or_default().push(sample);
    }

    /// The median of each metric over the rounds.
    #[must_use]
    pub fn medians(&self) -> BTreeMap<(Work, Kind), Sample> {
        self.rounds
            .iter()
            .map(|(&key, rounds)| (key, medians_of(rounds)))
            .collect()
    }

    /// The rows of the README's table and of the chart, in order: what, and each server's value.
    #[must_use]
    pub fn headlines(&self) -> Vec<Headline> {
        let medians = self.medians();
        let mut rows = Vec::new();
        for work in Work::ALL {
            for &(metric, label) in work.headlines() {
                let value_of = |kind| medians.get(&(work, kind))?.get(&metric).copied();
                let values: Vec<_> = Kind::ALL
                    .into_iter()
                    .filter_map(|kind| Some((kind, value_of(kind)?)))
                    .collect();
                if !values.is_empty() {
                    rows.push(Headline {
                        what: format!("{}: {label}", work.title(self.sizes)),
                        metric,
                        values,
                    });
                }
            }
        }
        rows
    }

    /// The tables for the terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let works = Work::ALL.into_iter().map(|work| self.work_text(work));
        works.flatten().collect::<Vec<_>>().join("\n")
    }

    fn work_text(&self, work: Work) -> Option<String> {
        let of_work = |kind| {
            self.rounds
                .get(&(work, kind))
                .map(|rounds| (kind, rounds, medians_of(rounds)))
        };
        let servers: Vec<_> = Kind::ALL.into_iter().filter_map(of_work).collect();
        let (_, first_rounds, first) = servers.first()?;
        let columns: Vec<_> = Metric::ALL
            .into_iter()
            .filter(|metric| first.contains_key(metric))
            .collect();
        let mut text = format!(
            "{} (costs per {}; medians of {}; in brackets: times squall's)\n",
            work.title(self.sizes),
            work.unit(),
            first_rounds.len()
        );
        let _ = write!(text, "  {:12}", "");
        for metric in &columns {
            let _ = write!(text, "{:>22}", metric.label());
        }
        text.push('\n');
        let base = servers
            .iter()
            .find(|(kind, ..)| *kind == Kind::Squall)
            .map(|(.., sample)| sample);
        for (kind, rounds, sample) in &servers {
            let _ = write!(text, "  {:12}", kind.name());
            for metric in &columns {
                let cell = sample.get(metric).map(|&value| {
                    let base = base
                        .filter(|_| *kind != Kind::Squall)
                        .and_then(|base| base.get(metric).copied());
                    with_ratio(*metric, value, base)
                });
                let _ = write!(text, "{:>22}", cell.unwrap_or_default());
            }
            text.push_str(&noise(rounds));
            text.push('\n');
        }
        Some(text)
    }

    /// The README's table.
    #[must_use]
    pub fn markdown(&self) -> String {
        let kinds: Vec<_> = Kind::ALL
            .into_iter()
            .filter(|kind| self.rounds.keys().any(|(_, has)| has == kind))
            .collect();
        let mut text = String::from("| work |");
        for kind in &kinds {
            let _ = write!(text, " {} |", kind.name());
        }
        text.push_str("\n|---|");
        text.push_str(&"---:|".repeat(kinds.len()));
        text.push('\n');
        for row in self.headlines() {
            let _ = write!(text, "| {} |", row.what);
            let base = row.value(Kind::Squall);
            for kind in &kinds {
                let base = base.filter(|_| *kind != Kind::Squall);
                let cell = row.value(*kind).map(|value| with_ratio(row.metric, value, base));
                let cell = cell.unwrap_or_default();
                let _ = if *kind == Kind::Squall {
                    write!(text, " **{cell}** |")
                } else {
                    write!(text, " {cell} |")
                };
            }
            text.push('\n');
        }
        text
    }
}

/// One row of the README's table.
#[derive(Debug)]
pub struct Headline {
    /// The work and the quantity.
    pub what: String,
    /// In which unit the values are.
    pub metric: Metric,
    /// Each server's, ours first.
    pub values: Vec<(Kind, f64)>,
}

impl Headline {
    fn value(&self, kind: Kind) -> Option<f64> {
        self.values
            .iter()
            .find(|(has, _)| *has == kind)
            .map(|(_, value)| *value)
    }
}

/// The value, and in brackets how many times `base` it is.
fn with_ratio(metric: Metric, value: f64, base: Option<f64>) -> String {
    match base {
        Some(base) if base > 0.0 => format!("{} ({} ×)", metric.format(value), digits(value / base)),
        _ => metric.format(value),
    }
}

fn medians_of(rounds: &[Sample]) -> Sample {
    let values_of = |metric| {
        rounds
            .iter()
            .filter_map(|sample| sample.get(&metric).copied())
            .collect::<Vec<_>>()
    };
    Metric::ALL
        .into_iter()
        .filter_map(|metric| Some((metric, median(&values_of(metric))?)))
        .collect()
}

/// Says so if the rounds of a server did not agree about its main cost.
fn noise(rounds: &[Sample]) -> String {
    let main = |sample: &Sample| {
        sample
            .get(&Metric::Cpu)
            .or_else(|| sample.get(&Metric::Memory))
            .copied()
    };
    let values: Vec<_> = rounds.iter().filter_map(main).collect();
    match spread(&values) {
        Some(spread) if spread > NOISY => format!("   noisy: rounds lie {:.0} % apart", spread * 100.0),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let mut results = Results::new(Sizes {
            idle: 9_000,
            followers: 5_000,
            sessions: 1_000,
        });
        for cpu in [5_000.0, 6_000.0, 5_500.0] {
            results.add(
                Work::Echo,
                Kind::Squall,
                Sample::from([(Metric::Cpu, cpu), (Metric::Rate, 2e5)]),
            );
            results.add(
                Work::Echo,
                Kind::Axum,
                Sample::from([(Metric::Cpu, cpu * 4.0), (Metric::Rate, 5e4)]),
            );
        }
        results
    }

    #[test]
    fn the_markdown_table_has_medians_and_ratios() {
        let want = "| work | squall | axum::serve |\n|---|---:|---:|\n\
                    | WebSocket echo on 100 connections: CPU per message | **5.50 µs** | 22.0 µs (4.00 ×) |\n";
        assert_eq!(results().markdown(), want);
    }

    #[test]
    fn the_text_has_every_metric_that_was_measured() {
        let text = results().text();
        assert!(
            text.contains("rate") && text.contains("50.0 k/s (0.250 ×)"),
            "{text}"
        );
        assert!(!text.contains("noisy"), "{text}");
    }

    #[test]
    fn rounds_that_disagree_are_called_noisy() {
        let mut results = results();
        results.add(Work::Echo, Kind::Axum, Sample::from([(Metric::Cpu, 90_000.0)]));
        assert!(results.text().contains("noisy"));
    }

    #[test]
    fn without_ours_there_are_no_ratios() {
        let mut results = Results::new(Sizes {
            idle: 10,
            followers: 10,
            sessions: 10,
        });
        results.add(
            Work::IdleWs,
            Kind::Actix,
            Sample::from([(Metric::Memory, 1_024.0)]),
        );
        assert!(
            results
                .markdown()
                .ends_with("memory per connection | 1.00 KiB |\n"),
            "{}",
            results.markdown()
        );
    }
}
