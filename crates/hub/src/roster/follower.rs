//! One follower's record.

use super::Join;
use crate::policy::Policy;

/// A place of the slab.
pub(super) struct Slot<T> {
    pub(super) follower: Option<Follower<T>>,
    /// Counts the followers that were here.
    pub(super) life: u32,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            follower: None,
            life: 0,
        }
    }
}

/// Somebody who follows topics.
pub struct Follower<T> {
    /// Whom it belongs to; 0 is nobody.
    pub owner: u64,
    /// What it belongs to within its owner.
    pub kind: u32,
    /// What happens when the log's tail passes it.
    pub policy: Policy,
    /// When it was named last.
    pub(super) round: u32,
    /// Its place in its owner's list.
    pub(super) owner_place: u32,
    pub(super) subs: Subscriptions,
    /// Some topic is, or was, followed in more than one style.
    pub(super) doubled: bool,
    /// The caller's own.
    pub data: T,
}

/// One topic that is followed in one style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The roster's own number for the topic, valid while anybody follows it.
    pub topic: u32,
    /// How it is framed, as the caller counts.
    pub style: u16,
    /// Its place in the topic's list.
    pub(super) place: u32,
    /// Messages up to here are not part of it.
    pub from: u64,
}

impl<T> Follower<T> {
    pub(super) fn new(join: Join<T>, owner_place: u32, round: u32) -> Self {
        let Join {
            owner,
            kind,
            policy,
            data,
        } = join;
        Self {
            owner,
            kind,
            policy,
            round,
            owner_place,
            subs: Subscriptions::None,
            doubled: false,
            data,
        }
    }

    /// What it follows, in no particular order.
    pub fn subscriptions(&self) -> &[Subscription] {
        self.subs.as_slice()
    }

    pub(super) fn position_of(&self, topic: u32, style: Option<u16>) -> Option<usize> {
        let wanted = |s: &Subscription| s.topic == topic && style.is_none_or(|style| s.style == style);
        self.subscriptions().iter().position(wanted)
    }

    /// From where the nth subscription's topic is read, or `None` if an earlier one reads the same topic already.
    pub(super) fn start_of(&self, nth: usize) -> Option<u64> {
        let subscriptions = self.subscriptions();
        let topic = subscriptions[nth].topic;
        if !self.doubled {
            return Some(subscriptions[nth].from);
        }
        if subscriptions[..nth].iter().any(|earlier| earlier.topic == topic) {
            return None;
        }
        subscriptions[nth..]
            .iter()
            .filter(|s| s.topic == topic)
            .map(|s| s.from)
            .min()
    }
}

/// Most follow one topic: that needs no allocation.
pub(super) enum Subscriptions {
    None,
    One(Subscription),
    Many(Vec<Subscription>),
}

impl Subscriptions {
    fn as_slice(&self) -> &[Subscription] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [Subscription] {
        match self {
            Self::None => &mut [],
            Self::One(one) => std::slice::from_mut(one),
            Self::Many(many) => many,
        }
    }

    pub(super) fn push(&mut self, new: Subscription) {
        match self {
            Self::None => *self = Self::One(new),
            Self::One(one) => *self = Self::Many(vec![*one, new]),
            Self::Many(many) => many.push(new),
        }
    }

    /// Removes the nth; answers it, and the one that is the nth now if another took its place.
    pub(super) fn swap_remove(&mut self, nth: usize) -> (Subscription, Option<Subscription>) {
        match self {
            Self::None => unreachable!("nothing to remove"),
            Self::One(one) => {
                let gone = *one;
                *self = Self::None;
                (gone, None)
            }
            Self::Many(many) => {
                let gone = many.swap_remove(nth);
                let moved = many.get(nth).copied();
                if many.is_empty() {
                    *self = Self::None;
                }
                (gone, moved)
            }
        }
    }
}
