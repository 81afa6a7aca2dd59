//! How late messages are, and how far behind those are who read them: samples of what is served.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the buckets of the lag from publishing to writing, in milliseconds.
pub const LAG_BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000];

/// Upper bounds of the buckets of how far behind the hub's newest message a follower was, in offsets.
pub const CURSOR_LAG_BOUNDS: [u64; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// One in so many followers that are served the same is looked at, beside the first.
const ONE_IN: u32 = 32;

/// Numbers by bucket. The bounds belong to where it stands.
#[derive(Debug)]
pub(crate) struct Histogram<const BUCKETS: usize> {
    /// The last counts what is beyond all bounds.
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl<const BUCKETS: usize> Default for Histogram<BUCKETS> {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
        }
    }
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    fn add(&self, bounds: &[u64], value: u64) {
        let bucket = bounds.iter().position(|bound| value <= *bound);
        self.counts[bucket.unwrap_or(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> ([u64; BUCKETS], u64) {
        let counts = std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed));
        (counts, self.sum.load(Ordering::Relaxed))
    }
}

/// Samples of all cores.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    lag_ms: Histogram<{ LAG_BOUNDS_MS.len() + 1 }>,
    cursor_lag: Histogram<{ CURSOR_LAG_BOUNDS.len() + 1 }>,
}

impl Samples {
    /// A follower that was `behind` offsets behind is served a message that is `lag_ms` old.
    pub(crate) fn add(&self, lag_ms: u64, behind: u64) {
        self.lag_ms.add(&LAG_BOUNDS_MS, lag_ms);
        self.cursor_lag.add(&CURSOR_LAG_BOUNDS, behind);
    }

    pub(crate) fn lag_ms(&self) -> ([u64; LAG_BOUNDS_MS.len() + 1], u64) {
        self.lag_ms.read()
    }

    pub(crate) fn cursor_lag(&self) -> ([u64; CURSOR_LAG_BOUNDS.len() + 1], u64) {
        self.cursor_lag.read()
    }
}

/// The bound under which this share of what was counted lies; none if nothing was counted, or it lies beyond all bounds.
pub(super) fn quantile(counts: &[u64], bounds: &[u64], share: f64) -> Option<u64> {
    let all: u64 = counts.iter().sum();
    let wanted = (all as f64 * share).ceil().max(1.0) as u64;
    let mut below = 0;
    let bucket = counts.iter().position(|count| {
        below += count;
        below >= wanted
    });
    bucket.filter(|_| all > 0).and_then(|at| bounds.get(at).copied())
}

/// Which of those whom one core serves are sampled.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    served: u32,
    /// Who came last, and up to where it reads what it missed: that is as old as it is.
    recovering: Option<(u32, u64)>,
}

impl Sampling {
    /// A follower came, and everything up to `head` is what it missed.
    pub(crate) fn came(&mut self, follower: u32, head: u64) {
        self.recovering = Some((follower, head));
    }

    /// Whether to look at this follower, which is served what comes after `after`; `is_first`: the first of those who are
    /// served the same.
    pub(crate) fn wants(&mut self, follower: u32, after: u64, is_first: bool) -> bool {
        self.served = self.served.wrapping_add(1);
        let is_recovery = self
            .recovering
            .is_some_and(|(who, head)| who == follower && after < head);
        !is_recovery && (is_first || self.served.is_multiple_of(ONE_IN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fall_into_their_buckets() {
        let samples = Samples::default();
        for lag_ms in [0, 1, 2, 30_000, 30_001] {
            samples.add(lag_ms, lag_ms);
        }
        let (counts, sum) = samples.lag_ms();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(sum, 60_004);
        assert_eq!(samples.cursor_lag().0, [2, 1, 0, 0, 0, 2, 0]);
        assert_eq!(quantile(&counts, &LAG_BOUNDS_MS, 0.4), Some(1));
        assert_eq!(quantile(&counts, &LAG_BOUNDS_MS, 0.5), Some(2));
        assert_eq!(quantile(&counts, &LAG_BOUNDS_MS, 1.0), None, "beyond all");
        assert_eq!(quantile(&[0; 13], &LAG_BOUNDS_MS, 0.5), None);
    }

    #[test]
    fn the_first_and_one_in_so_many_are_looked_at_and_who_reads_what_it_missed_is_not() {
        let mut sampling = Sampling::default();
        assert!(sampling.wants(1, 5, true));
        let wanted = (0..2 * ONE_IN).filter(|_| sampling.wants(2, 5, false)).count();
        assert_eq!(wanted, 2);
        sampling.came(3, 10);
        assert!(!sampling.wants(3, 9, true));
        assert!(sampling.wants(3, 10, true) && sampling.wants(4, 5, true));
    }
}
