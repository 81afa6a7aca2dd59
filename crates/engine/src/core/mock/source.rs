//! A log in memory that parked connections follow.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use squall_wire::ws::{close_frame, text_frame};

use crate::source::{After, Attached, ConnId, Frame, Framing, Source};
use crate::ws::Message;

/// Messages that the log keeps; more are not published.
const MESSAGES_MAX: usize = 64;

/// Sweeps after which all long-polls are answered, with nothing if there is nothing.
const POLL_TICKS: u32 = 5;

/// What a response says of how it follows.
pub(super) struct MockTicket(pub(super) Framing);

#[derive(Default)]
pub(super) struct MockSource {
    messages: RefCell<Vec<Bytes>>,
    followers: RefCell<BTreeMap<u32, (ConnId, Framing)>>,
    next: Cell<u32>,
    draining: Cell<bool>,
    ticks: Cell<u32>,
}

impl MockSource {
    pub(super) fn publish(&self, bytes: usize) {
        let mut messages = self.messages.borrow_mut();
        if messages.len() < MESSAGES_MAX {
            messages.push(vec![b'm'; bytes.max(1)].into());
        }
    }

    pub(super) fn following(&self) -> usize {
        self.followers.borrow().len()
    }
}

impl Source for MockSource {
    fn attach(&self, conn: ConnId, ticket: &(dyn Any + Send + Sync)) -> Option<Attached> {
        let MockTicket(framing) = ticket.downcast_ref()?;
        let follower = self.next.get();
        self.next.set(follower + 1);
        self.followers.borrow_mut().insert(follower, (conn, *framing));
        Some(Attached {
            follower,
            position: 0,
        })
    }

    fn detach(&self, follower: u32) {
        let known = self.followers.borrow_mut().remove(&follower);
        assert!(known.is_some(), "a follower is let go twice");
    }

    fn drain(&self, ready: &mut Vec<ConnId>) {
        ready.extend(self.followers.borrow().values().map(|(conn, _)| *conn));
    }

    fn next(&self, follower: u32, position: u64, room: usize, out: &mut Vec<Frame>) -> After {
        let framing = self.followers.borrow()[&follower].1;
        let messages = self.messages.borrow();
        let news = &messages[position as usize..];
        if framing == Framing::Answer {
            let waits = !self.ticks.get().is_multiple_of(POLL_TICKS) || self.ticks.get() == 0;
            if news.is_empty() && waits && !self.draining.get() {
                return After::Stay;
            }
            let body: Bytes = news.concat().into();
            drop(messages);
            self.detach(follower);
            return After::Respond(Box::new(Response::new(body)));
        }
        for (message, position) in news.iter().take(room).zip(position + 1..) {
            let bytes = match framing {
                Framing::WebSocket => text_frame(message),
                _ => message.clone(),
            };
            out.push(Frame { bytes, position });
        }
        if !self.draining.get() || out.len() == room {
            return After::Stay;
        }
        let bytes = match framing {
            Framing::WebSocket => close_frame(1001, "bye"),
            _ => Bytes::from_static(b"bye"),
        };
        let position = messages.len() as u64;
        out.push(Frame { bytes, position });
        After::Close
    }

    fn received(&self, follower: u32, _: Message) {
        assert!(
            self.followers.borrow().contains_key(&follower),
            "a stranger's message"
        );
    }

    fn heartbeat(&self, _: u32) -> Option<Bytes> {
        Some(Bytes::from_static(b":\n"))
    }

    fn tick(&self, _: Instant, ready: &mut Vec<ConnId>) {
        self.ticks.set(self.ticks.get() + 1);
        self.drain(ready);
    }

    fn shutdown(&self) {
        self.draining.set(true);
    }
}
