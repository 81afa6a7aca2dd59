//! What is next for a long-poll: nothing yet, or its answer.

use std::io::Write;

use bytes::Bytes;
use http::{Response, StatusCode};
use squall_engine::source::After;
use squall_hub::{Cursor, Message};

use super::cache::Make;
use super::conn::Ending;
use super::state::State;
use crate::live::doors::{POLL_BYTES_MAX, POLL_MESSAGES_MAX};
use crate::live::encode::{Lost, gap_object};

/// An answer in the making.
struct Draft {
    /// The elements of `messages`, with their commas.
    messages: Vec<u8>,
    count: usize,
    /// Everything up to here is in it.
    reached: u64,
    lost: Option<Lost>,
    /// There is more than one answer takes.
    full: bool,
}

impl State {
    pub(super) fn next_poll(&mut self, follower: u32, position: u64, after: u64, upto: u64) -> After {
        let Some(record) = self.roster.get_mut(follower) else {
            return After::Close;
        };
        let revoked = matches!(record.data.ending.as_deref(), Some(Ending::Revoked));
        let ending = record.data.ending.is_some();
        let (due, gap_after) = record
            .data
            .poll()
            .map_or((true, None), |poll| (poll.due, poll.gap_after));
        if revoked {
            return self.respond(
                follower,
                StatusCode::FORBIDDEN,
                b"{\"status\":403,\"title\":\"Forbidden\"}".to_vec(),
            );
        }
        let draft = if ending {
            self.draft(after, gap_after)
        } else {
            self.read(follower, after, gap_after, upto)
        };
        if draft.count > 0 || draft.lost.is_some() || due || ending || self.shutting_down {
            if draft.lost.is_some() {
                self.live.inner.counters.add(&self.live.inner.counters.gaps);
            }
            let cursor = self.live.hub().cursor_at(draft.reached);
            return self.respond(follower, StatusCode::OK, draft.body(&cursor));
        }
        if let Some(record) = self.roster.get_mut(follower) {
            record.data.skip_to(draft.reached, position);
        }
        After::Stay
    }

    fn draft(&self, after: u64, gap_after: Option<Cursor>) -> Draft {
        let resume = self.live.hub().cursor_at(after);
        let lost = gap_after.map(|after| Lost { after, resume });
        Draft {
            messages: Vec::new(),
            count: 0,
            reached: after,
            lost,
            full: false,
        }
    }

    fn read(&mut self, follower: u32, after: u64, gap_after: Option<Cursor>, upto: u64) -> Draft {
        let mut draft = self.draft(after, gap_after);
        let mut found = Vec::new();
        loop {
            let room = POLL_MESSAGES_MAX - draft.count;
            match self.roster.read(follower, draft.reached, upto, room, &mut found) {
                Ok(()) => {
                    let last = found.len() < room;
                    for (topic, message) in found.drain(..) {
                        if draft.messages.len() >= POLL_BYTES_MAX {
                            draft.full = true;
                            break;
                        }
                        self.add(follower, topic, &message, &mut draft);
                    }
                    draft.full |= draft.count == POLL_MESSAGES_MAX;
                    if last || draft.full {
                        break;
                    }
                }
                // The next answer will tell.
                Err(_) if draft.count > 0 => {
                    draft.full = true;
                    break;
                }
                Err(gap) => {
                    let hub = self.live.hub();
                    let after = draft.lost.map_or(hub.cursor_at(draft.reached), |lost| lost.after);
                    // An answer ends the connection's following anyway, so `Policy::Close` is told like the others.
                    draft.reached = self.roster.resume(follower, gap, upto).unwrap_or(gap.resume);
                    draft.lost = Some(Lost {
                        after,
                        resume: hub.cursor_at(draft.reached),
                    });
                }
            }
        }
        if !draft.full {
            // What was published to others since does not concern it.
            draft.reached = draft.reached.max(upto);
        }
        draft
    }

    fn add(&mut self, follower: u32, topic: u32, message: &Message, draft: &mut Draft) {
        draft.reached = message.offset;
        let Some(record) = self.roster.get(follower) else {
            return;
        };
        let wanted = record
            .subscriptions()
            .iter()
            .filter(|s| s.topic == topic && s.from < message.offset);
        for subscription in wanted {
            let Some(frame) = self.frames.message(
                message,
                Make {
                    style: subscription.style,
                    ws: false,
                    deflate: None,
                },
            ) else {
                continue;
            };
            if !draft.messages.is_empty() {
                draft.messages.push(b',');
            }
            draft.messages.extend_from_slice(&frame);
            draft.count += 1;
        }
    }

    /// Answers; the follower is gone then.
    fn respond(&mut self, follower: u32, status: StatusCode, body: Vec<u8>) -> After {
        self.detach(follower);
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        After::Respond(Box::new(response))
    }
}

impl Draft {
    fn body(&self, cursor: &Cursor) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.messages.len() + 128);
        let _ = write!(out, "{{\"cursor\":\"{cursor}\",\"messages\":[");
        out.extend_from_slice(&self.messages);
        out.extend_from_slice(b"],\"gap\":");
        match &self.lost {
            Some(lost) => gap_object(lost, &mut out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
        out
    }
}
