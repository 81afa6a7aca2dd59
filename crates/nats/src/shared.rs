//! What the threads that publish and the node's own thread have in common.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use squall_hub::{Cursor, Ear};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use crate::config::NatsConfig;
use crate::job::Job;
use crate::life::Life;
use crate::link::{Link, random_number};
use crate::subject::Subjects;

/// After as long as so many attempts take, without an answer to any, another server is tried.
const UNANSWERED_ATTEMPTS_MAX: u32 = 3;

/// The node, but for its hub: the hub holds this, so this must not hold the hub.
pub(crate) struct Shared {
    pub(crate) config: NatsConfig,
    pub(crate) subjects: Subjects,
    /// Names this node in what it publishes.
    pub(crate) id: u64,
    /// Numbers what this node publishes.
    pub(crate) next_message: AtomicU64,
    /// Everything up to this offset is in the hub: messages, words that were heard, and what is nobody's.
    applied: AtomicU64,
    /// Who waits for an offset to be applied.
    waiting: Mutex<BTreeMap<u64, Vec<oneshot::Sender<()>>>>,
    /// Who waits for a message with this id to come: whatever becomes of its acknowledgement, it is published then.
    expected: Mutex<HashMap<String, oneshot::Sender<Cursor>>>,
    pub(crate) place: Mutex<Place>,
    /// The connection, while there is one.
    pub(crate) link: watch::Sender<Option<Arc<Link>>>,
    /// An acknowledgement raised doubts whether the stream still has what this node had in this life.
    doubted: Mutex<Option<Life>>,
    /// Since when no attempt to publish has had an answer; `None` if the last one had.
    unanswered: Mutex<Option<Instant>>,
    /// There is news in `doubted`.
    suspect: Notify,
    pub(crate) ear: Mutex<Option<Ear>>,
    /// Room for messages on their way.
    pub(crate) messages: Arc<Semaphore>,
    /// Room for their data, in KiB begun.
    pub(crate) kib: Arc<Semaphore>,
    pub(crate) jobs: mpsc::UnboundedSender<Job>,
    pub(crate) stopped: AtomicBool,
    /// Told whenever something changes that a status says, but for counters.
    pub(crate) changes: watch::Sender<()>,
    pub(crate) counters: Counters,
}

