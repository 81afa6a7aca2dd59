//! What changed on this node and other nodes have not been told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::member::SessionId;

/// Most changes of a bucket that are told one by one; beyond it the whole bucket is.
pub(super) const DELTA_CHANGES_MAX: usize = 256;

/// The changes of one bucket.
pub(super) struct Dirty {
    /// The bucket's version before the first of them.
    pub(super) after: u64,
    /// Who differs, in which topic. What they are now is looked up when it is told. `None`: more than can be told.
    pub(super) who: Option<BTreeSet<(SessionId, Arc<str>)>>,
}

/// The changes of all buckets. Empty for ever on a node that is alone.
#[derive(Default)]
pub(super) struct Outbox {
    /// Somebody is to be told.
    pub(super) on: bool,
    pub(super) dirty: BTreeMap<u8, Dirty>,
}

impl Outbox {
    /// A membership changed. `version` is its bucket's.
    pub(super) fn note(&mut self, id: SessionId, topic: &Arc<str>, version: &mut u64) {
        if !self.on {
            return;
        }
        let after = *version;
        *version += 1;
        let dirty = self.dirty.entry(id.bucket()).or_insert_with(|| Dirty {
            after,
            who: Some(BTreeSet::new()),
        });
        if let Some(who) = &mut dirty.who {
            who.insert((id, topic.clone()));
            if who.len() > DELTA_CHANGES_MAX {
                dirty.who = None;
            }
        }
    }
}
