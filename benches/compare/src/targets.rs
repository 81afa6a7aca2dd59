//! What we hold ourselves to, and whether these results do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::metric::{Metric, digits};
use crate::report::Results;
use crate::servers::Kind;
use crate::works::Work;

/// One limit on what Squall may cost.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    work: Work,
    metric: Metric,
    limit: Limit,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    /// The value itself is at most this.
    Most(f64),
    /// The value is at most this share of a peer's.
    MostOf(f64, Kind),
    /// The value is at least so many times a peer's.
    LeastOf(f64, Kind),
}

/// All limits.
pub const TARGETS: [Target; 35] = [
    most(Work::IdleHttp, Metric::Memory, 0.2 * 1024.0),
    most(Work::IdleWs, Metric::Memory, 0.35 * 1024.0),
    share(Work::Keepalive, Metric::Cpu, 0.85, Kind::Axum),
    share(Work::Pipeline, Metric::Cpu, 0.35, Kind::Axum),
    share(Work::Pipeline, Metric::Cpu, 1.0, Kind::Actix),
    share(Work::Echo, Metric::Cpu, 0.5, Kind::Axum),
    share(Work::Echo16, Metric::Cpu, 0.5, Kind::Axum),
    share(Work::Fanout1, Metric::CpuUser, 0.3, Kind::Axum),
    Target {
        work: Work::Fanout16,
        metric: Metric::Rate,
        limit: Limit::LeastOf(5.0, Kind::Axum),
    },
    most(Work::LiveIdle, Metric::Memory, 0.5 * 1024.0),
    share(Work::LiveAll, Metric::Cpu, 1.0, Kind::Bun),
    share(Work::LiveRooms10, Metric::Cpu, 1.0, Kind::Bun),
    share(Work::LiveRooms100, Metric::Cpu, 1.0, Kind::Bun),
    share(Work::LiveRooms1000, Metric::Cpu, 1.0, Kind::Bun),
    share(Work::IdleH2, Metric::Memory, 1.0, Kind::Axum),
    share(Work::H2, Metric::Cpu, 0.85, Kind::Axum),
    share(Work::H2, Metric::Cpu, 1.1, Kind::Actix),
    share(Work::Connect, Metric::Cpu, 0.85, Kind::Axum),
    share(Work::Connect, Metric::Cpu, 1.1, Kind::Actix),
    share(Work::Connect, Metric::Cpu, 1.1, Kind::Nginx),
    share(Work::TlsFull, Metric::Cpu, 1.1, Kind::Axum),
    share(Work::TlsFull, Metric::Cpu, 1.1, Kind::Actix),
    share(Work::TlsFull, Metric::Cpu, 1.1, Kind::Nginx),
    share(Work::TlsResumed, Metric::Cpu, 1.1, Kind::Axum),
    share(Work::TlsResumed, Metric::Cpu, 1.1, Kind::Actix),
    share(Work::TlsResumed, Metric::Cpu, 1.1, Kind::Nginx),
    share(Work::IdleTls, Metric::Memory, 1.0, Kind::Axum),
    share(Work::IdleTls, Metric::Memory, 1.0, Kind::Actix),
    share(Work::IdleTls, Metric::Memory, 1.0, Kind::Nginx),
    share(Work::Static1k, Metric::Cpu, 1.1, Kind::Nginx),
    share(Work::Static1k, Metric::Cpu, 1.1, Kind::Axum),
    share(Work::Static100k, Metric::Cpu, 1.1, Kind::Nginx),
    share(Work::Static100k, Metric::Cpu, 1.1, Kind::Axum),
    share(Work::Static10m, Metric::Cpu, 1.1, Kind::Nginx),
    share(Work::Static10m, Metric::Cpu, 1.1, Kind::Axum),
];

const fn most(work: Work, metric: Metric, limit: f64) -> Target {
    let limit = Limit::Most(limit);
    Target { work, metric, limit }
}

/// At most that share of a peer's.
const fn share(work: Work, metric: Metric, share: f64, peer: Kind) -> Target {
    let limit = Limit::MostOf(share, peer);
    Target { work, metric, limit }
}

impl Target {
    /// One line on how the results stand to this limit, and whether they keep it. `None`: they don't say.
    fn judge(&self, results: &BTreeMap<(Work, Kind), crate::metric::Sample>) -> Option<(String, bool)> {
        let value_of = |kind| results.get(&(self.work, kind))?.get(&self.metric).copied();
        let ours = value_of(Kind::Squall)?;
        let (said, kept) = match self.limit {
            Limit::Most(limit) => (
                format!(
                    "{}, at most {}",
                    self.metric.format(ours),
                    self.metric.format(limit)
                ),
                ours <= limit,
            ),
            Limit::MostOf(limit, peer) => {
                let ratio = ours / value_of(peer)?;
                (
                    format!("{} of {}, at most {limit}", digits(ratio), peer.name()),
                    ratio <= limit,
                )
            }
            Limit::LeastOf(limit, peer) => {
                let ratio = ours / value_of(peer)?;
                (
                    format!("{} times {}, at least {limit}", digits(ratio), peer.name()),
                    ratio >= limit,
                )
            }
        };
        let verdict = if kept { "kept  " } else { "MISSED" };
        Some((
            format!("{verdict} {:?} {}: {said}", self.work, self.metric.label()),
            kept,
        ))
    }
}

/// How the results stand to all limits that they say something about, a line each; and whether all are kept.
#[must_use]
pub fn judge(results: &Results) -> (String, bool) {
    let medians = results.medians();
    let judged: Vec<_> = TARGETS
        .iter()
        .filter_map(|target| target.judge(&medians))
        .collect();
    let mut text = String::new();
    for (line, _) in &judged {
        let _ = writeln!(text, "{line}");
    }
    (text, judged.iter().all(|(_, kept)| *kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Sample;

    #[test]
    fn limits_hold_at_the_limit_and_not_past_it() {
        let judged = |value, limit| {
            let target = Target {
                work: Work::Echo,
                metric: Metric::Cpu,
                limit,
            };
            let of = |value| Sample::from([(Metric::Cpu, value)]);
            let medians = BTreeMap::from([
                ((Work::Echo, Kind::Squall), of(value)),
                ((Work::Echo, Kind::Axum), of(10.0)),
            ]);
            target.judge(&medians).map(|(_, kept)| kept)
        };
        assert_eq!(judged(5.0, Limit::Most(5.0)), Some(true));
        assert_eq!(judged(5.1, Limit::Most(5.0)), Some(false));
        assert_eq!(judged(5.0, Limit::MostOf(0.5, Kind::Axum)), Some(true));
        assert_eq!(judged(5.1, Limit::MostOf(0.5, Kind::Axum)), Some(false));
        assert_eq!(judged(50.0, Limit::LeastOf(5.0, Kind::Axum)), Some(true));
        assert_eq!(judged(49.0, Limit::LeastOf(5.0, Kind::Axum)), Some(false));
        assert_eq!(judged(5.0, Limit::MostOf(0.5, Kind::Actix)), None);
    }
}
