//! The end of a core: nothing new, what runs is finished, what does not finish is cut at the deadline.

use std::rc::Rc;

use crate::app::App;
use crate::core::slab::State;
use crate::core::{Core, Until};
use crate::limits::{Tick, ticks};
use crate::metrics::TimedOut;
use crate::source::ConnId;

/// When a drain began, in ticks; cores that drain have one.
#[derive(Clone, Copy)]
pub(crate) struct Drain {
    pub(crate) deadline: Tick,
}

impl<A: App> Core<A> {
    /// Closes what is parked, tells what follows, and lets exchanges finish.
    pub(crate) fn begin_drain(self: &Rc<Self>, buffer: &mut [u8]) {
        if self.draining.get().is_some() {
            return;
        }
        let deadline = self.clock.tick().saturating_add(ticks(self.limits.drain_timeout));
        self.draining.set(Some(Drain { deadline }));
        self.asked(|| self.source.shutdown());
        let ids: Vec<ConnId> = self.conns.borrow().ids().collect();
        for id in ids {
            let kind = match self.conns.borrow_mut().get_mut(id) {
                Some(conn) => match conn.state {
                    State::Fresh | State::Parked(_) | State::ProxyHeader(_) => 0,
                    State::Follow(_) => 1,
                    State::WebSocket(_) => 2,
                    State::H2(_) => 3,
                    State::Stream(_) => 4,
                    _ => continue,
                },
                None => continue,
            };
            match kind {
                0 => self.drain_parked(id, buffer),
                1 => self.guarded(id, || self.pump(id)),
                2 => self.guarded(id, || self.ws_drain(id)),
                3 => self.guarded(id, || self.h2_drain(id)),
                _ => self.guarded(id, || self.stream_drain(id)),
            }
        }
    }

    /// A request may be in the socket already: it is answered, and then the connection closes.
    pub(crate) fn drain_parked(self: &Rc<Self>, id: ConnId, buffer: &mut [u8]) {
        self.guarded(id, || self.readable(id, buffer, Until::Blocked));
        self.close_if_parked(id);
    }

    fn close_if_parked(&self, id: ConnId) {
        let parked = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => matches!(
                conn.state,
                State::Fresh | State::Parked(_) | State::ProxyHeader(_)
            ),
            None => false,
        };
        if parked {
            self.close(id);
        }
    }

    /// Past the deadline, cuts what is left.
    pub(crate) fn sweep_drain(&self) {
        if self
            .draining
            .get()
            .is_none_or(|drain| drain.deadline > self.clock.tick())
        {
            return;
        }
        let ids: Vec<ConnId> = self.conns.borrow().ids().collect();
        if !ids.is_empty() {
            tracing::warn!(
                connections = ids.len(),
                "the drain deadline passed; connections are cut"
            );
        }
        self.link.counts.timed_out.add(TimedOut::Drain, ids.len() as u64);
        for id in ids {
            self.guarded(id, || self.close(id));
        }
        // Nor is any handler waited for.
        self.handlers.set(0);
    }

    /// A handler whose WebSocket has ended may still have something to put away.
    pub(crate) fn is_drained(&self) -> bool {
        self.conns.borrow().len() == 0 && self.handlers.get() == 0 && !self.quic_serves.get()
    }
}
