//! Presence on several nodes: what they tell each other, and how it is merged.
//!
//! Each node owns the leases of its own sessions; every other holds a replica of them. Nothing needs to be agreed upon:
//! a member is there as long as any node says so.
//!
//! A node's sessions are in [`BUCKETS`] buckets, each with a version that counts its changes. Three kinds of values go
//! between nodes, over whatever carries bytes; each may be lost, late or repeated:
//!
//! - [`Update`]: a [`Delta`] says what differs in one bucket since a version, with what it is *now*; so it fits every
//!   replica whose version is not older than that. A [`Snapshot`] is the whole bucket. To everybody, a few times a second:
//!   [`Presence::take_updates`]; whoever hears one: [`Presence::apply`].
//! - [`Digest`]: a node lives, and these are its buckets' versions. To everybody, every few seconds:
//!   [`Presence::digest`]; whoever hears one: [`Presence::compare`], which says what to ask for.
//! - [`Ask`]: to its node, which [answers](Presence::answer) it with snapshots, to everybody or to who asked.
//!
//! So whatever was missed is repaired by the next digest, and costs one bucket: 1/256 of the node's sessions.
//!
//! A node that was not heard of for `node_timeout_ms`, or that is [known](Presence::node_gone) to be gone, is one mark;
//! its members end with the next [sweep](Presence::sweep), as everything else that is over. A node that starts anew has a new
//! life: what is still under way from the old one is not believed any more.

mod merge;
mod wire;

use std::sync::Arc;

use super::member::{Member, SessionId};
use super::node::LOCAL;
use super::state::{NONE, State};
use super::{Presence, outbox};
pub use wire::{ReplicaError, WIRE_BYTES_MAX, Wire};

/// How many buckets a node's sessions are in.
pub const BUCKETS: usize = 256;

/// Most other nodes that are known at once.
pub const NODES_MAX: usize = 1_024;

/// Which node, and which of its lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The node's number: nobody else's in the cluster.
    pub node: u64,
    /// Larger for each life of the node: when it began, for example.
    pub life: u64,
}

/// One session in one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The session.
    pub session: SessionId,
    /// The topic's name.
    pub topic: Arc<str>,
    /// What is seen of it; `None`: it is not there (in a [`Delta`] only).
    pub member: Option<Member>,
}

/// What differs in a bucket between two of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Whose bucket.
    pub origin: Origin,
    /// Which bucket.
    pub bucket: u8,
    /// The version that it builds on, or any between the two.
    pub after: u64,
    /// The version that it leads to.
    pub version: u64,
    /// Everything that changed in between, as it is at `version`.
    pub rows: Vec<Row>,
}

/// A whole bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose bucket.
    pub origin: Origin,
    /// Which bucket.
    pub bucket: u8,
    /// Its version.
    pub version: u64,
    /// All of its members.
    pub rows: Vec<Row>,
}

/// What a node tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// What differs.
    Delta(Delta),
    /// All there is in a bucket.
    Snapshot(Snapshot),
}

/// A node lives, and this is how far its buckets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Which node.
    pub origin: Origin,
    /// The versions of the buckets that ever had a member.
    pub versions: Vec<(u8, u64)>,
}

/// Somebody has not got these buckets of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who is asked.
    pub origin: Origin,
    /// For which buckets.
    pub buckets: Vec<u8>,
}

/// What became of an [`Update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in the replica now.
    Done,
    /// It was already, or is of a life that is over, or is this node's own.
    Known,
    /// Something before it was missed: ask. The next digest would find it too.
    Missing(Ask),
}

impl Presence {
    /// What changed on this node since it was told last, one [`Update`] for each of at most `updates_max` buckets.
    pub fn take_updates(&self, updates_max: usize) -> Vec<Update> {
        let mut updates = Vec::new();
        while updates.len() < updates_max {
            // One bucket at a time: others are served in between.
            let mut state = self.state();
            let Some((bucket, dirty)) = state.outbox.dirty.pop_first() else {
                break;
            };
            updates.push(update(&state, bucket, dirty));
        }
        updates
    }

    /// That this node lives, and how far its buckets are.
    pub fn digest(&self) -> Digest {
        let state = self.state();
        let node = state.nodes.get(LOCAL);
        let versions = (0..=u8::MAX).map(|bucket| (bucket, node.nth(bucket).version));
        Digest {
            origin: node.origin,
            versions: versions.filter(|(_, version)| *version > 0).collect(),
        }
    }

    /// The buckets that somebody has not got; nothing if another node, or another life of this one, was asked.
    pub fn answer(&self, ask: &Ask) -> Vec<Update> {
        let mut asked = ask.buckets.clone();
        asked.sort_unstable();
        asked.dedup();
        let mut updates = Vec::new();
        for bucket in asked {
            let state = self.state();
            if state.nodes.get(LOCAL).origin != ask.origin {
                break;
            }
            updates.push(Update::Snapshot(snapshot(&state, bucket)));
        }
        updates
    }
}

fn update(state: &State, bucket: u8, dirty: outbox::Dirty) -> Update {
    let Some(who) = dirty.who else {
        return Update::Snapshot(snapshot(state, bucket));
    };
    let row = |(session, topic): (SessionId, Arc<str>)| {
        let membership = state.membership_of(LOCAL, &topic, session);
        let member = membership.map(|membership| state.member(membership));
        Row {
            session,
            topic,
            member,
        }
    };
    let node = state.nodes.get(LOCAL);
    Update::Delta(Delta {
        origin: node.origin,
        bucket,
        after: dirty.after,
        version: node.nth(bucket).version,
        rows: who.into_iter().map(row).collect(),
    })
}

fn snapshot(state: &State, bucket: u8) -> Snapshot {
    let node = state.nodes.get(LOCAL);
    let mut rows = Vec::new();
    for (session, number) in &node.nth(bucket).sessions {
        let mut at = state.sessions.get(*number).first;
        while at != NONE {
            let membership = state.members.get(at);
            rows.push(Row {
                session: *session,
                topic: state.topics.get(membership.topic).name.clone(),
                member: Some(state.member(at)),
            });
            at = membership.next;
        }
    }
    Snapshot {
        origin: node.origin,
        bucket,
        version: node.nth(bucket).version,
        rows,
    }
}
