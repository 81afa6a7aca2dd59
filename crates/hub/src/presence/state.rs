//! Everything that is known, behind the one lock: nodes, their sessions, memberships, topics.
//!
//! A membership is a record of its own, in three lists at once: its topic's tree, its session's list, and the chain of
//! the same session on other nodes. So each step here is O(log n) at most, however many there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config::{PresenceConfig, PresenceError};
use super::member::{Entered, Member, SessionId, bytes_of};
use super::node::{LOCAL, Node};
use super::outbox::Outbox;
use super::pending::Pending;
use super::slab::Slab;
use super::users::{USER_BYTES, Users};

/// No record.
pub(super) const NONE: u32 = u32::MAX;

/// What a session costs beside its user's name and its info, in bytes: its record and its places in trees.
pub(super) const SESSION_BYTES: usize = 144;
/// What a membership costs beside its info, in bytes.
pub(super) const MEMBER_BYTES: usize = 112;
/// What a topic costs beside its name, in bytes.
pub(super) const TOPIC_BYTES: usize = 256;

/// A session on one node.
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The number of its node.
    pub(super) node: u32,
    /// The number of its user's name.
    user: u32,
    conn_info: Option<Arc<[u8]>>,
    /// Which of its connections speaks for it.
    pub(super) connection: u64,
    /// It is over at this moment; `u64::MAX` is never.
    pub(super) until_ms: u64,
    /// Where it stands in `State::due`: this moment or earlier than `until_ms`; `u64::MAX` is not at all.
    pub(super) due_ms: u64,
    /// The first of its memberships. Never `NONE` between two operations: a session without any is forgotten.
    pub(super) first: u32,
    memberships: u32,
}

/// A session in a topic.
pub(super) struct Membership {
    pub(super) session: u32,
    pub(super) topic: u32,
    /// The membership of the same session in the same topic on another node, for a client that changed nodes.
    twin: u32,
    previous: u32,
    pub(super) next: u32,
    info: Option<Arc<[u8]>>,
}

/// A topic that somebody is in, or that has changes nobody took.
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    /// Each session's membership, the first of its twins.
    pub(super) members: BTreeMap<SessionId, u32>,
    /// How many memberships each user has.
    pub(super) users: BTreeMap<u32, u32>,
    pub(super) pending: Pending,
    /// Where it stands in `State::changed`; 0 is nowhere.
    pub(super) listed: u64,
}

#[derive(Default)]
pub(super) struct State {
    /// The latest time that was heard of: time never goes back.
    pub(super) now_ms: u64,
    /// What everything costs.
    pub(super) bytes: usize,
    pub(super) users: Users,
    pub(super) names: BTreeMap<Arc<str>, u32>,
    pub(super) topics: Slab<Topic>,
    pub(super) sessions: Slab<Session>,
    pub(super) members: Slab<Membership>,
    pub(super) nodes: Slab<Node>,
    /// The other nodes that are known, by their names.
    pub(super) peers: BTreeMap<u64, u32>,
    /// Nodes that are gone and whose sessions are still to be ended.
    pub(super) graves: Vec<u32>,
    /// When to look at sessions that end by time. One entry a session at most; early, never late.
    pub(super) due: BTreeSet<(u64, u32)>,
    /// Topics with changes, in the order of their first one.
    pub(super) changed: BTreeMap<u64, u32>,
    /// The last place that was given in `changed`.
    changed_last: u64,
    /// How much of `bytes` is changes that nobody took.
    pending_bytes: usize,
    /// What is to be told to other nodes.
    pub(super) outbox: Outbox,
}

/// Who enters what.
pub(super) struct Entry<'a> {
    pub(super) node: u32,
    pub(super) topic: &'a str,
    pub(super) session: SessionId,
    pub(super) member: Member,
}

impl Entry<'_> {
    /// Checks the sizes of what is said.
    pub(super) fn check(&self, config: &PresenceConfig) -> Result<(), PresenceError> {
        if self.topic.is_empty() || self.topic.len() > config.topic_bytes_max {
            return Err(PresenceError::BadTopic);
        }
        if self.member.user.len() > config.user_bytes_max {
            return Err(PresenceError::UserTooLong);
        }
        let member = &self.member;
        let info_max = bytes_of(member.info.as_ref()).max(bytes_of(member.conn_info.as_ref()));
        if info_max > config.info_bytes_max {
            return Err(PresenceError::InfoTooBig);
        }
        Ok(())
    }
}

