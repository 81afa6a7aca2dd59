//! What people write by hand: a transaction for every message.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::Result;

/// A table behind a mutex. (A connection each is slower: writers then wait for one another by sleeping.)
pub struct ByHand {
    connection: Mutex<Connection>,
}

impl ByHand {
    /// Opens or makes it.
    pub fn open(folder: &Path) -> Result<Self> {
        let connection = Connection::open(folder.join("by-hand.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY, topic TEXT, at_ms INTEGER, data BLOB) STRICT;",
        )?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    /// Publishes one message; it is on the disk when this returns.
    pub fn publish(&self, topic: &str, at_ms: u64, data: &[u8]) -> Result<u64> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection
            .prepare_cached("INSERT INTO messages (topic, at_ms, data) VALUES (?1, ?2, ?3)")?
            .execute(params![topic, at_ms.cast_signed(), data])?;
        Ok(connection.last_insert_rowid().cast_unsigned())
    }
}
