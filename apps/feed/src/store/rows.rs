//! Rows into values.

use rusqlite::Row;
use rusqlite::types::Type;

use crate::domain::{Audience, Person, PersonId};

/// The columns that [`person`] reads, of a table named `a`.
pub(super) const PERSON: &str = "a.id, a.name, a.display_name, a.bio, a.default_audience, a.posts_count, \
     a.followers_count, a.following_count, a.last_post_at_ms";
/// How many they are.
pub(super) const PERSON_COLUMNS: usize = 9;

/// A person, from [`PERSON`] at column `at`.
pub(super) fn person(row: &Row<'_>, at: usize) -> rusqlite::Result<Person> {
    let id: PersonId = row.get(at)?;
    let name: String = row.get(at + 1)?;
    let display_name: String = row.get(at + 2)?;
    Ok(Person {
        id,
        display_name: if display_name.is_empty() {
            name.clone()
        } else {
            display_name
        },
        name,
        bio: row.get(at + 3)?,
        created_at_ms: id.made_at_ms(),
        posts_count: row.get(at + 5)?,
        followers_count: row.get(at + 6)?,
        following_count: row.get(at + 7)?,
        last_post_at_ms: row.get(at + 8)?,
        default_audience: audience(row, at + 4)?,
    })
}

/// An audience.
pub(super) fn audience(row: &Row<'_>, at: usize) -> rusqlite::Result<Audience> {
    let number: i64 = row.get(at)?;
    Audience::from_number(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(at, number))
}

/// Text that was checked before it was written, parsed again.
pub(super) fn parsed<T, E: std::error::Error + Send + Sync + 'static>(
    at: usize,
    value: std::result::Result<T, E>,
) -> rusqlite::Result<T> {
    value.map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error)))
}

/// Who is looking, as a number for SQL: 0 for somebody who is not signed in (no person has that id).
pub(super) fn viewer_number(viewer: Option<PersonId>) -> u64 {
    viewer.map_or(0, PersonId::get)
}
