//! Questions to the servers, and their answers: one inbox for all of them.
//!
//! Why not the client's own: it keeps the place of an answer that never came for ever.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::{Client, HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Notify, oneshot};

/// Asks, and hands each answer to whom it belongs.
pub(crate) struct Desk {
    client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    /// The first tokens of every reply subject, with the dot.
    inbox: String,
    next: AtomicU64,
    /// Who waits, by the last token.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Message>>>,
    dead: AtomicBool,
    died: Notify,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskError {
    /// Nobody is there to answer: nothing happened.
    NoResponders,
    /// No answer came in time: it may have happened.
    TimedOut,
    /// The message is larger than the server takes: nothing happened.
    TooBig,
    /// The client has ended: it may have happened.
    Dead,
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoResponders => "nobody answers for the stream",
            Self::TimedOut => "no answer in time",
            Self::TooBig => "larger than the servers' max_payload",
            Self::Dead => "the connection has ended",
        })
    }
}

impl Desk {
    /// Opens the inbox.
    pub(crate) async fn open(client: Client) -> Result<Self, AskError> {
        let inbox = format!("{}.", client.new_inbox());
        let answers = client
            .subscribe(format!("{inbox}*"))
            .await
            .map_err(|_| AskError::Dead)?;
        let shared = Arc::new(Shared {
            inbox,
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        });
        tokio::spawn(shared.clone().hand_out(answers));
        Ok(Self { client, shared })
    }

    /// Asks; the answer must come within that time. Nothing is sent again.
    pub(crate) async fn ask(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, AskError> {
        let (answered, answer) = oneshot::channel();
        let place = Place {
            shared: &self.shared,
            number: self.shared.next.fetch_add(1, Ordering::Relaxed),
        };
        self.shared.waiting().insert(place.number, answered);
        let reply = format!("{}{}", self.shared.inbox, place.number);
        let asked = async {
            let sent = match headers {
                Some(headers) => {
                    self.client
                        .publish_with_reply_and_headers(subject, reply, headers, payload)
                        .await
                }
                None => self.client.publish_with_reply(subject, reply, payload).await,
            };
            sent.map_err(|error| match error.kind() {
                PublishErrorKind::MaxPayloadExceeded => AskError::TooBig,
                _ => AskError::Dead,
            })?;
            answer.await.map_err(|_| AskError::Dead)
        };
        let message = tokio::time::timeout(within, asked)
            .await
            .map_err(|_| AskError::TimedOut)??;
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(AskError::NoResponders);
        }
        Ok(message)
    }

    /// Waits until the client has ended.
    pub(crate) async fn died(&self) {
        let died = self.shared.died.notified();
        tokio::pin!(died);
        died.as_mut().enable();
        if !self.shared.dead.load(Ordering::Acquire) {
            died.await;
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Message>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hand_out(self: Arc<Self>, mut answers: Subscriber) {
        while let Some(message) = answers.next().await {
            let number = message
                .subject
                .strip_prefix(self.inbox.as_str())
                .and_then(|token| token.parse().ok());
            let waiting = number.and_then(|number| self.waiting().remove(&number));
            if let Some(waiting) = waiting {
                // Whoever waited may have gone.
                let _ = waiting.send(message);
            }
        }
        self.dead.store(true, Ordering::Release);
        self.died.notify_waiters();
        self.waiting().clear();
    }
}

/// A place at the desk, given back when whoever waits has its answer or goes.
struct Place<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.waiting().remove(&self.number);
    }
}
