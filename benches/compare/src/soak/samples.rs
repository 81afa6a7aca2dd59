//! What a server held over time, as a table, and whether it grew.

use std::fmt::Write as _;
use std::time::Duration;

use super::Count;
use crate::stats::median;

/// One look at the server.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the start of the run.
    pub at: Duration,
    /// Resident memory, in bytes.
    pub bytes: u64,
    /// Open files.
    pub files: usize,
    /// Processor time so far, in nanoseconds.
    pub cpu_ns: u64,
    /// What had been done.
    pub counts: [u64; Count::ALL.len()],
}

/// The table as CSV, a line for each look.
#[must_use]
pub fn csv(samples: &[Sample]) -> String {
    let mut out = String::from("seconds,rss_bytes,files,cpu_seconds");
    for count in Count::ALL {
        out.push(',');
        out.push_str(count.name());
    }
    out.push('\n');
    for sample in samples {
        let _ = write!(
            out,
            "{:.1},{},{},{:.3}",
            sample.at.as_secs_f64(),
            sample.bytes,
            sample.files,
            sample.cpu_ns as f64 / 1e9
        );
        for count in sample.counts {
            let _ = write!(out, ",{count}");
        }
        out.push('\n');
    }
    out
}

/// How one quantity went, after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The median of the first quarter.
    pub first: f64,
    /// The median of the last quarter.
    pub last: f64,
    /// By least squares, per hour.
    pub slope: f64,
}

impl Trend {
    /// Whether the last quarter is within `share` of the first, or within `floor`, whichever is more, and whether the
    /// slope would not leave that within the time that was looked at.
    #[must_use]
    pub fn is_flat(&self, hours: f64, share: f64, floor: f64) -> bool {
        let allowed = (self.first * share).max(floor);
        self.last - self.first <= allowed && self.slope * hours <= allowed
    }
}

/// The trend of `value` over the samples from `warm_up` on; `None` if there are too few.
#[must_use]
pub fn trend(samples: &[Sample], warm_up: Duration, value: impl Fn(&Sample) -> f64) -> Option<Trend> {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| sample.at >= warm_up)
        .map(|sample| (sample.at.as_secs_f64() / 3600.0, value(sample)))
        .collect();
    let quarter = points.len() / 4;
    if quarter == 0 {
        return None;
    }
    let values = |part: &[(f64, f64)]| part.iter().map(|point| point.1).collect::<Vec<_>>();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    Some(Trend {
        first: median(&values(&points[..quarter]))?,
        last: median(&values(&points[points.len() - quarter..]))?,
        slope: if variance > 0.0 {
            covariance / variance
        } else {
            0.0
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(bytes: impl Fn(u64) -> u64) -> Vec<Sample> {
        (0..100)
            .map(|number| Sample {
                at: Duration::from_secs(36 * number),
                bytes: bytes(number),
                files: 7,
                cpu_ns: 0,
                counts: [0; Count::ALL.len()],
            })
            .collect()
    }

    #[test]
    fn what_grows_is_seen_and_what_only_swings_is_flat() {
        let bytes = |sample: &Sample| sample.bytes as f64;
        let grows = trend(
            &samples(|number| 10_000_000 + number * 100_000),
            Duration::ZERO,
            bytes,
        )
        .unwrap();
        assert!((grows.slope - 10_000_000.0).abs() < 1.0, "{grows:?}");
        assert!(!grows.is_flat(1.0, 0.05, 1e6));
        let swings = trend(
            &samples(|number| 10_000_000 + number % 2 * 100_000),
            Duration::ZERO,
            bytes,
        )
        .unwrap();
        assert!(swings.is_flat(1.0, 0.05, 1e6), "{swings:?}");
        // Growth in the warm-up does not count.
        let warms = |number: u64| 10_000_000 + number.min(20) * 1_000_000;
        let warm = trend(&samples(warms), Duration::from_secs(20 * 36), bytes).unwrap();
        assert!(warm.is_flat(1.0, 0.05, 1e6), "{warm:?}");
        assert_eq!(trend(&samples(warms)[..3], Duration::ZERO, bytes), None);
    }

    #[test]
    fn a_line_for_each_sample() {
        let text = csv(&samples(|_| 5)[..2]);
        assert_eq!(
            text,
            "seconds,rss_bytes,files,cpu_seconds,keep_alive,connections,uploads,http2,ws_echoes,deliveries,polls,aborts,errors\n\
             0.0,5,7,0.000,0,0,0,0,0,0,0,0,0\n36.0,5,7,0.000,0,0,0,0,0,0,0,0,0\n"
        );
    }
}
