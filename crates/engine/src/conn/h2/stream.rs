//! A stream of HTTP/2 that did not end in place: one task, from its handler to the end of its answer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use h2::Reason;
use http::{Request, Response, StatusCode};
use squall_wire::h1::Reject;

use super::answer::{Answered, Asked, Sending};
use super::body::Meter;
use super::life::{Life, Streams, Verdict, Wait};
use crate::app::{App, BoxError};
use crate::body::Body;
use crate::conn::attend::InFlight;
use crate::conn::request::{Outcome, Rest, TOO_LARGE, failed, poll_boxed};
use crate::core::Core;
use crate::core::doing::Name;
use crate::source::ConnId;

pub(in crate::conn) const HANDLER_TOO_SLOW: Reject = Reject {
    status: StatusCode::SERVICE_UNAVAILABLE,
    reason: "the handler did not answer in time",
};

pub(in crate::conn) const BODY_TOO_SLOW: Reject = Reject {
    status: StatusCode::REQUEST_TIMEOUT,
    reason: "the request body did not arrive in time",
};

/// What the task of a stream is at.
pub(super) enum Doing<A: App> {
    Calling(Calling<A>, Option<Asked>),
    Sending(Sending<A::Body>),
}

/// A handler that has not answered.
pub(in crate::conn) enum Calling<A: App> {
    /// Its service takes no call yet.
    NotReady(Box<(A, Request<Body>)>),
    Begun(Rest<A::Future>),
}

impl<A: App> Calling<A> {
    pub(in crate::conn) fn poll(&mut self, core: &Core<A>, cx: &mut Context<'_>) -> Poll<Outcome<A::Body>> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll_call(cx)));
        match polled {
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(Some(response)),
            Ok(Poll::Ready(Err(error))) => Poll::Ready(failed::<A>(&*error)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(core.panicked()),
        }
    }

    fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<A::Body>, BoxError>> {
        if let Calling::NotReady(later) = self {
            match later.0.poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
            let request = std::mem::replace(&mut later.1, Request::new(Body::empty()));
            let future = Box::pin(Some(later.0.call(request)));
            *self = Calling::Begun(future);
        }
        match self {
            Calling::Begun(future) => poll_boxed(future, cx).map_err(Into::into),
            Calling::NotReady(_) => Poll::Pending,
        }
    }
}

/// The task of one stream.
struct Stream<A: App> {
    core: Rc<Core<A>>,
    conn: ConnId,
    streams: Rc<Streams>,
    key: usize,
    life: Rc<Life>,
    /// Whose handler it is, for the watchdog.
    name: Name,
    /// For as long as the handler has not answered.
    in_flight: Option<InFlight<A>>,
    doing: Doing<A>,
}

impl<A: App> Drop for Stream<A> {
    fn drop(&mut self) {
        self.streams.remove(self.key);
    }
}

impl<A: App> Core<A> {
    /// When the time of a stream's handler began, and how long it is.
    pub(in crate::conn) fn time_of_stream(&self, life: &Life) -> (Instant, Duration) {
        let now = self.clock.turn_at();
        let timeout = life.handler_timeout.get();
        (
            now.checked_sub(life.worked()).unwrap_or(now),
            timeout.unwrap_or(self.limits.handler_timeout),
        )
    }

