//! Everything that is kept, in SQLite.
//!
//! One thread writes, many read. Writes that wait at the same time share one transaction (and so one sync of the disk),
//! each within a savepoint of its own, and each is answered after the commit: what was answered survives a crash.
//! Because there is one writer, ids and the stream's offsets are drawn in commit order: nothing appears below a cursor
//! that somebody has already read past.
//!
//! Not here: the rules (`domain`), who is told (`stream`).

mod connected;
mod error;
mod events;
mod favourites;
mod follows;
mod idempotency;
mod lists;
mod migrations;
mod notifications;
mod oauth;
mod open;
mod people;
mod posts;
mod reader;
mod rows;
mod search;
mod sessions;
mod visibility;
mod writer;

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

pub use connected::{CONNECTED_APPS_MAX, ConnectedApp};
pub use error::StoreError;
pub use events::{Change, Changes, Commit, Event, EventKind, Retention, Withdrawn};
pub use lists::ProfileFilter;
pub use notifications::{NotificationFilter, UNREAD_MAX};
pub use people::Stats;
pub use posts::Context;

use crate::domain::ids::IdSource;
use crate::stream::{Cursor, Epoch};

/// What an operation gives.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Everything that is kept. Cheap to clone; the threads end when the last clone is gone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: writer::Writer,
    readers: reader::Readers,
    epoch: Epoch,
    /// The newest offset that followers of the stream can already receive; see [`Store::snapshot`].
    published: watch::Receiver<u64>,
}

/// A store that may be closed meanwhile: what background threads hold, so that they keep nothing open.
#[derive(Clone)]
pub struct WeakStore(std::sync::Weak<Inner>);

impl WeakStore {
    /// The store, unless it is closed.
    pub fn upgrade(&self) -> Option<Store> {
        self.0.upgrade().map(|inner| Store { inner })
    }
}

/// Content, and the stream's cursor it was read at, from one read of the database: who follows the stream from that
/// cursor receives exactly what the content does not show yet.
#[derive(Clone, Debug)]
pub struct Snapshot<T> {
    /// The content.
    pub value: T,
    /// Where the stream continues it.
    pub cursor: Cursor,
}

/// A write under way: the connection within its savepoint, and what else a write may use.
pub(crate) struct Tx<'a> {
    /// The database.
    conn: &'a rusqlite::Connection,
    /// The time, in milliseconds since 1970; the same for the whole group of writes.
    now_ms: u64,
    ids: &'a mut IdSource,
    changes: &'a mut Vec<Change>,
}

impl Tx<'_> {
    /// The next id.
    fn draw<I>(&mut self, make: impl FnOnce(u64) -> Option<I>) -> I {
        // 2^63 milliseconds << 16 is the year 6429; the clock is ours.
        make(self.ids.draw(self.now_ms)).expect("the clock is before the year 6400")
    }
}

impl Store {
    /// Runs a read on one of the reading threads; all its statements see the same state of the database.
    async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.inner.readers.submit(Box::new(move |conn| {
            let _ = sender.send(job(conn));
        }))?;
        receiver.await.map_err(|_| StoreError::lost())?
    }

    /// As [`Store::read`], but waits, blocking the thread, where that would be too busy: for the publisher's thread.
    async fn read_patiently<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.inner.readers.submit_patiently(Box::new(move |conn| {
            let _ = sender.send(job(conn));
        }))?;
        receiver.await.map_err(|_| StoreError::lost())?
    }

    /// Reads content together with the stream's cursor.
    ///
    /// Waits (for well under a millisecond, as a rule) until the stream has caught up with what was read, so that the
    /// cursor is never ahead of the hub's log.
    async fn snapshot<T, F>(&self, job: F) -> Result<Snapshot<T>>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    {
        let (value, offset) = self
            .read(move |conn| Ok((job(conn)?, events::head(conn)?)))
            .await?;
        self.caught_up_with(offset).await;
        Ok(Snapshot {
            value,
            cursor: Cursor {
                epoch: self.inner.epoch,
                offset,
            },
        })
    }

    /// Waits until the stream has published everything up to this offset.
    async fn caught_up_with(&self, offset: u64) {
        // An error means that nobody publishes (the store is used alone): then there is nothing to wait for.
        let _ = self
            .inner
            .published
            .clone()
            .wait_for(|published| *published >= offset)
            .await;
    }

    /// Runs a write; when it returns without an error the write is on the disk.
    async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.inner.writer.submit(writer::job(job, sender))?;
        receiver.await.map_err(|_| StoreError::lost())?
    }

    /// This store, without keeping it open.
    pub fn downgrade(&self) -> WeakStore {
        WeakStore(Arc::downgrade(&self.inner))
    }

    /// Where the stream is now.
    pub async fn cursor(&self) -> Result<Cursor> {
        Ok(self.snapshot(|_| Ok(())).await?.cursor)
    }

    /// Identifies the life of the stream's log: drawn when the database was made.
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }
}
