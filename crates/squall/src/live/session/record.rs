//! What a core keeps of a session: small, since most sessions say nothing most of the time.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use squall_hub::presence::SessionId;

use super::policy::Caller;
use super::protocol::Command;
use crate::live::filter::Filter;

/// A session's id, which others may know. Its text is a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u128);

impl ClientId {
    pub(crate) fn random() -> Self {
        // Version 4, variant 1 (RFC 9562 section 5.4).
        let random = u128::from_be_bytes(crate::random_bytes());
        let version = random & !(0xf << 76) | 0x4 << 76;
        Self(version & !(0x3 << 62) | 0x2 << 62)
    }

    /// Its number.
    pub fn number(self) -> u128 {
        self.0
    }

    /// As presence knows it.
    pub(crate) fn session(self) -> SessionId {
        SessionId::from_number(self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ClientId {
    type Err = NoClientId;

    fn from_str(text: &str) -> Result<Self, NoClientId> {
        let dashed = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if !dashed || digits.len() != 32 || digits.starts_with('+') {
            return Err(NoClientId(()));
        }
        u128::from_str_radix(&digits, 16)
            .map(Self)
            .map_err(|_| NoClientId(()))
    }
}

/// The text is not a session's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoClientId(());

impl fmt::Display for NoClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the id of a session")
    }
}

impl std::error::Error for NoClientId {}

/// A session, as its core knows it.
pub(crate) struct Session {
    pub(crate) phase: Phase,
    pub(crate) subs: Vec<Sub>,
    /// Commands that wait, and the one that is being decided; none if there is neither.
    pub(crate) inbox: Option<Box<Inbox>>,
    /// When it ends unless it is refreshed, in seconds since 1970; 0 for never.
    pub(crate) expires_at_s: u64,
    /// How often it may still publish, in thousandths, and when that was counted (milliseconds since 1970).
    pub(crate) publish_left: (u32, u64),
    /// A ping was sent and not answered yet.
    pub(crate) awaits_pong: bool,
    pub(crate) client_refresh: bool,
}

/// How far a session has come.
pub(crate) enum Phase {
    /// Nothing was said yet, or its connect is being decided. With the request that opened the connection.
    Opening(Arc<Parts>),
    Connected(Arc<Caller>),
    /// It was refused; whatever else it says ends it.
    Refused,
}

/// A subscription, beside what the roster knows of it.
pub(crate) struct Sub {
    /// The roster's number of the topic.
    pub(crate) topic: u32,
    pub(crate) traits: SubTraits,
    /// When it ends unless it is refreshed, in seconds since 1970; 0 for never.
    pub(crate) expires_at_s: u64,
    /// What others may know of the session there.
    pub(crate) info: Option<Box<Bytes>>,
    /// Its client wants only what this picks.
    pub(crate) filter: Option<Filter>,
}

/// What a subscription is, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubTraits(u8);

impl SubTraits {
    /// The server made it: its client cannot subscribe again by itself.
    pub(crate) const BY_SERVER: Self = Self(1);
    pub(crate) const PRESENCE: Self = Self(2);
    pub(crate) const HEARS_JOINS: Self = Self(8);
    pub(crate) const CLIENT_REFRESH: Self = Self(16);
    /// It gets deltas, and nothing yet that one could be applied to.
    pub(crate) const DELTA_NEXT: Self = Self(4);
    /// A gap ends the session instead of the subscription.
    pub(crate) const CLOSES: Self = Self(32);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[must_use]
    pub(crate) fn with(self, other: Self, is: bool) -> Self {
        if is { Self(self.0 | other.0) } else { self }
    }
}

/// What a session has said and was not answered.
#[derive(Default)]
pub(crate) struct Inbox {
    /// Each with its share of its frame's bytes.
    pub(crate) waiting: VecDeque<(Command, usize)>,
    pub(crate) waiting_bytes: usize,
    /// The number of the command that is being decided.
    pub(crate) deciding: Option<u32>,
}

impl Session {
    pub(crate) fn new(request: Arc<Parts>) -> Self {
        Self {
            phase: Phase::Opening(request),
            subs: Vec::new(),
            inbox: None,
            expires_at_s: 0,
            publish_left: (0, 0),
            awaits_pong: false,
            client_refresh: false,
        }
    }

    pub(crate) fn caller(&self) -> Option<&Arc<Caller>> {
        match &self.phase {
            Phase::Connected(caller) => Some(caller),
            Phase::Opening(_) | Phase::Refused => None,
        }
    }

    pub(crate) fn sub(&self, topic: u32) -> Option<&Sub> {
        self.subs.iter().find(|sub| sub.topic == topic)
    }

    pub(crate) fn sub_mut(&mut self, topic: u32) -> Option<&mut Sub> {
        self.subs.iter_mut().find(|sub| sub.topic == topic)
    }

    pub(crate) fn add(&mut self, sub: Sub) {
        // Most sessions have one subscription for as long as they last; a vector would make room for four.
        if self.subs.is_empty() {
            self.subs.reserve_exact(1);
        }
        self.subs.push(sub);
    }

    pub(crate) fn remove(&mut self, topic: u32) -> Option<Sub> {
        let at = self.subs.iter().position(|sub| sub.topic == topic)?;
        let sub = self.subs.swap_remove(at);
        if self.subs.is_empty() {
            self.subs = Vec::new();
        }
        Some(sub)
    }

    /// Whether it may publish once more now.
    pub(crate) fn may_publish(&mut self, rate: u32, burst: u32, now_ms: u64) -> bool {
        let (left, at_ms) = self.publish_left;
        let full = u64::from(burst) * 1_000;
        let gained = now_ms.saturating_sub(at_ms).saturating_mul(u64::from(rate));
        let left = if at_ms == 0 {
            full
        } else {
            (u64::from(left) + gained).min(full)
        };
        let may = left >= 1_000;
        let left = if may { left - 1_000 } else { left };
        self.publish_left = (u32::try_from(left).unwrap_or(u32::MAX), now_ms);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_random_uuid() {
        let id = ClientId::random();
        let text = id.to_string();
        assert_eq!((text.len(), &text[14..15]), (36, "4"));
        assert!("89ab".contains(&text[19..20]));
        assert_eq!(text.parse(), Ok(id));
        for bad in [
            "",
            &text[1..],
            &text.replace('-', "0"),
            "+0000000-0000-0000-0000-000000000000",
        ] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn publishing_is_bounded_in_bursts_and_over_time() {
        let request = http::Request::new(()).into_parts().0;
        let mut session = Session::new(Arc::new(request));
        let mut count = |now_ms, tries| (0..tries).filter(|_| session.may_publish(2, 3, now_ms)).count();
        assert_eq!(count(1_000, 9), 3, "a burst");
        assert_eq!(count(1_499, 9), 0, "one millisecond early");
        assert_eq!(count(1_500, 9), 1);
        assert_eq!(count(60_000, 9), 3, "no more than a burst is saved");
        assert_eq!(count(1, 1), 0, "a clock that goes back gives nothing");
    }

    #[test]
    fn a_quiet_session_is_small() {
        assert!(size_of::<Session>() <= 88, "{}", size_of::<Session>());
        assert!(size_of::<Sub>() <= 40, "{}", size_of::<Sub>());
    }
}
