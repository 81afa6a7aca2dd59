//! What one commit changes. Nothing in memory is changed before it is on the disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::store::{KeyRow, Row, State};

/// A message that is to be deleted.
#[derive(Clone, Debug)]
pub(crate) struct Removed {
    pub(crate) topic: Arc<str>,
    pub(crate) sum: u64,
}

/// A topic's row before and after: its floor, or that there is no row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicChange {
    pub(crate) before: Option<u64>,
    pub(crate) after: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// New messages, in their order.
    pub(crate) rows: Vec<Row>,
    /// Messages to be deleted, by offset.
    pub(crate) removed: BTreeMap<u64, Removed>,
    pub(crate) topics: HashMap<Arc<str>, TopicChange>,
    pub(crate) keys: Vec<KeyRow>,
    /// Keys to be forgotten: the oldest.
    pub(crate) keys_gone: Vec<KeyRow>,
    pub(crate) head: u64,
    pub(crate) reserved: u64,
    pub(crate) unknown_floor: u64,
}

impl Plan {
    /// A plan that changes nothing.
    pub(crate) fn of_state(state: &State) -> Self {
        Self {
            head: state.head,
            reserved: state.reserved,
            unknown_floor: state.unknown_floor,
            ..Self::default()
        }
    }

    /// Whether a commit would change anything but its number.
    pub(crate) fn is_empty(&self, state: &State) -> bool {
        self.rows.is_empty()
            && self.removed.is_empty()
            && self.topics.is_empty()
            && self.keys.is_empty()
            && self.keys_gone.is_empty()
            && self.head == state.head
            && self.reserved == state.reserved
    }
}
