//! How often somebody may try: a token bucket for each key, and a bound on the keys.
//!
//! For sign-in attempts: the key is an address, or an account's name. Time is an argument.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};

/// Bytes of a key that are looked at; the rest does not tell keys apart.
pub const KEY_BYTES_MAX: usize = 256;

/// What [`Attempts`] allows.
#[derive(Clone, Copy, Debug)]
pub struct AttemptsConfig {
    /// Attempts that may come at once. At least 1.
    pub burst: u32,
    /// After how many milliseconds one more is allowed. At least 1.
    pub refill_ms: u64,
    /// Keys remembered at once, some 100 bytes each. At least 8.
    pub keys_max: usize,
}

impl Default for AttemptsConfig {
    /// Ten at once, then one a minute; 10,000 keys.
    fn default() -> Self {
        Self {
            burst: 10,
            refill_ms: 60_000,
            keys_max: 10_000,
        }
    }
}

/// Counts attempts by key. To be shared between threads.
///
/// When all keys are taken, those that have waited longest are forgotten first: somebody with very many addresses
/// can make us forget, so a limit by address should stand beside one by account.
///
/// ```
/// use squall::limits::{Attempts, AttemptsConfig, Wait};
/// let attempts = Attempts::new(AttemptsConfig { burst: 2, refill_ms: 1000, keys_max: 100 });
/// assert_eq!(attempts.take("192.0.2.1", 0), Ok(()));
/// assert_eq!(attempts.take("192.0.2.1", 0), Ok(()));
/// assert_eq!(attempts.take("192.0.2.1", 300), Err(Wait { ms: 700 }));
/// assert_eq!(attempts.take("192.0.2.1", 1000), Ok(()));
/// ```
pub struct Attempts {
    config: AttemptsConfig,
    /// For each key the time at which its bucket is full again, in milliseconds: all there is to know of a bucket
    /// (the "generic cell rate algorithm").
    full_at_ms: Mutex<HashMap<String, u64>>,
}

/// Too many attempts. As a response: 429 with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until the next attempt is allowed, in milliseconds.
    pub ms: u64,
}

