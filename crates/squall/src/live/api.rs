//! [`Live`]: a hub, the one function that says who may follow what, and everything that follows.

use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use axum::routing::MethodRouter;
use bytes::Bytes;
use squall_engine::MakeSource;
use squall_hub::{Answer, Hub, Publish};

use super::access::{Ask, Grant, Moment, Refusal, Topics};
use super::commands::{Command, Commands, What};
use super::counts::{Counters, LiveCounts};
use super::doors::{PollDoor, SseDoor, WsDoor};
use super::encode::Encode;
use super::mailbox::CoreMailbox;
use super::seeing::Samples;
use super::session::shared::Shared;
use super::source::LiveSource;
use super::style::{Style, Styles};
use crate::BoxFuture;
use crate::web::now_ms;

/// Limits of a [`Live`].
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// Most subscriptions (topics and styles) of one connection. Default: 1,024.
    pub follower_topics_max: usize,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            follower_topics_max: 1_024,
        }
    }
}

type Authorize = Box<dyn Fn(Ask) -> BoxFuture<'static, Result<Grant, Refusal>> + Send + Sync>;

/// Doors to a hub. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Live {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) hub: Hub,
    pub(crate) config: LiveConfig,
    authorize: Authorize,
    pub(crate) commands: Commands,
    pub(crate) styles: Styles,
    pub(crate) counters: Counters,
    pub(crate) samples: Samples,
    /// What sessions have in common, if there are any.
    pub(crate) sessions: OnceLock<Arc<Shared>>,
    /// The cores that serve followers.
    cores: Mutex<Vec<Weak<CoreMailbox>>>,
    /// How many cores there were.
    cores_made: AtomicU32,
}

impl Live {
    /// Doors to `hub`. `authorize` is asked whenever somebody comes to one: see [`Ask`], [`Grant`].
    pub fn new<F, Fut>(hub: Hub, authorize: F) -> Self
    where
        F: Fn(Ask) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Grant, Refusal>> + Send + 'static,
    {
        Self::with_config(hub, LiveConfig::default(), authorize)
    }

    /// A hub for sessions: the other doors let nobody in. See [`router`](super::router).
    pub fn sessions(hub: Hub) -> Self {
        Self::new(hub, async |_: Ask| Err(Refusal::forbidden()))
    }

    /// As [`Live::new`], with limits.
    pub fn with_config<F, Fut>(hub: Hub, config: LiveConfig, authorize: F) -> Self
    where
        F: Fn(Ask) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Grant, Refusal>> + Send + 'static,
    {
        let inner = Inner {
            hub,
            config,
            authorize: Box::new(move |ask| Box::pin(authorize(ask))),
            commands: Commands::default(),
            styles: Styles::new(),
            counters: Counters::default(),
            samples: Samples::default(),
            sessions: OnceLock::new(),
            cores: Mutex::default(),
            cores_made: AtomicU32::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The hub.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Publishes now: [`Hub::publish`] with the system's clock.
    pub fn publish(&self, topic: &str, data: impl Into<Bytes>) -> Answer {
        self.inner.hub.publish(topic, data, now_ms())
    }

    /// Publishes now with an idempotency key: the same again publishes nothing and answers the first cursor.
    pub fn publish_once(&self, topic: &str, data: impl Into<Bytes>, key: &str) -> Answer {
        let publish = Publish {
            topic,
            data: data.into(),
            meta: None,
            key: Some(key),
            now_ms: now_ms(),
        };
        self.inner.hub.publish_with(publish)
    }

    /// A route that follows topics over Server-Sent Events: `?cursor=` or `Last-Event-ID` says from where, otherwise
    /// from now on.
    pub fn sse<S: Clone + Send + Sync + 'static>(&self, topics: impl Into<Topics>) -> MethodRouter<S> {
        self.sse_with(SseDoor::new(), topics)
    }

    /// As [`Live::sse`], through a door of your own making.
    pub fn sse_with<S: Clone + Send + Sync + 'static>(
        &self,
        door: SseDoor,
        topics: impl Into<Topics>,
    ) -> MethodRouter<S> {
        door.route(self.clone(), topics.into())
    }

