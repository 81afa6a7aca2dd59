//! Who follows whom.

use rusqlite::Connection;

use super::events::{Change, EventKind};
use super::rows::{self, PERSON};
use super::visibility::follows;
use super::{Result, Store, Tx, notifications, people};
use crate::domain::people::FOLLOWING_MAX;
use crate::domain::posts::Refused;
use crate::domain::{FollowId, NotificationKind, Paging, Person, PersonId, Relationship};
use crate::stream::topic;

impl Store {
    /// `viewer` follows `target` from now on. Doing it again changes nothing.
    ///
    /// Open streams of the viewer gain what a follower may see; see `stream::publisher`.
    pub async fn follow(&self, viewer: PersonId, target: PersonId) -> Result<Relationship> {
        self.write(move |tx| {
            if viewer == target {
                return Err(Refused("Nobody can follow themselves.").into());
            }
            people::person(tx.conn, target)?;
            if follows(tx.conn, viewer, target)? {
                return relationship(tx.conn, viewer, target);
            }
            if people::person(tx.conn, viewer)?.following_count >= FOLLOWING_MAX {
                return Err(Refused("You follow as many people as one can: 2,000.").into());
            }
            let id = tx.draw(FollowId::new);
            tx.conn
                .prepare_cached("INSERT INTO follow (id, follower_id, followee_id) VALUES (?1, ?2, ?3)")?
                .execute((id, viewer, target))?;
            count(tx, viewer, target, 1)?;
            tx.changes.push(Change::Followed {
                follower: viewer,
                followee: target,
            });
            notifications::notify(tx, target, NotificationKind::Follow, viewer, None)?;
            relationship(tx.conn, viewer, target)
        })
        .await
    }

    /// `viewer` does not follow `target` any more. Open streams have lost it when this answers.
    pub async fn unfollow(&self, viewer: PersonId, target: PersonId) -> Result<Relationship> {
        self.end_following(viewer, target).await?;
        self.relationship(viewer, target).await
    }

    /// `follower` does not follow `viewer` any more, because `viewer` says so. Open streams have lost it when this
    /// answers.
    pub async fn remove_follower(&self, viewer: PersonId, follower: PersonId) -> Result<Relationship> {
        self.end_following(follower, viewer).await?;
        self.relationship(viewer, follower).await
    }

    async fn end_following(&self, follower: PersonId, followee: PersonId) -> Result<()> {
        let ended = self
            .write(move |tx| {
                people::person(tx.conn, follower)?;
                people::person(tx.conn, followee)?;
                end(tx, follower, followee)
            })
            .await?;
        if let Some(offset) = ended {
            self.caught_up_with(offset).await;
        }
        Ok(())
    }

    /// How `viewer` stands to `other`.
    pub async fn relationship(&self, viewer: PersonId, other: PersonId) -> Result<Relationship> {
        self.read(move |conn| {
            people::person(conn, other)?;
            relationship(conn, viewer, other)
        })
        .await
    }

    /// How `viewer` stands to each of these (the first 100), those who do not exist left out.
    pub async fn relationships(&self, viewer: PersonId, others: Vec<PersonId>) -> Result<Vec<Relationship>> {
        self.read(move |conn| {
            let mut found = Vec::new();
            for other in others.into_iter().take(people::LOOKUP_MAX) {
                match people::person(conn, other) {
                    Err(error) if error.is_missing() => continue,
                    person => person?,
                };
                found.push(relationship(conn, viewer, other)?);
            }
            Ok(found)
        })
        .await
    }

    /// Those who follow a person, the latest first, paged by [`FollowId`].
    pub async fn followers(&self, of: PersonId, paging: Paging) -> Result<Vec<(FollowId, Person)>> {
        self.read(move |conn| list(conn, "f.followee_id", "f.follower_id", of, paging))
            .await
    }

    /// Those whom a person follows, the latest first, paged by [`FollowId`].
    pub async fn following(&self, of: PersonId, paging: Paging) -> Result<Vec<(FollowId, Person)>> {
        self.read(move |conn| list(conn, "f.follower_id", "f.followee_id", of, paging))
            .await
    }

    /// Everybody whom a person follows: at most [`FOLLOWING_MAX`].
    pub async fn following_ids(&self, of: PersonId) -> Result<Vec<PersonId>> {
        self.read(move |conn| following_ids(conn, of)).await
    }

    /// How near a viewer is to an author, now.
    pub async fn standing(
        &self,
        viewer: Option<PersonId>,
        author: PersonId,
    ) -> Result<crate::domain::Standing> {
        self.read(move |conn| {
            people::person(conn, author)?;
            super::visibility::standing(conn, viewer, author)
        })
        .await
    }
}

/// Everybody whom a person follows.
pub(super) fn following_ids(conn: &Connection, of: PersonId) -> Result<Vec<PersonId>> {
    let mut statement = conn.prepare_cached("SELECT followee_id FROM follow WHERE follower_id = ?1")?;
    Ok(statement
        .query_map([of], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

fn relationship(conn: &Connection, viewer: PersonId, other: PersonId) -> Result<Relationship> {
    Ok(Relationship {
        id: other,
        following: follows(conn, viewer, other)?,
        followed_by: follows(conn, other, viewer)?,
    })
}

/// Ends a following, if there is one: then gives the offset at which that is in force on open streams.
fn end(tx: &mut Tx<'_>, follower: PersonId, followee: PersonId) -> Result<Option<u64>> {
    let ended = tx
        .conn
        .prepare_cached("DELETE FROM follow WHERE follower_id = ?1 AND followee_id = ?2")?
        .execute((follower, followee))?;
    if ended == 0 {
        return Ok(None);
    }
    count(tx, follower, followee, -1)?;
    tx.changes.push(Change::Unfollowed { follower, followee });
    tx.withdraw_mentions(follower, followee)?;
    tx.announce(EventKind::Quiet, &[topic::NOTHING.to_owned()])
        .map(Some)
}

fn count(tx: &Tx<'_>, follower: PersonId, followee: PersonId, by: i64) -> Result<()> {
    tx.conn
        .prepare_cached("UPDATE person SET following_count = following_count + ?2 WHERE id = ?1")?
        .execute((follower, by))?;
    tx.conn
        .prepare_cached("UPDATE person SET followers_count = followers_count + ?2 WHERE id = ?1")?
        .execute((followee, by))?;
    Ok(())
}

/// The people in column `theirs` of the followings whose column `mine` is `of`.
fn list(
    conn: &Connection,
    mine: &str,
    theirs: &str,
    of: PersonId,
    paging: Paging,
) -> Result<Vec<(FollowId, Person)>> {
    people::person(conn, of)?;
    let window = paging.window();
    let sql = format!(
        "SELECT f.id, {PERSON} FROM follow f JOIN person a ON a.id = {theirs}
         WHERE {mine} = ?1 AND f.id > ?2 AND f.id < ?3 ORDER BY f.id {} LIMIT ?4",
        window.order()
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let found = statement
        .query_map((of, window.above, window.below, window.limit), |row| {
            Ok((row.get(0)?, rows::person(row, 1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(window.newest_first(found))
}
