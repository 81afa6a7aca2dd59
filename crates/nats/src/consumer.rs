//! The one ordered consumer that a node has.
//!
//! Pushed, without acknowledgements, kept in memory by one server, made anew whenever anything is missing: the consumer
//! counts what it delivers, so one message that is not there is seen at the next one, or at the next heartbeat. Its flow
//! control bounds what is under way.

use std::sync::Arc;

use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;

use crate::ask::AskError;
use crate::config::NatsConfig;
use crate::delivered::Delivered;
use crate::link::{Link, random_number};
use crate::stream::{ApiError, api};

/// Status 100: a heartbeat or a question of the flow control.
const CONTROL: u16 = 100;

/// One life of the consumer.
pub(crate) struct Consumer {
    link: Arc<Link>,
    name: String,
    messages: Subscriber,
    /// The consumer's own count of the last that was received.
    received: u64,
}

/// The consumer is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Something that it delivered did not arrive.
    Missing,
    /// It was deleted, or says something that this node does not know.
    Odd,
    /// The client has ended.
    Dead,
}

impl Consumer {
    /// A consumer of everything from `sequence` on.
    pub(crate) async fn create(
        link: &Arc<Link>,
        config: &NatsConfig,
        sequence: u64,
    ) -> Result<Self, ApiError> {
        let name = format!("squall-{:016x}", random_number());
        let inbox = link.client.new_inbox();
        let messages = link
            .client
            .subscribe(inbox.clone())
            .await
            .map_err(|_| AskError::Dead)?;
        let heartbeat_ns = config.heartbeat_ms * 1_000_000;
        let body = json!({
            "stream_name": config.stream,
            "config": {
                "name": name,
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": sequence.max(1),
                "ack_policy": "none",
                "max_deliver": 1,
                "replay_policy": "instant",
                "flow_control": true,
                "idle_heartbeat": heartbeat_ns,
                "inactive_threshold": 10 * heartbeat_ns,
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        let what = format!("CONSUMER.CREATE.{}.{name}", config.stream);
        api(link, config, &what, &body).await?;
        Ok(Self {
            link: link.clone(),
            name,
            messages,
            received: 0,
        })
    }

    /// What comes next: a message of the stream, or `None` for a sign that the consumer is there.
    pub(crate) async fn next(&mut self) -> Result<Option<(Message, Delivered)>, Broken> {
        let message = self.messages.next().await.ok_or(Broken::Dead)?;
        match message.status.map(|status| status.as_u16()) {
            None => {
                let delivered = message.reply.as_deref().and_then(Delivered::parse);
                let delivered = delivered.ok_or(Broken::Odd)?;
                if delivered.consumer_sequence != self.received + 1 {
                    return Err(Broken::Missing);
                }
                self.received = delivered.consumer_sequence;
                Ok(Some((message, delivered)))
            }
            Some(CONTROL) => self.control(message).await,
            Some(_) => Err(Broken::Odd),
        }
    }

    async fn control(&mut self, message: Message) -> Result<Option<(Message, Delivered)>, Broken> {
        // A question of the flow control is to be answered as it is; a heartbeat says when one is open.
        let stalled = header(message.headers.as_ref(), "Nats-Consumer-Stalled");
        if let Some(answer_to) = message.reply.as_deref().or(stalled) {
            let answered = self.link.client.publish(answer_to.to_owned(), Bytes::new()).await;
            answered.map_err(|_| Broken::Dead)?;
        }
        let last = header(message.headers.as_ref(), "Nats-Last-Consumer");
        let last: Option<u64> = last.and_then(|last| last.parse().ok());
        match last {
            Some(last) if last != self.received => Err(Broken::Missing),
            _ => Ok(None),
        }
    }

    /// Tells the servers that it is over. That nobody listens any more tells them too, later.
    pub(crate) async fn delete(self, config: &NatsConfig) {
        let what = format!("$JS.API.CONSUMER.DELETE.{}.{}", config.stream, self.name);
        drop(self.messages);
        if self.link.is_connected() {
            let _ = self.link.client.publish(what, Bytes::new()).await;
        }
    }
}

fn header<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Option<&'a str> {
    headers?.get(name).map(|value| value.as_str())
}
