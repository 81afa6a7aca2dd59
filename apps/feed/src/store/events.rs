//! What changed, in commit order: the log behind the hub.
//!
//! The writer draws an event's offset inside the transaction that makes the change, so offsets follow commit order and
//! a change and its announcement stand or fall together. After the commit they are handed, with changes of who follows
//! whom, in the same order, to whoever publishes ([`Changes`]).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, Row};
use tokio::sync::watch;

use super::open::meta_number;
use super::{Result, Store, Tx};
use crate::domain::{Audience, NotificationId, NotificationKind, PersonId, PostId};
use crate::stream::topic;

/// Commits that wait for the publisher, at most; then writing waits too.
const COMMITS_MAX: usize = 64;

/// Notifications that are taken back at once, at most, the newest: the hub holds no more of a topic.
const WITHDRAWN_MAX: usize = crate::stream::topic::MESSAGES_MAX;

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A new post.
    Update {
        /// The post.
        post: PostId,
        /// Who wrote it.
        author: PersonId,
        /// Whom it is for.
        audience: Audience,
    },
    /// A post is gone.
    Delete {
        /// The post.
        post: PostId,
        /// Who wrote it.
        author: PersonId,
        /// Whom it was for.
        audience: Audience,
    },
    /// A person is told of something.
    Notification {
        /// The notification.
        id: NotificationId,
        /// Whom it is for.
        person: PersonId,
    },
    /// Nothing. Its offset is for whoever waits until what was changed before it is in force on open streams.
    Quiet,
}

/// An event of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its offset.
    pub seq: u64,
    /// Which topic it is in.
    pub topic: String,
    /// What it says.
    pub kind: EventKind,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Something that the stream must know of, in commit order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// To be published.
    Event(Event),
    /// One person follows another now.
    Followed {
        /// Who.
        follower: PersonId,
        /// Whom.
        followee: PersonId,
    },
    /// One person does not follow another any more.
    Unfollowed {
        /// Who.
        follower: PersonId,
        /// Whom.
        followee: PersonId,
    },
    /// Messages that were published are not to be had any more, whatever the cursor of who comes back.
    Withdrawn {
        /// Where they were published.
        topic: String,
        /// Which.
        what: Withdrawn,
    },
    /// A program may not act for a person any more: the streams that programs have open for that person end.
    Revoked {
        /// Whom it acted for.
        person: PersonId,
    },
}

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// A post, because it is deleted.
    Post(PostId),
    /// Notifications, because their person may not see any more what they are about.
    Notifications(Vec<NotificationId>),
}

/// The changes of one commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// In order.
    pub changes: Vec<Change>,
    /// The newest offset after the commit.
    pub head: u64,
}

/// The writer's end of [`Changes`].
pub(super) struct ChangeSender(SyncSender<Commit>);

impl ChangeSender {
    /// Hands a commit over, waiting while too many wait; if nobody takes them any more it is dropped.
    pub(super) fn send(&self, commit: Commit) {
        if !commit.changes.is_empty() {
            let _ = self.0.send(commit);
        }
    }
}

/// What the writer has committed, for the one who publishes it.
pub struct Changes {
    commits: Receiver<Commit>,
    published: watch::Sender<u64>,
}

/// Both ends.
pub(super) fn channel(published: watch::Sender<u64>) -> (ChangeSender, Changes) {
    let (sender, commits) = sync_channel(COMMITS_MAX);
    (ChangeSender(sender), Changes { commits, published })
}

impl Changes {
    /// The next commit; waits for it. `None`: the store is closed.
    pub fn next(&self) -> Option<Commit> {
        self.commits.recv().ok()
    }

    /// Says that everything up to this offset can now be received by followers.
    pub fn published(&self, head: u64) {
        self.published.send_replace(head);
    }
}

/// How much of the stream is kept for those who come back.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events, at most.
    pub events_max: u64,
    /// Age of an event in milliseconds, at most.
    pub age_ms_max: u64,
    /// How many writes go by between two trimmings.
    pub trim_every: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events_max: 10_000,
            age_ms_max: 3 * 24 * 60 * 60 * 1_000,
            trim_every: 256,
        }
    }
}

/// The newest offset ever drawn.
pub(super) fn head(conn: &Connection) -> Result<u64> {
    let mut statement = conn.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'event'")?;
    let mut rows = statement.query([])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.unwrap_or(0))
}

/// Removes what is too much or too old, and remembers how far: whoever comes with an older cursor is told of the gap.
pub(super) fn trim(conn: &Connection, retention: &Retention, now_ms: u64) -> Result<()> {
    let by_count = head(conn)?.saturating_sub(retention.events_max);
    let oldest_ms = now_ms.saturating_sub(retention.age_ms_max);
    // Offsets and times grow together, so the events that are too old are a prefix.
    let by_age: u64 = conn
        .prepare_cached("SELECT COALESCE((SELECT MIN(seq) - 1 FROM event WHERE at_ms >= ?1), ?2)")?
        .query_row((oldest_ms, head(conn)?), |row| row.get(0))?;
    let floor = by_count.max(by_age);
    if floor > meta_number(conn, "floor")?.unwrap_or(0) {
        conn.prepare_cached("DELETE FROM event WHERE seq <= ?1")?
            .execute([floor])?;
        conn.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('floor', ?1)")?
            .execute([floor])?;
    }
    Ok(())
}