/// Where the node is.
pub(crate) struct Place {
    /// Which life of which stream; `None` before the first.
    pub(crate) life: Option<Life>,
    /// The recent part of the stream has been read.
    pub(crate) loaded: bool,
    /// The consumer lives, and what it delivers was seen to go on from where the node is.
    pub(crate) current: bool,
    /// Since when `current` is what it is.
    pub(crate) since: Instant,
    /// What went wrong last.
    pub(crate) last_error: Option<String>,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) published: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) attempts_again: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) words: AtomicU64,
    pub(crate) foreign: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) disconnects: AtomicU64,
    pub(crate) consumers: AtomicU64,
    pub(crate) holes: AtomicU64,
    pub(crate) lives: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: NatsConfig, jobs: mpsc::UnboundedSender<Job>) -> Self {
        Self {
            subjects: Subjects::new(&config.prefix),
            id: random_number(),
            next_message: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            waiting: Mutex::default(),
            expected: Mutex::default(),
            place: Mutex::new(Place {
                life: None,
                loaded: false,
                current: false,
                since: Instant::now(),
                last_error: None,
            }),
            link: watch::channel(None).0,
            doubted: Mutex::default(),
            unanswered: Mutex::default(),
            suspect: Notify::new(),
            ear: Mutex::default(),
            messages: Arc::new(Semaphore::new(config.publishes_max)),
            kib: Arc::new(Semaphore::new(config.publish_kib_max as usize)),
            jobs,
            stopped: AtomicBool::new(false),
            changes: watch::channel(()).0,
            counters: Counters::default(),
            config,
        }
    }

    pub(crate) fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn life(&self) -> Option<Life> {
        self.place().life
    }

    /// Perhaps the stream has lost messages in this life: that is to be looked at.
    pub(crate) fn doubt(&self, life: Life) {
        *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(life);
        self.suspect.notify_one();
    }

    /// Waits until this life is doubted. An earlier one's doubts are over.
    pub(crate) async fn doubts(&self, life: Option<Life>) {
        loop {
            self.suspect.notified().await;
            let doubted = *self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
            if doubted.is_some() && doubted == life {
                return;
            }
        }
    }

    /// An attempt to publish had an answer, or had none. Answers whether there was none for so long that another server
    /// should be tried: one that is cut off from the others goes on for a while as if it were not.
    pub(crate) fn answered(&self, answered: bool) -> bool {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *unanswered = None;
            return false;
        }
        let patience = Duration::from_millis(self.config.attempt_timeout_ms) * UNANSWERED_ATTEMPTS_MAX;
        let since = *unanswered.get_or_insert_with(Instant::now);
        let too_long = since.elapsed() >= patience;
        if too_long {
            *unanswered = None;
        }
        too_long
    }

    /// Waits until the life is another one.
    pub(crate) async fn life_after(&self, life: Life) {
        let mut changes = self.changes.subscribe();
        // The sender is here: it cannot be gone.
        while self.life() == Some(life) && changes.changed().await.is_ok() {}
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Everything up to `offset` is in the hub: whoever waits for that goes on.
    pub(crate) fn apply(&self, offset: u64) {
        self.applied.store(offset, Ordering::Release);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = waiting.first_entry() {
            if *first.key() > offset {
                break;
            }
            for waits in first.remove() {
                // It may have given up.
                let _ = waits.send(());
            }
        }
    }

    /// Waits until `offset` is applied.
    pub(crate) async fn applied_to(&self, offset: u64) {
        let waits = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.applied() >= offset {
                return;
            }
            let (done, waits) = oneshot::channel();
            waiting.entry(offset).or_default().push(done);
            waits
        };
        let _ = waits.await;
    }

    /// Waits until a message with this id comes from the stream. Of several that wait for one id, one does.
    pub(crate) fn expect(&self, id: &str) -> Expected<'_> {
        let (comes, came) = oneshot::channel();
        self.expected().insert(id.to_owned(), comes);
        Expected {
            shared: self,
            id: id.to_owned(),
            came,
        }
    }

    /// A message with this id came from the stream, and is applied.
    pub(crate) fn arrived(&self, id: &str, cursor: Cursor) {
        if let Some(comes) = self.expected().remove(id) {
            // Whoever waited may know already.
            let _ = comes.send(cursor);
        }
    }

    fn expected(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Cursor>>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new life begins at this offset.
    pub(crate) fn begin(&self, life: Life, floor: u64) {
        self.place().life = Some(life);
        self.apply(floor);
        self.changes.send_replace(());
    }

    pub(crate) fn is_current(&self) -> bool {
        self.place().current
    }

    pub(crate) fn came(&self) {
        let mut place = self.place();
        place.loaded = true;
        if !place.current {
            let away = place.since.elapsed();
            place.current = true;
            place.since = Instant::now();
            drop(place);
            self.changes.send_replace(());
            tracing::info!(
                away_ms = away.as_millis() as u64,
                "the node is up to date with its stream"
            );
        }
    }

    /// The node is not up to date from now on, or was not before either.
    pub(crate) fn went_away(&self, why: &str) {
        let mut place = self.place();
        place.last_error = Some(why.to_owned());
        if place.current {
            place.current = false;
            place.since = Instant::now();
            drop(place);
            self.changes.send_replace(());
            tracing::warn!(why, "the node has lost its stream: it goes on from what it has");
        }
    }

    /// Remembers what went wrong last.
    pub(crate) fn note(&self, why: &str) {
        self.place().last_error = Some(why.to_owned());
    }

    pub(crate) fn ear(&self) -> Option<Ear> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on nothing new is taken.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.changes.send_replace(());
    }

    /// Waits until the node stops.
    pub(crate) async fn stopping(&self) {
        let mut changes = self.changes.subscribe();
        // The sender is here: it cannot be gone.
        let _ = changes.wait_for(|()| self.stopped.load(Ordering::Acquire)).await;
    }

    /// Waits until there is a connection.
    pub(crate) async fn linked(&self) -> Arc<Link> {
        let mut link = self.link.subscribe();
        loop {
            let found = link.borrow_and_update().clone();
            if let Some(found) = found {
                if found.is_connected() {
                    return found;
                }
                tokio::select! {
                    () = found.connected() => return found,
                    changed = link.changed() => if changed.is_err() { break },
                }
            } else if link.changed().await.is_err() {
                break;
            }
        }
        // The sender is here: it cannot be gone.
        std::future::pending().await
    }
}

/// Somebody who waits for a message that was published here.
pub(crate) struct Expected<'a> {
    shared: &'a Shared,
    id: String,
    came: oneshot::Receiver<Cursor>,
}

impl Expected<'_> {
    /// Where the message is; never, if another one waits for the same id.
    pub(crate) async fn cursor(&mut self) -> Cursor {
        match (&mut self.came).await {
            Ok(cursor) => cursor,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.came.close();
        let mut expected = self.shared.expected();
        // It may be somebody else's by now.
        if expected.get(&self.id).is_some_and(oneshot::Sender::is_closed) {
            expected.remove(&self.id);
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
