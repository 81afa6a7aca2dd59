//! What time alone makes due for sessions: pings, missing pongs, ends of tokens, connects that never came.
//!
//! No session has a timer. Pings go to a fixed share of the followers' numbers each second, so they are spread evenly and
//! cost no memory. Whatever has an end of its own has an entry in one ordered set, which says when to look and not what
//! to do: an entry that is out of date finds nothing due.

use std::collections::BTreeSet;
use std::time::Instant;

use super::State;
use crate::live::session::codes::{Disconnect, Unsubscribed};
use crate::live::session::protocol::Reply;
use crate::live::session::record::{Phase, SubTraits};
use crate::web::now_ms;

/// Longest time that is remembered, in seconds: a year. What lasts longer is looked at then.
const DUE_S_MAX: u64 = 365 * 24 * 3_600;

/// When something is due.
pub(in crate::live::source) struct Times {
    start: Instant,
    /// The last second that was looked at.
    seen_s: u64,
    /// Second, follower, and its life.
    due: BTreeSet<(u64, u32, u32)>,
    /// How much later than the system's clock tests have moved it.
    ahead_s: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            seen_s: 0,
            due: BTreeSet::new(),
            ahead_s: 0,
        }
    }
}

impl Times {
    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }

    /// Seconds since 1970, as far as the ends of things are concerned.
    fn unix_s(&self) -> u64 {
        now_ms() / 1_000 + self.ahead_s
    }
}

impl State {
    /// The session is looked at in so many seconds.
    pub(super) fn session_due_in(&mut self, follower: u32, seconds: u64) {
        let now = self.times.second(Instant::now()) + self.times.ahead_s;
        // One more: the second that is under way has begun already.
        let at = now + seconds.min(DUE_S_MAX) + 1;
        self.times.due.insert((at, follower, self.roster.life(follower)));
    }

    pub(in crate::live::source) fn session_tick(&mut self, now: Instant) {
        let second = self.times.second(now);
        self.times.ahead_s = second.saturating_sub(self.times.second(Instant::now()));
        let seen = self.times.seen_s;
        self.times.seen_s = seen.max(second);
        while let Some(first) = self.times.due.first().copied().filter(|first| first.0 <= second) {
            self.times.due.remove(&first);
            let (_, follower, life) = first;
            if self.roster.life(follower) == life {
                self.session_due(follower);
            }
        }
        let Some(shared) = self.live.inner.sessions.get().cloned() else {
            return;
        };
        self.presence_tick(&shared.presence);
        let config = &shared.config;
        if config.ping_interval_s == 0 {
            return;
        }
        let interval = u64::from(config.ping_interval_s);
        // However late it is, one round is all that is due.
        for second in (seen + 1).max((second + 1).saturating_sub(interval))..=second {
            if config.pong_timeout_s > 0 {
                let late = (second + interval - u64::from(config.pong_timeout_s)) % interval;
                self.each_nth(late, interval, Self::check_pong);
            }
            self.each_nth(second % interval, interval, Self::ping);
        }
    }

    fn each_nth(&mut self, first: u64, step: u64, mut act: impl FnMut(&mut Self, u32)) {
        let end = u64::from(self.roster.numbers_end());
        for number in (first..end).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            act(self, number as u32);
        }
    }

    fn ping(&mut self, follower: u32) {
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let Some(record) = self.roster.get_mut(follower) else {
            return;
        };
        let conn = &mut record.data;
        let owed = conn.owed_bytes();
        let Some(session) = &mut conn.session else { return };
        if session.caller().is_none() {
            return;
        }
        let one_way = spec.framing.transport.is_one_way();
        // A one-way client that does not read is not told more; what it is owed ends it in time.
        if session.awaits_pong || (one_way && owed > 0) {
            return;
        }
        session.awaits_pong = spec.shared.config.pong_timeout_s > 0 && !one_way;
        self.say_to(follower, |out| spec.framing.reply(&Reply::default(), out));
    }

    fn check_pong(&mut self, follower: u32) {
        if self.session(follower).is_some_and(|session| session.awaits_pong) {
            self.disconnect(follower, Disconnect::NO_PONG);
        }
    }

    /// A pong came.
    pub(super) fn pong(&mut self, follower: u32) {
        let Some(session) = self.session_mut(follower) else {
            return;
        };
        let was_asked = session.caller().is_some() && std::mem::replace(&mut session.awaits_pong, false);
        if !was_asked {
            return self.disconnect(follower, Disconnect::BAD_REQUEST);
        }
        // It is asked for once more: then what its ping needed, and whatever was said before, is given back.
        if let Some(record) = self.roster.get(follower) {
            self.named.push(record.data.id);
        }
    }

    /// Something about the session may be over.
    fn session_due(&mut self, follower: u32) {
        let now_s = self.times.unix_s();
        let Some(spec) = self.spec_of(follower) else {
            return;
        };
        let Some(session) = self.session(follower) else {
            return;
        };
        match session.phase {
            Phase::Opening(_) | Phase::Refused => return self.disconnect(follower, Disconnect::STALE),
            Phase::Connected(_) => (),
        }
        let is_over = |at_s: u64, by_client: bool| {
            let delay = super::connect::expiry_delay(&spec, by_client);
            at_s > 0 && at_s.saturating_add(delay) <= now_s
        };
        if is_over(session.expires_at_s, session.client_refresh) {
            return self.disconnect(follower, Disconnect::EXPIRED);
        }
        let over = session
            .subs
            .iter()
            .filter(|sub| is_over(sub.expires_at_s, sub.traits.has(SubTraits::CLIENT_REFRESH)));
        let over: Vec<(u32, bool)> = over
            .map(|sub| (sub.topic, sub.traits.has(SubTraits::BY_SERVER)))
            .collect();
        for (topic, by_server) in over {
            if by_server {
                return self.disconnect(follower, Disconnect::SUBSCRIPTION_EXPIRED);
            }
            let name = self.roster.topic_name_of(topic).clone();
            self.end_subscription(follower, &name, &Unsubscribed::EXPIRED);
        }
    }
}