    /// Gives a stream a task of its own.
    pub(super) fn h2_spawn(
        self: &Rc<Self>,
        conn: ConnId,
        streams: &Rc<Streams>,
        meter: Option<Arc<Meter>>,
        doing: Doing<A>,
    ) -> Rc<Life> {
        let wait = match doing {
            Doing::Calling(..) => Wait::Handler,
            Doing::Sending(_) => Wait::Nothing,
        };
        let life = Life::new(wait, meter);
        let mut stream = Stream {
            core: self.clone(),
            conn,
            streams: streams.clone(),
            key: streams.add(life.clone()),
            life: life.clone(),
            name: self.link.doing.name(),
            in_flight: matches!(doing, Doing::Calling(..)).then(|| InFlight::new(self.clone())),
            doing,
        };
        let task = tokio::task::spawn_local(async move { poll_fn(|cx| stream.poll(cx)).await });
        *life.task.borrow_mut() = Some(task.abort_handle());
        self.tasks_due.set(true);
        life
    }
}

impl<A: App> Stream<A> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let core = self.core.clone();
        let attending = core.attend_again(&self.name, self.handler_time());
        let polled = self.advance(cx);
        if let Some(timeout) = attending.asked() {
            self.life.handler_timeout.set(Some(timeout));
        }
        polled
    }

    /// When the time of a handler that has not answered began, and how long it is.
    fn handler_time(&self) -> Option<(Instant, Duration)> {
        let Doing::Calling(..) = self.doing else {
            return None;
        };
        Some(self.core.time_of_stream(&self.life))
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut waker = self.life.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        if let Some(verdict) = self.life.verdict.take() {
            self.end(verdict);
            return Poll::Ready(());
        }
        if let Doing::Calling(calling, asked) = &mut self.doing {
            let Some(request) = asked else {
                return Poll::Ready(());
            };
            if request.respond.poll_reset(cx).is_ready() {
                // A handler whose peer does not want its answer any more is cancelled.
                self.streams.note_reset();
                return Poll::Ready(());
            }
            if let Some(meter) = &request.meter {
                meter.tell(cx.waker());
            }
            let outcome = calling.poll(&self.core, cx);
            if request.meter.as_ref().is_some_and(|meter| meter.is_too_large()) {
                return self.refuse(&TOO_LARGE);
            }
            let Poll::Ready(outcome) = outcome else {
                say_continue(request);
                return Poll::Pending;
            };
            let Some(request) = asked.take() else {
                return Poll::Ready(());
            };
            self.in_flight = None;
            match self.core.h2_answer(&self.streams.gate, request, outcome) {
                Answered::Over => return Poll::Ready(()),
                Answered::Rest(sending) => self.doing = Doing::Sending(sending),
                Answered::Becomes(becomes) => {
                    self.core.h2_become(self.conn, &self.streams, *becomes);
                    return Poll::Ready(());
                }
            }
        }
        let Doing::Sending(sending) = &mut self.doing else {
            return Poll::Ready(());
        };
        if sending.poll(&self.streams.gate, Some(&self.life), cx).is_ready() {
            if matches!(sending.send.poll_reset(cx), Poll::Ready(Ok(_))) {
                self.streams.gate.note_cut();
            }
            return Poll::Ready(());
        }
        if sending.send.poll_reset(cx).is_ready() {
            self.streams.note_reset();
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Its time is over.
    fn end(&mut self, verdict: Verdict) {
        self.core.link.counts.timed_out.add(verdict.kind(), 1);
        match verdict {
            Verdict::HandlerTooSlow => drop(self.refuse(&HANDLER_TOO_SLOW)),
            Verdict::BodyTooSlow => drop(self.refuse(&BODY_TOO_SLOW)),
            Verdict::Stalled | Verdict::Sipping | Verdict::Silent => {
                if let Doing::Sending(sending) = &mut self.doing {
                    sending.send.send_reset(Reason::CANCEL);
                }
            }
        }
    }

    /// Answers in place of the handler, which is dropped.
    fn refuse(&mut self, reject: &Reject) -> Poll<()> {
        if let Doing::Calling(_, asked) = &mut self.doing
            && let Some(asked) = asked.take()
        {
            self.core.h2_refuse::<A::Body>(asked, reject);
        }
        Poll::Ready(())
    }
}

/// The handler waits for a body that the peer keeps back until it is told to go on.
fn say_continue(asked: &mut Asked) {
    let wanted = asked.meter.as_ref().is_some_and(|meter| meter.is_wanted());
    if asked.expects_continue && wanted {
        asked.expects_continue = false;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        // Fails for a stream that is gone; nobody waits for it then.
        let _ = asked.respond.send_informational(response);
    }
}
