//! What other nodes say, put beside what is known.

use std::collections::BTreeSet;

use super::{Applied, Ask, Digest, NODES_MAX, Origin, Row, Update};
use crate::presence::Presence;
use crate::presence::config::{PresenceConfig, PresenceError};
use crate::presence::node::{LOCAL, Node};
use crate::presence::state::{Entry, NONE, State};

/// What a node with a digest costs, in bytes.
const NODE_BYTES: usize = 10 << 10;

impl Presence {
    /// Hears what another node says of its members.
    ///
    /// # Errors
    /// There is no room for it, or it breaks a limit of this node. The bucket will be asked for again.
    pub fn apply(&self, update: &Update, now_ms: u64) -> Result<Applied, PresenceError> {
        let config = self.config();
        let mut state = self.state();
        let (origin, bucket, version) = match update {
            Update::Delta(delta) => (delta.origin, delta.bucket, delta.version),
            Update::Snapshot(snapshot) => (snapshot.origin, snapshot.bucket, snapshot.version),
        };
        let Some(node) = state.hear(origin, now_ms, config)? else {
            return Ok(Applied::Known);
        };
        let known = state.nodes.get(node).nth(bucket).version;
        if version <= known {
            return Ok(Applied::Known);
        }
        let rows = match update {
            Update::Delta(delta) if delta.after > known => {
                let buckets = vec![bucket];
                return Ok(Applied::Missing(Ask { origin, buckets }));
            }
            Update::Delta(delta) => &delta.rows,
            Update::Snapshot(snapshot) => {
                state.end_all_but(node, bucket, &snapshot.rows, config);
                &snapshot.rows
            }
        };
        for row in rows.iter().filter(|row| row.session.bucket() == bucket) {
            if let Err(error) = state.put_row(node, row, config) {
                // What is there is not the bucket: nothing builds on it.
                state.nodes.get_mut(node).nth_mut(bucket).version = 0;
                return Err(error);
            }
        }
        state.nodes.get_mut(node).nth_mut(bucket).version = version;
        Ok(Applied::Done)
    }

    /// Hears that another node lives, and answers what to ask it for.
    ///
    /// # Errors
    /// There is no room for another node.
    pub fn compare(&self, digest: &Digest, now_ms: u64) -> Result<Option<Ask>, PresenceError> {
        let mut state = self.state();
        let Some(node) = state.hear(digest.origin, now_ms, self.config())? else {
            return Ok(None);
        };
        let node = state.nodes.get(node);
        let behind = |(bucket, version): &&(u8, u64)| node.nth(*bucket).version < *version;
        let behind: Vec<u8> = digest
            .versions
            .iter()
            .filter(behind)
            .map(|(bucket, _)| *bucket)
            .collect();
        Ok((!behind.is_empty()).then_some(Ask {
            origin: digest.origin,
            buckets: behind,
        }))
    }

    /// A node is gone: its members end with the next [sweep](Presence::sweep). One step, however many there are. Answers
    /// whether the node was known.
    pub fn node_gone(&self, node: u64) -> bool {
        self.state().bury(node)
    }

    /// The other nodes that are known.
    pub fn nodes(&self) -> Vec<Origin> {
        let state = self.state();
        state
            .peers
            .values()
            .map(|node| state.nodes.get(*node).origin)
            .collect()
    }

    pub(crate) fn forget_silent_nodes(&self, now_ms: u64) {
        let mut state = self.state();
        let now_ms = state.at(now_ms);
        let silent = |node: &u32| {
            let heard_ms = state.nodes.get(*node).heard_ms;
            heard_ms.saturating_add(self.config().node_timeout_ms) <= now_ms
        };
        let silent: Vec<u64> = state
            .peers
            .iter()
            .filter(|(_, node)| silent(node))
            .map(|(name, _)| *name)
            .collect();
        for name in silent {
            state.bury(name);
        }
    }
}

impl State {
    /// The number of a node that says something; `None` if it is not to be believed.
    fn hear(
        &mut self,
        origin: Origin,
        now_ms: u64,
        config: &PresenceConfig,
    ) -> Result<Option<u32>, PresenceError> {
        let now_ms = self.at(now_ms);
        if origin.node == self.nodes.get(LOCAL).origin.node {
            return Ok(None);
        }
        if let Some(number) = self.peers.get(&origin.node).copied() {
            let node = self.nodes.get_mut(number);
            if origin.life < node.origin.life {
                return Ok(None);
            }
            if origin.life == node.origin.life {
                node.heard_ms = now_ms;
                return Ok(Some(number));
            }
            self.bury(origin.node);
        }
        if self.peers.len() >= NODES_MAX || self.bytes + NODE_BYTES > config.bytes_max {
            return Err(PresenceError::OutOfBytes);
        }
        self.bytes += NODE_BYTES;
        let number = self.nodes.add(Node::new(origin, now_ms));
        self.peers.insert(origin.node, number);
        Ok(Some(number))
    }

    fn bury(&mut self, name: u64) -> bool {
        let Some(number) = self.peers.remove(&name) else {
            return false;
        };
        self.bytes -= NODE_BYTES;
        self.graves.push(number);
        true
    }

    fn put_row(&mut self, node: u32, row: &Row, config: &PresenceConfig) -> Result<(), PresenceError> {
        let Some(member) = &row.member else {
            if let Some(membership) = self.membership_of(node, &row.topic, row.session) {
                self.unlink(membership, config);
            }
            return Ok(());
        };
        let entry = Entry {
            node,
            topic: &row.topic,
            session: row.session,
            member: member.clone(),
        };
        entry.check(config)?;
        if self.is_of_another_user(&entry)
            && let Some(session) = self.session_of(node, row.session)
        {
            // It ended there and began anew as another's; that it left its other topics is said too.
            self.end(session, config);
        }
        self.make_room(&entry, config)?;
        self.put(entry, config);
        Ok(())
    }

    /// Ends the members of a bucket that are not among these.
    fn end_all_but(&mut self, node: u32, bucket: u8, rows: &[Row], config: &PresenceConfig) {
        let kept: BTreeSet<_> = rows.iter().map(|row| (row.session, &*row.topic)).collect();
        let mut stale = Vec::new();
        for (session, number) in &self.nodes.get(node).nth(bucket).sessions {
            let mut at = self.sessions.get(*number).first;
            while at != NONE {
                let membership = self.members.get(at);
                if !kept.contains(&(*session, &*self.topics.get(membership.topic).name)) {
                    stale.push(at);
                }
                at = membership.next;
            }
        }
        for membership in stale {
            self.unlink(membership, config);
        }
    }
}