impl State {
    /// Hears what time it is.
    pub(super) fn at(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    pub(super) fn session_of(&self, node: u32, id: SessionId) -> Option<u32> {
        self.nodes.get(node).bucket(id).sessions.get(&id).copied()
    }

    /// The membership of a session of this node.
    pub(super) fn membership_of(&self, node: u32, topic: &str, id: SessionId) -> Option<u32> {
        let topic = self.topics.get(*self.names.get(topic)?);
        let mut at = *topic.members.get(&id)?;
        while self.sessions.get(self.members.get(at).session).node != node {
            at = self.members.get(at).twin;
            if at == NONE {
                return None;
            }
        }
        Some(at)
    }

    /// What others see of a membership.
    pub(super) fn member(&self, membership: u32) -> Member {
        let membership = self.members.get(membership);
        let session = self.sessions.get(membership.session);
        Member {
            user: self.users.name(session.user).clone(),
            conn_info: session.conn_info.clone(),
            info: membership.info.clone(),
        }
    }

    /// What others see of a session in a topic.
    pub(super) fn seen(&self, topic: u32, id: SessionId) -> Option<Member> {
        let first = self.topics.get(topic).members.get(&id)?;
        Some(self.member(*first))
    }

    /// Checks what somebody who enters on this node must keep to.
    pub(super) fn check(&self, entry: &Entry<'_>, config: &PresenceConfig) -> Result<(), PresenceError> {
        entry.check(config)?;
        if self.is_of_another_user(entry) {
            return Err(PresenceError::OtherUser);
        }
        let known = self.names.get(entry.topic).map(|number| self.topics.get(*number));
        let there = |topic: &Topic| topic.members.contains_key(&entry.session);
        if known.is_some_and(|topic| topic.members.len() >= config.members_max && !there(topic)) {
            return Err(PresenceError::TopicFull);
        }
        let session = self.session_of(entry.node, entry.session);
        let memberships = session.map_or(0, |session| self.sessions.get(session).memberships);
        if memberships as usize >= config.session_topics_max
            && self
                .membership_of(entry.node, entry.topic, entry.session)
                .is_none()
        {
            return Err(PresenceError::SessionFull);
        }
        Ok(())
    }

    /// Whether the session is known as another user's.
    pub(super) fn is_of_another_user(&self, entry: &Entry<'_>) -> bool {
        let session = self.session_of(entry.node, entry.session);
        session
            .is_some_and(|session| **self.users.name(self.sessions.get(session).user) != *entry.member.user)
    }

    /// Makes room for an entry, or says that there is none.
    pub(super) fn make_room(
        &mut self,
        entry: &Entry<'_>,
        config: &PresenceConfig,
    ) -> Result<(), PresenceError> {
        if !self.names.contains_key(entry.topic) && self.names.len() >= config.topics_max {
            return Err(PresenceError::TooManyTopics);
        }
        if self.bytes + self.bytes_for(entry) > config.bytes_max {
            self.forget_changes();
            if self.bytes + self.bytes_for(entry) > config.bytes_max {
                return Err(PresenceError::OutOfBytes);
            }
        }
        Ok(())
    }

    /// How much more is held after the entry, at most.
    fn bytes_for(&self, entry: &Entry<'_>) -> usize {
        let member = &entry.member;
        let mut bytes = member.info_bytes();
        if self.session_of(entry.node, entry.session).is_none() {
            bytes += SESSION_BYTES;
            if !self.users.contains(&member.user) {
                bytes += USER_BYTES + member.user.len();
            }
        }
        if !self.names.contains_key(entry.topic) {
            bytes += TOPIC_BYTES + entry.topic.len();
        }
        bytes + MEMBER_BYTES
    }

    /// Puts a member into a topic, or changes what is seen of it.
    pub(super) fn put(&mut self, entry: Entry<'_>, config: &PresenceConfig) -> Entered {
        let Entry {
            node,
            topic,
            session: id,
            member,
        } = entry;
        let session = self.session_of(node, id);
        let topic = self.topic(topic);
        let session = session.unwrap_or_else(|| self.new_session(node, id, &member));
        self.change_conn_info(session, member.conn_info, config);
        let before = self.seen(topic, id);
        let name = self.topics.get(topic).name.clone();
        match self.membership_of(node, &name, id) {
            Some(known) => {
                let record = self.members.get_mut(known);
                if record.info == member.info {
                    return Entered::Back;
                }
                self.bytes -= bytes_of(record.info.as_ref());
                record.info = member.info;
                self.bytes += bytes_of(record.info.as_ref());
            }
            None => self.link(session, topic, id, member.info),
        }
        self.differs(node, topic, id, before.as_ref(), config);
        if before.is_some() {
            Entered::Back
        } else {
            Entered::Joined
        }
    }

    fn topic(&mut self, name: &str) -> u32 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let name: Arc<str> = name.into();
        let number = self.topics.add(Topic {
            name: name.clone(),
            members: BTreeMap::new(),
            users: BTreeMap::new(),
            pending: Pending::default(),
            listed: 0,
        });
        self.bytes += TOPIC_BYTES + name.len();
        self.names.insert(name, number);
        number
    }

