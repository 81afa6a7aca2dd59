//! [`Node`]: a process's part in a cluster.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use squall_hub::presence::Presence;
use squall_hub::{Bus, Hub, HubConfig};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::bus::NatsBus;
use crate::config::NatsConfig;
use crate::error::StartError;
use crate::follow::Follow;
use crate::job::{self, Job};
use crate::presence;
use crate::publish::NatsBroker;
use crate::shared::Shared;
use crate::status::Status;

/// How long a node that stops waits until it has said goodbye to others.
const GOODBYE: Duration = Duration::from_secs(1);

/// A process's part in a cluster: it fills its hub from the stream, and sends there what is published. To be kept as long as
/// the hub is used: when it is dropped, nothing comes any more, and publishing answers an error.
///
/// It has one thread, with a connection that finds its way to another server by itself. What it does when something is
/// not as it should be:
///
/// | what | is seen by | then |
/// |---|---|---|
/// | a message did not arrive | the consumer's own count, at the next message or heartbeat | read again from there |
/// | the server with the consumer is gone | heartbeats that do not come | a new consumer, from the last message on |
/// | a server that knows nothing of the stream | questions without answers | another server |
/// | the stream no longer has what is next | its sequences | a gap for everybody, in the same epoch |
/// | the stream is another one | its time of creation | a new epoch, a gap for everybody |
/// | the stream lost messages that were here | the last message is another one or is not there; an acknowledgement for a place that was taken | a new epoch, a gap for everybody |
pub struct Node {
    shared: Arc<Shared>,
    hub: Hub,
    /// Where its work is done.
    runtime: Handle,
    /// What carries presence.
    carriers: Mutex<Vec<JoinHandle<()>>>,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    /// Says that the thread has ended.
    ended: Option<oneshot::Receiver<()>>,
}

impl Node {
    /// Connects, finds or makes the stream, and reads its recent part into a new hub. Then the hub is ready to be used.
    ///
    /// The hub's [`epoch`](HubConfig::epoch) and [`floor`](HubConfig::floor) follow from the stream, whatever `hub` says.
    /// Its idempotency keys live as long as the stream's duplicate window, and not as [`HubConfig::keys`] says, but for their
    /// length. It counts ages by the servers' clock, in milliseconds since 1970: so must whoever calls [`Hub::sweep`].
    ///
    /// # Errors
    /// [`StartError`]; after [`NatsConfig::start_timeout_ms`] at the latest.
    pub async fn start(config: NatsConfig, hub: HubConfig) -> Result<(Hub, Self), StartError> {
        let (node, ready) = Self::spawn(config, hub)?;
        let ready = ready.await;
        node.begun(ready.ok())
    }

    /// As [`Node::start`], for threads that have no runtime.
    ///
    /// # Panics
    /// Within an asynchronous runtime.
    pub fn start_blocking(config: NatsConfig, hub: HubConfig) -> Result<(Hub, Self), StartError> {
        let (node, ready) = Self::spawn(config, hub)?;
        let ready = ready.blocking_recv();
        node.begun(ready.ok())
    }

    fn begun(self, ready: Option<Result<(), StartError>>) -> Result<(Hub, Self), StartError> {
        ready.unwrap_or_else(|| Err(StartError::Thread("it has ended".into())))?;
        Ok((self.hub.clone(), self))
    }

    #[allow(clippy::type_complexity)]
    fn spawn(
        config: NatsConfig,
        hub: HubConfig,
    ) -> Result<(Self, oneshot::Receiver<Result<(), StartError>>), StartError> {
        if let Some(wrong) = config.wrong() {
            return Err(StartError::Config(wrong));
        }
        let thread_failed = |error: std::io::Error| StartError::Thread(error.to_string());
        let (jobs, to_do) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(config, jobs));
        let broker = NatsBroker {
            shared: shared.clone(),
        };
        let hub = Hub::with_broker(HubConfig { floor: 0, ..hub }, Arc::new(broker));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(thread_failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (has_ended, ended) = oneshot::channel();
        let (says_ready, ready) = oneshot::channel();
        let (of_thread, its_hub) = (shared.clone(), hub.clone());
        thread::Builder::new()
            .name("squall-nats".into())
            .spawn(move || {
                runtime.block_on(run(of_thread, its_hub, to_do, says_ready, stopped));
                // Blocking look-ups of names may hang; nothing is waited for.
                runtime.shutdown_background();
                let _ = has_ended.send(());
            })
            .map_err(thread_failed)?;
        let node = Self {
            shared,
            hub,
            runtime: handle,
            carriers: Mutex::default(),
            stop: Some(stop),
            ended: Some(ended),
        };
        Ok((node, ready))
    }

