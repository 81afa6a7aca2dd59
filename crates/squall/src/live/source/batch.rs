//! The frames of one slice of the log, for everybody who is at the same place.

use bytes::Bytes;
use squall_hub::roster::{Follower, Roster};
use squall_hub::{Message, Policy};

use super::cache::{Frames, Make};
use super::conn::Conn;
use crate::live::encode::Lost;

/// Small frames that follow each other are joined up to this many bytes: one write takes them all, and a burst costs a
/// follower one reference instead of many. Bounds what a half-written frame keeps alive.
const JOINED_BYTES_MAX: usize = 4_096;

/// What was read last, and for whom it is good.
///
/// Very often the next follower that is asked for follows the same, in the same style, from the same offset: then the
/// very same frames are its own, and neither the log nor the cache is looked at.
pub(super) struct Batch {
    /// For whom: topics and styles in order, where from, up to where, how many frames; none if it is not good any more.
    key: Option<Key>,
    subscriptions: Vec<(u32, u16)>,
    /// Each with the offset that it reaches.
    pub(super) frames: Vec<(Bytes, u64)>,
    /// The offset that is reached after all of them, with what the styles have skipped.
    pub(super) reached: u64,
    /// How many gaps are told of.
    pub(super) gaps: u64,
    /// When the newest of the messages was published, in milliseconds of the system's clock; 0 without messages.
    pub(super) at_ms: u64,
    /// The follower must be closed after these frames.
    pub(super) close: bool,
    /// Messages past `reached` may be lost, and the follower is a session, which is told in its own way.
    pub(super) lost: bool,
    scratch: Vec<(u32, Message)>,
    /// Small frames that are being joined, and the offset that they reach.
    joined: Vec<u8>,
    /// The first of them: alone, it is not copied.
    first: Option<Bytes>,
    joined_to: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Everything up to here was received.
    after: u64,
    /// The hub's head.
    upto: u64,
    room: usize,
    policy: Policy,
    /// The door's style and transport.
    make: Make,
}

