//! The servers of a run: real sockets, in this process, ended and begun again.
//!
//! One node today. Several nodes are several entries of [`Servers::nodes`] with brokers that make one order: subscribers
//! draw a node for each connection already ([`World::addr`](crate::world::World::addr)), and publishers for each message.

use std::sync::Arc;
use std::time::Duration;

use squall::live::session::{
    ConnectAsk, Connected, Deny, SessionConfig, SessionPolicy, Sessions, SubscribeAsk, SubscribeOptions,
};
use squall::live::{Ask, Epoch, Grant, Hub, HubConfig, Live, Policy, Refusal, Retention, Topics};
use squall::web::Router;
use squall::{Handle, Limits, Server};

use crate::truth::Published;
use crate::world::World;

/// Topics of a run. Those with an even number are in a namespace that keeps little.
pub const TOPICS: u16 = 6;

/// The name of a topic.
#[must_use]
pub fn topic_name(number: u16) -> String {
    let namespace = if number.is_multiple_of(2) { "short" } else { "long" };
    format!("{namespace}:{number}")
}

/// The number of a topic with this name.
#[must_use]
pub fn topic_number(name: &str) -> Option<u16> {
    (0..TOPICS).find(|number| topic_name(*number) == name)
}

/// How a server ends, and what the next one still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The log stays as it is: another server of the same hub.
    SameLog,
    /// The log was kept elsewhere: the same epoch, without the messages up to an offset.
    Restored {
        /// How many of the newest messages are there again.
        messages: usize,
    },
    /// Everything is gone: another epoch.
    NewLife,
}

/// The servers.
pub struct Servers {
    world: Arc<World>,
    /// They share the machine and the log.
    pub nodes: Vec<Node>,
    epoch: u64,
}

/// One server.
pub struct Node {
    live: Live,
    handle: Handle,
}

impl Servers {
    /// Starts one node with an empty log.
    ///
    /// # Panics
    /// When it cannot start.
    #[must_use]
    pub fn start(world: &Arc<World>, seed: u64) -> Self {
        let epoch = seed << 16;
        let hub = Hub::new(config(epoch, 0));
        world.truth().begin(hub.epoch().to_string(), usize::from(TOPICS));
        let node = start(world, 0, hub);
        Self {
            world: world.clone(),
            nodes: vec![node],
            epoch,
        }
    }

    /// Publishes through a node, and takes note of it.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn publish(&self, node: usize, message: Published) {
        let live = &self.nodes[node].live;
        let answer = live.publish(&topic_name(message.topic), message.data()).await;
        let cursor = answer.expect("within the limits");
        self.world.truth().published(cursor.offset, message);
    }

    /// Ends a node and begins it anew. Nobody publishes meanwhile.
    ///
    /// # Panics
    /// When it cannot start.
    pub async fn restart(&mut self, node: usize, how: Restart) {
        self.world.nodes.send_modify(|nodes| nodes[node] = None);
        let Node { live, handle } = self.nodes.remove(node);
        let ended = tokio::task::spawn_blocking(move || {
            handle.shutdown();
            handle.join();
        });
        ended.await.expect("the server ends");
        self.note_floors(live.hub());
        let hub = match how {
            Restart::SameLog => live.hub().clone(),
            Restart::Restored { messages } => self.restored(messages),
            Restart::NewLife => {
                self.epoch += 1;
                let hub = Hub::new(config(self.epoch, 0));
                let topics = usize::from(TOPICS);
                self.world.truth().begin(hub.epoch().to_string(), topics);
                hub
            }
        };
        self.note_floors(&hub);
        self.nodes.insert(node, start(&self.world, node, hub));
    }

    /// A hub of the same life, with the newest messages that a database would have kept.
    fn restored(&self, messages: usize) -> Hub {
        let log = self
            .world
            .truth()
            .lives
            .last()
            .map(|life| life.log.clone())
            .unwrap_or_default();
        let kept: Vec<(u64, Published)> = log.into_iter().rev().take(messages).collect();
        let last = self.nodes_head();
        let floor = kept.last().map_or(last, |(offset, _)| offset - 1);
        let hub = Hub::new(config(self.epoch, floor));
        for (offset, message) in kept.into_iter().rev() {
            let data = message.data().into();
            hub.append(&topic_name(message.topic), offset, data, 0)
                .expect("in order");
        }
        hub
    }

    fn nodes_head(&self) -> u64 {
        let truth = self.world.truth();
        let life = truth.lives.last();
        life.and_then(|life| life.log.keys().next_back().copied())
            .unwrap_or(0)
    }

    fn note_floors(&self, hub: &Hub) {
        let mut truth = self.world.truth();
        for topic in 0..TOPICS {
            truth.lost(topic, hub.topic_counts(&topic_name(topic)).floor);
        }
    }

    /// Ends all nodes.
    ///
    /// # Panics
    /// When one of them does not end.
    pub async fn end(self) {
        for node in &self.nodes {
            self.note_floors(node.live.hub());
        }
        let ended = tokio::task::spawn_blocking(move || {
            for node in &self.nodes {
                node.handle.shutdown();
                node.handle.join();
            }
        });
        ended.await.expect("the servers end");
    }
}

