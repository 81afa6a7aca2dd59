//! Presence between nodes: what `squall_hub::presence` says to other nodes, carried by plain subjects of NATS.
//!
//! Nothing of it is stored, and anything may be lost: the next digest finds it. `PREFIX.p.all` is for everybody: updates and
//! digests; `PREFIX.p.NODE` for one: what others ask it for, and what it asked for; `PREFIX.p.gone` says that a node stops.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::Message;
use bytes::Bytes;
use futures_util::StreamExt;
use squall_hub::presence::Presence;
use squall_hub::presence::replica::{Applied, Ask, Wire};
use tokio::time::{Instant, interval_at};

use crate::link::Link;
use crate::shared::Shared;

/// How often what changed is told.
const UPDATES: Duration = Duration::from_millis(250);
/// How often a node says that it lives, and how far it is. A node is taken as gone after five of them, by default.
const DIGESTS: Duration = Duration::from_secs(3);
/// Most buckets that are told at once; the others follow with the next tick.
const UPDATES_MAX: usize = 64;

/// Carries presence as long as the node runs.
pub(crate) async fn carry(shared: Arc<Shared>, presence: Presence) {
    let Some(origin) = presence.config().origin else {
        return;
    };
    let carrier = Carrier {
        all: format!("{}.p.all", shared.config.prefix),
        gone: format!("{}.p.gone", shared.config.prefix),
        prefix: format!("{}.p.", shared.config.prefix),
        node: origin.node,
        presence,
    };
    loop {
        let link = shared.linked().await;
        tokio::select! {
            () = carrier.carry_on(&link) => {}
            () = link.desk.died() => {}
            () = shared.stopping() => {
                let _ = link.client.publish(carrier.gone, Bytes::from(carrier.node.to_string())).await;
                let _ = link.client.flush().await;
                return;
            }
        }
    }
}

struct Carrier {
    all: String,
    gone: String,
    prefix: String,
    /// This node.
    node: u64,
    presence: Presence,
}

impl Carrier {
    /// Until the client has ended.
    async fn carry_on(&self, link: &Link) {
        let subscribe = async |subject: String| link.client.subscribe(subject).await;
        let (Ok(all), Ok(own), Ok(gone)) = (
            subscribe(self.all.clone()).await,
            subscribe(self.subject_of(self.node)).await,
            subscribe(self.gone.clone()).await,
        ) else {
            return;
        };
        let mut heard = futures_util::stream::select(futures_util::stream::select(all, own), gone);
        let mut updates = interval_at(Instant::now() + UPDATES, UPDATES);
        // At once, too: whoever hears it asks for what it has not.
        let mut digests = interval_at(Instant::now(), DIGESTS);
        loop {
            tokio::select! {
                message = heard.next() => match message {
                    Some(message) => self.hear(link, &message).await,
                    None => return,
                },
                _ = updates.tick() => {
                    for update in self.presence.take_updates(UPDATES_MAX) {
                        self.say(link, self.all.clone(), &Wire::Update(update)).await;
                    }
                }
                _ = digests.tick() => {
                    self.say(link, self.all.clone(), &Wire::Digest(self.presence.digest())).await;
                }
            }
        }
    }

    fn subject_of(&self, node: u64) -> String {
        format!("{}{node:x}", self.prefix)
    }

    async fn say(&self, link: &Link, to: String, what: &Wire) {
        let bytes = Bytes::from(what.encode());
        // What asks is answered where only this node hears it.
        let answers = self.subject_of(self.node);
        if let Err(error) = link.client.publish_with_reply(to, answers, bytes).await {
            tracing::warn!(%error, "presence is not told to other nodes");
        }
    }

    async fn ask(&self, link: &Link, ask: Ask) {
        let to = self.subject_of(ask.origin.node);
        self.say(link, to, &Wire::Ask(ask)).await;
    }

    /// What cannot be read, or finds no room here, is left out: the next digest asks for it again.
    async fn hear(&self, link: &Link, message: &Message) {
        if message.subject.as_str() == self.gone {
            let node = std::str::from_utf8(&message.payload)
                .ok()
                .and_then(|text| text.parse().ok());
            if let Some(node) = node.filter(|node| *node != self.node) {
                self.presence.node_gone(node);
            }
            return;
        }
        match Wire::decode(&message.payload) {
            Ok(Wire::Update(update)) => {
                if let Ok(Applied::Missing(ask)) = self.presence.apply(&update, now_ms()) {
                    self.ask(link, ask).await;
                }
            }
            Ok(Wire::Digest(digest)) => {
                if let Ok(Some(ask)) = self.presence.compare(&digest, now_ms()) {
                    self.ask(link, ask).await;
                }
            }
            Ok(Wire::Ask(ask)) => {
                let to = message.reply.as_deref().unwrap_or(&self.all).to_owned();
                // Nobody makes this node speak where it has nothing to say.
                if !to.starts_with(&self.prefix) {
                    return;
                }
                for update in self.presence.answer(&ask) {
                    self.say(link, to.clone(), &Wire::Update(update)).await;
                }
            }
            Err(error) => tracing::debug!(%error, "presence is not understood"),
        }
    }
}

/// As whoever uses the presence counts: milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
