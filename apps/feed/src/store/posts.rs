//! Status updates: made, read, deleted.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::events::EventKind;
use super::rows::{self, PERSON, PERSON_COLUMNS, viewer_number};
use super::visibility::{VISIBLE, standing};
use super::{Result, Store, StoreError, Tx, idempotency, notifications, people};
use crate::domain::posts::{Mention, Mine, ReplyTo, Via, check_text};
use crate::domain::{
    Audience, NewPost, NotificationKind, PersonId, PostId, PostView, may_see, mentions::names_mentioned,
};

/// Posts above one in its conversation, at most.
const ANCESTORS_MAX: usize = 40;
/// Posts below one in its conversation, at most.
const DESCENDANTS_MAX: usize = 200;

/// The conversation around a post: only what the viewer may see.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// What it answers, what that answers, and so on: the root first.
    pub ancestors: Vec<PostView>,
    /// What answers it, each answer right before the answers to it.
    pub descendants: Vec<PostView>,
}

impl Store {
    /// Makes a post. When it returns, the post is on the disk.
    ///
    /// # Errors
    /// Refused by the rules of texts and keys; missing, if what it answers is not there for the author.
    pub async fn create_post(&self, new: NewPost) -> Result<PostView> {
        let text = check_text(&new.text)?;
        idempotency::check(new.idempotency_key.as_deref())?;
        self.write(move |tx| create(tx, &NewPost { text, ..new })).await
    }

    /// A post, if `viewer` may see it.
    pub async fn post(&self, viewer: Option<PersonId>, id: PostId) -> Result<PostView> {
        self.read(move |conn| post(conn, viewer, id)).await
    }

    /// Those of these posts (the first 100) that `viewer` may see, in the order asked for.
    pub async fn posts(&self, viewer: Option<PersonId>, ids: Vec<PostId>) -> Result<Vec<PostView>> {
        self.read(move |conn| posts(conn, viewer, ids.into_iter().take(people::LOOKUP_MAX)))
            .await
    }

    /// Deletes a post of `viewer`'s own; gives it as it was.
    pub async fn delete_post(&self, viewer: PersonId, id: PostId) -> Result<PostView> {
        let (gone, offset) = self.write(move |tx| delete(tx, viewer, id)).await?;
        // When this answers, nobody gets the post any more, whatever their cursor.
        self.caught_up_with(offset).await;
        Ok(gone)
    }

    /// The conversation around a post, if `viewer` may see the post.
    pub async fn context(&self, viewer: Option<PersonId>, id: PostId) -> Result<Context> {
        self.read(move |conn| context(conn, viewer, id)).await
    }

    /// A post as everybody who is in its audience sees it; `None` if it is gone. For the publisher's thread only.
    pub(crate) async fn post_for_stream(&self, id: PostId) -> Result<Option<PostView>> {
        self.read_patiently(move |conn| post_for_stream(conn, id)).await
    }
}

fn create(tx: &mut Tx<'_>, new: &NewPost) -> Result<PostView> {
    if let Some(first) = idempotency::find(tx, new.author, new.idempotency_key.as_deref())? {
        return post(tx.conn, Some(new.author), first);
    }
    let answered = match new.in_reply_to {
        Some(id) => Some(post(tx.conn, Some(new.author), id)?),
        None => None,
    };
    let id = tx.draw(PostId::new);
    let kind = EventKind::Update {
        post: id,
        author: new.author,
        audience: new.audience,
    };
    let seq = tx.announce_post(kind, new.author, new.audience)?;
    tx.conn
        .prepare_cached(
            "INSERT INTO post (id, seq, author_id, text, audience, reply_post_id, reply_author_id, app_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            id,
            seq,
            new.author,
            &new.text,
            new.audience as u8,
            new.in_reply_to,
            answered.as_ref().map(|post| post.author.id),
            new.app,
        ))?;
    count(tx, new.author, new.audience, new.in_reply_to, 1)?;
    if new.audience == Audience::Public {
        tx.conn
            .prepare_cached("UPDATE person SET last_post_at_ms = ?2 WHERE id = ?1")?
            .execute((new.author, tx.now_ms))?;
    }
    tell(tx, new, id, answered.map(|post| post.author.id))?;
    idempotency::remember(tx, new.author, new.idempotency_key.as_deref(), id)?;
    post(tx.conn, Some(new.author), id)
}