impl Attempts {
    /// With these limits.
    pub fn new(config: AttemptsConfig) -> Self {
        let config = AttemptsConfig {
            burst: config.burst.max(1),
            refill_ms: config.refill_ms.max(1),
            keys_max: config.keys_max.max(8),
        };
        Self {
            config,
            full_at_ms: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one attempt for `key` at `now_ms`. A refused attempt costs nothing.
    pub fn take(&self, key: &str, now_ms: u64) -> Result<(), Wait> {
        let key = cut(key);
        let mut keys = self.keys();
        let capacity_ms = self.config.refill_ms.saturating_mul(u64::from(self.config.burst));
        let latest = now_ms.saturating_add(capacity_ms);
        // Later than `latest` only if the clock was set back; then the bucket counts as empty, and no emptier.
        let full_at = keys.get(key).copied().unwrap_or(now_ms).clamp(now_ms, latest);
        let after = full_at.saturating_add(self.config.refill_ms);
        let wait_ms = after.saturating_sub(latest);
        if wait_ms > 0 {
            return Err(Wait { ms: wait_ms });
        }
        if let Some(have) = keys.get_mut(key) {
            *have = after;
            return Ok(());
        }
        if keys.len() >= self.config.keys_max {
            make_room(&mut keys, now_ms);
        }
        keys.insert(key.to_owned(), after);
        Ok(())
    }

    /// Gives one attempt of `key` back: it was no guess. What others took under the same key stays taken.
    pub fn give_back(&self, key: &str) {
        if let Some(full_at) = self.keys().get_mut(cut(key)) {
            *full_at = full_at.saturating_sub(self.config.refill_ms);
        }
    }

    /// Forgets the attempts of `key`: after one that succeeded.
    pub fn forgive(&self, key: &str) {
        self.keys().remove(cut(key));
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.keys().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.full_at_ms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the buckets that are full; if none is, the eighth part that is nearest to it. So the cost of looking
/// through all of them is shared by many attempts.
fn make_room(keys: &mut HashMap<String, u64>, now_ms: u64) {
    let before = keys.len();
    keys.retain(|_, full_at| *full_at > now_ms);
    if keys.len() == before {
        let mut times: Vec<u64> = keys.values().copied().collect();
        let eighth = before / 8;
        let (_, limit, _) = times.select_nth_unstable(eighth);
        let limit = *limit;
        keys.retain(|_, full_at| *full_at > limit);
    }
}

fn cut(key: &str) -> &str {
    &key[..key.floor_char_boundary(KEY_BYTES_MAX)]
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many attempts: try again in {} seconds", self.seconds())
    }
}

impl Wait {
    /// Whole seconds, rounded up.
    pub fn seconds(self) -> u64 {
        self.ms.div_ceil(1000)
    }
}

impl std::error::Error for Wait {}

impl IntoResponse for Wait {
    fn into_response(self) -> Response {
        let after = [(RETRY_AFTER, self.seconds().to_string())];
        (StatusCode::TOO_MANY_REQUESTS, after, format!("{self}\n")).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(burst: u32, keys_max: usize) -> Attempts {
        Attempts::new(AttemptsConfig {
            burst,
            refill_ms: 1000,
            keys_max,
        })
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let attempts = Attempts::new(AttemptsConfig {
            burst: 2,
            refill_ms: 1000,
            keys_max: 8,
        });
        attempts.take("a", 0).unwrap();
        for _ in 0..5 {
            attempts.take("a", 0).unwrap();
            attempts.give_back("a");
        }
        attempts.take("a", 0).unwrap();
        assert_eq!(attempts.take("a", 0), Err(Wait { ms: 1000 }));
    }

    #[test]
    fn a_burst_then_one_by_one() {
        let attempts = attempts(3, 100);
        for _ in 0..3 {
            assert_eq!(attempts.take("a", 5000), Ok(()));
        }
        assert_eq!(attempts.take("a", 5000), Err(Wait { ms: 1000 }));
        assert_eq!(attempts.take("a", 5999), Err(Wait { ms: 1 }));
        assert_eq!(attempts.take("a", 6000), Ok(()));
        assert_eq!(attempts.take("a", 6000), Err(Wait { ms: 1000 }));
        assert_eq!(attempts.take("b", 6000), Ok(()), "another key");
        for _ in 0..3 {
            assert_eq!(
                attempts.take("a", 100_000),
                Ok(()),
                "never more than the burst is saved up"
            );
        }
        assert!(attempts.take("a", 100_000).is_err());
    }

    #[test]
    fn success_forgives() {
        let attempts = attempts(1, 100);
        assert!(attempts.take("a", 0).is_ok() && attempts.take("a", 0).is_err());
        attempts.forgive("a");
        assert!(attempts.take("a", 0).is_ok());
    }

    #[test]
    fn a_clock_that_goes_back_does_not_lock_out_for_longer() {
        let attempts = attempts(2, 100);
        assert!(attempts.take("a", 1_000_000).is_ok());
        assert_eq!(attempts.take("a", 0), Err(Wait { ms: 1000 }));
        assert!(attempts.take("b", u64::MAX).is_ok());
    }

    #[test]
    fn keys_are_bounded_and_the_busiest_are_remembered() {
        let attempts = attempts(3, 64);
        for _ in 0..3 {
            attempts.take("victim", 0).unwrap();
        }
        for n in 0..1000 {
            attempts.take(&format!("flood {n}"), 1).unwrap();
            assert!(attempts.len() <= 64);
        }
        assert!(attempts.take("victim", 1).is_err(), "the flood has not freed it");
    }

    #[test]
    fn long_keys_are_cut() {
        let attempts = attempts(1, 10);
        let long = "\u{e9}".repeat(KEY_BYTES_MAX);
        assert!(attempts.take(&long, 0).is_ok());
        assert!(attempts.take(&(long + "x"), 0).is_err());
        assert!(attempts.take(&"a".repeat(KEY_BYTES_MAX - 1), 0).is_ok());
        assert!(attempts.take(&"a".repeat(KEY_BYTES_MAX), 0).is_ok());
        assert!(attempts.take(&"a".repeat(KEY_BYTES_MAX + 1), 0).is_err());
    }

    #[test]
    fn the_response_says_when() {
        let response = Wait { ms: 1001 }.into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"2".parse().unwrap())
        );
    }
}