    /// How the node is.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Waits until the status is so. It is looked at now, and whenever something other than a counter changes.
    pub async fn wait_for(&self, mut is_so: impl FnMut(&Status) -> bool) -> Status {
        let mut changes = self.shared.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            // The sender is here: it cannot be gone.
            let _ = changes.changed().await;
        }
    }

    /// Something that answers [`Node::status`] and may be kept apart from the node: for a readiness check.
    pub fn observer(&self) -> impl Fn() -> Status + Clone + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.status()
    }

    /// The hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Words to all nodes, in the order of the log.
    pub fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(NatsBus {
            shared: self.shared.clone(),
        })
    }

    /// Carries presence between this node and all others that do, under the same [`NatsConfig::prefix`], as long as the node
    /// runs. What `presence` counts as time must be milliseconds since 1970. Nothing happens without a
    /// [`PresenceConfig::origin`](squall_hub::presence::PresenceConfig::origin).
    ///
    /// A node that stops in order says so, and its members end on the others at once; one that was killed is taken as gone
    /// after [`PresenceConfig::node_timeout_ms`](squall_hub::presence::PresenceConfig::node_timeout_ms).
    pub fn carry(&self, presence: &Presence) {
        let carrier = self
            .runtime
            .spawn(presence::carry(self.shared.clone(), presence.clone()));
        let mut carriers = self.carriers.lock().unwrap_or_else(PoisonError::into_inner);
        carriers.push(carrier);
    }

    /// Stops: takes nothing new, waits until what is on its way has its answer (no longer than
    /// [`NatsConfig::publish_timeout_ms`]), and ends the thread.
    pub async fn stop(mut self) {
        self.shared.stop();
        let all = u32::try_from(self.shared.config.publishes_max).unwrap_or(u32::MAX);
        // What is in flight ends by itself, in time.
        let _ = self.shared.messages.acquire_many(all).await;
        let carriers = std::mem::take(&mut *self.carriers.lock().unwrap_or_else(PoisonError::into_inner));
        for carrier in carriers {
            // Without a connection nobody can be told.
            let _ = tokio::time::timeout(GOODBYE, carrier).await;
        }
        drop(self.stop.take());
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({:?}, {:?})", self.shared.config, self.hub)
    }
}

/// What the thread does, until the node is dropped.
async fn run(
    shared: Arc<Shared>,
    hub: Hub,
    jobs: mpsc::UnboundedReceiver<Job>,
    ready: oneshot::Sender<Result<(), StartError>>,
    stopped: oneshot::Receiver<()>,
) {
    let (says_ready, mut is_ready) = oneshot::channel();
    let follow = Follow::new(shared.clone(), hub, says_ready).run();
    let work = async { tokio::join!(follow, job::send_all(shared.clone(), jobs)) };
    tokio::pin!(work, stopped);
    let start_timeout = Duration::from_millis(shared.config.start_timeout_ms);
    let begun = tokio::select! {
        _ = &mut work => None,
        _ = &mut stopped => None,
        begun = tokio::time::timeout(start_timeout, &mut is_ready) => Some(begun),
    };
    let begun = match begun {
        Some(Ok(Ok(result))) => result,
        // The work ended because it failed, and said so.
        None => is_ready
            .try_recv()
            .unwrap_or_else(|_| Err(StartError::Thread("it was stopped".into()))),
        _ => {
            let last = shared.place().last_error.clone();
            Err(StartError::TimedOut(
                last.unwrap_or_else(|| "nothing was heard".into()),
            ))
        }
    };
    let failed = begun.is_err();
    let _ = ready.send(begun);
    if failed {
        shared.stopped.store(true, Ordering::Release);
        return;
    }
    tokio::select! {
        _ = &mut work => {}
        _ = &mut stopped => {}
    }
}