/// The newest cursor of the life that is, as a page would carry it that was rendered now.
#[must_use]
pub fn cursor(world: &World) -> String {
    let truth = world.truth();
    let life = truth.lives.last().expect("a life has begun");
    let last = life.log.keys().next_back().copied().unwrap_or(0);
    format!("{}:{last}", life.epoch)
}

fn config(epoch: u64, floor: u64) -> HubConfig {
    HubConfig {
        epoch: Epoch::from_number(epoch),
        floor,
        retention: Retention {
            messages_max: 100_000,
            ..Retention::default()
        },
        namespaces: vec![("short:".into(), Retention::NONE)],
        ..HubConfig::default()
    }
}

async fn policy(ask: Ask) -> Result<Grant, Refusal> {
    let latest = ask
        .parts
        .uri
        .query()
        .is_some_and(|query| query.contains("policy=latest"));
    let policy = if latest { Policy::Latest } else { Policy::Gap };
    Ok(Grant::topics(ask.topics).policy(policy))
}

/// Lets anybody follow anything.
struct Anybody;

impl SessionPolicy for Anybody {
    async fn connect(&self, _: ConnectAsk) -> Result<Connected, Deny> {
        Ok(Connected::anonymous())
    }

    async fn subscribe(&self, _: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
        Ok(SubscribeOptions::recoverable())
    }
}

fn start(world: &World, node: usize, hub: Hub) -> Node {
    let live = Live::new(hub, policy);
    let sessions = SessionConfig {
        // What is still there is recovered: then only what the log lost is a gap.
        recovery_messages_max: 1_000_000,
        recovery_bytes_max: 1 << 30,
        // Thousands of clients on one thread of a busy machine are slow, and none of them deserves 3502 for it.
        connect_timeout_s: 300,
        ..SessionConfig::default()
    };
    let router = Sessions::with_config(&live, sessions, Anybody).router();
    let router: Router = router
        .route("/sse", live.sse(Topics::query()))
        .route("/poll", live.poll(Topics::query()))
        .route("/ws", live.ws(Topics::query()));
    let limits = Limits {
        drain_timeout: Duration::from_millis(50),
        connections_per_address_max: 1_000_000,
        ..Limits::default()
    };
    let server = Server::new(router)
        .bind("127.0.0.1:0")
        .cores(2)
        .limits(limits)
        .live(&live);
    let handle = server
        .start()
        .unwrap_or_else(|error| panic!("a server does not start: {error}"));
    let addr = handle.local_addr();
    world.nodes.send_modify(|nodes| nodes[node] = addr);
    Node { live, handle }
}