/// Notes whom the text names, and tells them and the author of the answered post, if they may see it.
fn tell(tx: &mut Tx<'_>, new: &NewPost, id: PostId, answered: Option<PersonId>) -> Result<()> {
    let mut told = Vec::new();
    for name in names_mentioned(&new.text) {
        let person: Option<PersonId> = tx
            .conn
            .prepare_cached("SELECT id FROM person WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let Some(person) = person else { continue };
        if !may_see(standing(tx.conn, Some(person), new.author)?, new.audience) {
            continue;
        }
        tx.conn
            .prepare_cached("INSERT INTO mention (post_id, person_id) VALUES (?1, ?2)")?
            .execute((id, person))?;
        told.push(person);
    }
    if let Some(author) = answered
        && !told.contains(&author)
        && may_see(standing(tx.conn, Some(author), new.author)?, new.audience)
    {
        told.push(author);
    }
    for person in told.into_iter().filter(|person| *person != new.author) {
        notifications::notify(tx, person, NotificationKind::Mention, new.author, Some(id))?;
    }
    Ok(())
}

/// The post as it was, and the offset of the news that it is gone.
fn delete(tx: &mut Tx<'_>, viewer: PersonId, id: PostId) -> Result<(PostView, u64)> {
    let gone = post(tx.conn, Some(viewer), id)?;
    if gone.author.id != viewer {
        return Err(StoreError::missing());
    }
    tx.withdraw_post(id, viewer, gone.audience)?;
    // Its announcement goes too, so that nothing of it is told again after a restart.
    tx.conn
        .prepare_cached("DELETE FROM event WHERE post_id = ?1")?
        .execute([id])?;
    tx.conn
        .prepare_cached(
            "DELETE FROM event WHERE notification_id IN (SELECT id FROM notification WHERE post_id = ?1)",
        )?
        .execute([id])?;
    tx.conn
        .prepare_cached("DELETE FROM post WHERE id = ?1")?
        .execute([id])?;
    count(
        tx,
        viewer,
        gone.audience,
        gone.in_reply_to.map(|reply| reply.post),
        -1,
    )?;
    let kind = EventKind::Delete {
        post: id,
        author: viewer,
        audience: gone.audience,
    };
    let offset = tx.announce_post(kind, viewer, gone.audience)?;
    Ok((gone, offset))
}

/// Keeps the counts: an author's posts (but those for nobody else), and a post's public answers.
fn count(tx: &Tx<'_>, author: PersonId, audience: Audience, answered: Option<PostId>, by: i64) -> Result<()> {
    if audience != Audience::Me {
        tx.conn
            .prepare_cached("UPDATE person SET posts_count = posts_count + ?2 WHERE id = ?1")?
            .execute((author, by))?;
    }
    if let (Audience::Public, Some(answered)) = (audience, answered) {
        tx.conn
            .prepare_cached("UPDATE post SET replies_count = replies_count + ?2 WHERE id = ?1")?
            .execute((answered, by))?;
    }
    Ok(())
}

/// What a list of posts selects: follow it by conditions on `post p`. It takes `:viewer`.
pub(super) fn select() -> String {
    format!(
        "SELECT p.id, p.seq, p.text, p.audience, p.reply_post_id, p.reply_author_id, p.favourites_count,
             p.replies_count, p.author_id = :viewer,
             EXISTS (SELECT 1 FROM favourite v WHERE v.post_id = p.id AND v.person_id = :viewer),
             app.name, app.website, {PERSON}
         FROM post p JOIN person a ON a.id = p.author_id LEFT JOIN app ON app.id = p.app_id"
    )
}

/// A post, from [`select`]; its mentions are still to be added ([`with_mentions`]).
pub(super) fn view(row: &Row<'_>, viewer: Option<PersonId>) -> rusqlite::Result<PostView> {
    const AUTHOR_AT: usize = 12;
    debug_assert_eq!(row.as_ref().column_count(), AUTHOR_AT + PERSON_COLUMNS);
    let id: PostId = row.get(0)?;
    let reply = (
        row.get::<_, Option<PostId>>(4)?,
        row.get::<_, Option<PersonId>>(5)?,
    );
    let via: Option<String> = row.get(10)?;
    Ok(PostView {
        id,
        seq: row.get(1)?,
        text: row.get(2)?,
        audience: rows::audience(row, 3)?,
        created_at_ms: id.made_at_ms(),
        in_reply_to: reply
            .0
            .zip(reply.1)
            .map(|(post, author)| ReplyTo { post, author }),
        favourites_count: row.get(6)?,
        replies_count: row.get(7)?,
        mine: match viewer {
            Some(_) => Some(Mine {
                own: row.get(8)?,
                favourited: row.get(9)?,
            }),
            None => None,
        },
        app: match via {
            Some(name) => Some(Via {
                name,
                website: row.get(11)?,
            }),
            None => None,
        },
        mentions: Vec::new(),
        author: rows::person(row, AUTHOR_AT)?,
    })
}

/// Adds to each post whom it names.
pub(super) fn with_mentions(conn: &Connection, mut views: Vec<PostView>) -> Result<Vec<PostView>> {
    let sql = "SELECT a.id, a.name FROM mention m JOIN person a ON a.id = m.person_id WHERE m.post_id = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    for view in views.iter_mut().filter(|view| view.text.contains('@')) {
        let named = statement.query_map([view.id], |row| {
            Ok(Mention {
                id: row.get(0)?,
                name: row.get(1)?,
            })
        })?;
        view.mentions = named.collect::<rusqlite::Result<_>>()?;
    }
    Ok(views)
}

