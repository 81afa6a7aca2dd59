//! What one subscriber was handed, as it was handed it.

use std::fmt;

/// A place in the log: which life of it, as [`Truth`](crate::truth::Truth) counts them, and the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the life.
    pub life: u32,
    /// The offset in it.
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.life, self.offset)
    }
}

/// One thing that a subscriber was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message {
        /// Its cursor.
        at: Place,
        /// Its topic's number; `None` where the door does not say it.
        topic: Option<u16>,
        /// The number in its data.
        number: u32,
        /// How long its data was.
        bytes: u32,
    },
    /// It was told that messages may be missing.
    Gap {
        /// Where it was.
        after: Place,
        /// Where it goes on.
        resume: Place,
        /// What is still there in between is not handed over either: a session that could not recover goes on from now.
        to_head: bool,
    },
}

/// Everything that one subscriber was handed.
#[derive(Clone, Debug)]
pub struct Record {
    /// The numbers of its topics.
    pub topics: Vec<u16>,
    /// It asked for the newest message alone after a gap.
    pub latest: bool,
    /// Where it began. `None`: it never got that far.
    pub start: Option<Place>,
    /// What came.
    pub events: Vec<Event>,
}
