//! What the server says about its followers: end, follow, unfollow.
//!
//! A log of its own, and every core is a cursor into it. A core reads it *after* it has read the hub's head and *before*
//! it reads messages up to there: so a command that was given before something was published reaches every follower
//! before that does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::access::Moment;
use super::session::Order;
use super::style::Style;

/// How many commands are kept for cores that have not read them and for rights that were looked at before them.
///
/// A core that falls behind further ends every connection that belongs to somebody: they come back and are asked again.
pub const COMMANDS_KEPT_MAX: usize = 16_384;

/// One thing that was said about the connections of an owner.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) owner: u64,
    /// Only those of this kind, if given.
    pub(crate) kind: Option<u32>,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    End,
    Follow {
        topic: Arc<str>,
        /// The door's own, if none is given.
        style: Option<Style>,
        /// The hub's head when it was said: what was published before is not part of it.
        from: u64,
    },
    Unfollow {
        topic: Arc<str>,
    },
    /// For the owner's sessions.
    Session(Arc<Order>),
}

impl Command {
    pub(crate) fn is_for(&self, owner: u64, kind: u32) -> bool {
        self.owner == owner && self.kind.is_none_or(|only| only == kind)
    }
}

/// All commands, numbered from 1; the last [`COMMANDS_KEPT_MAX`] are kept.
#[derive(Default)]
pub(crate) struct Commands {
    /// The number of the last one. Written after it is in `kept`.
    head: AtomicU64,
    kept: Mutex<VecDeque<Command>>,
}

/// Some of the commands that were asked for are not kept any more.
#[derive(Debug)]
pub(crate) struct Missed;

impl Commands {
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment(self.head())
    }

    pub(crate) fn push(&self, command: Command) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == COMMANDS_KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(command);
        self.head.fetch_add(1, Ordering::Release);
    }

    /// The commands after number `after`, and the number of the last.
    pub(crate) fn since(&self, after: u64) -> (u64, Result<Vec<Command>, Missed>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.head();
        let count = usize::try_from(head - after).unwrap_or(usize::MAX);
        let Some(skip) = kept.len().checked_sub(count) else {
            return (head, Err(Missed));
        };
        (head, Ok(kept.range(skip..).cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(owner: u64) -> Command {
        Command {
            owner,
            kind: None,
            what: What::End,
        }
    }

    #[test]
    fn a_reader_gets_what_it_has_not_read_or_hears_that_it_missed_some() {
        let commands = Commands::default();
        assert!(commands.since(0).1.unwrap().is_empty());
        for owner in 1..=COMMANDS_KEPT_MAX as u64 {
            commands.push(end(owner));
        }
        assert_eq!(commands.since(0).1.unwrap().len(), COMMANDS_KEPT_MAX);
        commands.push(end(0));
        assert!(commands.since(0).1.is_err(), "one past what is kept");
        let (head, last) = commands.since(COMMANDS_KEPT_MAX as u64 - 1);
        assert_eq!(head, COMMANDS_KEPT_MAX as u64 + 1);
        assert_eq!(
            last.unwrap().iter().map(|c| c.owner).collect::<Vec<_>>(),
            [COMMANDS_KEPT_MAX as u64, 0]
        );
    }
}
