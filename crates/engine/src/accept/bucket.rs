//! How fast connections are accepted.

use std::time::{Duration, Instant};

/// A token bucket that holds one second's worth, written as the moment at which it would be full (the generic cell
/// rate algorithm): no counter to refill.
#[derive(Debug)]
pub(crate) struct Bucket {
    interval: Duration,
    full_at: Instant,
}

/// What fits into the bucket, as time.
const BURST: Duration = Duration::from_secs(1);

impl Bucket {
    /// `rate` a second, one at least.
    pub(crate) fn new(rate: u32, now: Instant) -> Self {
        Bucket {
            interval: Duration::from_secs(1) / rate.max(1),
            full_at: now,
        }
    }

    /// How long until there is a token; zero if there is one.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        (self.full_at + self.interval).saturating_duration_since(now + BURST)
    }

    /// Takes a token, which must be there.
    pub(crate) fn take(&mut self, now: Instant) {
        debug_assert!(self.wait(now).is_zero());
        self.full_at = self.full_at.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(4, start);
        for _ in 0..4 {
            assert_eq!(bucket.wait(start), Duration::ZERO);
            bucket.take(start);
        }
        assert_eq!(bucket.wait(start), Duration::from_millis(250));
        let later = start + Duration::from_millis(250);
        assert_eq!(bucket.wait(later), Duration::ZERO);
        bucket.take(later);
        assert_eq!(bucket.wait(later), Duration::from_millis(250));
        // Time that nobody uses does not add up past the second's worth.
        let much_later = start + Duration::from_secs(100);
        for _ in 0..4 {
            bucket.take(much_later);
        }
        assert!(!bucket.wait(much_later).is_zero());
    }
}