    fn new_session(&mut self, node: u32, id: SessionId, member: &Member) -> u32 {
        let (user, bytes) = self.users.take(&member.user);
        let conn_info = member.conn_info.clone();
        self.bytes += bytes + SESSION_BYTES + bytes_of(conn_info.as_ref());
        let number = self.sessions.add(Session {
            id,
            node,
            user,
            conn_info,
            connection: 0,
            until_ms: u64::MAX,
            due_ms: u64::MAX,
            first: NONE,
            memberships: 0,
        });
        self.nodes
            .get_mut(node)
            .bucket_mut(id)
            .sessions
            .insert(id, number);
        number
    }

    /// What is said of a session is the same in each of its topics.
    fn change_conn_info(&mut self, session: u32, conn_info: Option<Arc<[u8]>>, config: &PresenceConfig) {
        if self.sessions.get(session).conn_info == conn_info {
            return;
        }
        let mut seen = Vec::new();
        let (id, node) = (self.sessions.get(session).id, self.sessions.get(session).node);
        let mut at = self.sessions.get(session).first;
        while at != NONE {
            let topic = self.members.get(at).topic;
            seen.push((topic, self.seen(topic, id)));
            at = self.members.get(at).next;
        }
        let record = self.sessions.get_mut(session);
        self.bytes -= bytes_of(record.conn_info.as_ref());
        record.conn_info = conn_info;
        self.bytes += bytes_of(record.conn_info.as_ref());
        for (topic, before) in seen {
            self.differs(node, topic, id, before.as_ref(), config);
        }
    }

    fn link(&mut self, session: u32, topic: u32, id: SessionId, info: Option<Arc<[u8]>>) {
        self.bytes += MEMBER_BYTES + bytes_of(info.as_ref());
        let record = self.sessions.get_mut(session);
        let (user, next) = (record.user, record.first);
        let number = self.members.add(Membership {
            session,
            topic,
            twin: NONE,
            previous: NONE,
            next,
            info,
        });
        let record = self.sessions.get_mut(session);
        record.first = number;
        record.memberships += 1;
        if next != NONE {
            self.members.get_mut(next).previous = number;
        }
        let topic = self.topics.get_mut(topic);
        *topic.users.entry(user).or_default() += 1;
        // The newest is what is seen: a client that changed nodes is where it came to last.
        if let Some(twin) = topic.members.insert(id, number) {
            self.members.get_mut(number).twin = twin;
        }
    }

