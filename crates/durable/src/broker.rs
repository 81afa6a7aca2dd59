//! [`DurableBroker`]: lets publishes in, and gives those for memory alone their place in the order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use squall_hub::{Answer, AppendError, Broker, Hub, HubConfig, META_BYTES_MAX, Publish, PublishError};
use tokio::sync::oneshot;

use crate::config::{Durability, Rules};
use crate::index::Index;
use crate::keys::Keys;
use crate::queue::{Job, Publishing, Queue, Shut};

/// The broker of a durable hub: one thread writes, everybody else waits for it, or does not.
///
/// Made by [`DurableBroker::open`]. When the last clone of the hub is dropped, what waits is written and the store closed.
pub struct DurableBroker {
    pub(crate) shared: Arc<Shared>,
    /// The writer, until it is waited for.
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the broker and its writer share.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) rules: Rules,
    /// Whose turn it is to give offsets.
    turn: Mutex<Turn>,
    /// Why nothing can be written now; told to whoever asks.
    failing: Mutex<Option<Failing>>,
    pub(crate) commits: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) on_disk: AtomicU64,
    pub(crate) topics: AtomicU64,
}

/// Trouble with the disk.
#[derive(Clone)]
pub(crate) struct Failing {
    pub(crate) why: String,
    /// There is no use in trying again.
    pub(crate) for_good: bool,
}

/// Guards the order: the writer gives offsets before it commits, others may give some at once while it does not.
pub(crate) struct Turn {
    /// The writer has given offsets that are not in the hub yet.
    pub(crate) taken: bool,
    /// Messages for memory alone that wait for the writer: nobody may overtake them.
    pub(crate) waiting: usize,
    /// The last offset that was given to a message for memory alone.
    pub(crate) head: u64,
    /// Offsets up to here may be: the disk knows that they may have been.
    pub(crate) reserved: u64,
}

impl Shared {
    pub(crate) fn new(queue: Queue, rules: Rules, head: u64, reserved: u64) -> Self {
        Self {
            queue,
            rules,
            turn: Mutex::new(Turn {
                taken: false,
                waiting: 0,
                head,
                reserved,
            }),
            failing: Mutex::default(),
            commits: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            on_disk: AtomicU64::new(0),
            topics: AtomicU64::new(0),
        }
    }

    /// Takes note of what was on disk at the start.
    pub(crate) fn loaded(&self, index: &Index) {
        self.on_disk.store(index.messages() as u64, Ordering::Relaxed);
        self.topics.store(index.topics() as u64, Ordering::Relaxed);
    }

    pub(crate) fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DurableBroker {
    /// The writer runs.
    pub(crate) fn set_thread(&self, thread: JoinHandle<()>) {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }

    fn check(&self, hub: &HubConfig, publish: &Publish<'_>) -> Result<(), PublishError> {
        if publish.topic.is_empty() || publish.topic.len() > hub.topic_bytes_max {
            return Err(AppendError::BadTopic.into());
        }
        let meta_bytes = publish.meta.as_ref().map_or(0, |meta| meta.cost_bytes());
        if publish.data.len() > hub.message_bytes_max || meta_bytes > META_BYTES_MAX {
            return Err(AppendError::TooBig.into());
        }
        if let Some(key) = publish.key {
            Keys::check(&hub.keys, key)?;
        }
        match self.shared.failing().as_ref().filter(|failing| failing.for_good) {
            Some(failing) => Err(PublishError::Unavailable(failing.why.clone())),
            None => Ok(()),
        }
    }

    /// Appends a message for memory alone at once, if nobody is before it.
    fn at_once(&self, hub: &Hub, publish: &Publish<'_>) -> Option<Answer> {
        let mut turn = self.shared.turn();
        if turn.taken || turn.waiting > 0 || hub.head() >= turn.reserved || publish.key.is_some() {
            turn.waiting += 1;
            return None;
        }
        let (data, meta) = (publish.data.clone(), publish.meta.clone());
        let offset = hub.append_with(publish.topic, None, data, meta, publish.now_ms);
        if let Ok(offset) = offset {
            turn.head = offset;
        }
        let cursor = offset
            .map(|offset| hub.cursor_at(offset))
            .map_err(PublishError::from);
        Some(Answer::Ready(cursor))
    }
}

impl Broker for DurableBroker {
    fn publish(&self, hub: &Hub, publish: Publish<'_>) -> Answer {
        if let Err(error) = self.check(hub.config(), &publish) {
            return Answer::Ready(Err(error));
        }
        let durability = self.shared.rules.of(publish.topic);
        if durability == Durability::Memory
            && let Some(answer) = self.at_once(hub, &publish)
        {
            return answer;
        }
        let (reply, answer) = oneshot::channel();
        let job = Job::Publish(Publishing {
            topic: publish.topic.into(),
            data: publish.data,
            meta: publish.meta,
            key: publish.key.map(Box::from),
            now_ms: publish.now_ms,
            durability,
            reply,
        });
        if let Err(shut) = self.shared.queue.push(job) {
            if durability == Durability::Memory {
                self.shared.turn().waiting -= 1;
            }
            return Answer::Ready(Err(shut.into()));
        }
        later(answer)
    }

    fn withdrawn(&self, _hub: &Hub, topic: &str, offsets: &[u64]) -> Answer {
        let (reply, answer) = oneshot::channel();
        let job = Job::Withdraw {
            topic: topic.into(),
            offsets: offsets.to_vec(),
            reply,
        };
        match self.shared.queue.push(job) {
            Ok(()) => later(answer),
            Err(shut) => Answer::Ready(Err(shut.into())),
        }
    }
}

fn later(answer: oneshot::Receiver<Result<squall_hub::Cursor, PublishError>>) -> Answer {
    Answer::Later(Box::pin(async move {
        answer.await.unwrap_or_else(|_| Err(Shut::Ended.into()))
    }))
}

impl From<Shut> for PublishError {
    fn from(shut: Shut) -> Self {
        match shut {
            Shut::Full => Self::Busy,
            Shut::Ended => Self::Unavailable("the durable log has been closed".into()),
        }
    }
}

impl Drop for DurableBroker {
    fn drop(&mut self) {
        self.shared.queue.close();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The writer itself may have held the last hub for a moment.
        if let Some(thread) = thread.filter(|writer| writer.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

/// What a durable log does: for metrics and health checks. Cheap to clone; does not keep the hub.
#[derive(Clone)]
pub struct DurableLog {
    pub(crate) shared: Arc<Shared>,
}

/// What a [`DurableLog`] has done and has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DurableCounts {
    /// Commits since the start.
    pub commits: u64,
    /// Messages that were written since the start.
    pub messages_written: u64,
    /// Messages on disk.
    pub messages: u64,
    /// Topics on disk.
    pub topics: u64,
    /// Messages that wait for the disk.
    pub waiting_messages: usize,
    /// What they cost in bytes.
    pub waiting_bytes: usize,
    /// Why nothing can be written now, on one line; `None` when all is well.
    pub failing: Option<String>,
}

impl DurableLog {
    /// How it is now.
    pub fn counts(&self) -> DurableCounts {
        let (waiting_messages, waiting_bytes) = self.shared.queue.len();
        DurableCounts {
            commits: self.shared.commits.load(Ordering::Relaxed),
            messages_written: self.shared.messages.load(Ordering::Relaxed),
            messages: self.shared.on_disk.load(Ordering::Relaxed),
            topics: self.shared.topics.load(Ordering::Relaxed),
            waiting_messages,
            waiting_bytes,
            failing: self.shared.failing().as_ref().map(|failing| failing.why.clone()),
        }
    }
}
