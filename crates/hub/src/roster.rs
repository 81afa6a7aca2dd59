//! The followers of one core: who follows what, and what is next for them.
//!
//! Why: a core answers *what is next for this connection?* for very many connections, so each is one record of
//! known size here, and a topic's followers are a vector of record numbers.
//! Not here: sockets and frames; what a record carries beside its subscriptions is the caller's `T`.
//! Joining, leaving and changing a subscription are all O(1) in the number of a topic's followers.

mod follower;
mod owners;
mod topics;

use std::sync::Arc;

use crate::error::AppendError;
use crate::hub::Hub;
use crate::mailbox::Mailbox;
use crate::message::Message;
use crate::policy::Policy;
use crate::read::{self, Gap};

use follower::Slot;
pub use follower::{Follower, Subscription};
use owners::Owners;
use topics::Watched;

/// What a new follower is.
#[derive(Clone, Debug)]
pub struct Join<T> {
    /// Whom it belongs to, for revocation; 0 is nobody.
    pub owner: u64,
    /// What it belongs to within its owner (a session, a token), as the application counts.
    pub kind: u32,
    /// What happens when the log's tail passes it.
    pub policy: Policy,
    /// The caller's own.
    pub data: T,
}

/// All followers of one core. Single-threaded.
pub struct Roster<T> {
    hub: Hub,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    watched: Watched,
    owners: Owners,
    /// Counts the calls of [`Roster::moved`], so that nobody is named twice in one.
    round: u32,
    followers: usize,
}

impl<T> Roster<T> {
    /// A roster whose topics tell `mailbox` when they have moved.
    pub fn new(hub: Hub, mailbox: Arc<dyn Mailbox>) -> Self {
        Self {
            watched: Watched::new(hub.clone(), mailbox),
            hub,
            slots: Vec::new(),
            free: Vec::new(),
            owners: Owners::default(),
            round: 0,
            followers: 0,
        }
    }

    /// The hub it reads.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// How many followers there are.
    pub fn len(&self) -> usize {
        self.followers
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.followers == 0
    }

