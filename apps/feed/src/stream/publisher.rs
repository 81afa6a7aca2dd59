//! From the store's commits to the hub and to open connections, in commit order.
//!
//! Followings that begin and end come through the same queue as posts: so a post that was committed after an unfollow
//! reaches nobody who had to go, and one that was committed before it, everybody who was still there.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use squall::live::{Hub, Live};
use tokio::runtime::Runtime;

use super::kinds;
use super::message;
use super::topic;
use super::topics::{followers_only, of_author};
use crate::app::{Render, Site};
use crate::domain::{PersonId, Standing};
use crate::store::{Change, Changes, Event, EventKind, Store, StoreError, WeakStore, Withdrawn};

/// The kinds of streams that show what a person follows, from their start to their end.
const HOMES: [u32; 2] = [kinds::HOME, kinds::API_USER];
/// The kinds of streams that may show it.
const MAYBE_HOMES: [u32; 3] = [kinds::HOME, kinds::API_USER, kinds::API_SOCKET];
/// The kinds of streams that programs open.
const PROGRAMS: [u32; 4] = [
    kinds::API_USER,
    kinds::API_NOTIFICATIONS,
    kinds::API_PUBLIC,
    kinds::API_SOCKET,
];

/// Turns events into messages and appends them to the hub.
pub(crate) struct Publisher {
    /// Where to publish.
    pub(crate) hub: Hub,
    /// How messages look.
    pub(crate) render: Render,
    /// Where the site is.
    pub(crate) site: Site,
    /// The last message: a public post is two events with one message.
    pub(crate) last: Option<(EventKind, Option<Bytes>)>,
}

impl Publisher {
    /// A publisher into this hub.
    pub(crate) fn new(hub: Hub, render: Render, site: Site) -> Self {
        Self {
            hub,
            render,
            site,
            last: None,
        }
    }

    /// Publishes the events that the store has kept from before.
    pub(crate) fn restore(&mut self, runtime: &Runtime, store: &Store, events: &[Event]) {
        for event in events {
            self.publish(runtime, store, event);
        }
    }

    /// Starts the thread that publishes what is committed from now on. It ends when the store is closed.
    pub(crate) fn start(
        mut self,
        runtime: Runtime,
        store: WeakStore,
        changes: Changes,
        live: Live,
    ) -> std::io::Result<()> {
        std::thread::Builder::new()
            .name("feed-publisher".into())
            .spawn(move || {
                while let Some(commit) = changes.next() {
                    let Some(store) = store.upgrade() else { return };
                    for change in &commit.changes {
                        match change {
                            Change::Event(event) => self.publish(&runtime, &store, event),
                            Change::Followed { follower, followee } => followed(&live, *follower, *followee),
                            Change::Unfollowed { follower, followee } => {
                                unfollowed(&live, *follower, *followee)
                            }
                            Change::Withdrawn { topic, what } => withdrawn(&self.hub, topic, what),
                            Change::Revoked { person } => revoked(&live, *person),
                        }
                    }
                    changes.published(commit.head);
                }
            })?;
        Ok(())
    }

    /// Appends an event to its topic.
    fn publish(&mut self, runtime: &Runtime, store: &Store, event: &Event) {
        // A page or program that cannot show one event must not silence all that come after it.
        let message = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.message(store, event))));
        let message = match message {
            Ok(Ok(message)) => message,
            Ok(Err(error)) => {
                tracing::error!(
                    error = error.detail(),
                    seq = event.seq,
                    "an event could not be read"
                );
                None
            }
            Err(_) => {
                tracing::error!(seq = event.seq, "an event could not be shown");
                None
            }
        };
        self.last = Some((event.kind, message.clone()));
        // What has nothing to say (any more) moves the hub's head all the same: cursors are made of the store's
        // offsets, and one beyond the head would be of another life.
        let (topic, data) = match message {
            Some(data) => (event.topic.as_str(), data),
            None => (topic::NOTHING, Bytes::new()),
        };
        if let Err(error) = self.hub.append(topic, event.seq, data, event.at_ms) {
            tracing::error!(%error, seq = event.seq, "the hub did not take an event");
        }
    }

    async fn message(&self, store: &Store, event: &Event) -> Result<Option<Bytes>, StoreError> {
        match &self.last {
            Some((kind, message)) if *kind == event.kind => Ok(message.clone()),
            _ => Ok(message::of_event(store, &self.site, &self.render, event)
                .await?
                .map(Bytes::from)),
        }
    }
}

/// Streams of a home gain the author's topics. An open profile page starts anew from its cursor, with what it may follow
/// now: it cannot be given the topics in place, because the person may have pages of others open too.
fn followed(live: &Live, follower: PersonId, followee: PersonId) {
    for kind in HOMES {
        for topic in of_author(Standing::Follower, followee) {
            live.follow(follower.get(), Some(kind), &topic);
        }
    }
    live.end(follower.get(), Some(kinds::PROFILE));
}

/// Streams of a home lose the author's topics; the author's profile page loses what only followers may see.
fn unfollowed(live: &Live, follower: PersonId, followee: PersonId) {
    for kind in MAYBE_HOMES {
        for topic in of_author(Standing::Follower, followee) {
            live.unfollow(follower.get(), Some(kind), &topic);
        }
    }
    live.unfollow(follower.get(), Some(kinds::PROFILE), &followers_only(followee));
}

/// What was published is not handed out again.
fn withdrawn(hub: &Hub, topic: &str, what: &Withdrawn) {
    let unwanted: HashSet<message::Subject> = match what {
        Withdrawn::Post(id) => HashSet::from([message::Subject::Post(*id)]),
        Withdrawn::Notifications(ids) => ids.iter().map(|id| message::Subject::Notification(*id)).collect(),
    };
    hub.withdraw(topic, |message| {
        message::subject(&message.data).is_some_and(|subject| unwanted.contains(&subject))
    });
}

/// The streams of a person's programs end; those whose token is still good come back.
fn revoked(live: &Live, person: PersonId) {
    for kind in PROGRAMS {
        live.end(person.get(), Some(kind));
    }
}