impl Tx<'_> {
    /// Writes an event into each of `topics`; gives the first one's offset.
    pub(super) fn announce(&mut self, kind: EventKind, topics: &[String]) -> Result<u64> {
        let (number, post, author, audience, notification) = match kind {
            EventKind::Update {
                post,
                author,
                audience,
            } => (0, Some(post), Some(author), Some(audience as u8), None),
            EventKind::Delete {
                post,
                author,
                audience,
            } => (1, Some(post), Some(author), Some(audience as u8), None),
            EventKind::Notification { id, person } => (2, None, Some(person), None, Some(id)),
            EventKind::Quiet => (3, None, None, None, None),
        };
        let mut first = None;
        for topic in topics {
            self.conn
                .prepare_cached(
                    "INSERT INTO event (topic, kind, post_id, author_id, audience, notification_id, at_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute((topic, number, post, author, audience, notification, self.now_ms))?;
            let seq = self.conn.last_insert_rowid() as u64;
            first.get_or_insert(seq);
            self.changes.push(Change::Event(Event {
                seq,
                topic: topic.clone(),
                kind,
                at_ms: self.now_ms,
            }));
        }
        Ok(first.unwrap_or(0))
    }

    /// Takes a post's announcement back, and what people were told of it. Before the post is deleted.
    pub(super) fn withdraw_post(&mut self, post: PostId, author: PersonId, audience: Audience) -> Result<()> {
        for topic in topic::of_post(author, audience) {
            let what = Withdrawn::Post(post);
            self.changes.push(Change::Withdrawn { topic, what });
        }
        let sql = "SELECT person_id, id FROM notification WHERE post_id = ?1";
        let conn = self.conn;
        let mut statement = conn.prepare_cached(sql)?;
        let told = statement.query_map([post], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for told in told {
            let (person, id) = told?;
            self.changes.push(Change::Withdrawn {
                topic: topic::notifications(person),
                what: Withdrawn::Notifications(vec![id]),
            });
        }
        Ok(())
    }

    /// Takes back what `person` was told of posts by `actor` that only followers may see.
    pub(super) fn withdraw_mentions(&mut self, person: PersonId, actor: PersonId) -> Result<()> {
        let sql = "SELECT n.id FROM notification n JOIN post p ON p.id = n.post_id
                   WHERE n.person_id = ?1 AND n.kind = ?2 AND n.actor_id = ?3 AND p.audience = ?4
                   ORDER BY n.id DESC LIMIT ?5";
        let mention = NotificationKind::Mention as u8;
        let followers = Audience::Followers as u8;
        let ids = self
            .conn
            .prepare_cached(sql)?
            .query_map((person, mention, actor, followers, WITHDRAWN_MAX), |row| {
                row.get(0)
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if !ids.is_empty() {
            self.changes.push(Change::Withdrawn {
                topic: topic::notifications(person),
                what: Withdrawn::Notifications(ids),
            });
        }
        Ok(())
    }

    /// Writes an event into every topic that a post for this audience belongs to.
    pub(super) fn announce_post(
        &mut self,
        kind: EventKind,
        author: PersonId,
        audience: Audience,
    ) -> Result<u64> {
        self.announce(kind, &topic::of_post(author, audience))
    }
}

impl Store {
    /// The offset up to which events are no longer kept, and those that are, oldest first. Read at the start, before
    /// anything is written.
    pub async fn retained_events(&self) -> Result<(u64, Vec<Event>)> {
        self.read(|conn| {
            let floor = meta_number(conn, "floor")?.unwrap_or(0);
            let mut statement = conn.prepare(
                "SELECT seq, topic, kind, post_id, author_id, audience, notification_id, at_ms FROM event ORDER BY seq",
            )?;
            let events = statement.query_map([], event)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok((floor, events))
        })
        .await
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let audience = || super::rows::audience(row, 5);
    let kind = match row.get::<_, i64>(2)? {
        0 => EventKind::Update {
            post: row.get(3)?,
            author: row.get(4)?,
            audience: audience()?,
        },
        1 => EventKind::Delete {
            post: row.get(3)?,
            author: row.get(4)?,
            audience: audience()?,
        },
        2 => EventKind::Notification {
            id: row.get(6)?,
            person: row.get(4)?,
        },
        _ => EventKind::Quiet,
    };
    Ok(Event {
        seq: row.get(0)?,
        topic: row.get(1)?,
        kind,
        at_ms: row.get(7)?,
    })
}
