//! Medians of rounds, and quantiles of latencies.

use std::time::Duration;

/// The middle value; of an even number of values, the mean of the two in the middle. `None` of no values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return Some(sorted[middle]);
    }
    (!sorted.is_empty()).then(|| f64::midpoint(sorted[middle - 1], sorted[middle]))
}

/// How far the values lie apart: (largest - smallest) / median. Says how noisy the rounds were.
#[must_use]
pub fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    (middle > 0.0).then(|| (largest - smallest) / middle)
}

/// Buckets per power of two: a value is known to within 1/32 of itself.
const SUB_BUCKETS: usize = 32;
const SUB_BITS: u32 = SUB_BUCKETS.trailing_zeros();
/// Latencies from here on are counted as this one: an hour and more, in nanoseconds.
const VALUE_MAX: u64 = (1 << 42) - 1;
const BUCKETS: usize = bucket_of(VALUE_MAX) + 1;

/// Counts latencies in buckets that grow with the value. Fixed size; recording costs some nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    largest_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            largest_ns: 0,
        }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        self.record_many(latency, 1);
    }

    /// Counts the same latency `times` times.
    pub fn record_many(&mut self, latency: Duration, times: u64) {
        let value = u64::try_from(latency.as_nanos())
            .unwrap_or(VALUE_MAX)
            .min(VALUE_MAX);
        self.counts[bucket_of(value)] += times;
        self.total += times;
        self.largest_ns = self.largest_ns.max(value);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.largest_ns = self.largest_ns.max(other.largest_ns);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The largest latency.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.largest_ns)
    }

    /// The latency that a share `q` (0 to 1) of all did not exceed, to within 1/32. Zero if nothing was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = ((self.total as f64 * q).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_bound(bucket).min(self.largest_ns));
            }
        }
        Duration::ZERO
    }

    /// The non-empty buckets as `(largest latency of the bucket in ns, count)`: how a process tells another.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let all = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        all.map(|(bucket, count)| (upper_bound(bucket).min(self.largest_ns), *count))
    }
}

/// Values below 32 have a bucket each; above, each power of two has 32.
const fn bucket_of(value: u64) -> usize {
    if value < SUB_BUCKETS as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - SUB_BITS;
    (shift as usize + 1) * SUB_BUCKETS + ((value >> shift) as usize - SUB_BUCKETS)
}

const fn upper_bound(bucket: usize) -> u64 {
    if bucket < SUB_BUCKETS {
        return bucket as u64;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    ((bucket % SUB_BUCKETS + SUB_BUCKETS + 1) as u64) * (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn spreads() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[2.0, 2.0]), Some(0.0));
        assert_eq!(spread(&[9.0, 11.0, 10.0]), Some(0.2));
    }

    #[test]
    fn each_value_lies_in_its_bucket() {
        for value in (0..5_000).chain([65_535, 65_536, 1 << 30, VALUE_MAX - 1, VALUE_MAX]) {
            let bucket = bucket_of(value);
            assert!(value <= upper_bound(bucket), "{value}");
            assert!(bucket == 0 || value > upper_bound(bucket - 1), "{value}");
        }
    }

    #[test]
    fn quantiles_are_within_a_bucket() {
        let mut histogram = Histogram::default();
        for micros in 1..=1_000 {
            histogram.record(Duration::from_micros(micros));
        }
        let near = |q: f64, micros: f64| {
            let got = histogram.quantile(q).as_nanos() as f64 / 1e3;
            assert!((got - micros).abs() / micros < 1.0 / 32.0, "{q}: {got}");
        };
        near(0.5, 500.0);
        near(0.99, 990.0);
        near(1.0, 1_000.0);
        assert_eq!(histogram.count(), 1_000);
        assert_eq!(histogram.max(), Duration::from_millis(1));
    }

    #[test]
    fn nothing_counted_and_too_large() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.quantile(0.5), Duration::from_nanos(VALUE_MAX));
    }

    #[test]
    fn two_histograms_become_one() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.record(Duration::from_nanos(10));
        b.record_many(Duration::from_nanos(20), 3);
        a.merge(&b);
        assert_eq!(a.buckets().collect::<Vec<_>>(), [(10, 1), (20, 3)]);
    }
}