    /// Takes a membership out; and its session, and its topic, if it was the last.
    pub(super) fn unlink(&mut self, number: u32, config: &PresenceConfig) {
        let (session, topic) = (self.members.get(number).session, self.members.get(number).topic);
        let (id, node) = (self.sessions.get(session).id, self.sessions.get(session).node);
        let before = self.seen(topic, id);
        self.unlink_twin(number, topic, id);
        let gone = self.members.remove(number);
        self.bytes -= MEMBER_BYTES + bytes_of(gone.info.as_ref());
        if gone.previous == NONE {
            self.sessions.get_mut(session).first = gone.next;
        } else {
            self.members.get_mut(gone.previous).next = gone.next;
        }
        if gone.next != NONE {
            self.members.get_mut(gone.next).previous = gone.previous;
        }
        let record = self.sessions.get_mut(session);
        record.memberships -= 1;
        let user = record.user;
        let users = &mut self.topics.get_mut(topic).users;
        let memberships = users.get_mut(&user).expect("a user that is counted");
        *memberships -= 1;
        if *memberships == 0 {
            users.remove(&user);
        }
        self.differs(node, topic, id, before.as_ref(), config);
        if self.sessions.get(session).first == NONE {
            self.forget_session(session);
        }
        self.forget_if_deserted(topic);
    }

    fn unlink_twin(&mut self, number: u32, topic: u32, id: SessionId) {
        let after = self.members.get(number).twin;
        let members = &mut self.topics.get_mut(topic).members;
        let first = members.get_mut(&id).expect("a session that is there");
        if *first == number {
            if after == NONE {
                members.remove(&id);
            } else {
                *first = after;
            }
            return;
        }
        let mut at = *first;
        while self.members.get(at).twin != number {
            at = self.members.get(at).twin;
        }
        self.members.get_mut(at).twin = after;
    }

    fn forget_session(&mut self, number: u32) {
        let session = self.sessions.remove(number);
        self.due.remove(&(session.due_ms, number));
        self.bytes -= SESSION_BYTES + bytes_of(session.conn_info.as_ref());
        self.bytes -= self.users.release(session.user);
        let node = self.nodes.get_mut(session.node);
        node.bucket_mut(session.id).sessions.remove(&session.id);
    }

    fn forget_if_deserted(&mut self, number: u32) {
        let topic = self.topics.get(number);
        if topic.members.is_empty() && topic.pending.is_empty() {
            let topic = self.topics.remove(number);
            self.names.remove(&topic.name);
            self.bytes -= TOPIC_BYTES + topic.name.len();
        }
    }

    fn account(&mut self, before_bytes: usize, now_bytes: usize) {
        self.bytes = self.bytes - before_bytes + now_bytes;
        self.pending_bytes = self.pending_bytes - before_bytes + now_bytes;
    }

    /// Takes the changes of a topic that is listed.
    pub(super) fn take_pending(&mut self, number: u32) -> Pending {
        let topic = self.topics.get_mut(number);
        self.changed.remove(&std::mem::take(&mut topic.listed));
        let pending = std::mem::take(&mut topic.pending);
        self.account(pending.bytes, 0);
        self.forget_if_deserted(number);
        pending
    }

    /// Somebody looks different now, or is there, or not.
    fn differs(
        &mut self,
        node: u32,
        topic: u32,
        id: SessionId,
        before: Option<&Member>,
        config: &PresenceConfig,
    ) {
        let now = self.seen(topic, id);
        let record = self.topics.get_mut(topic);
        let before_bytes = record.pending.bytes;
        record.pending.note(id, before, now.as_ref(), config.changes_max);
        let now_bytes = record.pending.bytes;
        if record.pending.is_empty() {
            self.changed.remove(&std::mem::take(&mut record.listed));
        } else if record.listed == 0 {
            self.changed_last += 1;
            record.listed = self.changed_last;
            self.changed.insert(self.changed_last, topic);
        }
        self.account(before_bytes, now_bytes);
        if self.bytes > config.bytes_max {
            self.forget_changes();
        }
        if node == LOCAL {
            let name = &self.topics.get(topic).name;
            let bucket = self.nodes.get_mut(LOCAL).bucket_mut(id);
            self.outbox.note(id, name, &mut bucket.version);
        }
    }

    /// All changes that nobody took become "many": what could be told one by one can also be asked for.
    fn forget_changes(&mut self) {
        if self.pending_bytes == 0 {
            return;
        }
        for &number in self.changed.values() {
            self.topics.get_mut(number).pending.forget();
        }
        self.account(self.pending_bytes, 0);
    }
}
