//! A handle to one following WebSocket, and what came in on it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use squall_engine::wire::ws::{Opcode, close_frame, encode_frame};
use squall_engine::ws::Message;
use squall_hub::Hub;

use super::access::{Grant, Moment};
use super::mailbox::CoreMailbox;
use super::source::LiveSource;
use super::style::Style;

/// How many things may be on their way to one connection beside the log: frames that its peer has not read,
/// and changes that its core has not seen.
pub const DIRECT_FRAMES_MAX: usize = 64;

/// How many bytes of frames may be on their way to one connection beside the log.
pub const DIRECT_BYTES_MAX: usize = 256 << 10;

/// A message that came in on a WebSocket door, and on which connection.
pub struct Incoming<'a> {
    /// What the peer sent.
    pub message: Message,
    /// Whom the connection belongs to.
    pub owner: u64,
    /// What it belongs to within its owner.
    pub kind: u32,
    pub(super) follower: u32,
    pub(super) source: &'a LiveSource,
}

impl Incoming<'_> {
    /// A handle to the connection, to be kept and used from anywhere.
    pub fn connection(&self) -> Connection {
        self.source.connection(self.follower)
    }
}

/// A handle to one WebSocket that follows. Cheap to clone; does nothing once the connection is gone.
#[derive(Clone)]
pub struct Connection {
    pub(super) hub: Hub,
    pub(super) mailbox: Arc<CoreMailbox>,
    pub(super) follower: u32,
    /// Tells this connection from a later one with the same number.
    pub(super) life: u32,
    pub(super) window: Arc<Window>,
}

/// The connection's peer does not read, or it is told more than its core can do: [`DIRECT_FRAMES_MAX`] or
/// [`DIRECT_BYTES_MAX`] is reached. Try later, or close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too much is on its way to this connection already")
    }
}

impl std::error::Error for Busy {}

impl Connection {
    /// Sends one text message to this connection alone. It is no part of any log: it comes between two messages.
    pub fn send_text(&self, text: &str) -> Result<(), Busy> {
        self.send(Opcode::Text, text.as_bytes())
    }

    /// Sends one binary message to this connection alone.
    pub fn send_binary(&self, data: &[u8]) -> Result<(), Busy> {
        self.send(Opcode::Binary, data)
    }

    fn send(&self, opcode: Opcode, payload: &[u8]) -> Result<(), Busy> {
        let mut frame = Vec::new();
        encode_frame(opcode, payload, &mut frame);
        self.say(frame.len(), Say::Frame(frame.into()))
    }

    /// This connection follows `topic` from now on, in `style` or the door's own.
    ///
    /// `moment` must have been taken before the right to it was looked at: what was ended since then stays ended.
    /// Beyond `follower_topics_max` the connection is closed.
    pub fn follow(&self, moment: Moment, topic: &str, style: Option<Style>) -> Result<(), Busy> {
        let from = self.hub.head();
        self.say(
            0,
            Say::Follow {
                moment,
                topic: topic.into(),
                style,
                from,
            },
        )
    }

    /// This connection no longer follows `topic`: in `style`, or in any. Nothing that is published after this call
    /// reaches it from there.
    pub fn unfollow(&self, topic: &str, style: Option<Style>) -> Result<(), Busy> {
        self.say(
            0,
            Say::Unfollow {
                topic: topic.into(),
                style,
            },
        )
    }

    /// This connection follows every topic of `grant` from now on, each in its style or the door's own, and is of the
    /// grant's kind: one change, however many topics. Owner and policy stay as they are.
    ///
    /// `moment` must have been taken before the right to them was looked at: what was said since then about connections
    /// of that kind holds for this one too. Beyond `follower_topics_max` the connection is closed.
    pub fn add(&self, moment: Moment, grant: Grant) -> Result<(), Busy> {
        let from = self.hub.head();
        self.say(
            0,
            Say::Add {
                moment,
                grant: Box::new(grant),
                from,
            },
        )
    }

    /// This connection no longer follows anything in `style`, and is of that kind.
    pub fn remove(&self, style: Style, kind: u32) -> Result<(), Busy> {
        self.say(0, Say::Remove { style, kind })
    }

    /// Closes the connection, after what was sent by a handle before; nothing more of the log is sent.
    pub fn close(&self, code: u16, reason: &str) {
        // Never refused, since it is what to do when everything else is; said once, so that it is bounded all the same.
        if !self.window.closed.swap(true, Ordering::Relaxed) {
            self.mailbox
                .say(self.direct(0, Say::Close(close_frame(code, reason))));
        }
    }

    fn say(&self, bytes: usize, what: Say) -> Result<(), Busy> {
        if !self.window.take(bytes) {
            return Err(Busy);
        }
        self.mailbox.say(self.direct(bytes, what));
        Ok(())
    }

    fn direct(&self, bytes: usize, what: Say) -> Direct {
        Direct {
            follower: self.follower,
            life: self.life,
            bytes,
            what,
            window: self.window.clone(),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}.{})", self.follower, self.life)
    }
}

/// One thing that is said to one connection.
pub(crate) struct Direct {
    pub(crate) follower: u32,
    pub(crate) life: u32,
    pub(crate) bytes: usize,
    pub(crate) what: Say,
    pub(crate) window: Arc<Window>,
}

pub(crate) enum Say {
    Frame(Bytes),
    Follow {
        moment: Moment,
        topic: Arc<str>,
        style: Option<Style>,
        from: u64,
    },
    Unfollow {
        topic: Arc<str>,
        style: Option<Style>,
    },
    Add {
        moment: Moment,
        grant: Box<Grant>,
        from: u64,
    },
    Remove {
        style: Style,
        kind: u32,
    },
    Close(Bytes),
}

/// How much is on its way to one connection.
#[derive(Default)]
pub(crate) struct Window {
    frames: AtomicUsize,
    bytes: AtomicUsize,
    /// The connection was told to close.
    closed: AtomicBool,
}

impl Window {
    /// Whether there is room for one more thing of `bytes`.
    fn take(&self, bytes: usize) -> bool {
        let frames = self.frames.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = frames < DIRECT_FRAMES_MAX && before + bytes <= DIRECT_BYTES_MAX;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.frames.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
