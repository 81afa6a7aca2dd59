//! Bytes as a program: what happens to presence, checked against the plainest model after each step. Shared by the seeded
//! simulation, the property test and the fuzz target, so that what one of them finds is a case for the others.

use std::collections::{BTreeMap, BTreeSet};

use squall_hub::presence::{
    Change, Changes, Entered, Holder, Member, Presence, PresenceConfig, PresenceError, Present, SessionId,
    Stats,
};

const TOPICS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const USERS: [&str; 4] = ["ann", "bob", "cem", ""];
const SESSIONS: u8 = 12;

type Topic = &'static str;

/// A session as the model knows it.
struct Session {
    user: &'static str,
    conn_info: Option<u8>,
    connection: u64,
    until_ms: u64,
    topics: BTreeMap<Topic, Option<u8>>,
}

/// How often the interesting cases came up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) joined: usize,
    pub(crate) back: usize,
    pub(crate) expired: usize,
    pub(crate) refused: usize,
    pub(crate) too_many_topics: usize,
    pub(crate) out_of_bytes: usize,
    pub(crate) each: usize,
    pub(crate) many: usize,
    pub(crate) stale_lost: usize,
}

struct Ops<'a> {
    bytes: &'a [u8],
    presence: Presence,
    now_ms: u64,
    sessions: BTreeMap<SessionId, Session>,
    /// What was told of each topic, and who differed from that at any moment since.
    told: BTreeMap<Topic, BTreeMap<SessionId, Member>>,
    touched: BTreeMap<Topic, BTreeSet<SessionId>>,
    /// Bytes were short since the topic was told: "many" may be said for that alone.
    tight: BTreeSet<Topic>,
    seen: Seen,
}

fn config() -> PresenceConfig {
    PresenceConfig {
        grace_ms: 40,
        lease_ms: 200,
        members_max: 5,
        session_topics_max: 4,
        topics_max: 5,
        info_bytes_max: 64,
        bytes_max: 3_000,
        changes_max: 3,
        page_max: 3,
        ..PresenceConfig::default()
    }
}

/// Runs the program; panics when presence breaks its word.
pub(crate) fn run(bytes: &[u8]) -> Seen {
    let mut ops = Ops {
        bytes,
        presence: Presence::new(config()),
        now_ms: 0,
        sessions: BTreeMap::new(),
        told: BTreeMap::new(),
        touched: BTreeMap::new(),
        tight: BTreeSet::new(),
        seen: Seen::default(),
    };
    while ops.step().is_some() {
        ops.check();
    }
    ops.end();
    ops.seen
}

/// One byte is an info of that many bytes.
fn info(info: Option<u8>) -> Option<std::sync::Arc<[u8]>> {
    info.map(|size| vec![size; usize::from(size)].into())
}

