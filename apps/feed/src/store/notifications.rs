//! What people are told about.

use rusqlite::{Connection, OptionalExtension, Row};

use super::events::EventKind;
use super::rows::{self, PERSON};
use super::visibility::VISIBLE;
use super::{Result, Snapshot, Store, StoreError, Tx, posts};
use crate::domain::{NotificationId, NotificationKind, NotificationView, Paging, Person, PersonId, PostId};
use crate::stream::topic;

/// Unread notifications are counted up to this many.
pub const UNREAD_MAX: u64 = 1_000;

/// Which of a person's notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// Only these kinds; empty: all.
    pub kinds: Vec<NotificationKind>,
}

impl NotificationFilter {
    /// As bits, for SQL.
    fn bits(&self) -> u32 {
        let kinds = if self.kinds.is_empty() {
            &NotificationKind::ALL[..]
        } else {
            &self.kinds
        };
        kinds.iter().fold(0, |bits, kind| bits | 1 << (*kind as u8))
    }
}

/// Tells a person, once: what was told before (and perhaps undone and done again) is not told again.
pub(super) fn notify(
    tx: &mut Tx<'_>,
    person: PersonId,
    kind: NotificationKind,
    actor: PersonId,
    post: Option<PostId>,
) -> Result<()> {
    let id = tx.draw(NotificationId::new);
    let made = tx
        .conn
        .prepare_cached(
            "INSERT OR IGNORE INTO notification (id, person_id, kind, actor_id, post_id) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((id, person, kind as u8, actor, post))?;
    if made > 0 {
        tx.announce(
            EventKind::Notification { id, person },
            &[topic::notifications(person)],
        )?;
    }
    Ok(())
}

impl Store {
    /// A person's notifications, newest first, paged by [`NotificationId`].
    pub async fn notifications(
        &self,
        person: PersonId,
        filter: NotificationFilter,
        paging: Paging,
    ) -> Result<Snapshot<Vec<NotificationView>>> {
        self.snapshot(move |conn| {
            let window = paging.window();
            let sql = format!(
                "{} WHERE n.person_id = ?1 AND NOT n.dismissed AND (?5 >> n.kind) & 1 AND {}
                 AND n.id > ?2 AND n.id < ?3 ORDER BY n.id {} LIMIT ?4",
                select(),
                shown(),
                window.order()
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let found = statement
                .query_map(
                    (person, window.above, window.below, window.limit, filter.bits()),
                    head,
                )?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let mut views = Vec::with_capacity(found.len());
            for head in window.newest_first(found) {
                views.extend(view(conn, head)?);
            }
            Ok(views)
        })
        .await
    }

    /// One of a person's notifications.
    pub async fn notification(&self, person: PersonId, id: NotificationId) -> Result<NotificationView> {
        self.read(move |conn| {
            let sql = format!(
                "{} WHERE n.id = ?1 AND n.person_id = ?2 AND NOT n.dismissed",
                select()
            );
            let found = conn.prepare_cached(&sql)?.query_row((id, person), head)?;
            view(conn, found)?.ok_or_else(StoreError::missing)
        })
        .await
    }

    /// Takes one away.
    pub async fn dismiss_notification(&self, person: PersonId, id: NotificationId) -> Result<()> {
        self.write(move |tx| {
            let changed = tx
                .conn
                .prepare_cached("UPDATE notification SET dismissed = 1 WHERE id = ?1 AND person_id = ?2")?
                .execute((id, person))?;
            if changed > 0 {
                Ok(())
            } else {
                Err(StoreError::missing())
            }
        })
        .await
    }

    /// Takes all away.
    pub async fn clear_notifications(&self, person: PersonId) -> Result<()> {
        self.write(move |tx| {
            tx.conn
                .prepare_cached(
                    "UPDATE notification SET dismissed = 1 WHERE person_id = ?1 AND NOT dismissed",
                )?
                .execute([person])?;
            Ok(())
        })
        .await
    }

    /// How many are newer than the newest that was read: at most [`UNREAD_MAX`], which then means that many or more.
    pub async fn unread_notifications(&self, person: PersonId) -> Result<u64> {
        self.read(move |conn| {
            let sql = format!(
                "SELECT COUNT(*) FROM (SELECT 1 FROM notification n WHERE n.person_id = ?1 AND NOT n.dismissed
                     AND n.id > (SELECT read_up_to FROM person WHERE id = ?1) AND {} LIMIT ?2)",
                shown()
            );
            Ok(conn
                .prepare_cached(&sql)?
                .query_row((person, UNREAD_MAX), |row| row.get(0))?)
        })
        .await
    }

    /// Notes that everything up to this one was read. It never goes back.
    pub async fn read_notifications(&self, person: PersonId, up_to: NotificationId) -> Result<()> {
        self.write(move |tx| {
            tx.conn
                .prepare_cached("UPDATE person SET read_up_to = MAX(read_up_to, ?2) WHERE id = ?1")?
                .execute((person, up_to))?;
            Ok(())
        })
        .await
    }
}

/// A notification whose post is still to be read.
struct Head {
    id: NotificationId,
    person: PersonId,
    kind: NotificationKind,
    actor: Person,
    post: Option<PostId>,
}

/// A condition that is true of the rows of `notification n` whose person may see what they are about: the others are
/// neither shown nor counted.
fn shown() -> String {
    let visible = VISIBLE.replace(":viewer", "n.person_id");
    format!("(n.post_id IS NULL OR EXISTS (SELECT 1 FROM post p WHERE p.id = n.post_id AND {visible}))")
}

fn select() -> String {
    format!(
        "SELECT n.id, n.person_id, n.kind, n.post_id, {PERSON} FROM notification n JOIN person a ON a.id = n.actor_id"
    )
}

fn head(row: &Row<'_>) -> rusqlite::Result<Head> {
    let number: i64 = row.get(2)?;
    Ok(Head {
        id: row.get(0)?,
        person: row.get(1)?,
        kind: NotificationKind::from_number(number)
            .ok_or(rusqlite::Error::IntegralValueOutOfRange(2, number))?,
        post: row.get(3)?,
        actor: rows::person(row, 4)?,
    })
}

/// The whole, or `None` if it is about a post that its person may not see any more.
fn view(conn: &Connection, head: Head) -> Result<Option<NotificationView>> {
    let post = match head.post {
        None => None,
        Some(id) => match posts::posts(conn, Some(head.person), [id])?.pop() {
            None => return Ok(None),
            post => post,
        },
    };
    Ok(Some(NotificationView {
        id: head.id,
        person: head.person,
        kind: head.kind,
        created_at_ms: head.id.made_at_ms(),
        actor: head.actor,
        post,
    }))
}

impl Store {
    /// A notification; `None` when there is nothing (any more) to tell. For the publisher's thread only.
    pub(crate) async fn notification_for_stream(
        &self,
        id: NotificationId,
    ) -> Result<Option<NotificationView>> {
        self.read_patiently(move |conn| {
            let sql = format!("{} WHERE n.id = ?1 AND NOT n.dismissed", select());
            let found = conn.prepare_cached(&sql)?.query_row([id], head).optional()?;
            found.map_or(Ok(None), |head| view(conn, head))
        })
        .await
    }
}
