//! Favourites.

use super::rows::{self, PERSON};
use super::{Result, Store, notifications, posts};
use crate::domain::{NotificationKind, Paging, Person, PersonId, PostId, PostView};

impl Store {
    /// Marks a post as a favourite of `viewer`'s, or not any more. Doing it again changes nothing.
    pub async fn set_favourite(&self, viewer: PersonId, id: PostId, favourite: bool) -> Result<PostView> {
        self.write(move |tx| {
            let author = posts::post(tx.conn, Some(viewer), id)?.author.id;
            let changed = if favourite {
                let row = tx.draw(PostId::new);
                tx.conn
                    .prepare_cached(
                        "INSERT OR IGNORE INTO favourite (id, post_id, person_id) VALUES (?1, ?2, ?3)",
                    )?
                    .execute((row, id, viewer))?
            } else {
                tx.conn
                    .prepare_cached("DELETE FROM favourite WHERE post_id = ?1 AND person_id = ?2")?
                    .execute((id, viewer))?
            };
            if changed > 0 {
                let by = if favourite { 1 } else { -1 };
                tx.conn
                    .prepare_cached("UPDATE post SET favourites_count = favourites_count + ?2 WHERE id = ?1")?
                    .execute((id, by))?;
                if favourite && author != viewer {
                    notifications::notify(tx, author, NotificationKind::Favourite, viewer, Some(id))?;
                }
            }
            posts::post(tx.conn, Some(viewer), id)
        })
        .await
    }

    /// Those who marked a post as a favourite, the latest first (the first page only: up to the limit).
    pub async fn favourited_by(
        &self,
        viewer: Option<PersonId>,
        id: PostId,
        paging: Paging,
    ) -> Result<Vec<Person>> {
        self.read(move |conn| {
            posts::post(conn, viewer, id)?;
            let sql = format!(
                "SELECT {PERSON} FROM favourite v JOIN person a ON a.id = v.person_id
                 WHERE v.post_id = ?1 ORDER BY v.id DESC LIMIT ?2"
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let found = statement.query_map((id, paging.clamped().limit), |row| rows::person(row, 0))?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}