impl Ops<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn topic(&mut self) -> Option<Topic> {
        Some(TOPICS[usize::from(self.byte()?) % TOPICS.len()])
    }

    fn holder(&mut self) -> Option<Holder> {
        let byte = self.byte()?;
        Some(Holder {
            session: SessionId::from_number(u128::from(byte % SESSIONS)),
            connection: u64::from(byte / SESSIONS % 2),
        })
    }

    fn step(&mut self) -> Option<()> {
        match self.byte()? % 16 {
            0..6 => self.enter()?,
            6 => self.renew()?,
            7 | 8 => self.lost()?,
            9 | 10 => self.leave()?,
            11 => self.end_session()?,
            12 | 13 => self.sweep()?,
            14 => self.tick_one()?,
            _ => self.tick_all(),
        }
        self.touch();
        Some(())
    }

    fn enter(&mut self) -> Option<()> {
        let (topic, holder, what) = (self.topic()?, self.holder()?, self.byte()?);
        // Mostly the session's own user.
        let user = if what.is_multiple_of(16) {
            USERS[usize::from(what) / 16 % USERS.len()]
        } else {
            USERS[usize::from(holder.session.to_bytes()[15]) % USERS.len()]
        };
        let sizes = [None, Some(0), Some(1), Some(64), Some(65)];
        let of = |n: u8| sizes[usize::from(n) % if n > 250 { 5 } else { 4 }];
        let (conn_info, own_info) = (of(what / 3), of(what));
        let member = Member {
            user: user.into(),
            conn_info: info(conn_info),
            info: info(own_info),
        };
        let there = self.is_there(topic, holder.session);
        let refusal = self.refusal(topic, holder.session, user, conn_info.max(own_info));
        let topics = self.presence.counts().topics;
        let answer = self.presence.enter(topic, holder, member, self.now_ms);
        if answer == Err(PresenceError::TooManyTopics) {
            // Topics that somebody is in, or that have something to tell; and this is none of them.
            assert_eq!((refusal, topics), (None, config().topics_max));
            assert!(self.in_topic(topic).is_empty() && self.differs(topic).is_empty());
            self.seen.too_many_topics += 1;
            return Some(());
        }
        if answer == Err(PresenceError::OutOfBytes) {
            assert_eq!(refusal, None);
            self.seen.out_of_bytes += 1;
            return Some(());
        }
        assert_eq!(answer.err(), refusal);
        let Ok(entered) = answer else {
            self.seen.refused += 1;
            return Some(());
        };
        assert_eq!(entered == Entered::Back, there);
        self.seen.joined += usize::from(!there);
        self.seen.back += usize::from(there);
        let until_ms = self.now_ms + config().lease_ms;
        let session = self.sessions.entry(holder.session).or_insert_with(|| Session {
            user,
            conn_info,
            connection: 0,
            until_ms: 0,
            topics: BTreeMap::new(),
        });
        (session.conn_info, session.connection, session.until_ms) = (conn_info, holder.connection, until_ms);
        session.topics.insert(topic, own_info);
        Some(())
    }

    fn refusal(&self, topic: Topic, id: SessionId, user: &str, largest: Option<u8>) -> Option<PresenceError> {
        let config = config();
        let session = self.sessions.get(&id);
        let there = self.is_there(topic, id);
        if usize::from(largest.unwrap_or(0)) > config.info_bytes_max {
            Some(PresenceError::InfoTooBig)
        } else if session.is_some_and(|session| session.user != user) {
            Some(PresenceError::OtherUser)
        } else if !there && self.in_topic(topic).len() >= config.members_max {
            Some(PresenceError::TopicFull)
        } else if !there && session.is_some_and(|s| s.topics.len() >= config.session_topics_max) {
            Some(PresenceError::SessionFull)
        } else {
            None
        }
    }

    fn is_there(&self, topic: Topic, id: SessionId) -> bool {
        self.sessions
            .get(&id)
            .is_some_and(|session| session.topics.contains_key(topic))
    }

    fn in_topic(&self, topic: &str) -> BTreeMap<SessionId, Member> {
        let there = self.sessions.iter().filter_map(|(id, session)| {
            let own_info = session.topics.get(topic)?;
            let member = Member {
                user: session.user.into(),
                conn_info: info(session.conn_info),
                info: info(*own_info),
            };
            Some((*id, member))
        });
        there.collect()
    }

    fn renew(&mut self) -> Option<()> {
        let holder = self.holder()?;
        let session = self.sessions.get_mut(&holder.session);
        assert_eq!(self.presence.renew(holder, self.now_ms), session.is_some());
        if let Some(session) = session {
            session.connection = holder.connection;
            session.until_ms = self.now_ms + config().lease_ms;
        }
        Some(())
    }

    fn lost(&mut self) -> Option<()> {
        let holder = self.holder()?;
        let session = self.sessions.get_mut(&holder.session);
        let held = session.filter(|session| session.connection == holder.connection);
        self.seen.stale_lost += usize::from(held.is_none());
        assert_eq!(self.presence.lost(holder, self.now_ms), held.is_some());
        if let Some(session) = held {
            session.until_ms = session.until_ms.min(self.now_ms + config().grace_ms);
        }
        Some(())
    }

    fn leave(&mut self) -> Option<()> {
        let (topic, holder) = (self.topic()?, self.holder()?);
        let session = self.sessions.get_mut(&holder.session);
        let left = session.is_some_and(|session| session.topics.remove(topic).is_some());
        assert_eq!(self.presence.leave(topic, holder.session), left);
        self.sessions.retain(|_, session| !session.topics.is_empty());
        Some(())
    }

    fn end_session(&mut self) -> Option<()> {
        let id = self.holder()?.session;
        let ended = self
            .sessions
            .remove(&id)
            .map_or(0, |session| session.topics.len());
        assert_eq!(self.presence.end(id), ended);
        Some(())
    }

    fn sweep(&mut self) -> Option<()> {
        self.now_ms += u64::from(self.byte()? % 64);
        let over: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.until_ms <= self.now_ms)
            .map(|(id, _)| *id)
            .collect();
        let members = over.iter().filter_map(|id| self.sessions.remove(id));
        let ended: usize = members.map(|session| session.topics.len()).sum();
        assert_eq!(self.presence.sweep(self.now_ms), ended);
        self.seen.expired += ended;
        Some(())
    }

    /// Takes note of who differs from what was told.
    fn touch(&mut self) {
        let tight = self.presence.counts().bytes > config().bytes_max / 2;
        for topic in TOPICS {
            let differs = self.differs(topic);
            self.touched.entry(topic).or_default().extend(differs);
            if tight || self.seen.out_of_bytes > 0 {
                self.tight.insert(topic);
            }
        }
    }

    fn differs(&self, topic: Topic) -> BTreeSet<SessionId> {
        let (none, now) = (BTreeMap::new(), self.in_topic(topic));
        let told = self.told.get(topic).unwrap_or(&none);
        let all = told.keys().chain(now.keys()).copied();
        all.filter(|id| told.get(id) != now.get(id)).collect()
    }

    fn tick_one(&mut self) -> Option<()> {
        let topic = self.topic()?;
        let changes = self.presence.take_changes(topic);
        self.told_now(topic, changes);
        Some(())
    }

    fn tick_all(&mut self) {
        let mut named = BTreeSet::new();
        for (name, changes) in self.presence.take_changed(100) {
            let topic = *TOPICS
                .iter()
                .find(|topic| ***topic == *name)
                .expect("a topic of ours");
            assert!(named.insert(topic), "{topic} once");
            self.told_now(topic, changes);
        }
        for topic in TOPICS {
            let quiet = self.differs(topic).is_empty();
            assert!(quiet || named.contains(topic), "{topic} was not named");
            self.told_now(topic, Changes::Each(Vec::new()));
        }
    }

    fn told_now(&mut self, topic: Topic, changes: Changes) {
        let now = self.in_topic(topic);
        let differs = self.differs(topic);
        match changes {
            Changes::Many(stats) => {
                assert_eq!(stats, self.stats(topic));
                let touched = self.touched.get(topic).map_or(0, BTreeSet::len);
                assert!(touched > config().changes_max || self.tight.contains(topic));
                self.seen.many += 1;
            }
            Changes::Each(each) => {
                let told = self.told.entry(topic).or_default();
                assert_eq!(each.len(), differs.len(), "{each:?} {differs:?}");
                for (change, id) in each.iter().zip(&differs) {
                    let present = |member: &Member| Present {
                        session: *id,
                        member: member.clone(),
                    };
                    let expected = match (told.get(id), now.get(id)) {
                        (None, Some(now)) => Change::Joined(present(now)),
                        (Some(before), None) => Change::Left(present(before)),
                        (_, now) => Change::Updated(present(now.expect("it differs"))),
                    };
                    assert_eq!(*change, expected);
                }
                self.seen.each += each.len();
            }
        }
        self.told.insert(topic, now);
        self.touched.remove(topic);
        self.tight.remove(topic);
    }

    fn stats(&self, topic: Topic) -> Stats {
        let now = self.in_topic(topic);
        let users: BTreeSet<_> = now.values().map(|member| member.user.clone()).collect();
        Stats {
            sessions: now.len(),
            users: users.len(),
        }
    }

    fn check(&self) {
        for topic in TOPICS {
            let now = self.in_topic(topic);
            assert_eq!(self.presence.stats(topic), self.stats(topic), "{topic}");
            let size = 1 + self.bytes.len() % 5;
            let (mut found, mut after) = (BTreeMap::new(), None);
            loop {
                let page = self.presence.members(topic, after, size);
                assert!(page.members.len() <= size.min(config().page_max));
                found.extend(
                    page.members
                        .into_iter()
                        .map(|present| (present.session, present.member)),
                );
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, now, "{topic}");
        }
        for (id, session) in &self.sessions {
            let topics: BTreeSet<_> = self
                .presence
                .topics(*id)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert!(topics.iter().eq(session.topics.keys()), "{topics:?}");
        }
        let counts = self.presence.counts();
        assert!(
            counts.bytes <= config().bytes_max && counts.topics <= config().topics_max,
            "{counts:?}"
        );
        let known = TOPICS
            .iter()
            .filter(|topic| !self.in_topic(topic).is_empty() || !self.differs(topic).is_empty());
        assert!(counts.topics >= known.count());
        assert_eq!(counts.sessions, self.sessions.len());
        assert_eq!(
            counts.members,
            self.sessions.values().map(|session| session.topics.len()).sum()
        );
    }

    /// When everybody is gone and everything is told, nothing is held.
    fn end(&mut self) {
        self.sessions.clear();
        self.presence.sweep(u64::MAX);
        self.presence.take_changed(100);
        assert_eq!(
            self.presence.counts(),
            squall_hub::presence::PresenceCounts::default()
        );
    }
}
