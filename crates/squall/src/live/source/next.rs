//! What is next for one connection.

use squall_engine::source::{After, Frame};
use squall_engine::wire::ws::close_frame;

use super::batch::Key;
use super::conn::Ending;
use super::state::State;
use crate::live::access::Door;
use crate::live::{CLOSE_BEHIND, CLOSE_COME_BACK, CLOSE_ENDED, CLOSE_RESTART, CLOSE_TOO_BIG};
use crate::web::now_ms;

impl State {
    pub(super) fn next(&mut self, follower: u32, position: u64, room: usize, out: &mut Vec<Frame>) -> After {
        // The head before the commands: then whatever was said before a message was published is known before it is
        // read.
        let upto = self.live.hub().head();
        self.catch_up();
        let Some(record) = self.roster.get_mut(follower) else {
            return After::Close;
        };
        let conn = &mut record.data;
        let after = conn.offset_at(position);
        if conn.spec.door == Door::Poll {
            return self.next_poll(follower, position, after, upto);
        }
        if conn.session.is_some() {
            self.session_next(follower, after);
        }
        let Some(record) = self.roster.get_mut(follower) else {
            return After::Close;
        };
        let conn = &mut record.data;
        if self.shutting_down || conn.ending.is_some() {
            return self.farewell(follower, position, room, out);
        }
        let start = out.len();
        let asides = conn.offer(position, room, out);
        let room = room.saturating_sub(asides as usize);
        if room == 0 {
            return After::Stay;
        }
        let (batch, is_first) = self.batch(follower, after, upto, room);
        let Some(record) = self.roster.get_mut(follower) else {
            return After::Close;
        };
        let conn = &mut record.data;
        let batch = &self.batches[batch];
        for (bytes, offset) in &batch.frames {
            out.push(Frame {
                bytes: bytes.clone(),
                position: conn.position_of(*offset, asides),
            });
        }
        if batch.reached > after {
            match out[start..].last_mut() {
                Some(last) => last.position = conn.position_of(batch.reached, asides),
                None => conn.skip_to(batch.reached, position),
            }
        }
        if batch.at_ms > 0 && self.sampling.wants(follower, after, is_first) {
            let lag_ms = now_ms().saturating_sub(batch.at_ms);
            self.live.inner.samples.add(lag_ms, upto.saturating_sub(after));
        }
        let counters = &self.live.inner.counters;
        for _ in 0..batch.gaps {
            counters.add(&counters.gaps);
        }
        if batch.lost {
            let reached = batch.reached;
            self.session_lost(follower, reached);
        } else if batch.close {
            self.end(follower, Ending::Behind);
            let position = out[start..].last().map_or(position, |last| last.position);
            return self.farewell(follower, position, 0, out);
        }
        After::Stay
    }

    /// The batch that has what is next for the follower; and whether it was made for it.
    fn batch(&mut self, follower: u32, after: u64, upto: u64, room: usize) -> (usize, bool) {
        let Some(record) = self.roster.get(follower) else {
            return (0, false);
        };
        let key = Key::new(record, after, upto, room);
        if let Some(found) = self.batches.iter().position(|batch| batch.is_for(record, &key)) {
            return (found, false);
        }
        let oldest = self.oldest_batch;
        self.oldest_batch = (oldest + 1) % self.batches.len();
        self.batches[oldest].fill(&self.roster, &mut self.frames, follower, &key);
        (oldest, true)
    }

    /// The last words to a connection, and its end.
    fn farewell(&mut self, follower: u32, position: u64, room: usize, out: &mut Vec<Frame>) -> After {
        let Some(record) = self.roster.get_mut(follower) else {
            return After::Close;
        };
        if record.data.session.is_some() {
            return self.session_farewell(follower, position, room, out);
        }
        let conn = &mut record.data;
        let mut asides = 0;
        // Who closes by a handle may have said why just before.
        if matches!(conn.ending.as_deref(), Some(Ending::Said(_))) {
            asides = conn.offer(position, room, out);
            if asides as usize == room {
                return After::Stay;
            }
        }
        // A stream has none: its end says enough, and a browser comes back by itself.
        if conn.spec.door == Door::Ws {
            let bytes = match conn.ending.as_deref() {
                Some(Ending::Behind) => close_frame(CLOSE_BEHIND, "behind: come back with your cursor"),
                Some(Ending::Revoked) => close_frame(CLOSE_ENDED, "ended"),
                Some(Ending::ComeBack) => close_frame(CLOSE_COME_BACK, "come back with your cursor"),
                Some(Ending::TooBig) => close_frame(CLOSE_TOO_BIG, "the message is too big"),
                Some(Ending::Said(frame)) => frame.clone(),
                Some(Ending::Disconnect(_)) | None => {
                    close_frame(CLOSE_RESTART, "come back with your cursor")
                }
            };
            out.push(Frame {
                bytes,
                position: position + asides,
            });
        }
        After::Close
    }
}
