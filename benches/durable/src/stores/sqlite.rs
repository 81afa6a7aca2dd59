//! One table, offsets are its row ids.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Entry, Result, Store};

pub(super) struct Sqlite {
    connection: Connection,
    /// The write-ahead log, if it is synced here.
    log: Option<File>,
}

impl Sqlite {
    pub(super) fn open(folder: &Path, sync_here: bool) -> Result<Self> {
        let connection = Connection::open(folder.join("log.db"))?;
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY, topic INTEGER, data BLOB) STRICT;
             CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY, head INTEGER) STRICT;",
        )?;
        connection.pragma_update(None, "synchronous", if sync_here { "NORMAL" } else { "FULL" })?;
        connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        let log = match sync_here {
            true => Some(File::open(folder.join("log.db-wal"))?),
            false => None,
        };
        Ok(Self { connection, log })
    }
}

impl Store for Sqlite {
    fn commit(&mut self, new: &[Entry], old: &[u64]) -> Result<()> {
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = tx.prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3)")?;
            for (offset, topic, data) in new {
                insert.execute(params![offset.cast_signed(), topic, data])?;
            }
            let mut delete = tx.prepare_cached("DELETE FROM messages WHERE seq = ?1")?;
            for offset in old {
                delete.execute([offset.cast_signed()])?;
            }
            // A log keeps a word about itself with each commit; so do the others here.
            let head = new.last().map_or(0, |(offset, ..)| offset.cast_signed());
            tx.prepare_cached("INSERT OR REPLACE INTO state VALUES (1, ?1)")?
                .execute([head])?;
        }
        tx.commit()?;
        if let Some(log) = &self.log {
            log.sync_data()?;
        }
        Ok(())
    }

    fn scan(&mut self, each: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        let mut all = self
            .connection
            .prepare("SELECT seq, data FROM messages ORDER BY seq")?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            let offset: i64 = row.get(0)?;
            each(offset.cast_unsigned(), row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }
}
