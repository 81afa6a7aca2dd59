//! The sessions of one node: this one's own, or a replica of another's.

use std::collections::BTreeMap;

use super::member::SessionId;
use super::replica::{BUCKETS, Origin};

/// The number of this node.
pub(super) const LOCAL: u32 = 0;

/// A node. Its sessions are in buckets, so that what was missed can be asked for and replaced in small pieces.
pub(super) struct Node {
    /// Which node, in which of its lives.
    pub(super) origin: Origin,
    /// When it was last heard of.
    pub(super) heard_ms: u64,
    buckets: Box<[Bucket]>,
}

/// Some of a node's sessions: those whose ids fall into it.
#[derive(Default)]
pub(super) struct Bucket {
    /// Counts the changes of the bucket, on the node that owns it. A replica has the version up to which it is the same.
    pub(super) version: u64,
    /// The session's number.
    pub(super) sessions: BTreeMap<SessionId, u32>,
}

impl Node {
    pub(super) fn new(origin: Origin, heard_ms: u64) -> Self {
        Self {
            origin,
            heard_ms,
            buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
        }
    }

    pub(super) fn bucket(&self, id: SessionId) -> &Bucket {
        &self.buckets[usize::from(id.bucket())]
    }

    pub(super) fn bucket_mut(&mut self, id: SessionId) -> &mut Bucket {
        &mut self.buckets[usize::from(id.bucket())]
    }

    pub(super) fn nth(&self, bucket: u8) -> &Bucket {
        &self.buckets[usize::from(bucket)]
    }

    pub(super) fn nth_mut(&mut self, bucket: u8) -> &mut Bucket {
        &mut self.buckets[usize::from(bucket)]
    }

    /// Any of its sessions.
    pub(super) fn any_session(&self) -> Option<u32> {
        let mut sessions = self.buckets.iter().flat_map(|bucket| bucket.sessions.values());
        sessions.next().copied()
    }
}
