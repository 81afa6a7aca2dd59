//! The log on disk: an SQLite database that one connection owns, and what is known of it.
//!
//! `SQLite` runs with `synchronous=NORMAL`: by itself it syncs its write-ahead log before it copies pages back and before
//! it begins that log anew, so the database is whole after any crash. That a commit is on the disk is this module's work:
//! `fdatasync` of the write-ahead log after each, where `synchronous=FULL` of a common build would call `fsync`.

mod rows;
mod schema;

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use squall_hub::Epoch;

pub(crate) use rows::{KeyRow, Row};
pub(crate) use schema::move_aside;
use schema::{WITNESS, WRITE_AHEAD};

use crate::error::OpenError;
use crate::plan::Plan;
use crate::witness::{Seen, Witness};
use crate::{sums, witness};

/// What the store says of itself. Written with every commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The number of the last commit.
    pub(crate) commit: u64,
    /// This life of the log.
    pub(crate) epoch: Epoch,
    /// The last offset that a commit gave.
    pub(crate) head: u64,
    /// Offsets up to here may have been given to messages that are in memory alone.
    pub(crate) reserved: u64,
    /// Topics without a row may lack messages up to here.
    pub(crate) unknown_floor: u64,
    /// Which topics were kept on disk: [`Rules::text`](crate::config::Rules::text).
    pub(crate) rules: String,
    /// Rows of all other tables.
    pub(crate) rows: u64,
    /// The sum of their sums.
    pub(crate) sum: u64,
}

impl State {
    fn own_sum(&self) -> u64 {
        let numbers = [
            self.commit,
            self.head,
            self.reserved,
            self.unknown_floor,
            self.rows,
            self.sum,
        ];
        sums::state(&numbers, self.epoch, &self.rules)
    }

    fn add(&mut self, sum: u64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(sum);
    }

    fn remove(&mut self, sum: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(sum);
    }
}

/// Why a commit failed.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Nothing of it was written; the next one may succeed.
    Undone(rusqlite::Error),
    /// What became of it will be known at the next start: nothing may be written any more.
    Unknown(String),
}

impl std::fmt::Display for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Undone(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                f.write_str("the disk is full")
            }
            Self::Undone(error) => write!(f, "the disk failed: {error}"),
            Self::Unknown(why) => write!(f, "the disk failed ({why}), the process must be started again"),
        }
    }
}

/// The open database, its write-ahead log, its witness and its lock.
pub(crate) struct Store {
    connection: Connection,
    /// The write-ahead log, to be synced. Never closed before the connection: see [`Store::commit`].
    write_ahead: File,
    witness: Witness,
    pub(crate) state: State,
    /// A sync has failed: what is on the disk is not known.
    failed: bool,
    /// Held as long as this is open.
    _lock: File,
}

impl Store {
    /// Writes what is planned and returns when it is on the disk.
    pub(crate) fn commit(&mut self, plan: &Plan) -> Result<(), CommitError> {
        if self.failed {
            return Err(CommitError::Unknown("an earlier write was lost".into()));
        }
        let state = self.next_state(plan);
        if let Err(error) = self.write(plan, &state) {
            // Dropping the transaction has rolled it back, unless SQLite had done so.
            if !self.connection.is_autocommit() {
                self.failed = true;
                return Err(CommitError::Unknown(error.to_string()));
            }
            return Err(CommitError::Undone(error));
        }
        // After a sync that failed the kernel may take lost pages for written ones, so trying again proves nothing.
        if let Err(error) = self.write_ahead.sync_data() {
            self.failed = true;
            return Err(CommitError::Unknown(error.to_string()));
        }
        self.state = state;
        if let Err(error) = self.witness.write(self.seen()) {
            // Nothing is lost by that; only a loss would not be noticed.
            tracing::warn!(%error, "a durable log's witness could not be written");
        }
        Ok(())
    }

    fn seen(&self) -> Seen {
        Seen {
            commit: self.state.commit,
            head: self.state.head,
        }
    }

    fn next_state(&self, plan: &Plan) -> State {
        let mut state = State {
            commit: self.state.commit + 1,
            head: plan.head,
            reserved: plan.reserved,
            unknown_floor: plan.unknown_floor,
            ..self.state.clone()
        };
        plan.rows.iter().for_each(|row| state.add(row.sum));
        plan.removed.values().for_each(|gone| state.remove(gone.sum));
        for (name, change) in &plan.topics {
            change
                .before
                .iter()
                .for_each(|floor| state.remove(sums::topic(name, *floor)));
            change
                .after
                .iter()
                .for_each(|floor| state.add(sums::topic(name, *floor)));
        }
        plan.keys.iter().for_each(|key| state.add(key.sum));
        plan.keys_gone.iter().for_each(|key| state.remove(key.sum));
        state
    }

    fn write(&mut self, plan: &Plan, state: &State) -> rusqlite::Result<()> {
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        rows::write(&tx, plan)?;
        schema::write_state(&tx, state)?;
        tx.commit()
    }

