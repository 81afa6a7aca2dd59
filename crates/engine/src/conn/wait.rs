//! What an HTTP/1 connection waits for, how long it may, and what follows when that has passed.

use std::rc::Rc;
use std::time::Duration;

use http::StatusCode;
use squall_wire::h1::Reject;

use crate::app::App;
use crate::body::BodyErrorKind;
use crate::conn::http::Http;
use crate::core::Core;
use crate::limits::{Limits, NEVER, Tick, ticks};
use crate::metrics::TimedOut;
use crate::source::ConnId;

/// What a connection waits for, so which time-out it is under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wait {
    #[default]
    Nothing,
    /// There is half of an empty line: the connection idles as before.
    Request,
    Head,
    Body,
    Handler,
    /// More of an answer that has begun.
    Stream,
    Write,
}

/// How fast a peer takes what it is owed.
///
/// Why beside the stall: who takes a byte now and then never stalls, and would hold its connection for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    since: Tick,
    taken_bytes: u64,
}

impl Pace {
    /// The socket is full from now on.
    pub(crate) fn begin(&mut self, now: Tick) {
        *self = Pace {
            since: now,
            taken_bytes: 0,
        };
    }

    /// It took some.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.taken_bytes += bytes as u64;
    }

    /// Until when what was taken is enough.
    pub(crate) fn deadline(&self, limits: &Limits) -> Tick {
        let earned = Duration::from_secs(self.taken_bytes / limits.write_rate_bytes.max(1));
        let allowed = limits.write_stall_timeout.saturating_add(earned);
        self.since.saturating_add(ticks(allowed))
    }
}

impl<A: App> Core<A> {
    /// Until when a peer that took something just now must take more.
    pub(crate) fn write_deadline(&self, pace: &Pace) -> Tick {
        self.after(self.limits.write_stall_timeout)
            .min(pace.deadline(&self.limits))
    }

    /// Which of its two time-outs a peer that is owed bytes has missed.
    pub(crate) fn count_slow(&self, pace: &Pace) {
        let kind = if pace.taken_bytes > 0 && pace.deadline(&self.limits) <= self.clock.tick() {
            TimedOut::WriteRate
        } else {
            TimedOut::WriteStall
        };
        self.link.counts.timed_out.add(kind, 1);
    }

    /// The deadline of what the connection waits for; none if it stays as it was.
    pub(crate) fn http_deadline(&self, http: &Http) -> Option<Tick> {
        let limits = &self.limits;
        let timeout = match http.wait {
            Wait::Nothing => return Some(NEVER),
            Wait::Request => return None,
            Wait::Head => limits.header_read_timeout,
            Wait::Body => {
                let received = http
                    .exchange
                    .as_ref()
                    .and_then(|e| e.body.as_ref())
                    .map_or(0, |b| b.received_bytes);
                let credit = Duration::from_secs(received / limits.body_rate_bytes.max(1));
                limits.body_read_timeout.saturating_add(credit)
            }
            Wait::Handler => http
                .exchange
                .as_ref()
                .and_then(|e| e.handler_timeout)
                .unwrap_or(limits.handler_timeout),
            Wait::Stream => limits.silence_timeout,
            Wait::Write => {
                let stalled = http.since.saturating_add(ticks(limits.write_stall_timeout));
                return Some(stalled.min(http.pace.deadline(limits)));
            }
        };
        Some(http.since.saturating_add(ticks(timeout)))
    }

    /// A time-out of an HTTP connection has passed.
    pub(crate) fn http_overdue(self: &Rc<Self>, id: ConnId) {
        let Some(mut http) = self.take_http(id) else {
            return;
        };
        let begun = http.exchange.as_ref().is_some_and(|e| e.framing.is_some());
        let (kind, status, reason) = match http.wait {
            Wait::Head => (
                TimedOut::Head,
                StatusCode::REQUEST_TIMEOUT,
                "the request head did not arrive in time",
            ),
            Wait::Body => (
                TimedOut::Body,
                StatusCode::REQUEST_TIMEOUT,
                "the request body did not arrive in time",
            ),
            Wait::Handler => (
                TimedOut::Handler,
                StatusCode::SERVICE_UNAVAILABLE,
                "the handler did not answer in time",
            ),
            Wait::Stream => {
                self.link.counts.timed_out.add(TimedOut::Silence, 1);
                tracing::warn!(
                    seconds = self.limits.silence_timeout.as_secs(),
                    "a response body yielded nothing for too long; the connection is closed"
                );
                self.put_http(id, http);
                self.abandon(id);
                return self.close(id);
            }
            Wait::Request => {
                self.link.counts.timed_out.add(TimedOut::Idle, 1);
                self.put_http(id, http);
                return self.close(id);
            }
            Wait::Write | Wait::Nothing => {
                self.count_slow(&http.pace);
                self.put_http(id, http);
                return self.close(id);
            }
        };
        self.link.counts.timed_out.add(kind, 1);
        if let Some(exchange) = &http.exchange {
            if let Some(body) = &exchange.body {
                body.channel.fail(BodyErrorKind::TimedOut);
            }
            if let Some(task) = &exchange.task {
                task.abort();
            }
        }
        if begun {
            self.put_http(id, http);
            self.abandon(id);
            return self.close(id);
        }
        self.refuse(&mut http, &Reject { status, reason });
        self.settle(id, http);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_earns_time_at_the_rate() {
        let limits = Limits {
            write_stall_timeout: Duration::from_secs(30),
            write_rate_bytes: 1000,
            ..Limits::default()
        };
        let mut pace = Pace::default();
        pace.begin(100);
        assert_eq!(pace.deadline(&limits), 100 + 30 * 4);
        pace.take(999);
        assert_eq!(pace.deadline(&limits), 100 + 30 * 4);
        pace.take(1);
        assert_eq!(pace.deadline(&limits), 100 + 31 * 4);
        pace.begin(500);
        assert_eq!(pace.deadline(&limits), 500 + 30 * 4);
    }
}