    /// A route that follows topics by long-polling: `?cursor=C&timeout_ms=T` answers at once with what comes after `C`,
    /// or as soon as there is something, or after `T` with nothing. Without a cursor it waits for what comes next.
    pub fn poll<S: Clone + Send + Sync + 'static>(&self, topics: impl Into<Topics>) -> MethodRouter<S> {
        self.poll_with(PollDoor::new(), topics)
    }

    /// As [`Live::poll`], through a door of your own making.
    pub fn poll_with<S: Clone + Send + Sync + 'static>(
        &self,
        door: PollDoor,
        topics: impl Into<Topics>,
    ) -> MethodRouter<S> {
        door.route(self.clone(), topics.into())
    }

    /// A route that follows topics over a WebSocket: `?cursor=` says from where, otherwise from now on.
    pub fn ws<S: Clone + Send + Sync + 'static>(&self, topics: impl Into<Topics>) -> MethodRouter<S> {
        self.ws_with(WsDoor::new(), topics)
    }

    /// As [`Live::ws`], through a door of your own making.
    pub fn ws_with<S: Clone + Send + Sync + 'static>(
        &self,
        door: WsDoor,
        topics: impl Into<Topics>,
    ) -> MethodRouter<S> {
        door.route(self.clone(), topics.into())
    }

    /// Registers a way to frame messages. To be called at start.
    ///
    /// # Panics
    /// When there are [`STYLES_MAX`](super::STYLES_MAX) already.
    pub fn style(&self, encode: impl Encode) -> Style {
        self.inner.styles.add(Arc::new(encode))
    }

    /// Now, as far as rights are concerned. To be taken *before* rights are looked at, by whoever opens a door by hand
    /// or lets a [`Connection`](super::Connection) follow more: whatever is ended between this moment and the
    /// connection's first message then stays ended.
    ///
    /// Doors take it themselves, before they ask. Where a layer looks up who asks (a session), put one around that layer
    /// which inserts the moment into the request's extensions: then doors count from there, and somebody who signs out
    /// while a door opens is let go of. An application with several `Live`s leaves that out.
    pub fn moment(&self) -> Moment {
        self.inner.commands.moment()
    }

    /// Ends every connection of `owner`, of one kind or of all.
    ///
    /// Like [`Live::unfollow`] and [`Live::follow`] it holds, on every core, for everything that is published after
    /// this call returns; also for connections whose rights were looked at before it and that begin after it.
    pub fn end(&self, owner: u64, kind: Option<u32>) {
        self.command(Command {
            owner,
            kind,
            what: What::End,
        });
    }

    /// The connections of `owner`, of one kind or of all, no longer follow `topic`.
    pub fn unfollow(&self, owner: u64, kind: Option<u32>, topic: &str) {
        self.command(Command {
            owner,
            kind,
            what: What::Unfollow { topic: topic.into() },
        });
    }

    /// The connections of `owner`, of one kind or of all, follow `topic` too, from now on, in their door's own style.
    pub fn follow(&self, owner: u64, kind: Option<u32>, topic: &str) {
        self.follow_in(owner, kind, topic, None);
    }

    /// As [`Live::follow`], in a style of its own.
    pub fn follow_as(&self, owner: u64, kind: Option<u32>, topic: &str, style: Style) {
        self.follow_in(owner, kind, topic, Some(style));
    }

    fn follow_in(&self, owner: u64, kind: Option<u32>, topic: &str, style: Option<Style>) {
        let from = self.inner.hub.head();
        self.command(Command {
            owner,
            kind,
            what: What::Follow {
                topic: topic.into(),
                style,
                from,
            },
        });
    }

    pub(crate) fn command(&self, command: Command) {
        // Nobody owns what belongs to nobody.
        if command.owner == 0 {
            return;
        }
        self.inner.commands.push(command);
        let mut cores = self.inner.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores.retain(|core| core.upgrade().inspect(|core| core.wake()).is_some());
    }

    /// How many follow, and what happened to them.
    pub fn counts(&self) -> LiveCounts {
        self.inner.counters.read()
    }

    /// What the cores of a server need to serve followers: [`squall_engine::Server::source`].
    pub fn source(&self) -> MakeSource {
        let live = self.clone();
        Arc::new(move |waker| Rc::new(LiveSource::new(&live, move || waker.wake())))
    }

    pub(crate) fn next_core_number(&self) -> u32 {
        self.inner.cores_made.fetch_add(1, Ordering::Relaxed)
    }

    /// Every core.
    pub(crate) fn cores(&self) -> Vec<Arc<CoreMailbox>> {
        let cores = self.inner.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores.iter().filter_map(Weak::upgrade).collect()
    }

    /// The core with this number, if there still is one.
    pub(crate) fn core(&self, number: u32) -> Option<Arc<CoreMailbox>> {
        let cores = self.inner.cores.lock().unwrap_or_else(PoisonError::into_inner);
        cores
            .iter()
            .filter_map(Weak::upgrade)
            .find(|core| core.number == number)
    }

    pub(crate) fn add_core(&self, core: &Arc<CoreMailbox>) {
        self.inner
            .cores
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(core));
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Result<Grant, Refusal> {
        (self.inner.authorize)(ask).await
    }

    /// Names this one among all.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }
}