    /// Every message in the order of the offsets, every topic with its floor, every key; each checked by its own sum, all
    /// by theirs.
    pub(crate) fn read(
        &self,
        path: &Path,
        mut topic: impl FnMut(&str, u64),
        mut message: impl FnMut(Row),
        mut key: impl FnMut(KeyRow),
    ) -> Result<(), OpenError> {
        let mut found = State {
            rows: 0,
            sum: 0,
            ..self.state.clone()
        };
        let bad = |error: rows::ReadError| match error {
            rows::ReadError::Store(error) => OpenError::of_sqlite(path, &error),
            rows::ReadError::Wrong(what) => OpenError::damaged(path, what),
        };
        rows::topics(&self.connection, |name, floor| {
            found.add(sums::topic(name, floor));
            topic(name, floor);
        })
        .map_err(bad)?;
        rows::messages(&self.connection, |row| {
            found.add(row.sum);
            message(row);
        })
        .map_err(bad)?;
        rows::keys(&self.connection, |row| {
            found.add(row.sum);
            key(row);
        })
        .map_err(bad)?;
        if found != self.state {
            return Err(OpenError::damaged(
                path,
                format!(
                    "{} entries were written and {} are there, or not these",
                    self.state.rows, found.rows
                ),
            ));
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // At a proper end the witness is as good as the log, whatever happens to the machine afterwards.
        let _ = self.witness.sync();
    }
}

/// How a store was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There was none.
    Nothing,
    /// It is whole.
    Whole,
    /// Commits that there were are missing, or nothing says whether there were any.
    EndLost {
        /// Beyond every offset that is known to have been given.
        head: u64,
        /// The last commit that is known to have been: the next is beyond it, so that its witness is.
        commit: u64,
    },
}

/// Opens or makes the store in a folder; `epoch` is for a new one.
pub(crate) fn open(path: &Path, epoch: Epoch, rules: &str) -> Result<(Store, Found), OpenError> {
    let lock = schema::lock(path)?;
    let io = |error| OpenError::io(path, error);
    let (witness, seen) = witness::Witness::open(&path.join(WITNESS)).map_err(io)?;
    let connection = schema::connect(path)?;
    let state = schema::read_state(path, &connection)?;
    let found = match (&state, seen) {
        (None, None) => Found::Nothing,
        (None, Some(_)) => return Err(OpenError::damaged(path, "all of it is gone")),
        (Some(state), Some(seen)) if seen.commit <= state.commit => Found::Whole,
        (Some(state), seen) => Found::EndLost {
            head: seen.map_or(0, |seen| seen.head).max(state.head),
            commit: seen.map_or(0, |seen| seen.commit).max(state.commit),
        },
    };
    let state = match state {
        Some(state) => state,
        None => schema::create(path, &connection, epoch, rules)?,
    };
    let write_ahead = File::open(path.join(WRITE_AHEAD)).map_err(io)?;
    write_ahead.sync_all().map_err(io)?;
    schema::sync_folder(path).map_err(io)?;
    let store = Store {
        connection,
        write_ahead,
        witness,
        state,
        failed: false,
        _lock: lock,
    };
    if found == Found::Nothing {
        store.witness.write(store.seen()).map_err(io)?;
        store.witness.sync().map_err(io)?;
    }
    Ok((store, found))
}

impl Store {
    /// Writes the state as it is now: at a start that changes something.
    pub(crate) fn put_state(&mut self, change: impl FnOnce(&mut State)) -> Result<(), CommitError> {
        change(&mut self.state);
        let plan = Plan::of_state(&self.state);
        self.commit(&plan)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::fd::OwnedFd;

    use super::*;

    fn message(store: &Store) -> Plan {
        let offset = store.state.head + 1;
        let mut plan = Plan::of_state(&store.state);
        plan.rows
            .push(Row::new(offset, 0, "x".into(), None, "data".into()));
        plan.head = offset;
        plan
    }

    #[test]
    fn nothing_is_written_after_a_sync_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let epoch = Epoch::from_number(1);
        let (mut store, found) = open(folder.path(), epoch, "").unwrap();
        assert_eq!(found, Found::Nothing);
        store.commit(&message(&store)).unwrap();
        // A pipe cannot be synced.
        let (_reader, writer) = io::pipe().unwrap();
        let good = std::mem::replace(&mut store.write_ahead, File::from(OwnedFd::from(writer)));
        let unknown = |result| matches!(result, Err(CommitError::Unknown(_)));
        assert!(unknown(store.commit(&message(&store))));
        store.write_ahead = good;
        assert!(
            unknown(store.commit(&message(&store))),
            "the kernel may have dropped it"
        );
        assert_eq!(store.state.head, 1);
        drop(store);
        let (store, found) = open(folder.path(), epoch, "").unwrap();
        assert_eq!(found, Found::Whole);
        assert!((1..=2).contains(&store.state.head), "the start finds out");
    }

    #[test]
    fn deleting_what_is_not_there_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = open(folder.path(), Epoch::from_number(1), "").unwrap();
        let mut plan = message(&store);
        let topic = "x".into();
        plan.removed.insert(9, crate::plan::Removed { topic, sum: 0 });
        assert!(matches!(store.commit(&plan), Err(CommitError::Undone(_))));
        store.commit(&message(&store)).unwrap();
        let mut found = 0;
        store
            .read(folder.path(), |_, _| (), |_| found += 1, |_| ())
            .unwrap();
        assert_eq!(found, 1);
    }
}
