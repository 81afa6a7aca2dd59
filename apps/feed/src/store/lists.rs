//! The lists of posts: home, public, profile.
//!
//! Home merges the followed authors' own lists as it reads (a heap of each author's next post), so its cost follows the
//! number of authors and the size of the page, not how much was ever written.

use std::collections::BinaryHeap;

use rusqlite::{Connection, OptionalExtension, named_params};

use super::rows::viewer_number;
use super::visibility::standing;
use super::{Result, Snapshot, Store, follows, people, posts};
use crate::domain::paging::Window;
use crate::domain::{Paging, PersonId, PostId, PostView};

/// Which of a person's posts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProfileFilter {
    /// Without answers to others' posts; answers to one's own stay.
    pub no_replies: bool,
}

impl Store {
    /// A person's home: their own posts and those of everybody they follow, as far as they may see them.
    pub async fn home(&self, viewer: PersonId, paging: Paging) -> Result<Snapshot<Vec<PostView>>> {
        self.snapshot(move |conn| {
            let ids = home_ids(conn, viewer, paging.window())?;
            posts::posts(conn, Some(viewer), ids)
        })
        .await
    }

    /// All public posts.
    pub async fn public(&self, viewer: Option<PersonId>, paging: Paging) -> Result<Snapshot<Vec<PostView>>> {
        self.snapshot(move |conn| {
            let window = paging.window();
            let sql = format!(
                "{} WHERE p.audience = 0 AND p.id > :above AND p.id < :below ORDER BY p.id {} LIMIT :limit",
                posts::select(),
                window.order()
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let params = named_params! {
                ":viewer": viewer_number(viewer), ":above": window.above, ":below": window.below, ":limit": window.limit
            };
            let found = statement
                .query_map(params, |row| posts::view(row, viewer))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            posts::with_mentions(conn, window.newest_first(found))
        })
        .await
    }

    /// What `viewer` may see of one person's posts.
    pub async fn profile(
        &self,
        viewer: Option<PersonId>,
        author: PersonId,
        filter: ProfileFilter,
        paging: Paging,
    ) -> Result<Snapshot<Vec<PostView>>> {
        self.snapshot(move |conn| {
            people::person(conn, author)?;
            // One author, so one standing: the audiences within reach are the visible ones.
            let reach = standing(conn, viewer, author)?.reach();
            let window = paging.window();
            let no_replies = if filter.no_replies {
                "AND (p.reply_author_id IS NULL OR p.reply_author_id = p.author_id)"
            } else {
                ""
            };
            let sql = format!(
                "{} WHERE p.author_id = :author AND p.audience <= :reach {no_replies}
                 AND p.id > :above AND p.id < :below ORDER BY p.id {} LIMIT :limit",
                posts::select(),
                window.order()
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let params = named_params! {
                ":viewer": viewer_number(viewer), ":author": author, ":reach": reach as u8,
                ":above": window.above, ":below": window.below, ":limit": window.limit
            };
            let found = statement
                .query_map(params, |row| posts::view(row, viewer))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            posts::with_mentions(conn, window.newest_first(found))
        })
        .await
    }
}

/// The ids of a page of home, newest first.
fn home_ids(conn: &Connection, viewer: PersonId, window: Window) -> Result<Vec<PostId>> {
    let mut heads = BinaryHeap::new();
    let push = |author: PersonId, after: Option<PostId>| -> Result<Option<Next>> {
        let next = next_of(conn, author, author == viewer, &window, after)?;
        Ok(next.map(|id| Next {
            id,
            upwards: window.upwards,
            author,
        }))
    };
    heads.extend(push(viewer, None)?);
    for author in follows::following_ids(conn, viewer)? {
        heads.extend(push(author, None)?);
    }
    let mut ids = Vec::with_capacity(window.limit);
    while ids.len() < window.limit
        && let Some(Next { id, author, .. }) = heads.pop()
    {
        ids.push(id);
        heads.extend(push(author, Some(id))?);
    }
    Ok(window.newest_first(ids))
}

/// An author's next post in the direction of reading.
#[derive(PartialEq, Eq)]
struct Next {
    id: PostId,
    upwards: bool,
    author: PersonId,
}

impl Ord for Next {
    /// The heap gives the greatest first: the newest, or when reading upwards the oldest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let newest_first = self.id.cmp(&other.id);
        if self.upwards {
            newest_first.reverse()
        } else {
            newest_first
        }
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The next of an author's posts within the window and beyond `after`. A follower may see all but those for nobody
/// else, and the author those too.
fn next_of(
    conn: &Connection,
    author: PersonId,
    own: bool,
    window: &Window,
    after: Option<PostId>,
) -> Result<Option<PostId>> {
    let (above, below) = match after {
        None => (window.above, window.below),
        Some(after) if window.upwards => (after.get(), window.below),
        Some(after) => (window.above, after.get()),
    };
    let sql = match (own, window.upwards) {
        (true, false) => {
            "SELECT id FROM post WHERE author_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id DESC LIMIT 1"
        }
        (true, true) => {
            "SELECT id FROM post WHERE author_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT 1"
        }
        (false, false) => {
            "SELECT id FROM post WHERE author_id = ?1 AND audience < 3 AND id > ?2 AND id < ?3 ORDER BY id DESC LIMIT 1"
        }
        (false, true) => {
            "SELECT id FROM post WHERE author_id = ?1 AND audience < 3 AND id > ?2 AND id < ?3 ORDER BY id LIMIT 1"
        }
    };
    Ok(conn
        .prepare_cached(sql)?
        .query_row((author, above, below), |row| row.get(0))
        .optional()?)
}
