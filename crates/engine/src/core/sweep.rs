//! Time-outs: one walk over the slab a sweep, instead of a timer per connection.

use std::rc::Rc;
use std::time::Instant;

use crate::app::App;
use crate::core::Core;
use crate::core::slab::State;
use crate::metrics::{Activity, HandshakeFailed, Open, Protocol, TimedOut};
use crate::source::ConnId;

impl<A: App> Core<A> {
    /// Acts on every deadline that has passed, and lets the source act on its own.
    pub(crate) fn sweep(self: &Rc<Self>, ready: &mut Vec<ConnId>) {
        let mut overdue = Vec::new();
        let mut open = self.conns.borrow().overdue(self.clock.tick(), &mut overdue);
        let busy = self.quic_busy.get();
        open.set(Protocol::Http3, Activity::Active, busy);
        open.set(Protocol::Http3, Activity::Parked, self.quic_open.get() - busy);
        self.count(&open);
        for id in overdue {
            self.guarded(id, || self.overdue(id));
        }
        self.asked(|| self.source.tick(Instant::now(), ready));
        self.pump_all(ready);
        self.sweep_drain();
    }

    /// What is counted by looking, not by what happens: it costs a request nothing.
    fn count(&self, open: &Open) {
        let counts = &self.link.counts;
        counts.set_open(open);
        // A current-thread runtime is its one worker.
        let busy = tokio::runtime::Handle::current()
            .metrics()
            .worker_total_busy_duration(0);
        counts.busy_us.set(busy.as_micros() as u64);
    }

    fn overdue(self: &Rc<Self>, id: ConnId) {
        enum Due {
            Http,
            Follow,
            WebSocket,
            H2,
            Stream,
            Close,
        }
        let due = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match conn.state {
                State::Http(_) => Due::Http,
                State::Follow(_) => Due::Follow,
                State::WebSocket(_) => Due::WebSocket,
                State::H2(_) => Due::H2,
                State::Stream(_) => Due::Stream,
                State::Fresh if conn.socket.is_handshaking() => {
                    self.link.counts.timed_out.add(TimedOut::Handshake, 1);
                    self.link.counts.tls_failed.add(HandshakeFailed::TimedOut, 1);
                    Due::Close
                }
                State::Fresh | State::Parked(_) => {
                    self.link.counts.timed_out.add(TimedOut::Idle, 1);
                    Due::Close
                }
                State::ProxyHeader(_) => {
                    self.link.counts.timed_out.add(TimedOut::Handshake, 1);
                    Due::Close
                }
                State::Lingering(_) => {
                    self.link.counts.timed_out.add(TimedOut::Close, 1);
                    Due::Close
                }
                State::Taken => Due::Close,
            },
            None => return,
        };
        match due {
            Due::Http => self.http_overdue(id),
            Due::Follow => self.follow_overdue(id),
            Due::WebSocket => self.ws_overdue(id),
            Due::H2 => self.h2_overdue(id),
            Due::Stream => self.stream_overdue(id),
            Due::Close => self.close(id),
        }
    }
}
