//! Tables, settings and files of the database.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params};
use squall_hub::Epoch;

use super::State;
use crate::error::OpenError;

pub(crate) const DATABASE: &str = "log.db";
pub(crate) const WRITE_AHEAD: &str = "log.db-wal";
/// Not used in exclusive mode, but there might be one.
const SHARED_MEMORY: &str = "log.db-shm";
pub(crate) const WITNESS: &str = "witness";
pub(crate) const LOCK: &str = "lock";

/// The version of the tables.
const VERSION: i64 = 1;
/// `Sqll`: what `file` shows, and what tells our databases from others.
const APPLICATION: i64 = 0x5371_6c6c;

const TABLES: &str = "
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1), commit_number INTEGER NOT NULL, epoch TEXT NOT NULL, head INTEGER NOT NULL,
    reserved INTEGER NOT NULL, unknown_floor INTEGER NOT NULL, rules TEXT NOT NULL, row_count INTEGER NOT NULL,
    row_sum INTEGER NOT NULL, sum INTEGER NOT NULL
) STRICT;
CREATE TABLE topics (name TEXT PRIMARY KEY, floor INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, topic TEXT NOT NULL, meta BLOB, data BLOB NOT NULL,
    sum INTEGER NOT NULL
) STRICT;
CREATE TABLE keys (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, topic TEXT NOT NULL, key TEXT NOT NULL, sum INTEGER NOT NULL
) STRICT;";

/// Pages of the write-ahead log before they are copied back: 4 MiB. That is done by whoever commits then; more would be a longer wait.
const CHECKPOINT_PAGES: i64 = 1_024;

/// How long a store that is open elsewhere is waited for: a process that ends may need a moment to write what waits.
const LOCK_TIME_MAX: Duration = Duration::from_millis(500);
const LOCK_EVERY: Duration = Duration::from_millis(5);

/// Makes the folder and takes the lock in it.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let io = |error| OpenError::io(path, error);
    fs::create_dir_all(path).map_err(io)?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join(LOCK))
        .map_err(io)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_TIME_MAX => {
                thread::park_timeout(LOCK_EVERY);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
    }
}

/// New files are in their folder even after a power failure.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let bad = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    let connection = Connection::open_with_flags(path.join(DATABASE), flags).map_err(bad)?;
    connection
        .execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;
             PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;",
        )
        .map_err(bad)?;
    let checkpoint = connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES);
    checkpoint.map_err(bad)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(connection)
}

/// What the store says of itself; `None` of an empty database.
pub(super) fn read_state(path: &Path, connection: &Connection) -> Result<Option<State>, OpenError> {
    let bad = |error: rusqlite::Error| OpenError::of_sqlite(path, &error);
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (application, version) = (
        pragma("application_id").map_err(bad)?,
        pragma("user_version").map_err(bad)?,
    );
    if (application, version) == (0, 0) && pragma("page_count").map_err(bad)? <= 1 {
        return Ok(None);
    }
    if application != APPLICATION {
        return Err(OpenError::damaged(
            path,
            "its database is not one of a durable log",
        ));
    }
    if version != VERSION {
        let path = path.to_owned();
        return Err(OpenError::Unknown { path, found: version });
    }
    let state = connection
        .query_row("SELECT * FROM state", [], |row| {
            let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
            let epoch: String = row.get(2)?;
            let state = State {
                commit: number(1)?,
                epoch: epoch.parse().unwrap_or(Epoch::from_number(0)),
                head: number(3)?,
                reserved: number(4)?,
                unknown_floor: number(5)?,
                rules: row.get(6)?,
                rows: number(7)?,
                sum: number(8)?,
            };
            Ok((state, number(9)?))
        })
        .optional()
        .map_err(bad)?;
    match state {
        Some((state, sum)) if state.own_sum() == sum => {
            check(path, connection)?;
            Ok(Some(state))
        }
        _ => Err(OpenError::damaged(
            path,
            "what it says of itself is not what was written",
        )),
    }
}

/// Looks at the structure of the whole database: what is wrong there would only be found when it is written over.
fn check(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|error| OpenError::of_sqlite(path, &error))? {
        good if good == "ok" => Ok(()),
        bad => Err(OpenError::damaged(path, bad.replace('\n', " "))),
    }
}

/// Makes the tables of a new log.
pub(super) fn create(
    path: &Path,
    connection: &Connection,
    epoch: Epoch,
    rules: &str,
) -> Result<State, OpenError> {
    let state = State {
        commit: 1,
        epoch,
        head: 0,
        reserved: 0,
        unknown_floor: 0,
        rules: rules.to_owned(),
        rows: 0,
        sum: 0,
    };
    let make = || {
        let tx = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        tx.execute_batch(TABLES)?;
        tx.pragma_update(None, "application_id", APPLICATION)?;
        tx.pragma_update(None, "user_version", VERSION)?;
        write_state(&tx, &state)?;
        tx.commit()
    };
    make().map_err(|error| OpenError::of_sqlite(path, &error))?;
    Ok(state)
}

pub(super) fn write_state(tx: &Transaction<'_>, state: &State) -> rusqlite::Result<()> {
    let number = u64::cast_signed;
    tx.prepare_cached("INSERT OR REPLACE INTO state VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            number(state.commit),
            state.epoch.as_str(),
            number(state.head),
            number(state.reserved),
            number(state.unknown_floor),
            state.rules,
            number(state.rows),
            number(state.sum),
            number(state.own_sum()),
        ])
        .map(drop)
}

/// Moves the files of a store into a folder of its own beside them.
pub(crate) fn move_aside(path: &Path) -> Result<(), OpenError> {
    let _lock = lock(path)?;
    let aside = (1_u32..)
        .map(|number| path.join(format!("damaged-{number}")))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.join("damaged"));
    let moved = || {
        fs::create_dir(&aside)?;
        for name in [DATABASE, WRITE_AHEAD, SHARED_MEMORY, WITNESS] {
            match fs::rename(path.join(name), aside.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        sync_folder(path)
    };
    moved().map_err(|error| OpenError::io(path, error))
}
