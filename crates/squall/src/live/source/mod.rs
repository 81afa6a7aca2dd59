//! What is next for a connection that follows: the engine's [`Source`], answered from the hub's log.
//!
//! One per core, on that core's thread. Followers are the records of a [`Roster`]; a connection's position, as the engine
//! counts it, is its offset in the log plus the number of frames that were no part of the log (see [`conn`]).
//! Not here: who may follow what (`doors`), how a message is written (`encode`).

mod batch;
mod cache;
mod change;
mod conn;
mod next;
mod poll;
pub(in crate::live) mod session;
mod state;

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use squall_engine::source::{After, Attached, ConnId, Frame, Source};
use squall_engine::wire::ws::Deflate;
use squall_engine::ws::Message;

use super::api::Live;
use super::connection::{Connection, Incoming};
use super::mailbox::CoreMailbox;
use super::ticket::Ticket;
use crate::web::now_ms;
use state::{Received, State};

#[cfg(doc)]
use squall_hub::roster::Roster;

/// Answers for the followers of one core.
///
/// [`Live::source`] makes one for each core of a server; by hand it is only made to drive it in a test.
pub struct LiveSource {
    state: RefCell<State>,
    mailbox: Arc<CoreMailbox>,
}

impl LiveSource {
    /// A source of `live`'s followers. `wake` is called from any thread when [`Source::drain`] is due.
    pub fn new(live: &Live, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let mailbox = Arc::new(CoreMailbox::new(live.next_core_number(), wake));
        live.add_core(&mailbox);
        Self {
            state: RefCell::new(State::new(live.clone(), mailbox.clone())),
            mailbox,
        }
    }

    /// Asks the application for every decision that is due. Nothing of ours is borrowed while its code runs.
    fn decide(&self) {
        loop {
            let Some(job) = self.state.borrow_mut().jobs.pop_front() else {
                return;
            };
            if let Some(told) = job.start(&self.mailbox) {
                self.state.borrow_mut().session_told(told);
            }
        }
    }

    pub(super) fn connection(&self, follower: u32) -> Connection {
        let mut state = self.state.borrow_mut();
        let (life, window) = state.window(follower);
        Connection {
            hub: state.live.hub().clone(),
            mailbox: self.mailbox.clone(),
            follower,
            life,
            window,
        }
    }
}

impl Source for LiveSource {
    fn attach(&self, conn: ConnId, ticket: &(dyn Any + Send + Sync)) -> Option<Attached> {
        let ticket = ticket.downcast_ref::<Ticket>()?;
        let attached = self.state.borrow_mut().attach(conn, ticket, None);
        self.decide();
        attached
    }

    fn attach_deflated(
        &self,
        conn: ConnId,
        ticket: &(dyn Any + Send + Sync),
        deflate: &Deflate,
    ) -> Option<Attached> {
        let ticket = ticket.downcast_ref::<Ticket>()?;
        let attached = self.state.borrow_mut().attach(conn, ticket, Some(deflate));
        self.decide();
        attached
    }

    fn detach(&self, follower: u32) {
        self.state.borrow_mut().detach(follower);
        self.decide();
    }

    fn drain(&self, ready: &mut Vec<ConnId>) {
        self.state.borrow_mut().catch_up();
        self.decide();
        self.state.borrow_mut().drain(ready);
    }

    fn next(&self, follower: u32, position: u64, room: usize, out: &mut Vec<Frame>) -> After {
        let after = self.state.borrow_mut().next(follower, position, room, out);
        self.decide();
        after
    }

    fn received(&self, follower: u32, message: Message) {
        let received = self.state.borrow_mut().received(follower, message.len());
        if let Some(Received::Session) = received {
            self.state.borrow_mut().session_message(follower, &message);
            return self.decide();
        }
        let Some(Received::Message(on_message, owner, kind)) = received else {
            return;
        };
        on_message(Incoming {
            message,
            owner,
            kind,
            follower,
            source: self,
        });
    }

    fn heartbeat(&self, follower: u32) -> Option<Bytes> {
        self.state.borrow().heartbeat(follower)
    }

    fn tick(&self, now: Instant, ready: &mut Vec<ConnId>) {
        let mut state = self.state.borrow_mut();
        state.sweep(now_ms());
        state.tick(now, ready);
        drop(state);
        self.decide();
    }

    fn shutdown(&self) {
        self.state.borrow_mut().shutdown();
    }
}

#[cfg(test)]
mod tests;
