//! How much one program or one address may ask for, and how much of it is left.
//!
//! A fixed window, because that is what the fields that clients read describe: a limit, what remains of it, and
//! the moment at which it starts anew.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use squall::templates::iso8601;
use squall::web::http::{HeaderMap, HeaderValue};

/// How long a window is, in milliseconds: 5 minutes.
pub(crate) const WINDOW_MS: u64 = 5 * 60 * 1000;
/// How many requests one token, or one address without a token, has in a window. Generous: one in 40 ms.
pub(crate) const REQUESTS_MAX: u32 = 7_500;
/// How many people one address may make in a window.
pub(crate) const SIGN_UPS_MAX: u32 = 1_000;
/// How many programs one address may register in a window.
pub(crate) const APPS_MAX: u32 = 1_000;
/// How many askers are remembered. When there are more, those whose window is over go, then all.
pub(crate) const ASKERS_MAX: usize = 100_000;

/// Who is counted, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// Everything that one token does, by its number.
    Token(u64),
    /// Everything that comes from one address without a good token.
    Address(IpAddr),
    /// Sign-ups from one address.
    SignUp(IpAddr),
    /// Programs registered from one address.
    Register(IpAddr),
}

impl Asker {
    fn max(self) -> u32 {
        match self {
            Asker::Token(_) | Asker::Address(_) => REQUESTS_MAX,
            Asker::SignUp(_) => SIGN_UPS_MAX,
            Asker::Register(_) => APPS_MAX,
        }
    }

    /// One network of IPv6 is one asker: a /64 is what one household has.
    fn folded(self) -> Self {
        let fold = |address: IpAddr| match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            v4 @ IpAddr::V4(_) => v4,
        };
        match self {
            Asker::Token(_) => self,
            Asker::Address(address) => Asker::Address(fold(address)),
            Asker::SignUp(address) => Asker::SignUp(fold(address)),
            Asker::Register(address) => Asker::Register(fold(address)),
        }
    }
}

/// What is left to one asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// How many in a window.
    pub(crate) limit: u32,
    /// How many more in this one.
    pub(crate) remaining: u32,
    /// When the next one starts, in Unix milliseconds.
    pub(crate) reset_ms: u64,
    /// Whether this request was within the limit.
    pub(crate) within: bool,
}

impl Left {
    /// The three fields that clients read.
    pub(crate) fn write(self, fields: &mut HeaderMap) {
        fields.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        fields.insert("x-ratelimit-remaining", HeaderValue::from(self.remaining));
        if let Ok(reset) = HeaderValue::try_from(iso8601(self.reset_ms)) {
            fields.insert("x-ratelimit-reset", reset);
        }
    }
}

/// Counts requests.
#[derive(Default)]
pub(crate) struct Rate {
    hasher: RandomState,
    /// By a keyed hash of the asker: two that share a number share a count, which costs them little and saves us a key.
    counts: Mutex<HashMap<u64, Count>>,
}

struct Count {
    started_ms: u64,
    used: u32,
}

impl Rate {
    /// Counts one request of `asker` at `now_ms`.
    pub(crate) fn take(&self, asker: Asker, now_ms: u64) -> Left {
        let asker = asker.folded();
        let limit = asker.max();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one(asker);
        if counts.len() >= ASKERS_MAX && !counts.contains_key(&key) {
            counts.retain(|_, count| !is_over(count, now_ms));
            if counts.len() >= ASKERS_MAX {
                counts.clear();
            }
        }
        let count = counts.entry(key).or_insert(Count {
            started_ms: now_ms,
            used: 0,
        });
        if is_over(count, now_ms) {
            *count = Count {
                started_ms: now_ms,
                used: 0,
            };
        }
        let within = count.used < limit;
        count.used = count.used.saturating_add(1).min(limit);
        Left {
            limit,
            remaining: limit - count.used,
            reset_ms: count.started_ms + WINDOW_MS,
            within,
        }
    }
}

/// Also when the clock went backwards: nobody is locked out by that.
fn is_over(count: &Count, now_ms: u64) -> bool {
    now_ms >= count.started_ms + WINDOW_MS || now_ms < count.started_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_until_the_window_ends() {
        let rate = Rate::default();
        let asker = Asker::SignUp([127, 0, 0, 1].into());
        for used in 1..=SIGN_UPS_MAX {
            let left = rate.take(asker, 1_000);
            assert!(left.within);
            assert_eq!(left.remaining, SIGN_UPS_MAX - used);
        }
        let past = rate.take(asker, 1_000 + WINDOW_MS - 1);
        assert_eq!(
            past,
            Left {
                limit: SIGN_UPS_MAX,
                remaining: 0,
                reset_ms: 1_000 + WINDOW_MS,
                within: false
            }
        );
        assert!(
            rate.take(Asker::SignUp([127, 0, 0, 2].into()), 1_000).within,
            "others are not concerned"
        );
        assert!(rate.take(asker, 1_000 + WINDOW_MS).within);
    }

    #[test]
    fn a_network_of_ipv6_is_one_asker() {
        let rate = Rate::default();
        let ask = |text: &str| rate.take(Asker::Address(text.parse().unwrap()), 0).remaining;
        assert_eq!(ask("2001:db8::1"), REQUESTS_MAX - 1);
        assert_eq!(ask("2001:db8::2"), REQUESTS_MAX - 2);
        assert_eq!(ask("2001:db8:0:1::1"), REQUESTS_MAX - 1);
        assert_eq!(ask("::ffff:10.0.0.1"), REQUESTS_MAX - 1);
        assert_eq!(ask("10.0.0.1"), REQUESTS_MAX - 2);
    }

    #[test]
    fn askers_are_forgotten_rather_than_kept_without_end() {
        let rate = Rate::default();
        for number in 0..ASKERS_MAX as u64 {
            rate.take(Asker::Token(number), 0);
        }
        assert_eq!(rate.counts.lock().unwrap().len(), ASKERS_MAX);
        rate.take(Asker::Token(u64::MAX), 0);
        assert_eq!(rate.counts.lock().unwrap().len(), 1);
    }
}