/// A post, if `viewer` may see it.
pub(super) fn post(conn: &Connection, viewer: Option<PersonId>, id: PostId) -> Result<PostView> {
    posts(conn, viewer, [id])?.pop().ok_or_else(StoreError::missing)
}

/// Those of these posts that `viewer` may see, in the order given.
pub(super) fn posts(
    conn: &Connection,
    viewer: Option<PersonId>,
    ids: impl IntoIterator<Item = PostId>,
) -> Result<Vec<PostView>> {
    let sql = format!("{} WHERE p.id = :id AND {VISIBLE}", select());
    let mut statement = conn.prepare_cached(&sql)?;
    let mut views = Vec::new();
    for id in ids {
        let params = named_params! { ":id": id, ":viewer": viewer_number(viewer) };
        views.extend(statement.query_row(params, |row| view(row, viewer)).optional()?);
    }
    with_mentions(conn, views)
}

/// A post as all of its audience sees it, without asking who looks.
fn post_for_stream(conn: &Connection, id: PostId) -> Result<Option<PostView>> {
    let sql = format!("{} WHERE p.id = :id", select());
    let params = named_params! { ":id": id, ":viewer": 0 };
    let found = conn
        .prepare_cached(&sql)?
        .query_row(params, |row| view(row, None))
        .optional()?;
    Ok(with_mentions(conn, found.into_iter().collect())?.pop())
}

fn context(conn: &Connection, viewer: Option<PersonId>, id: PostId) -> Result<Context> {
    let mut context = Context::default();
    let mut above = post(conn, viewer, id)?.in_reply_to;
    while let Some(reply) = above
        && context.ancestors.len() < ANCESTORS_MAX
    {
        // What is gone or not for this viewer ends the way up.
        let Some(found) = posts(conn, viewer, [reply.post])?.pop() else {
            break;
        };
        above = found.in_reply_to;
        context.ancestors.push(found);
    }
    context.ancestors.reverse();

    let mut answers =
        conn.prepare_cached("SELECT id FROM post WHERE reply_post_id = ?1 ORDER BY id LIMIT ?2")?;
    // Depth first, oldest first: the next to look at is on top.
    let mut below = vec![id];
    while let Some(next) = below.pop() {
        if next != id {
            let Some(found) = posts(conn, viewer, [next])?.pop() else {
                continue;
            };
            context.descendants.push(found);
            if context.descendants.len() == DESCENDANTS_MAX {
                break;
            }
        }
        let mut ids = answers
            .query_map((next, DESCENDANTS_MAX), |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<PostId>>>()?;
        ids.reverse();
        below.append(&mut ids);
    }
    Ok(context)
}
