//! What changed in one topic since it was last told: net, and bounded.

use std::collections::BTreeMap;

use super::member::{Member, SessionId};

/// What one remembered change costs beside its infos, in bytes.
pub(super) const CHANGE_BYTES: usize = 112;

/// What was seen of each session that differs now, before the tick began: `None` if it was not there.
#[derive(Default)]
pub(super) struct Pending {
    before: BTreeMap<SessionId, Option<Member>>,
    /// There were too many: only that is remembered.
    many: bool,
    /// What `before` costs.
    pub(super) bytes: usize,
}

fn cost(before: Option<&Member>) -> usize {
    CHANGE_BYTES + before.map_or(0, Member::info_bytes)
}

impl Pending {
    /// The session was seen as `before` and is seen as `now`.
    pub(super) fn note(
        &mut self,
        session: SessionId,
        before: Option<&Member>,
        now: Option<&Member>,
        changes_max: usize,
    ) {
        if self.many || before == now || changes_max == 0 {
            return;
        }
        if let Some(first) = self.before.get(&session) {
            if first.as_ref() == now {
                self.bytes -= cost(first.as_ref());
                self.before.remove(&session);
            }
            return;
        }
        if self.before.len() >= changes_max {
            return self.forget();
        }
        self.bytes += cost(before);
        self.before.insert(session, before.cloned());
    }

    /// Remembers only that there is something.
    pub(super) fn forget(&mut self) {
        self.before.clear();
        self.bytes = 0;
        self.many = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.many && self.before.is_empty()
    }

    /// The sessions that differ, in order.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.before.keys().copied()
    }

    /// Each session with what was seen of it before; `None` if there were too many.
    pub(super) fn into_each(self) -> Option<BTreeMap<SessionId, Option<Member>>> {
        (!self.many).then_some(self.before)
    }
}
