//! Keys by which a program may send the same post twice and make one.

use rusqlite::OptionalExtension;

use super::{Result, Tx};
use crate::domain::posts::{IDEMPOTENCY_AGE_MS_MAX, IDEMPOTENCY_KEY_BYTES_MAX, Refused};
use crate::domain::{PersonId, PostId};

/// Refuses a key that is empty or too long.
pub(super) fn check(key: Option<&str>) -> Result<()> {
    match key {
        Some(key) if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX => {
            Err(Refused("An idempotency key has 1 to 255 bytes.").into())
        }
        _ => Ok(()),
    }
}

/// The post that this author made with this key within the hour.
pub(super) fn find(tx: &Tx<'_>, author: PersonId, key: Option<&str>) -> Result<Option<PostId>> {
    let Some(key) = key else { return Ok(None) };
    let since_ms = tx.now_ms.saturating_sub(IDEMPOTENCY_AGE_MS_MAX);
    Ok(tx
        .conn
        .prepare_cached("SELECT post_id FROM idempotency WHERE person_id = ?1 AND key = ?2 AND at_ms > ?3")?
        .query_row((author, key, since_ms), |row| row.get(0))
        .optional()?)
}

/// Remembers what was made with a key, and forgets what is older than an hour.
pub(super) fn remember(tx: &Tx<'_>, author: PersonId, key: Option<&str>, post: PostId) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    let until_ms = tx.now_ms.saturating_sub(IDEMPOTENCY_AGE_MS_MAX);
    tx.conn
        .prepare_cached("DELETE FROM idempotency WHERE at_ms <= ?1")?
        .execute([until_ms])?;
    tx.conn
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (person_id, key, post_id, at_ms) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((author, key, post, tx.now_ms))?;
    Ok(())
}
