//! Somebody who follows a topic on a node, and checks what is received.

use std::collections::VecDeque;
use std::sync::Arc;

use squall_hub::{Cursor, Hub, HubConfig, Mailbox, Retention, Watch};
use squall_nats::{NatsConfig, Node};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::servers::PATIENCE;

/// Starts a node that keeps everything that a test publishes.
pub(crate) async fn node(config: NatsConfig) -> (Hub, Node) {
    // What nodes say is shown when a test fails.
    let _ = tracing_subscriber::fmt()
        .with_test_writer()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .try_init();
    let retention = Retention {
        messages_max: 100_000,
        ..Retention::default()
    };
    let hub = HubConfig {
        retention,
        ..HubConfig::default()
    };
    Node::start(config, hub).await.expect("the node starts")
}

/// Publishes, and waits until it is acknowledged.
pub(crate) async fn publish(hub: &Hub, topic: &str, data: impl Into<String>) -> Cursor {
    let data: String = data.into();
    let answer = hub.publish(topic, data.clone(), 0);
    soon(answer)
        .await
        .unwrap_or_else(|error| panic!("{data} is published: {error}"))
}

/// What must happen, with patience.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("it happens while one is patient")
}

pub(crate) struct Reader {
    hub: Hub,
    topic: String,
    watch: Watch,
    bell: Arc<Bell>,
    /// Everything up to here was received, or told to be lost.
    pub(crate) position: u64,
    waiting: VecDeque<Seen>,
}

/// What a follower sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Message(Cursor, String),
    /// Messages up to here may be lost.
    Gap(u64),
}

impl Seen {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Message(_, text) => text,
            Self::Gap(_) => "(gap)",
        }
    }
}

struct Bell(Notify);

impl Mailbox for Bell {
    fn moved(&self, _tag: u32) {
        self.0.notify_one();
    }
}

impl Reader {
    /// Follows from a cursor, as a client does that comes back with it.
    pub(crate) fn resume(hub: &Hub, topic: &str, cursor: &Cursor) -> Self {
        let mut reader = Self::from(hub, topic, hub.head());
        match hub.offset_of(cursor) {
            Some(offset) => reader.position = offset,
            None => {
                let floor = hub.floor(&[topic]);
                reader.waiting.push_back(Seen::Gap(floor));
                reader.position = floor;
            }
        }
        reader
    }

    pub(crate) fn from(hub: &Hub, topic: &str, position: u64) -> Self {
        let bell = Arc::new(Bell(Notify::new()));
        Self {
            hub: hub.clone(),
            topic: topic.to_owned(),
            watch: hub.watch(topic, bell.clone(), 0).expect("a topic"),
            bell,
            position,
            waiting: VecDeque::new(),
        }
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Seen {
        timeout(PATIENCE, self.wait()).await.unwrap_or_else(|_| {
            panic!(
                "nothing comes after {} of {}: {:?}",
                self.position, self.topic, self.hub
            )
        })
    }

    async fn wait(&mut self) -> Seen {
        loop {
            if let Some(seen) = self.waiting.pop_front() {
                return seen;
            }
            self.watch.take();
            match self.hub.read(&[&self.topic], self.position, 1_000) {
                Err(gap) => {
                    assert!(gap.resume > self.position, "a gap goes on");
                    self.position = gap.resume;
                    return Seen::Gap(gap.resume);
                }
                Ok(messages) if messages.is_empty() => self.bell.0.notified().await,
                Ok(messages) => {
                    for message in messages {
                        assert!(message.offset > self.position, "in order, each once");
                        self.position = message.offset;
                        let text = String::from_utf8(message.data.to_vec()).expect("text");
                        self.waiting
                            .push_back(Seen::Message(self.hub.cursor_at(message.offset), text));
                    }
                }
            }
        }
    }

    /// The next `count`, all of them messages.
    pub(crate) async fn messages(&mut self, count: usize) -> Vec<Seen> {
        let mut all = Vec::new();
        for _ in 0..count {
            let seen = self.next().await;
            assert!(
                matches!(seen, Seen::Message(..)),
                "no gap after {all:?}: {seen:?}"
            );
            all.push(seen);
        }
        all
    }

    /// Everything up to and including the message with this text.
    pub(crate) async fn until(&mut self, last: &str) -> Vec<Seen> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await);
            if all.last().is_some_and(|seen| seen.text() == last) {
                return all;
            }
        }
    }
}

/// That nothing comes for a while cannot be waited for: instead something else is published, and nothing came before it.
pub(crate) async fn nothing_but(reader: &mut Reader, last: &str) {
    let seen = reader.next().await;
    assert_eq!(seen.text(), last);
}
