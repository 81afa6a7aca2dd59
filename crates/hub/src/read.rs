//! Reading the log: a contiguous slice, or a gap.

use std::fmt;

use crate::message::Message;
use crate::topic::Topic;

/// The log no longer holds everything past the reader's offset.
///
/// Messages with an offset up to `resume` may be missing; past it, none is. A reader that was told so goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Up to where messages may be lost, and the offset to read on from.
    pub resume: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages up to offset {} may be lost", self.resume)
    }
}

impl std::error::Error for Gap {}

/// Hands at most `max` messages of `topic` in `(after, upto]` to `push`, oldest first.
///
/// `upto` must have been the hub's head at some moment before: then everything up to it is in the log already.
pub(crate) fn slice(
    topic: &Topic,
    after: u64,
    upto: u64,
    max: usize,
    mut push: impl FnMut(&Message),
) -> Result<(), Gap> {
    // Most topics of a follower have not moved: that is seen without the lock. Whatever is up to `upto` was
    // written before the head that `upto` was read from.
    if topic.newest() <= after && topic.lost() <= after {
        return Ok(());
    }
    let log = topic.read();
    let lost = topic.lost();
    if lost > after {
        return Err(Gap { resume: lost });
    }
    let start = log.messages.partition_point(|message| message.offset <= after);
    for message in log
        .messages
        .range(start..)
        .take(max)
        .take_while(|message| message.offset <= upto)
    {
        push(message);
    }
    Ok(())
}

/// The last message of `topic` up to `upto`, if the log holds it.
pub(crate) fn newest(topic: &Topic, upto: u64) -> Option<u64> {
    let log = topic.read();
    let end = log.messages.partition_point(|message| message.offset <= upto);
    end.checked_sub(1).map(|last| log.messages[last].offset)
}
