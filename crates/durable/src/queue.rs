//! What waits for the writer: bounded, taken a group at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_hub::{Cursor, MESSAGE_OVERHEAD_BYTES, Meta, PublishError};
use tokio::sync::oneshot;

use crate::config::Durability;

/// Bytes of the messages of one group, at most; a single message may be larger.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Where somebody waits.
pub(crate) type Reply = oneshot::Sender<Result<Cursor, PublishError>>;

/// A publish that was let in.
pub(crate) struct Publishing {
    pub(crate) topic: Box<str>,
    pub(crate) data: Bytes,
    pub(crate) meta: Option<Arc<Meta>>,
    pub(crate) key: Option<Box<str>>,
    pub(crate) now_ms: u64,
    pub(crate) durability: Durability,
    pub(crate) reply: Reply,
}

impl Publishing {
    fn cost_bytes(&self) -> usize {
        let meta = self.meta.as_ref().map_or(0, |meta| meta.cost_bytes());
        self.data.len() + meta + MESSAGE_OVERHEAD_BYTES
    }
}

/// What the writer has to do.
pub(crate) enum Job {
    Publish(Publishing),
    Withdraw {
        topic: Box<str>,
        offsets: Vec<u64>,
        reply: Reply,
    },
}

impl Job {
    fn cost_bytes(&self) -> usize {
        match self {
            Self::Publish(publishing) => publishing.cost_bytes(),
            Self::Withdraw { .. } => 0,
        }
    }
}

/// What the writer gets.
pub(crate) enum Taken {
    /// Work: one job or more.
    Jobs(Vec<Job>),
    /// There was nothing to do for a while.
    Idle,
    /// There is nothing to do, and never will be.
    Ended,
}

/// Why a job was not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    Full,
    Ended,
}

pub(crate) struct Queue {
    messages_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    /// The writer waits here.
    some: Condvar,
    /// How many jobs wait, to be looked at without the lock.
    count: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
    /// Nobody takes anything any more.
    ended: bool,
}

impl Queue {
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
            messages_max,
            bytes_max,
            waiting: Mutex::default(),
            some: Condvar::new(),
            count: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end. Withdrawals are always let in: the messages that they are about were.
    pub(crate) fn push(&self, job: Job) -> Result<(), Shut> {
        let mut waiting = self.lock();
        if waiting.ended {
            return Err(Shut::Ended);
        }
        let cost_bytes = job.cost_bytes();
        let publish = matches!(job, Job::Publish(_));
        let many = waiting.jobs.len() >= self.messages_max;
        let much = !waiting.jobs.is_empty() && waiting.bytes + cost_bytes > self.bytes_max;
        if publish && (many || much) {
            return Err(Shut::Full);
        }
        waiting.bytes += cost_bytes;
        waiting.jobs.push_back(job);
        let count = waiting.jobs.len();
        self.count.store(count, Ordering::Relaxed);
        let first = count == 1;
        drop(waiting);
        if first {
            self.some.notify_one();
        }
        Ok(())
    }

    /// Takes at most `max` jobs; waits at most `time` for the first.
    pub(crate) fn take(&self, max: usize, time: Duration) -> Taken {
        let waiting = self.lock();
        let (mut waiting, _) = self
            .some
            .wait_timeout_while(waiting, time, |waiting| {
                waiting.jobs.is_empty() && !waiting.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        if waiting.jobs.is_empty() {
            return if waiting.closed { Taken::Ended } else { Taken::Idle };
        }
        let mut bytes = 0;
        let mut count = 0;
        for job in waiting.jobs.iter().take(max.max(1)) {
            bytes += job.cost_bytes();
            if count > 0 && bytes > GROUP_BYTES_MAX {
                bytes -= job.cost_bytes();
                break;
            }
            count += 1;
        }
        waiting.bytes -= bytes;
        let jobs = waiting.jobs.drain(..count).collect();
        self.count.store(waiting.jobs.len(), Ordering::Relaxed);
        Taken::Jobs(jobs)
    }

    /// Waits, awake, until `jobs` wait or `time` has passed: those who have just been answered often come at once with
    /// the next, and a thread that sleeps needs about as long to wake as a fast disk to write.
    pub(crate) fn gather(&self, jobs: usize, time: Duration) {
        let started = Instant::now();
        while self.count.load(Ordering::Relaxed) < jobs && started.elapsed() < time {
            thread::yield_now();
        }
    }

    /// Messages that wait, and their bytes.
    pub(crate) fn len(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.jobs.len(), waiting.bytes)
    }

    /// Nothing more will come: what waits is still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.some.notify_one();
    }

    /// Nothing more will be taken: whoever waits is told.
    pub(crate) fn end(&self) {
        let mut waiting = self.lock();
        (waiting.closed, waiting.ended) = (true, true);
        let jobs = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        drop(jobs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(bytes: usize) -> Job {
        Job::Publish(Publishing {
            topic: "x".into(),
            data: vec![0; bytes].into(),
            meta: None,
            key: None,
            now_ms: 0,
            durability: Durability::Disk,
            reply: oneshot::channel().0,
        })
    }

    fn taken(queue: &Queue, max: usize) -> usize {
        match queue.take(max, Duration::ZERO) {
            Taken::Jobs(jobs) => jobs.len(),
            Taken::Idle => 0,
            Taken::Ended => usize::MAX,
        }
    }

    #[test]
    fn a_queue_is_bounded_by_count() {
        let queue = Queue::new(2, usize::MAX);
        assert_eq!((queue.push(job(0)), queue.push(job(0))), (Ok(()), Ok(())));
        assert_eq!(queue.push(job(0)), Err(Shut::Full), "one past the limit");
        assert_eq!(taken(&queue, 1), 1);
        assert_eq!(queue.push(job(0)), Ok(()));
        assert_eq!((taken(&queue, 9), taken(&queue, 9)), (2, 0));
    }

    #[test]
    fn a_queue_is_bounded_by_bytes() {
        let cost = |bytes| bytes + MESSAGE_OVERHEAD_BYTES;
        let queue = Queue::new(9, cost(1) + cost(2));
        assert_eq!(queue.push(job(1)), Ok(()));
        assert_eq!(queue.push(job(3)), Err(Shut::Full), "one past the limit");
        assert_eq!(queue.push(job(2)), Ok(()));
        assert_eq!(taken(&queue, 9), 2);
        assert_eq!(queue.push(job(1_000)), Ok(()), "one is always let in");
        assert_eq!((taken(&queue, 9), queue.len()), (1, (0, 0)));
    }

    #[test]
    fn a_group_is_bounded_by_bytes() {
        let queue = Queue::new(9, usize::MAX);
        for bytes in [GROUP_BYTES_MAX, 1, GROUP_BYTES_MAX / 2, GROUP_BYTES_MAX / 2] {
            queue.push(job(bytes)).unwrap();
        }
        assert_eq!([taken(&queue, 9), taken(&queue, 9), taken(&queue, 9)], [1, 2, 1]);
    }

    #[test]
    fn what_waits_is_taken_after_the_close_and_told_at_the_end() {
        let queue = Queue::new(9, usize::MAX);
        queue.push(job(0)).unwrap();
        queue.close();
        assert_eq!((taken(&queue, 9), taken(&queue, 9)), (1, usize::MAX));
        let (reply, mut answer) = oneshot::channel();
        let withdraw = Job::Withdraw {
            topic: "x".into(),
            offsets: vec![1],
            reply,
        };
        queue.push(withdraw).unwrap();
        queue.end();
        assert!(
            answer
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Closed)
        );
        assert_eq!(queue.push(job(0)), Err(Shut::Ended));
    }
}
