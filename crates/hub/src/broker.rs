//! Who makes the order: this process, a database's writer, a cluster.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::config::KeyWindow;
use crate::cursor::Cursor;
use crate::error::PublishError;
use crate::hub::Hub;
use crate::meta::Meta;
use crate::window::Window;

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Publish<'a> {
    /// The topic: not empty, at most `topic_bytes_max`.
    pub topic: &'a str,
    /// The message: at most `message_bytes_max`.
    pub data: Bytes,
    /// Its tags, and who sent it. A broker that keeps messages elsewhere keeps these with them.
    pub meta: Option<Arc<Meta>>,
    /// Idempotency: publishing with the same key to the same topic again, within the broker's window, publishes
    /// nothing and answers the first cursor.
    pub key: Option<&'a str>,
    /// Now, in milliseconds since any fixed moment.
    pub now_ms: u64,
}

/// Assigns offsets and sees to it that each message is appended to the hub, in order, exactly once.
///
/// A broker that stores first appends after its commit, in the order of its commits: [`Hub::append`].
pub trait Broker: Send + Sync {
    /// Publishes. What is [`Answer::Later`] happens whether or not it is awaited.
    fn publish(&self, hub: &Hub, publish: Publish<'_>) -> Answer;

    /// Messages of a topic were withdrawn from the hub: a broker that keeps them elsewhere forgets them there, too, and
    /// with them all that the hub has evicted of the topic, which may have been meant as well. The answer is ready when it
    /// has. See [`Hub::withdraw_kept`].
    fn withdrawn(&self, hub: &Hub, _topic: &str, _offsets: &[u64]) -> Answer {
        Answer::Ready(Ok(hub.cursor()))
    }
}

/// What becomes of a [`Publish`]: the message's cursor, at once or later. It can be awaited either way.
#[must_use = "a message that could not be published is only known from here"]
pub enum Answer {
    /// It is known.
    Ready(Result<Cursor, PublishError>),
    /// It will be.
    Later(Pin<Box<dyn Future<Output = Result<Cursor, PublishError>> + Send>>),
}

impl Answer {
    /// What is known now; `None` if it must be awaited.
    pub fn ready(self) -> Option<Result<Cursor, PublishError>> {
        match self {
            Self::Ready(result) => Some(result),
            Self::Later(_) => None,
        }
    }
}

impl Future for Answer {
    type Output = Result<Cursor, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(result) => Poll::Ready(result.clone()),
            Self::Later(future) => future.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(result) => f.debug_tuple("Ready").field(result).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// The order is made in this process; its life is the process's, so give the hub a new epoch at each start.
pub struct MemoryBroker {
    /// Keys that were seen. Held while a message with a key is appended, so that two of them cannot both be first.
    window: Mutex<Window>,
}

impl MemoryBroker {
    /// A broker that remembers idempotency keys as `keys` says.
    pub fn new(keys: KeyWindow) -> Self {
        Self {
            window: Mutex::new(Window::new(keys)),
        }
    }

    fn publish_once(&self, hub: &Hub, publish: Publish<'_>, key: &str) -> Result<u64, PublishError> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(offset) = window.find(publish.topic, key, publish.now_ms)? {
            return Ok(offset);
        }
        let offset = hub.append_with(publish.topic, None, publish.data, publish.meta, publish.now_ms)?;
        window.remember(publish.topic, key, offset, publish.now_ms);
        Ok(offset)
    }
}

impl Broker for MemoryBroker {
    fn publish(&self, hub: &Hub, publish: Publish<'_>) -> Answer {
        let offset = match publish.key {
            Some(key) => self.publish_once(hub, publish, key),
            None => hub
                .append_with(publish.topic, None, publish.data, publish.meta, publish.now_ms)
                .map_err(PublishError::from),
        };
        Answer::Ready(offset.map(|offset| hub.cursor_at(offset)))
    }
}