    /// Adds a follower that follows nothing yet, and answers its number.
    pub fn join(&mut self, join: Join<T>) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 connections a core")
        });
        let owner_place = self.owners.add(join.owner, number);
        let slot = &mut self.slots[number as usize];
        slot.follower = Some(Follower::new(join, owner_place, self.round));
        self.followers += 1;
        number
    }

    /// Removes a follower and answers what the caller had there.
    pub fn leave(&mut self, number: u32) -> Option<T> {
        self.get(number)?;
        while self
            .get(number)
            .is_some_and(|follower| !follower.subscriptions().is_empty())
        {
            self.remove_subscription(number, 0);
        }
        let slot = &mut self.slots[number as usize];
        let follower = slot.follower.take()?;
        slot.life = slot.life.wrapping_add(1);
        if let Some(moved) = self.owners.remove(follower.owner, follower.owner_place) {
            self.must(moved).owner_place = follower.owner_place;
        }
        self.free.push(number);
        self.followers -= 1;
        Some(follower.data)
    }

    /// The follower belongs to somebody else from now on.
    pub fn belong(&mut self, number: u32, owner: u64) {
        let Some(follower) = self.get(number) else { return };
        let (before, place) = (follower.owner, follower.owner_place);
        if let Some(moved) = self.owners.remove(before, place) {
            self.must(moved).owner_place = place;
        }
        let place = self.owners.add(owner, number);
        let follower = self.must(number);
        (follower.owner, follower.owner_place) = (owner, place);
    }

    /// The follower, if there is one with this number.
    pub fn get(&self, number: u32) -> Option<&Follower<T>> {
        self.slots.get(number as usize)?.follower.as_ref()
    }

    /// The follower, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Follower<T>> {
        self.slots.get_mut(number as usize)?.follower.as_mut()
    }

    /// Tells followers apart that had the same number one after the other.
    pub fn life(&self, number: u32) -> u32 {
        self.slots.get(number as usize).map_or(0, |slot| slot.life)
    }

    /// The follower follows `topic` in `style` too, from beyond `from`. Nothing happens if it does already.
    ///
    /// A topic may be followed in several styles. An error for a name that nothing could be published to.
    pub fn follow(&mut self, number: u32, topic: &str, style: u16, from: u64) -> Result<(), AppendError> {
        if self.get(number).is_none() {
            return Ok(());
        }
        let local = self.watched.get_or_watch(topic)?;
        let follower = self.must(number);
        let nth = follower.subscriptions().len();
        if follower.position_of(local, Some(style)).is_some() {
            return Ok(());
        }
        follower.doubled |= follower.position_of(local, None).is_some();
        let place = self.watched.add(local, number, nth);
        self.must(number).subs.push(Subscription {
            topic: local,
            style,
            place,
            from,
        });
        Ok(())
    }

    /// The follower no longer follows `topic`: in `style`, or in any. Answers whether it did.
    pub fn unfollow(&mut self, number: u32, topic: &str, style: Option<u16>) -> bool {
        let Some(local) = self.watched.local(topic) else {
            return false;
        };
        let mut found = false;
        while let Some(nth) = self
            .get(number)
            .and_then(|follower| follower.position_of(local, style))
        {
            self.remove_subscription(number, nth);
            found = true;
        }
        found
    }

    fn remove_subscription(&mut self, number: u32, nth: usize) {
        let (gone, moved) = self.must(number).subs.swap_remove(nth);
        if let Some(moved) = moved {
            self.watched.set_nth(moved.topic, moved.place, nth);
        }
        if let Some(displaced) = self.watched.remove(gone.topic, gone.place) {
            let subs = &mut self.must(displaced.follower).subs;
            subs.as_mut_slice()[displaced.nth as usize].place = gone.place;
        }
    }

    /// The roster's own number for a topic that is followed by anybody.
    pub fn topic_number(&self, topic: &str) -> Option<u32> {
        self.watched.local(topic)
    }

    /// The follower's subscription to a topic goes on in another style.
    pub fn restyle(&mut self, number: u32, topic: u32, from: u16, to: u16) {
        let Some(follower) = self.get_mut(number) else {
            return;
        };
        for subscription in follower.subs.as_mut_slice() {
            if subscription.topic == topic && subscription.style == from {
                subscription.style = to;
            }
        }
    }

    /// The topics of which messages past `after` may be lost for the follower: what a [`Gap`] is about.
    pub fn lost(&self, number: u32, after: u64) -> Vec<u32> {
        let subscriptions = self.get(number).map_or(&[][..], Follower::subscriptions);
        let lost = |s: &&Subscription| self.watched.watch(s.topic).topic.lost() > after.max(s.from);
        subscriptions.iter().filter(lost).map(|s| s.topic).collect()
    }

    /// The name of a topic that is followed.
    pub fn topic_name_of(&self, topic: u32) -> &Arc<str> {
        self.watched.watch(topic).name()
    }

    /// Everybody who follows a topic, by its number; a follower in two styles twice.
    pub fn followers_of(&self, topic: u32) -> impl Iterator<Item = u32> + '_ {
        self.watched.places(topic).iter().map(|place| place.follower)
    }

    /// The last offset that was appended to a topic that is followed; 0 if none is known.
    pub fn newest(&self, topic: u32) -> u64 {
        self.watched.watch(topic).topic.newest()
    }

    /// One more than the largest number that was ever in use.
    pub fn numbers_end(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The numbers of an owner's followers.
    pub fn owned_by(&self, owner: u64) -> &[u32] {
        self.owners.get(owner)
    }

    /// All numbers in use.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        let used = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.follower.is_some());
        used.map(|(number, _)| number as u32)
    }

    /// The name of a topic of one of the [subscriptions](Follower::subscriptions).
    pub fn topic_name(&self, subscription: &Subscription) -> &Arc<str> {
        self.watched.watch(subscription.topic).name()
    }

    /// Takes the notes for the topics `tags`, and names each of their followers once.
    ///
    /// To be called with what the mailbox was told, before anything is read.
    pub fn moved(&mut self, tags: &[u32], mut name: impl FnMut(u32, &Follower<T>)) {
        self.round = self.round.wrapping_add(1);
        for tag in tags {
            for place in self.watched.take(*tag) {
                let Some(follower) = self.slots[place.follower as usize].follower.as_mut() else {
                    continue;
                };
                if std::mem::replace(&mut follower.round, self.round) != self.round {
                    name(place.follower, follower);
                }
            }
        }
    }

    /// Appends at most `max` messages of what the follower follows to `out`, each with its topic's number: those past
    /// `after` and up to `upto`, oldest first. What it asked to follow later than `after` begins there.
    ///
    /// `upto` must have been read from [`Hub::head`] before. On a gap `out` is as it was.
    pub fn read(
        &self,
        number: u32,
        after: u64,
        upto: u64,
        max: usize,
        out: &mut Vec<(u32, Message)>,
    ) -> Result<(), Gap> {
        let Some(follower) = self.get(number) else {
            return Ok(());
        };
        let start = out.len();
        let mut floor = 0;
        let mut sources = 0;
        for (nth, subscription) in follower.subscriptions().iter().enumerate() {
            let Some(from) = follower.start_of(nth) else {
                continue;
            };
            let before = out.len();
            let topic = &self.watched.watch(subscription.topic).topic;
            let tag = subscription.topic;
            let found = read::slice(topic, after.max(from), upto, max, |m| out.push((tag, m.clone())));
            floor = floor.max(found.err().map_or(0, |gap| gap.resume));
            sources += usize::from(out.len() > before);
        }
        if floor > 0 {
            out.truncate(start);
            return Err(Gap { resume: floor });
        }
        if sources > 1 {
            out[start..].sort_unstable_by_key(|(_, message)| message.offset);
        }
        out.truncate(start + max);
        Ok(())
    }

    /// Where the follower goes on after a gap, as its policy says; `None` if it must be closed.
    pub fn resume(&self, number: u32, gap: Gap, upto: u64) -> Option<u64> {
        let follower = self.get(number)?;
        match follower.policy {
            Policy::Gap => Some(gap.resume),
            Policy::Latest => {
                let topics = follower
                    .subscriptions()
                    .iter()
                    .map(|s| &self.watched.watch(s.topic).topic);
                let newest = topics.filter_map(|topic| read::newest(topic, upto)).max();
                Some(newest.map_or(gap.resume, |newest| gap.resume.max(newest - 1)))
            }
            Policy::Close => None,
        }
    }

    /// Up to where messages of what the follower follows may be lost: where a follower begins that has a cursor of
    /// another life.
    pub fn floor(&self, number: u32) -> u64 {
        let Some(follower) = self.get(number) else {
            return 0;
        };
        follower
            .subscriptions()
            .iter()
            .map(|s| self.watched.watch(s.topic).topic.lost())
            .max()
            .unwrap_or(0)
    }

    fn must(&mut self, number: u32) -> &mut Follower<T> {
        self.slots[number as usize]
            .follower
            .as_mut()
            .expect("a number that is in use")
    }
}

#[cfg(test)]
mod tests;
