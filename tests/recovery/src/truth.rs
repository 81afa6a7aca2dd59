//! What was published, and what the log lost: everything that a record is held against.

use std::collections::BTreeMap;

/// A message as its publisher knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The number of its topic.
    pub topic: u16,
    /// The number in its data.
    pub number: u32,
    /// How long its data is.
    pub bytes: u32,
}

impl Published {
    /// Its data: the number, a colon, and as many `x` as it takes.
    #[must_use]
    pub fn data(&self) -> String {
        let number = format!("{}:", self.number);
        let more = (self.bytes as usize).saturating_sub(number.len());
        number + &"x".repeat(more)
    }
}

/// One life of the log: an epoch.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Its text.
    pub epoch: String,
    /// What was published in it, by offset.
    pub log: BTreeMap<u64, Published>,
    /// Up to where messages of each topic were lost in the end. Floors only rise, so no gap may end beyond it.
    pub floors: Vec<u64>,
}

/// All lives, in order.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// The lives.
    pub lives: Vec<Life>,
}

impl Truth {
    /// A new life begins.
    pub fn begin(&mut self, epoch: String, topics: usize) {
        self.lives.push(Life {
            epoch,
            log: BTreeMap::new(),
            floors: vec![0; topics],
        });
    }

    /// The number of the life with this epoch.
    #[must_use]
    pub fn life(&self, epoch: &str) -> Option<u32> {
        let found = self.lives.iter().position(|life| life.epoch == epoch)?;
        u32::try_from(found).ok()
    }

    /// A message was published in the life that is.
    ///
    /// # Panics
    /// When two messages have one offset.
    pub fn published(&mut self, offset: u64, message: Published) {
        let life = self.lives.last_mut().expect("a life has begun");
        let twin = life.log.insert(offset, message);
        assert!(twin.is_none(), "two messages with offset {offset}");
    }

    /// Messages of the topic up to `floor` are lost.
    pub fn lost(&mut self, topic: u16, floor: u64) {
        if let Some(life) = self.lives.last_mut() {
            let known = &mut life.floors[usize::from(topic)];
            *known = floor.max(*known);
        }
    }
}
