//! Opening the data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::events::{self, Changes, Retention};
use super::{Inner, Result, Store, StoreError, migrations, reader, writer};
use crate::domain::ids::IdSource;
use crate::stream::Epoch;

/// Connections that read.
const READERS: usize = 4;
/// How long a statement waits for another process (a backup, a shell) to let go of the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that a connection keeps prepared.
const STATEMENTS_MAX: usize = 128;

impl Store {
    /// Opens the data directory, making it (mode 0700) and the database if need be.
    ///
    /// Also gives the [`Changes`] that the stream must take; when they are dropped the store works alone.
    ///
    /// # Errors
    /// When the directory cannot be made or written, another process uses it, or the database is damaged or newer than
    /// this program. The text says which.
    pub fn open(directory: &Path) -> Result<(Store, Changes)> {
        Self::open_with(directory, Retention::default())
    }

    /// As [`Store::open`], keeping so much of the stream.
    pub fn open_with(directory: &Path, retention: Retention) -> Result<(Store, Changes)> {
        let fail = |what: &str, error: &dyn std::fmt::Display| {
            StoreError::open(format!("cannot {what} {}: {error}", directory.display()))
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| fail("make the data directory", &error))?;
        let lock = lock(directory)?;
        let path = directory.join("feed.sqlite3");
        Self::open_database(&path, retention, lock)
            .map_err(|error| fail("open the database in", &error.detail()))
    }

    fn open_database(path: &Path, retention: Retention, lock: File) -> Result<(Store, Changes)> {
        let now_ms = crate::app::now_ms();
        let mut conn = Connection::open(path)?;
        prepare(&conn)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        migrations::migrate(&mut conn, now_ms)?;
        let epoch = epoch(&conn)?;
        let last_id = meta_number(&conn, "last_id")?.unwrap_or(0);
        let head = events::head(&conn)?;
        let mut connections = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let reading = Connection::open_with_flags(path, flags)?;
            prepare(&reading)?;
            connections.push(reading);
        }
        let (publisher, published) = watch::channel(head);
        let (changes_in, changes) = events::channel(publisher);
        let spawn = |error: std::io::Error| StoreError::open(format!("cannot start a thread: {error}"));
        let readers = reader::Readers::start(connections).map_err(spawn)?;
        let writer = writer::Writer::start(conn, IdSource::after(last_id), changes_in, retention, lock)
            .map_err(spawn)?;
        let inner = Inner {
            writer,
            readers,
            epoch,
            published,
        };
        Ok((
            Store {
                inner: std::sync::Arc::new(inner),
            },
            changes,
        ))
    }
}

/// What every connection is set to.
fn prepare(conn: &Connection) -> Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.pragma_update(None, "foreign_keys", true)?;
    // A database that somebody else has tampered with must not run code of theirs through views and triggers.
    conn.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// One data directory, one process: two would each believe to be the only writer.
fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| StoreError::open(format!("cannot write to {}: {error}", directory.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::open(format!(
            "another feed is already using {}: stop it, or choose another directory with --data",
            directory.display()
        ))),
        Err(TryLockError::Error(error)) => Err(StoreError::open(format!(
            "cannot lock {}: {error}",
            path.display()
        ))),
    }
}

/// The epoch of this database's stream, drawn the first time.
fn epoch(conn: &Connection) -> Result<Epoch> {
    if let Some(number) = meta_number(conn, "epoch")? {
        return Ok(Epoch::from_number(number));
    }
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::open(format!("no random bytes: {error}")))?;
    let number = u64::from_le_bytes(bytes) >> 1;
    conn.execute("INSERT INTO meta (name, value) VALUES ('epoch', ?1)", [number])?;
    Ok(Epoch::from_number(number))
}

/// A number that is kept about the database itself.
pub(super) fn meta_number(conn: &Connection, name: &str) -> Result<Option<u64>> {
    let mut statement = conn.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let mut rows = statement.query([name])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
