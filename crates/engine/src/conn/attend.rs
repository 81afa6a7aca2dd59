//! Whose code runs: what the watchdog and [`crate::Deadline`] are told around every poll of a handler.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::app::App;
use crate::conn::http::{Http, Wait};
use crate::core::Core;
use crate::core::doing::{Busy, Doing, Name};
use crate::core::slab::State;
use crate::deadline::{self, Polled};
use crate::source::ConnId;

/// Until it is dropped, the core is in the hands of a handler.
pub(crate) struct Attending<'a> {
    doing: &'a Doing,
    before: Busy,
    polled: Polled,
}

impl Attending<'_> {
    /// The time-out that the handler asked for in place of its server's.
    pub(crate) fn asked(&self) -> Option<Duration> {
        self.polled.asked()
    }
}

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        self.doing.becomes(self.before);
    }
}

impl<A: App> Core<A> {
    /// A request goes to its handler, in place.
    pub(crate) fn attend(&self, request: &http::Request<crate::Body>) -> Attending<'_> {
        let doing = &self.link.doing;
        Attending {
            doing,
            before: doing.handles(request.method().as_str(), request.uri().path()),
            polled: deadline::polled(self.clock.turn_at(), self.limits.handler_timeout),
        }
    }

    /// A handler, or its answer, is polled again.
    pub(crate) fn attend_again(&self, name: &Name, time: Option<(Instant, Duration)>) -> Attending<'_> {
        let doing = &self.link.doing;
        Attending {
            doing,
            before: doing.named(name),
            polled: match time {
                Some((began, timeout)) => deadline::polled(began, timeout),
                None => deadline::not_polled(),
            },
        }
    }

    /// Runs what is left of the handler, or of its answer, that the core was just in the hands of.
    pub(crate) fn spawn_for(
        self: &Rc<Self>,
        id: ConnId,
        task: impl Future<Output = ()> + 'static,
    ) -> AbortHandle {
        let core = self.clone();
        let name = self.link.doing.name();
        self.tasks_due.set(true);
        let attended = async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                let attending = core.attend_again(&name, core.handler_time(id));
                let polled = task.as_mut().poll(cx);
                if let Some(timeout) = attending.asked() {
                    core.set_handler_timeout(id, timeout);
                }
                polled
            })
            .await;
        };
        tokio::task::spawn_local(attended).abort_handle()
    }

    /// When the time of the handler began that has not answered yet, and how long it is.
    fn handler_time(&self, id: ConnId) -> Option<(Instant, Duration)> {
        match self.conns.borrow_mut().get_mut(id).map(|conn| &conn.state) {
            Some(State::Http(http)) => self.time_of(http),
            _ => None,
        }
    }

    fn time_of(&self, http: &Http) -> Option<(Instant, Duration)> {
        let exchange = http.exchange.as_ref().filter(|e| e.framing.is_none())?;
        let began = match http.wait {
            Wait::Handler => self.clock.at(http.since),
            // It has not begun: the body is still coming.
            _ => self.clock.turn_at(),
        };
        Some((
            began,
            exchange.handler_timeout.unwrap_or(self.limits.handler_timeout),
        ))
    }

    fn set_handler_timeout(&self, id: ConnId, timeout: Duration) {
        let mut conns = self.conns.borrow_mut();
        let Some(conn) = conns.get_mut(id) else { return };
        let State::Http(http) = &mut conn.state else {
            return;
        };
        let Some(exchange) = http.exchange.as_mut().filter(|e| e.framing.is_none()) else {
            return;
        };
        exchange.handler_timeout = Some(timeout);
        if http.wait == Wait::Handler {
            conn.deadline = self.http_deadline(http).unwrap_or(conn.deadline);
        }
    }

    /// Whether there are as many handlers as there may be.
    pub(crate) fn has_too_many_handlers(&self) -> bool {
        let handlers = || self.shared.handlers_now.load(Ordering::Relaxed);
        self.limits.handlers_max.is_some_and(|max| handlers() >= max)
    }
}

/// Counts a handler for as long as it has not answered.
pub(crate) struct InFlight<A: App>(Rc<Core<A>>);

impl<A: App> InFlight<A> {
    pub(crate) fn new(core: Rc<Core<A>>) -> Self {
        core.shared.handlers_now.fetch_add(1, Ordering::Relaxed);
        core.link.counts.handlers.add(1);
        InFlight(core)
    }
}

impl<A: App> Drop for InFlight<A> {
    fn drop(&mut self) {
        self.0.shared.handlers_now.fetch_sub(1, Ordering::Relaxed);
        let counts = &self.0.link.counts;
        counts.handlers.set(counts.handlers.get().saturating_sub(1));
    }
}
