//! The one thread that writes.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::events::{Change, ChangeSender, Commit, Retention};
use super::{Result, StoreError, Tx, events};
use crate::domain::ids::IdSource;

/// Writes that wait, at most; more are told to come again.
const QUEUE_MAX: usize = 4_096;
/// Writes that share a transaction, at most.
const GROUP_MAX: usize = 256;
/// How long a group may go on taking more in before it commits.
const GROUP_TIME_MAX: Duration = Duration::from_millis(20);

/// The way to the writing thread.
pub(super) struct Writer {
    queue: SyncSender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the thread. It ends, having committed what waits, when the `Writer` is dropped.
    pub(super) fn start(
        conn: Connection,
        ids: IdSource,
        changes: ChangeSender,
        retention: Retention,
        lock: File,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let mut thread = Thread {
            conn,
            ids,
            changes,
            retention,
            since_trim: 0,
            _lock: lock,
        };
        std::thread::Builder::new()
            .name("feed-writer".into())
            .spawn(move || thread.run(&jobs))?;
        Ok(Self { queue })
    }

    /// Puts a write into the queue.
    pub(super) fn submit(&self, job: Box<dyn Job>) -> Result<()> {
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::busy(),
            TrySendError::Disconnected(_) => StoreError::lost(),
        })
    }
}

/// A write in the queue.
pub(super) trait Job: Send {
    /// Does the work; false: undo it.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Tells whoever waits. Called once, after the commit or its failure.
    fn answer(self: Box<Self>, committed: Result<()>);
}

/// Makes a write out of a function and the place where its result is awaited.
pub(super) fn job<T, F>(work: F, sender: oneshot::Sender<Result<T>>) -> Box<dyn Job>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
{
    Box::new(Work {
        work: Some(work),
        result: Err(StoreError::lost()),
        sender,
    })
}

struct Work<F, T> {
    work: Option<F>,
    result: Result<T>,
    sender: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Work<F, T>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        // A panic in one write must not end the writing of all others; it is undone and answered as lost.
        self.result = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|_| Err(StoreError::lost()));
        self.result.is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let _ = self
            .sender
            .send(self.result.and_then(|value| committed.map(|()| value)));
    }
}

struct Thread {
    conn: Connection,
    ids: IdSource,
    changes: ChangeSender,
    retention: Retention,
    /// Events written since old ones were last looked for.
    since_trim: u64,
    /// One data directory, one process: held until the last write is committed.
    _lock: File,
}

impl Thread {
    fn run(&mut self, jobs: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = jobs.recv() {
            let mut group = vec![first];
            match self.commit_group(&mut group, jobs) {
                Ok(commit) => {
                    self.changes.send(commit);
                    group.into_iter().for_each(|job| job.answer(Ok(())));
                }
                Err(error) => {
                    tracing::error!(error = error.detail(), writes = group.len(), "a commit failed");
                    group
                        .into_iter()
                        .for_each(|job| job.answer(Err(StoreError::lost())));
                }
            }
        }
    }

    /// Runs the first write and those that arrive meanwhile in one transaction.
    fn commit_group(
        &mut self,
        group: &mut Vec<Box<dyn Job>>,
        jobs: &Receiver<Box<dyn Job>>,
    ) -> Result<Commit> {
        let started = Instant::now();
        let mut changes = Vec::new();
        let now_ms = crate::app::now_ms();
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut next = 0;
        loop {
            if run_in_savepoint(&tx, group[next].as_mut(), now_ms, &mut self.ids, &mut changes)? {
                self.since_trim += 1;
            }
            next += 1;
            if next == GROUP_MAX || started.elapsed() > GROUP_TIME_MAX {
                break;
            }
            match jobs.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        if self.since_trim >= self.retention.trim_every {
            events::trim(&tx, &self.retention, now_ms)?;
            self.since_trim = 0;
        }
        tx.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('last_id', ?1)")?
            .execute([self.ids.last()])?;
        let head = events::head(&tx)?;
        tx.commit()?;
        Ok(Commit { changes, head })
    }
}

/// Runs one write so that, if it fails, nothing of it stays: no row, no id that somebody could see, no change.
fn run_in_savepoint(
    conn: &Connection,
    job: &mut dyn Job,
    now_ms: u64,
    ids: &mut IdSource,
    changes: &mut Vec<Change>,
) -> Result<bool> {
    let before = changes.len();
    conn.prepare_cached("SAVEPOINT job")?.execute([])?;
    let keep = job.run(&mut Tx {
        conn,
        now_ms,
        ids,
        changes,
    });
    if !keep {
        changes.truncate(before);
        conn.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    conn.prepare_cached("RELEASE job")?.execute([])?;
    Ok(keep)
}