impl Key {
    pub(super) fn new(follower: &Follower<Conn>, after: u64, upto: u64, room: usize) -> Self {
        let spec = &follower.data.spec;
        let make = Make::new(spec.style.0, spec);
        Self {
            after,
            upto,
            room,
            policy: follower.policy,
            make,
        }
    }
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            key: None,
            subscriptions: Vec::new(),
            frames: Vec::new(),
            reached: 0,
            gaps: 0,
            at_ms: 0,
            close: false,
            lost: false,
            scratch: Vec::new(),
            joined: Vec::new(),
            first: None,
            joined_to: 0,
        }
    }

    /// Whatever was read is not good any more: a follower's topics, or the topics' numbers, have changed.
    pub(super) fn forget(&mut self) {
        self.key = None;
    }

    /// Whether this is what is next for `number`.
    pub(super) fn is_for(&self, follower: &Follower<Conn>, key: &Key) -> bool {
        let subscriptions = follower.subscriptions();
        self.key.as_ref() == Some(key)
            && !has_filter(follower)
            && subscriptions.len() == self.subscriptions.len()
            && subscriptions
                .iter()
                .zip(&self.subscriptions)
                .all(|(one, other)| (one.topic, one.style) == *other && one.from <= key.after)
    }

    /// Makes `frames` those that are next for `number`.
    pub(super) fn fill(&mut self, roster: &Roster<Conn>, frames: &mut Frames, number: u32, key: &Key) {
        self.key = None;
        self.frames.clear();
        (self.gaps, self.close, self.lost) = (0, false, false);
        self.at_ms = 0;
        self.reached = key.after;
        while self.frames.len() < key.room && self.read(roster, frames, number, key) {}
        // Those who follow something only since later share with nobody.
        let Some(follower) = roster.get(number) else {
            return;
        };
        let subscriptions = follower.subscriptions();
        if !has_filter(follower)
            && subscriptions
                .iter()
                .all(|subscription| subscription.from <= key.after)
        {
            self.subscriptions.clear();
            self.subscriptions
                .extend(subscriptions.iter().map(|s| (s.topic, s.style)));
            self.key = Some(*key);
        }
    }

    /// Reads some more. Whether there may be still more.
    fn read(&mut self, roster: &Roster<Conn>, frames: &mut Frames, number: u32, key: &Key) -> bool {
        let room = key.room - self.frames.len();
        let mut messages = std::mem::take(&mut self.scratch);
        let more = match roster.read(number, self.reached, key.upto, room, &mut messages) {
            Ok(()) => {
                let found = messages.len();
                for (topic, message) in messages.drain(..) {
                    self.message(roster, frames, number, key.make, topic, &message);
                }
                self.flush();
                found == room
            }
            Err(_) if roster.get(number).is_some_and(|f| f.data.session.is_some()) => {
                self.lost = true;
                false
            }
            Err(gap) => {
                let resume = roster.resume(number, gap, key.upto);
                self.gap(frames, key.make, resume)
            }
        };
        self.scratch = messages;
        more
    }

    fn message(
        &mut self,
        roster: &Roster<Conn>,
        frames: &mut Frames,
        number: u32,
        door: Make,
        topic: u32,
        message: &Message,
    ) {
        self.reached = message.offset;
        let follower = roster.get(number);
        if follower.is_some_and(|follower| !is_wanted(follower, topic, message)) {
            return;
        }
        self.at_ms = message.at_ms;
        let subscriptions = follower.map_or(&[][..], |follower| follower.subscriptions());
        let wanted = subscriptions
            .iter()
            .filter(|s| s.topic == topic && s.from < message.offset);
        let mut all: Option<Bytes> = None;
        for frame in wanted.filter_map(|s| {
            frames.message(
                message,
                Make {
                    style: s.style,
                    ..door
                },
            )
        }) {
            // In several styles it is several frames, which must be taken together: they have one offset.
            all = Some(match all {
                None => frame,
                Some(before) => [before, frame].concat().into(),
            });
        }
        if let Some(frame) = all {
            self.push(frame);
        }
    }

    /// Adds a frame that reaches `reached`.
    fn push(&mut self, frame: Bytes) {
        let joined = self.first.as_ref().map_or(0, Bytes::len).max(self.joined.len());
        if joined + frame.len() > JOINED_BYTES_MAX {
            self.flush();
        }
        if frame.len() > JOINED_BYTES_MAX / 2 {
            self.flush();
            self.frames.push((frame, self.reached));
            return;
        }
        match self.first.take() {
            Some(first) => {
                self.joined.extend_from_slice(&first);
                self.joined.extend_from_slice(&frame);
            }
            None if self.joined.is_empty() => self.first = Some(frame),
            None => self.joined.extend_from_slice(&frame),
        }
        self.joined_to = self.reached;
    }

    /// Ends what is being joined.
    fn flush(&mut self) {
        if let Some(first) = self.first.take() {
            self.frames.push((first, self.joined_to));
        } else if !self.joined.is_empty() {
            self.frames
                .push((Bytes::copy_from_slice(&self.joined), self.joined_to));
            self.joined.clear();
        }
    }

    /// Tells of a gap and goes on from `resume`. Whether that was possible.
    fn gap(&mut self, frames: &mut Frames, make: Make, resume: Option<u64>) -> bool {
        let hub = frames.hub().clone();
        let told = resume.and_then(|resume| {
            let lost = Lost {
                after: hub.cursor_at(self.reached),
                resume: hub.cursor_at(resume),
            };
            frames.gap(&lost, make).map(|frame| (frame, resume))
        });
        let Some((frame, resume)) = told else {
            self.close = true;
            return false;
        };
        self.reached = resume;
        self.gaps += 1;
        self.frames.push((frame, resume));
        true
    }
}

/// Whether the follower is a session that wants only some messages: then it shares with nobody.
fn has_filter(follower: &Follower<Conn>) -> bool {
    let session = follower.data.session.as_deref();
    session.is_some_and(|session| session.subs.iter().any(|sub| sub.filter.is_some()))
}

/// Whether the follower wants this message of the topic.
fn is_wanted(follower: &Follower<Conn>, topic: u32, message: &Message) -> bool {
    let session = follower.data.session.as_deref();
    let filter = session
        .and_then(|session| session.sub(topic))
        .and_then(|sub| sub.filter.as_ref());
    filter.is_none_or(|filter| filter.matches(|tag| message.meta.as_ref().and_then(|meta| meta.tag(tag))))
}
