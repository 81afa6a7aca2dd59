//! The hub's broker: what is published goes to the stream, and comes to the hub from there alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use squall_hub::{Answer, AppendError, Broker, Hub, Publish, PublishError};
use tokio::sync::oneshot;

use crate::job::Job;
use crate::shared::{Shared, count};
use crate::subject::encode;

/// What a message carries beside its data, in base64 of the hub's encoding.
pub(crate) const META_HEADER: &str = "Squall-Meta";

/// Where JetStream looks for the id of a message.
pub(crate) const ID_HEADER: &str = "Nats-Msg-Id";

pub(crate) struct NatsBroker {
    pub(crate) shared: Arc<Shared>,
}

impl Broker for NatsBroker {
    fn publish(&self, hub: &Hub, publish: Publish<'_>) -> Answer {
        match self.prepare(hub, publish) {
            Ok(prepared) => self.shared.send(prepared),
            Err(error) => Answer::Ready(Err(error)),
        }
    }
}

/// What is to be sent.
pub(crate) struct Prepared {
    pub(crate) subject: String,
    /// The stream takes only one message with this id within its duplicate window.
    pub(crate) id: String,
    /// The id is of a key, and not of this message alone: an earlier message may have it.
    pub(crate) keyed: bool,
    pub(crate) meta: Option<String>,
    pub(crate) data: Bytes,
}

impl NatsBroker {
    /// Whatever the hubs of this and other nodes would refuse is refused here, before it has a place in the order.
    fn prepare(&self, hub: &Hub, publish: Publish<'_>) -> Result<Prepared, PublishError> {
        let limits = hub.config();
        if publish.topic.is_empty() || publish.topic.len() > limits.topic_bytes_max {
            return Err(AppendError::BadTopic.into());
        }
        if publish.data.len() > limits.message_bytes_max {
            return Err(AppendError::TooBig.into());
        }
        let meta = match &publish.meta {
            Some(meta) => Some(STANDARD.encode(meta.to_bytes().ok_or(AppendError::TooBig)?)),
            None => None,
        };
        let id = match publish.key {
            Some(key) if key.is_empty() || key.len() > limits.keys.key_bytes_max => {
                return Err(PublishError::BadKey);
            }
            Some(key) => key_id(publish.topic, key),
            None => self.shared.own_id(),
        };
        Ok(Prepared {
            subject: self.shared.subjects.of_topic(publish.topic),
            id,
            keyed: publish.key.is_some(),
            meta,
            data: publish.data,
        })
    }
}

/// The id of a message with an idempotency key: the same for the same topic and key on every node, and for no other.
fn key_id(topic: &str, key: &str) -> String {
    let mut id = String::with_capacity(topic.len() + key.len() + 8);
    id.push_str("k.");
    encode(topic, &mut id);
    id.push('.');
    encode(key, &mut id);
    id
}

impl Shared {
    /// An id that no other message has, so that the next attempt is no second message.
    pub(crate) fn own_id(&self) -> String {
        let number = self.next_message.fetch_add(1, Ordering::Relaxed);
        format!("a.{:x}.{number:x}", self.id)
    }

    /// Sends something to the stream, if there is room.
    pub(crate) fn send(&self, what: Prepared) -> Answer {
        if self.stopped.load(Ordering::Acquire) {
            return Answer::Ready(Err(stopped()));
        }
        let kib = u32::try_from(what.data.len().div_ceil(1024)).unwrap_or(u32::MAX);
        // One message that is larger than everything together may be alone.
        let kib = kib.min(self.config.publish_kib_max);
        let room = self
            .messages
            .clone()
            .try_acquire_owned()
            .and_then(|one| Ok((one, self.kib.clone().try_acquire_many_owned(kib)?)));
        let Ok(room) = room else {
            count(&self.counters.busy);
            return Answer::Ready(Err(PublishError::Busy));
        };
        let (answers, answer) = oneshot::channel();
        let job = Job { what, answers, room };
        if self.jobs.send(job).is_err() {
            return Answer::Ready(Err(stopped()));
        }
        Answer::Later(Box::pin(async move {
            answer.await.unwrap_or_else(|_| Err(stopped()))
        }))
    }
}

fn stopped() -> PublishError {
    PublishError::Unavailable("the node has stopped".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_one_topic_and_one_key() {
        assert_eq!(key_id("room:42", "a"), "k.room:42.a");
        assert_ne!(key_id("a.b", "c"), key_id("a", "b.c"));
        assert_eq!(key_id("a b", "x\r\ny"), "k.a=20b.x=0D=0Ay");
        let longest = key_id(&".".repeat(255), &".".repeat(128));
        assert_eq!(longest.len(), 3 + 3 * (255 + 128));
    }
}
