//! Time-outs: one walk over the slab a sweep, instead of a timer per connection.

use std::rc::Rc;
use std::time::Instant;

use crate::app::App;
use crate::core::Core;
use crate::core::slab::State;
use crate::source::ConnId;

impl<A: App> Core<A> {
    /// Acts on every deadline that has passed, and lets the source act on its own.
    pub(crate) fn sweep(self: &Rc<Self>, ready: &mut Vec<ConnId>) {
        let mut overdue = Vec::new();
        self.conns.borrow().overdue(self.clock.tick(), &mut overdue);
        for id in overdue {
            self.guarded(id, || self.overdue(id));
        }
        self.asked(|| self.source.tick(Instant::now(), ready));
        self.pump_all(ready);
        self.sweep_drain();
    }

    fn overdue(self: &Rc<Self>, id: ConnId) {
        enum Due {
            Http,
            Follow,
            WebSocket,
            Close,
        }
        let due = match self.conns.borrow_mut().get_mut(id) {
            Some(conn) => match conn.state {
                State::Http(_) => Due::Http,
                State::Follow(_) => Due::Follow,
                State::WebSocket(_) => Due::WebSocket,
                State::Parked | State::Lingering(_) | State::Taken => Due::Close,
            },
            None => return,
        };
        match due {
            Due::Http => self.http_overdue(id),
            Due::Follow => self.follow_overdue(id),
            Due::WebSocket => self.ws_overdue(id),
            Due::Close => self.close(id),
        }
    }
}
