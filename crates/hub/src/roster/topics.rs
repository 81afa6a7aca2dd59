//! The topics that a core watches, each with its followers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::AppendError;
use crate::hub::Hub;
use crate::mailbox::{Mailbox, Watch};

/// A follower in a topic's list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) follower: u32,
    /// Which of its subscriptions this is.
    pub(super) nth: u32,
}

struct Topic {
    watch: Watch,
    places: Vec<Place>,
}

/// Topics by the core's own numbers; a number is used again when nobody follows its topic any more.
pub(super) struct Watched {
    hub: Hub,
    mailbox: Arc<dyn Mailbox>,
    topics: Vec<Option<Topic>>,
    free: Vec<u32>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Watched {
    pub(super) fn new(hub: Hub, mailbox: Arc<dyn Mailbox>) -> Self {
        Self {
            hub,
            mailbox,
            topics: Vec::new(),
            free: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The topic's number, if anybody follows it.
    pub(super) fn local(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The topic's number; it is watched from now on. The caller adds a follower next.
    pub(super) fn get_or_watch(&mut self, name: &str) -> Result<u32, AppendError> {
        if let Some(local) = self.local(name) {
            return Ok(local);
        }
        let local = self.free.last().copied().unwrap_or(self.topics.len() as u32);
        let watch = self.hub.watch(name, self.mailbox.clone(), local)?;
        self.numbers.insert(watch.name().clone(), local);
        let topic = Some(Topic {
            watch,
            places: Vec::new(),
        });
        if self.free.pop().is_some() {
            self.topics[local as usize] = topic;
        } else {
            self.topics.push(topic);
        }
        Ok(local)
    }

    /// Answers the follower's place.
    pub(super) fn add(&mut self, local: u32, follower: u32, nth: usize) -> u32 {
        let topic = self.must(local);
        topic.places.push(Place {
            follower,
            nth: nth as u32,
        });
        topic.watch.set_followers(topic.places.len() as u32);
        (topic.places.len() - 1) as u32
    }

    /// Answers who took the place, if anybody did. Without followers the topic is no longer watched.
    pub(super) fn remove(&mut self, local: u32, place: u32) -> Option<Place> {
        let topic = self.must(local);
        topic.places.swap_remove(place as usize);
        topic.watch.set_followers(topic.places.len() as u32);
        if topic.places.is_empty() {
            let topic = self.topics[local as usize].take()?;
            self.numbers.remove(topic.watch.name());
            self.free.push(local);
            return None;
        }
        topic.places.get(place as usize).copied()
    }

    /// The follower's subscription has another number now.
    pub(super) fn set_nth(&mut self, local: u32, place: u32, nth: usize) {
        self.must(local).places[place as usize].nth = nth as u32;
    }

    pub(super) fn watch(&self, local: u32) -> &Watch {
        &self.topics[local as usize]
            .as_ref()
            .expect("a topic that is followed")
            .watch
    }

    /// The topic's followers.
    pub(super) fn places(&self, local: u32) -> &[Place] {
        let topic = self.topics.get(local as usize).and_then(Option::as_ref);
        topic.map_or(&[], |topic| &topic.places)
    }

    /// Takes the topic's note and answers its followers. A late note for a topic that is followed no more is nothing.
    pub(super) fn take(&self, local: u32) -> &[Place] {
        let Some(topic) = self.topics.get(local as usize).and_then(Option::as_ref) else {
            return &[];
        };
        topic.watch.take();
        &topic.places
    }

    fn must(&mut self, local: u32) -> &mut Topic {
        self.topics[local as usize]
            .as_mut()
            .expect("a topic that is followed")
    }
}
