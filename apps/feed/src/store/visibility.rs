//! `domain::audience::may_see`, in SQL.
//!
//! A test holds both against each other for every audience and standing.

use rusqlite::Connection;

use super::Result;
use crate::domain::{PersonId, Standing};

/// A condition that is true of the rows of `post p` that the viewer `:viewer` (0: not signed in) may see.
///
/// It says `may_see`: the audience is no narrower than the viewer's reach towards the author.
pub(super) const VISIBLE: &str = "p.audience <= CASE
    WHEN p.audience = 0 THEN 0
    WHEN :viewer = 0 THEN 0
    WHEN p.author_id = :viewer THEN 3
    WHEN EXISTS (SELECT 1 FROM follow f WHERE f.follower_id = :viewer AND f.followee_id = p.author_id) THEN 2
    ELSE 1 END";

/// How near a viewer is to an author, by the follow graph as it is in this read.
pub(super) fn standing(conn: &Connection, viewer: Option<PersonId>, author: PersonId) -> Result<Standing> {
    let follows = match viewer {
        Some(viewer) if viewer != author => follows(conn, viewer, author)?,
        _ => false,
    };
    Ok(Standing::of(viewer, author, follows))
}

/// Whether one person follows another.
pub(super) fn follows(conn: &Connection, follower: PersonId, followee: PersonId) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM follow WHERE follower_id = ?1 AND followee_id = ?2)")?
        .query_row((follower, followee), |row| row.get(0))?)
}
