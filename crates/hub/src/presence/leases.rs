//! How long sessions stay, and what ends them.

use super::config::PresenceConfig;
use super::member::{Holder, SessionId};
use super::node::LOCAL;
use super::state::{NONE, State};

/// How much is looked at and ended in one go, while the lock is held: some tenths of a millisecond.
const SWEEP_STEP: usize = 512;

impl State {
    /// The session is held by this connection, from now on for as long as leases last.
    pub(super) fn hold(&mut self, session: u32, connection: u64, config: &PresenceConfig) {
        let until_ms = self.now_ms.saturating_add(config.lease_ms);
        self.sessions.get_mut(session).connection = connection;
        self.ends_at(session, until_ms);
    }

    /// The session's connection is gone; the session ends when nobody comes back in time.
    pub(super) fn lose(&mut self, holder: Holder, config: &PresenceConfig) -> bool {
        let Some(number) = self.session_of(LOCAL, holder.session) else {
            return false;
        };
        let session = self.sessions.get(number);
        if session.connection != holder.connection {
            return false;
        }
        // A lease that ends even sooner still does.
        let until_ms = self.now_ms.saturating_add(config.grace_ms).min(session.until_ms);
        self.ends_at(number, until_ms);
        true
    }

    fn ends_at(&mut self, number: u32, until_ms: u64) {
        let session = self.sessions.get_mut(number);
        session.until_ms = until_ms;
        // An entry that is early is put right when its time comes: a renewal costs nothing here.
        if until_ms < session.due_ms {
            let entry = (session.due_ms, number);
            session.due_ms = until_ms;
            self.due.remove(&entry);
            self.due.insert((until_ms, number));
        }
    }

    /// Ends all memberships of a session; answers how many there were.
    pub(super) fn end(&mut self, session: u32, config: &PresenceConfig) -> usize {
        let mut ended = 0;
        let mut at = self.sessions.get(session).first;
        while at != NONE {
            let next = self.members.get(at).next;
            self.unlink(at, config);
            ended += 1;
            at = next;
        }
        ended
    }

    pub(super) fn end_local(&mut self, id: SessionId, config: &PresenceConfig) -> usize {
        let session = self.session_of(LOCAL, id);
        session.map_or(0, |session| self.end(session, config))
    }

    /// Ends some of what is over. Answers how many memberships, and whether that was all.
    pub(super) fn sweep_step(&mut self, config: &PresenceConfig) -> (usize, bool) {
        let (mut ended, mut looked) = (0, 0);
        while ended + looked < SWEEP_STEP {
            looked += 1;
            match self.next_over() {
                Look::Over(session) => ended += self.end(session, config),
                Look::Early => {}
                Look::None => return (ended, true),
            }
        }
        (ended, false)
    }

    /// Looks at one session that may be over: of a node that is gone, or by time.
    fn next_over(&mut self) -> Look {
        while let Some(node) = self.graves.last().copied() {
            if let Some(session) = self.nodes.get(node).any_session() {
                return Look::Over(session);
            }
            self.graves.pop();
            self.nodes.remove(node);
        }
        let Some((due_ms, number)) = self.due.first().copied() else {
            return Look::None;
        };
        if due_ms > self.now_ms {
            return Look::None;
        }
        self.due.remove(&(due_ms, number));
        let now_ms = self.now_ms;
        let session = self.sessions.get_mut(number);
        session.due_ms = u64::MAX;
        let until_ms = session.until_ms;
        if until_ms <= now_ms {
            return Look::Over(number);
        }
        if until_ms != u64::MAX {
            session.due_ms = until_ms;
            self.due.insert((until_ms, number));
        }
        Look::Early
    }
}

/// What a look at what may be over finds.
enum Look {
    /// This session is.
    Over(u32),
    /// One that was renewed.
    Early,
    /// There is nothing.
    None,
}
