//! People.

use rusqlite::{Connection, OptionalExtension};

use super::rows::{self, PERSON};
use super::{Result, Store, StoreError};
use crate::domain::paging::{LIMIT_MAX, Paging};
use crate::domain::people::ProfileChange;
use crate::domain::{Person, PersonId, names};

/// People that one call looks up, at most.
pub(super) const LOOKUP_MAX: usize = 100;

/// Matches of each kind of name that a search looks at, at most: the first in alphabetical order.
const CANDIDATES_MAX: usize = 500;

/// How much is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// People.
    pub people: u64,
    /// Posts of all audiences.
    pub posts: u64,
    /// People who posted publicly in the last thirty days.
    pub active_month: u64,
}

impl Store {
    /// Makes a person; `password_hash` is what `domain::passwords` made. Refused by the rules of names, or taken.
    pub async fn create_person(&self, name: &str, password_hash: String) -> Result<Person> {
        let name = names::check(name)?;
        self.write(move |tx| {
            let id = tx.draw(PersonId::new);
            let made = tx
                .conn
                .prepare_cached("INSERT OR IGNORE INTO person (id, name, password_hash) VALUES (?1, ?2, ?3)")?
                .execute((id, &name, &password_hash))?;
            if made == 0 {
                return Err(StoreError::taken());
            }
            person(tx.conn, id)
        })
        .await
    }

    /// The person with this id.
    pub async fn person(&self, id: PersonId) -> Result<Person> {
        self.read(move |conn| person(conn, id)).await
    }

    /// The person with this name, in whatever case.
    pub async fn person_by_name(&self, name: &str) -> Result<Person> {
        // A reserved or impossible name belongs to nobody, and is no different from one that is free.
        let name = name.to_ascii_lowercase();
        self.read(move |conn| {
            let sql = format!("SELECT {PERSON} FROM person a WHERE a.name = ?1");
            Ok(conn
                .prepare_cached(&sql)?
                .query_row([name], |row| rows::person(row, 0))?)
        })
        .await
    }

    /// Those of these people (the first 100) who exist, in the order asked for.
    pub async fn people_by_id(&self, ids: Vec<PersonId>) -> Result<Vec<Person>> {
        self.read(move |conn| {
            let mut people = Vec::new();
            for id in ids.into_iter().take(LOOKUP_MAX) {
                match person(conn, id) {
                    Err(error) if error.is_missing() => {}
                    found => people.push(found?),
                }
            }
            Ok(people)
        })
        .await
    }

    /// The id and password hash of a person, if there is one with this name.
    pub async fn credentials(&self, name: &str) -> Result<Option<(PersonId, String)>> {
        let name = name.to_ascii_lowercase();
        self.read(move |conn| {
            Ok(conn
                .prepare_cached("SELECT id, password_hash FROM person WHERE name = ?1")?
                .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?)
        })
        .await
    }

    /// Changes what a person says about themselves.
    pub async fn update_profile(&self, id: PersonId, change: ProfileChange) -> Result<Person> {
        let change = change.checked()?;
        self.write(move |tx| {
            tx.conn
                .prepare_cached(
                    "UPDATE person SET display_name = COALESCE(?2, display_name), bio = COALESCE(?3, bio),
                         default_audience = COALESCE(?4, default_audience) WHERE id = ?1",
                )?
                .execute((
                    id,
                    &change.display_name,
                    &change.bio,
                    change.default_audience.map(|a| a as u8),
                ))?;
            person(tx.conn, id)
        })
        .await
    }

    /// People whose name or display name begins with `query`, the most followed first.
    pub async fn search_people(&self, query: &str, limit: usize, offset: usize) -> Result<Vec<Person>> {
        let query = query.trim().trim_start_matches('@').to_lowercase();
        if query.is_empty() || query.chars().count() > crate::domain::people::DISPLAY_NAME_CHARS_MAX {
            return Ok(Vec::new());
        }
        self.read(move |conn| {
            // Ranges instead of LIKE: they use the indexes whatever `%` and `_` the query has.
            let sql = format!(
                "SELECT {PERSON} FROM person a WHERE a.id IN (
                     SELECT id FROM (SELECT id FROM person WHERE name >= ?1 AND name < ?2 ORDER BY name LIMIT ?5)
                     UNION SELECT id FROM (
                         SELECT id FROM person
                         WHERE display_name COLLATE NOCASE >= ?1 AND display_name COLLATE NOCASE < ?2
                         ORDER BY display_name COLLATE NOCASE LIMIT ?5))
                 ORDER BY a.name <> ?1, a.followers_count DESC, a.id LIMIT ?3 OFFSET ?4"
            );
            let end = format!("{query}\u{10ffff}");
            let mut statement = conn.prepare_cached(&sql)?;
            let found = statement
                .query_map((&query, end, limit.min(LIMIT_MAX), offset.min(CANDIDATES_MAX), CANDIDATES_MAX), |row| {
                    rows::person(row, 0)
                })?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Everybody, newest first, paged by [`PersonId`].
    pub async fn directory(&self, paging: Paging) -> Result<Vec<Person>> {
        self.read(move |conn| {
            let window = paging.window();
            let sql = format!(
                "SELECT {PERSON} FROM person a WHERE a.id > ?1 AND a.id < ?2 ORDER BY a.id {} LIMIT ?3",
                window.order()
            );
            let mut statement = conn.prepare_cached(&sql)?;
            let found = statement
                .query_map((window.above, window.below, window.limit), |row| {
                    rows::person(row, 0)
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(window.newest_first(found))
        })
        .await
    }

    /// How much is here.
    pub async fn stats(&self) -> Result<Stats> {
        self.read(|conn| {
            let month_ago = crate::app::now_ms().saturating_sub(30 * 24 * 60 * 60 * 1_000);
            let sql = "SELECT (SELECT rows FROM tally WHERE name = 'person'), (SELECT rows FROM tally WHERE name = 'post'),
                              (SELECT COUNT(*) FROM person WHERE last_post_at_ms >= ?1)";
            Ok(conn.prepare_cached(sql)?.query_row([month_ago], |row| {
                Ok(Stats {
                    people: row.get(0)?,
                    posts: row.get(1)?,
                    active_month: row.get(2)?,
                })
            })?)
        })
        .await
    }
}

/// The person with this id.
pub(super) fn person(conn: &Connection, id: PersonId) -> Result<Person> {
    let sql = format!("SELECT {PERSON} FROM person a WHERE a.id = ?1");
    Ok(conn
        .prepare_cached(&sql)?
        .query_row([id], |row| rows::person(row, 0))?)
}
