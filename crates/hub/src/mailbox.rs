//! How a core learns that a topic has moved.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::hub::Hub;
use crate::topic::Topic;

/// Where a core is told that something moved. Called from the publisher's thread: it must be quick and must not block.
pub trait Mailbox: Send + Sync {
    /// The topic that the core calls `tag` has new messages. Said once until the core [takes](Watch::take) the
    /// note, however many messages there are and however many of the core's connections follow the topic.
    fn moved(&self, tag: u32);
}

/// What the topic knows of one core that watches it.
pub(crate) struct Interest {
    mailbox: Arc<dyn Mailbox>,
    /// The core's own name for the topic.
    tag: u32,
    /// A note is in the mailbox and the core has not taken it yet.
    pending: AtomicBool,
    /// How many followers the core has for the topic, for the counts alone.
    followers: AtomicU32,
}

impl Interest {
    pub(crate) fn new(mailbox: Arc<dyn Mailbox>, tag: u32) -> Self {
        Self {
            mailbox,
            tag,
            pending: AtomicBool::new(false),
            followers: AtomicU32::new(0),
        }
    }

    /// Called when the message is in the log and the head has moved.
    pub(crate) fn notify(&self) {
        // A swap that reads `true` is ordered before the core's `take`, which therefore sees the new head.
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.mailbox.moved(self.tag);
        }
    }

    pub(crate) fn followers(&self) -> u32 {
        self.followers.load(Ordering::Relaxed)
    }
}

/// A core's interest in a topic; the topic is remembered, and the core is told of news, until it is dropped.
pub struct Watch {
    pub(crate) hub: Hub,
    pub(crate) topic: Arc<Topic>,
    pub(crate) interest: Arc<Interest>,
}

impl Watch {
    /// Takes the note, if there is one; the next message makes a new one. To be called *before* the log is read.
    pub fn take(&self) -> bool {
        self.interest.pending.swap(false, Ordering::AcqRel)
    }

    /// The topic's name.
    pub fn name(&self) -> &Arc<str> {
        self.topic.name()
    }

    /// Says how many followers this core has, for the counts.
    pub fn set_followers(&self, followers: u32) {
        self.interest.followers.store(followers, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.unwatch(&self.topic, &self.interest);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.name())
    }
}
