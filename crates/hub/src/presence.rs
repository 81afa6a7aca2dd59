//! Who is there: sessions in topics, as leases.
//!
//! - A session is a member of a topic from when it [enters](Presence::enter) until it [leaves](Presence::leave), or until
//!   its lease is over: a while (`grace_ms`) after its connection was [lost](Presence::lost), or `lease_ms` after it was
//!   renewed last. Only a [sweep](Presence::sweep) ends what is over. So a client that is back in time, with the same
//!   session, was never away: nobody is told of a leave or a join.
//! - What changed is told [per tick](Presence::take_changed), net: who came and went in between is not mentioned, and when
//!   very many changed the topic just says so.
//! - A step for one member is O(log n) whatever the topic's size; counts are O(1); lists come in pages.
//! - In a cluster each node owns the leases of its own sessions and holds [replicas](replica) of the others'.
//!
//! Not here: clocks (time is an argument), connections, protocols, who may see a list.
//!
//! ```
//! use squall_hub::presence::{Changes, Member, Presence, PresenceConfig, SessionId};
//!
//! let presence = Presence::new(PresenceConfig::default());
//! let session = SessionId::from_number(1); // a random one, in earnest
//! presence.enter("room:42", session, Member::user("ann"), 1_000)?;
//! assert_eq!(presence.stats("room:42").sessions, 1);
//!
//! presence.lost(session, 2_000);
//! presence.renew(session, 5_000); // back
//! presence.lost(session, 6_000);
//! presence.sweep(15_999);
//! assert_eq!(presence.stats("room:42").users, 1);
//! presence.sweep(16_000);
//! assert_eq!(presence.stats("room:42").users, 0);
//! // Since the last tick she came and went: nothing to tell.
//! assert_eq!(presence.take_changes("room:42"), Changes::Each(vec![]));
//! # Ok::<(), squall_hub::presence::PresenceError>(())
//! ```

mod config;
mod leases;
mod member;
mod node;
mod outbox;
mod pending;
pub mod replica;
mod slab;
mod state;
mod users;

use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use config::{PresenceConfig, PresenceError};
pub use member::{
    Change, Changes, Entered, Holder, Member, Page, PresenceCounts, Present, SessionId, SessionIdError, Stats,
};

use node::{LOCAL, Node};
use pending::Pending;
use state::{Entry, NONE, State};

/// Who is there. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Presence {
    inner: Arc<Inner>,
}

struct Inner {
    config: PresenceConfig,
    /// Held for one step at a time, never for a walk over all members.
    state: Mutex<State>,
}

impl Presence {
    /// Nobody is there yet.
    pub fn new(config: PresenceConfig) -> Self {
        let mut state = State::default();
        let origin = config.origin.unwrap_or_default();
        state.nodes.add(Node::new(origin, 0));
        state.outbox.on = config.origin.is_some();
        Self {
            inner: Arc::new(Inner {
                config,
                state: Mutex::new(state),
            }),
        }
    }

    /// The limits it was made with.
    pub fn config(&self) -> &PresenceConfig {
        &self.inner.config
    }

    /// The session is in the topic, from now on, held by this connection; or what is seen of it changes.
    ///
    /// `conn_info` is the session's, in all of its topics; `info` is of this topic alone. Entering again does no harm.
    ///
    /// # Errors
    /// See [`PresenceError`]; then everything is as it was, but for changes that nobody took and that may be told as
    /// [`Changes::Many`] now.
    pub fn enter(
        &self,
        topic: &str,
        holder: impl Into<Holder>,
        member: Member,
        now_ms: u64,
    ) -> Result<Entered, PresenceError> {
        let (holder, config) = (holder.into(), self.config());
        let entry = Entry {
            node: LOCAL,
            topic,
            session: holder.session,
            member,
        };
        let mut state = self.state();
        state.at(now_ms);
        state.check(&entry, config)?;
        state.make_room(&entry, config)?;
        let entered = state.put(entry, config);
        if let Some(session) = state.session_of(LOCAL, holder.session) {
            state.hold(session, holder.connection, config);
        }
        Ok(entered)
    }

    /// The session is held by this connection, and its lease begins anew. Answers whether it is anywhere.
    ///
    /// For a connection that came back, and, where `lease_ms` is set, now and then for each that is open. O(1) in the
    /// number of the session's topics.
    pub fn renew(&self, holder: impl Into<Holder>, now_ms: u64) -> bool {
        let holder = holder.into();
        let mut state = self.state();
        state.at(now_ms);
        let session = state.session_of(LOCAL, holder.session);
        if let Some(session) = session {
            state.hold(session, holder.connection, self.config());
        }
        session.is_some()
    }

    /// The connection was lost: the session stays for `grace_ms`. Answers whether this connection held a session.
    pub fn lost(&self, holder: impl Into<Holder>, now_ms: u64) -> bool {
        let mut state = self.state();
        state.at(now_ms);
        state.lose(holder.into(), self.config())
    }

