//! What a broker that keeps messages tells the hub at its start, and asks it later.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::error::AppendError;
use crate::hub::{Hub, Inner, OFFSET_MAX};

/// A hub that may be gone. For a broker's own threads: a hub holds its broker, so a broker must not hold its hub.
#[derive(Clone)]
pub struct WeakHub {
    inner: Weak<Inner>,
}

impl WeakHub {
    /// The hub, if anybody still has it.
    pub fn upgrade(&self) -> Option<Hub> {
        self.inner.upgrade().map(|inner| Hub { inner })
    }
}

impl Hub {
    /// The same hub, without keeping it.
    pub fn downgrade(&self) -> WeakHub {
        WeakHub {
            inner: Arc::downgrade(&self.inner),
        }
    }

    /// `topic` is known from an earlier life, which had lost its messages up to `floor` and none beyond. To be called before
    /// anything is appended to it; afterwards it changes nothing.
    ///
    /// An error for a name that nothing could be published to.
    pub fn restore(&self, topic: &str, floor: u64) -> Result<(), AppendError> {
        if topic.is_empty() || topic.len() > self.inner.config.topic_bytes_max {
            return Err(AppendError::BadTopic);
        }
        let mut order = self.order();
        self.topic_for_append(topic, &mut order).restore(floor);
        Ok(())
    }

    /// The order goes on beyond `offset`: up to there it is used up, though nothing was appended. Does nothing if the
    /// [head](Hub::head) is there already.
    pub fn advance(&self, offset: u64) -> Result<(), AppendError> {
        if offset > OFFSET_MAX {
            return Err(AppendError::OffsetTooLarge);
        }
        let _order = self.order();
        self.inner.head.fetch_max(offset, Ordering::AcqRel);
        Ok(())
    }

    /// Messages of `topic` up to `floor` are not to be had (any more): whoever has not received them is told of a gap.
    ///
    /// For brokers that fill a hub again and know what each topic had lost before. An error for a name that nothing could
    /// be published to, and if `floor` is beyond the [head](Hub::head).
    pub fn lose(&self, topic: &str, floor: u64) -> Result<(), AppendError> {
        if topic.is_empty() || topic.len() > self.inner.config.topic_bytes_max {
            return Err(AppendError::BadTopic);
        }
        let topic = {
            let mut order = self.order();
            let head = self.head();
            if floor > head {
                return Err(AppendError::NotIncreasing { offset: floor, head });
            }
            let topic = self.topic_for_append(topic, &mut order);
            order.account(topic.lose_up_to(floor));
            topic
        };
        for interest in topic.watchers().iter() {
            interest.notify();
        }
        Ok(())
    }

    /// Up to where messages of topics that the hub has forgotten, because there were too many, may be lost.
    pub fn forgotten_floor(&self) -> u64 {
        self.topics().forgotten_floor()
    }

    /// Whether anything is remembered of the topic.
    pub fn remembers(&self, topic: &str) -> bool {
        self.topics().get(topic).is_some()
    }
}
