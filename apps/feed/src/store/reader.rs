//! The threads that read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::{Result, StoreError};

/// Reads that wait, at most; more are told to come again.
const QUEUE_MAX: usize = 4_096;

/// A read.
pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the reading threads.
pub(super) struct Readers {
    queue: SyncSender<Job>,
}

impl Readers {
    /// Starts a thread for each connection. They end when the `Readers` are dropped.
    pub(super) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for (number, conn) in connections.into_iter().enumerate() {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name(format!("feed-reader-{number}"))
                .spawn(move || run(&conn, &jobs))?;
        }
        Ok(Self { queue })
    }

    /// Puts a read into the queue.
    pub(super) fn submit(&self, job: Job) -> Result<()> {
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::busy(),
            TrySendError::Disconnected(_) => StoreError::lost(),
        })
    }

    /// Puts a read into the queue, blocking this thread while the queue is full: for threads of our own that must not
    /// be turned away.
    pub(super) fn submit_patiently(&self, job: Job) -> Result<()> {
        self.queue.send(job).map_err(|_| StoreError::lost())
    }
}

fn run(conn: &Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: whoever has it takes the next job, and the others wait for the lock instead.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic in one read must not cost the thread; whoever waits is told by the dropped answer.
        let _ = catch_unwind(AssertUnwindSafe(|| match conn.unchecked_transaction() {
            Ok(tx) => job(&tx),
            Err(error) => tracing::error!(%error, "a read could not begin"),
        }));
    }
}