    /// The session leaves the topic, now. Answers whether it was in it, on this node.
    pub fn leave(&self, topic: &str, session: SessionId) -> bool {
        let mut state = self.state();
        let membership = state.membership_of(LOCAL, topic, session);
        if let Some(membership) = membership {
            state.unlink(membership, self.config());
        }
        membership.is_some()
    }

    /// The session leaves all of its topics, now: its client said goodbye, or may not come back. Answers how many.
    pub fn end(&self, session: SessionId) -> usize {
        self.state().end_local(session, self.config())
    }

    /// Ends every lease that is over. Call it about once a second; several callers do no harm. Answers how many
    /// members there are less.
    ///
    /// However many there are, others are served in between.
    pub fn sweep(&self, now_ms: u64) -> usize {
        self.forget_silent_nodes(now_ms);
        let mut ended = 0;
        loop {
            let (some, done) = self.state().sweep_step(self.config());
            ended += some;
            if done {
                return ended;
            }
        }
    }

    /// How many are in the topic, on all nodes.
    pub fn stats(&self, topic: &str) -> Stats {
        let state = self.state();
        state
            .names
            .get(topic)
            .map_or(Stats::default(), |topic| stats(&state, *topic))
    }

    /// At most `max` members of the topic (1 to `page_max`), on all nodes, whose sessions come after `after`.
    pub fn members(&self, topic: &str, after: Option<SessionId>, max: usize) -> Page {
        let max = max.min(self.config().page_max).max(1);
        let state = self.state();
        let Some(topic) = state.names.get(topic) else {
            return Page::default();
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = state.topics.get(*topic).members.range((from, Bound::Unbounded));
        let present = |(session, membership): (&SessionId, &u32)| Present {
            session: *session,
            member: state.member(*membership),
        };
        let members: Vec<Present> = rest.by_ref().take(max).map(present).collect();
        let last = members.last().map(|present| present.session);
        let next = rest.next().and(last);
        Page { members, next }
    }

    /// What others see of a session in the topic, if it is there, on any node.
    pub fn member(&self, topic: &str, session: SessionId) -> Option<Member> {
        let state = self.state();
        state.seen(*state.names.get(topic)?, session)
    }

    /// The topics that a session of this node is in.
    pub fn topics(&self, session: SessionId) -> Vec<Arc<str>> {
        let state = self.state();
        let mut topics = Vec::new();
        let session = state.session_of(LOCAL, session);
        let mut at = session.map_or(NONE, |session| state.sessions.get(session).first);
        while at != NONE {
            let membership = state.members.get(at);
            topics.push(state.topics.get(membership.topic).name.clone());
            at = membership.next;
        }
        topics
    }

    /// What changed in the topic since it was asked last.
    pub fn take_changes(&self, topic: &str) -> Changes {
        let mut state = self.state();
        let Some(number) = state.names.get(topic).copied() else {
            return Changes::Each(Vec::new());
        };
        if state.topics.get(number).listed == 0 {
            return Changes::Each(Vec::new());
        }
        changes(&mut state, number)
    }

    /// The topics where something changed since they were told last, with what did; at most `topics_max` of them, those
    /// that have waited longest. The tick: call it some times a second until it is empty.
    pub fn take_changed(&self, topics_max: usize) -> Vec<(Arc<str>, Changes)> {
        let mut changed = Vec::new();
        while changed.len() < topics_max {
            let mut state = self.state();
            let Some(number) = state.changed.first_key_value().map(|(_, number)| *number) else {
                break;
            };
            let name = state.topics.get(number).name.clone();
            let changes = changes(&mut state, number);
            if changes != Changes::Each(Vec::new()) {
                changed.push((name, changes));
            }
        }
        changed
    }

    /// How much is held.
    pub fn counts(&self) -> PresenceCounts {
        let state = self.state();
        PresenceCounts {
            topics: state.names.len(),
            sessions: state.sessions.len(),
            members: state.members.len(),
            users: state.users.len(),
            nodes: state.nodes.len() - 1 - state.graves.len(),
            bytes: state.bytes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stats(state: &State, topic: u32) -> Stats {
    let topic = state.topics.get(topic);
    Stats {
        sessions: topic.members.len(),
        users: topic.users.len(),
    }
}

/// Takes what changed in a topic that is listed.
fn changes(state: &mut State, topic: u32) -> Changes {
    let stats = stats(state, topic);
    let now: Vec<_> = state.topics.get(topic).pending.sessions().collect();
    let now: Vec<_> = now
        .into_iter()
        .map(|session| state.seen(topic, session))
        .collect();
    let Some(before) = Pending::into_each(state.take_pending(topic)) else {
        return Changes::Many(stats);
    };
    let differs = |((session, before), now): ((SessionId, Option<Member>), Option<Member>)| {
        let present = |member| Present { session, member };
        match (before, now) {
            (None, Some(now)) => Some(Change::Joined(present(now))),
            (Some(before), None) => Some(Change::Left(present(before))),
            (Some(before), Some(now)) => (before != now).then(|| Change::Updated(present(now))),
            (None, None) => None,
        }
    };
    Changes::Each(before.into_iter().zip(now).filter_map(differs).collect())
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        write!(
            f,
            "Presence({} members, {} topics)",
            counts.members, counts.topics
        )
    }
}
