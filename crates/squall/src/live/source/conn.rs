//! One following connection, and how its position is counted.
//!
//! The engine gives back a *position* and drops frames that the socket did not take; they are made again. So frames that
//! are no part of the log (a hello, a gap at the start, direct messages) must have positions as well. A position is
//! `offset + bias`, where `bias` counts the frames beside the log that the socket has taken. What is offered is always:
//! the frames beside the log first, then the log from `offset` on. When the engine asks again, the difference to the
//! position at which they were offered says how many of them were taken: any frame of the log comes after all of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use squall_engine::source::{ConnId, Frame};
use squall_hub::Cursor;

use crate::live::connection::Window;
use crate::live::session::Disconnect;
use crate::live::session::record::Session;
use crate::live::ticket::Spec;

/// What the roster carries for a connection.
pub(super) struct Conn {
    pub(super) id: ConnId,
    pub(super) spec: Arc<Spec>,
    /// The engine's position less our offset. Wraps: only the difference counts.
    pub(super) bias: u64,
    /// It is to be closed, and why.
    pub(super) ending: Option<Box<Ending>>,
    /// What a quiet connection does not need.
    pub(super) extra: Option<Box<Extra>>,
    /// It is a session.
    pub(super) session: Option<Box<Session>>,
}

/// Why a connection is closed.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// The log's tail has passed it.
    Behind,
    /// Its right was ended.
    Revoked,
    /// It cannot be kept up to date.
    ComeBack,
    /// A message from its peer was too large.
    TooBig,
    /// A handle said so; this is the close frame.
    Said(Bytes),
    /// It is a session, which is told this.
    Disconnect(Disconnect),
}

#[derive(Default)]
pub(super) struct Extra {
    /// Frames beside the log that the socket has not taken yet.
    asides: VecDeque<Aside>,
    /// How many of them were offered, and at which position.
    offered: u64,
    offered_at: u64,
    /// How much handles may say; made when there is one.
    window: Option<Arc<Window>>,
    /// A long-poll's own.
    pub(super) poll: Option<Poll>,
    /// Replies and pushes of a session that are no frame yet: all that is written at once is one.
    pub(super) said: Vec<u8>,
    /// Bytes of frames beside the log that the socket has not taken.
    pub(super) owed_bytes: usize,
}

struct Aside {
    frame: Bytes,
    /// It counts in the window.
    counts: bool,
}

/// A long-poll that waits.
pub(super) struct Poll {
    /// When it is answered with nothing.
    pub(super) deadline: Instant,
    /// The deadline has passed.
    pub(super) due: bool,
    /// It came with a cursor that the log cannot go on from.
    pub(super) gap_after: Option<Cursor>,
}

impl Conn {
    /// Takes note of what the socket has taken; answers the offset up to which the log was received.
    pub(super) fn offset_at(&mut self, position: u64) -> u64 {
        if let Some(extra) = &mut self.extra {
            self.bias = self.bias.wrapping_add(extra.taken_at(position));
            if !extra.is_needed() {
                self.extra = None;
            }
        }
        position.wrapping_sub(self.bias)
    }

    /// The position of an offset, if everything beside the log that is waiting is taken first.
    pub(super) fn position_of(&self, offset: u64, asides: u64) -> u64 {
        offset.wrapping_add(self.bias).wrapping_add(asides)
    }

    /// Everything up to `offset` counts as received, though nothing of it is sent; `position` stays.
    pub(super) fn skip_to(&mut self, offset: u64, position: u64) {
        debug_assert!(self.extra.as_ref().is_none_or(|extra| extra.asides.is_empty()));
        self.bias = position.wrapping_sub(offset);
    }

    /// Sends a frame beside the log.
    pub(super) fn aside(&mut self, frame: Bytes, counts: bool) {
        debug_assert!(!frame.is_empty(), "an empty frame would never be taken");
        let extra = self.extra();
        extra.owed_bytes += frame.len();
        extra.asides.push_back(Aside { frame, counts });
    }

    /// Offers what is beside the log; answers how many frames.
    pub(super) fn offer(&mut self, position: u64, room: usize, out: &mut Vec<Frame>) -> u64 {
        let Some(extra) = &mut self.extra else { return 0 };
        extra.offered_at = position;
        extra.offered = extra.asides.len().min(room) as u64;
        for (at, aside) in (1..=extra.offered).zip(&extra.asides) {
            out.push(Frame {
                bytes: aside.frame.clone(),
                position: position + at,
            });
        }
        extra.offered
    }

    /// How much handles may say to this connection.
    pub(super) fn window(&mut self) -> Arc<Window> {
        self.extra().window.get_or_insert_default().clone()
    }

    /// Everything beside the log that is owed to a session: frames, and what is none yet.
    pub(super) fn owed_bytes(&self) -> usize {
        self.extra
            .as_ref()
            .map_or(0, |extra| extra.owed_bytes + extra.said.len())
    }

    /// Forgets what is owed beside the log: the connection is closed next.
    pub(super) fn forget_owed(&mut self) {
        if let Some(extra) = &mut self.extra {
            (extra.asides, extra.said) = (VecDeque::new(), Vec::new());
            (extra.offered, extra.owed_bytes) = (0, 0);
        }
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(super) fn poll(&mut self) -> Option<&mut Poll> {
        self.extra.as_mut()?.poll.as_mut()
    }
}

impl Extra {
    /// Forgets the frames that were taken; answers how many.
    fn taken_at(&mut self, position: u64) -> u64 {
        let taken = position.wrapping_sub(self.offered_at).min(self.offered);
        for aside in self.asides.drain(..taken as usize) {
            self.owed_bytes -= aside.frame.len();
            if let (true, Some(window)) = (aside.counts, &self.window) {
                window.give_back(aside.frame.len());
            }
        }
        self.offered = 0;
        taken
    }

    /// A window that a handle may hold must stay the one that it holds.
    fn is_needed(&self) -> bool {
        !self.asides.is_empty() || !self.said.is_empty() || self.window.is_some() || self.poll.is_some()
    }
}
