//! The counters themselves: one set a core, written by that core alone.
//!
//! Why no `fetch_add`: a counter with one writer needs no locked instruction, so counting costs what a field of a
//! struct costs. Others read with relaxed loads; each number is right, a set of them need not be of one moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::tls::{Alpn, TlsInfo, TlsVersion};

use super::{
    ACTIVITIES, CoreMetrics, Handshake, HandshakeFailed, LATENCY_BOUNDS_US, Label, Latency, Open, PROTOCOLS,
    Refused, Rejected, Tally, TimedOut,
};

/// A number with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// For the one thread that writes it.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        let now = self.0.load(Ordering::Relaxed).wrapping_add(count);
        self.0.store(now, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by label.
#[derive(Debug)]
pub(crate) struct Table<L> {
    counters: Box<[Counter]>,
    label: std::marker::PhantomData<fn(L)>,
}

impl<L: Label> Default for Table<L> {
    fn default() -> Self {
        Table {
            counters: L::ALL.iter().map(|_| Counter::default()).collect(),
            label: std::marker::PhantomData,
        }
    }
}

impl<L: Label> Table<L> {
    pub(crate) fn add(&self, label: L, count: u64) {
        self.counters[label.index()].add(count);
    }

    pub(crate) fn tally(&self) -> Tally<L> {
        let mut tally = Tally::default();
        for &label in L::ALL {
            tally.set(label, self.counters[label.index()].get());
        }
        tally
    }
}

/// The first status that is counted by itself, and how many there are: 100 to 599.
const STATUS_FIRST: u16 = 100;
const STATUSES: usize = 500;

/// Answers by status. One that is not between 100 and 599 counts as 599.
#[derive(Debug)]
pub(crate) struct Statuses(Box<[Counter]>);

impl Default for Statuses {
    fn default() -> Self {
        Statuses((0..STATUSES).map(|_| Counter::default()).collect())
    }
}

impl Statuses {
    #[inline]
    pub(crate) fn add(&self, status: StatusCode) {
        let at = usize::from(status.as_u16() - STATUS_FIRST).min(STATUSES - 1);
        self.0[at].add(1);
    }

    fn seen(&self) -> Vec<(u16, u64)> {
        let counts = self.0.iter().map(Counter::get);
        let all = (STATUS_FIRST..).zip(counts);
        all.filter(|(_, count)| *count > 0).collect()
    }
}

/// What the acceptor counts.
#[derive(Debug, Default)]
pub(crate) struct AcceptCounts {
    pub(crate) refused: Table<Refused>,
    pub(crate) pauses: Counter,
}

/// The counters of one core. Aligned so that no other core's data is on their cache lines: two lines, because CPUs
/// fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counts {
    pub(crate) accepted: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) requests: Statuses,
    latency: [Counter; LATENCY_BOUNDS_US.len() + 1],
    latency_us: Counter,
    pub(crate) timed_out: Table<TimedOut>,
    pub(crate) rejected: Table<Rejected>,
    tls12_handshakes: Table<Handshake>,
    tls13_handshakes: Table<Handshake>,
    pub(crate) tls_failed: Table<HandshakeFailed>,
    /// Connections that a core refused when it had seen their preface.
    pub(crate) refused: Table<Refused>,
    pub(crate) handlers: Counter,
    pub(crate) panics: Counter,
    /// Written by the watchdog.
    pub(crate) stalls: Counter,
    /// Microseconds.
    pub(crate) busy_us: Counter,
    open: [[Counter; ACTIVITIES]; PROTOCOLS],
}

impl Counts {
    /// So many requests took so long.
    pub(crate) fn took(&self, us: u64, requests: u64) {
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        self.latency[bucket].add(requests);
        self.latency_us.add(us.saturating_mul(requests));
    }

    /// The engine answered a request itself.
    pub(crate) fn refused(&self, status: StatusCode) {
        self.requests.add(status);
        let why = match status {
            StatusCode::REQUEST_TIMEOUT => Rejected::TimedOut,
            StatusCode::PAYLOAD_TOO_LARGE => Rejected::BodyTooLarge,
            StatusCode::URI_TOO_LONG => Rejected::TargetTooLong,
            StatusCode::EXPECTATION_FAILED => Rejected::Expectation,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Rejected::HeadTooLarge,
            StatusCode::INTERNAL_SERVER_ERROR => Rejected::Failed,
            StatusCode::NOT_IMPLEMENTED => Rejected::NotImplemented,
            StatusCode::SERVICE_UNAVAILABLE => Rejected::Unavailable,
            StatusCode::HTTP_VERSION_NOT_SUPPORTED => Rejected::Version,
            _ => Rejected::Malformed,
        };
        self.rejected.add(why, 1);
    }

    /// A TLS handshake is complete.
    pub(crate) fn shook_hands(&self, tls: &TlsInfo) {
        let kind = match tls.is_resumed() {
            _ if tls.alpn() == Some(Alpn::Http3) => Handshake::Quic,
            true => Handshake::Resumed,
            false => Handshake::Full,
        };
        match tls.version() {
            TlsVersion::Tls12 => self.tls12_handshakes.add(kind, 1),
            TlsVersion::Tls13 => self.tls13_handshakes.add(kind, 1),
        }
    }

    /// What is open now.
    pub(crate) fn set_open(&self, open: &Open) {
        for (counters, counts) in self.open.iter().zip(&open.counts) {
            for (counter, count) in counters.iter().zip(counts) {
                counter.set(*count);
            }
        }
    }

    pub(crate) fn snapshot(&self) -> CoreMetrics {
        CoreMetrics {
            accepted: self.accepted.get(),
            open: Open {
                counts: std::array::from_fn(|p| std::array::from_fn(|a| self.open[p][a].get())),
            },
            handlers: self.handlers.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            requests: self.requests.seen(),
            latency: Latency {
                buckets: std::array::from_fn(|at| self.latency[at].get()),
                sum: Duration::from_micros(self.latency_us.get()),
            },
            timed_out: self.timed_out.tally(),
            rejected: self.rejected.tally(),
            tls12_handshakes: self.tls12_handshakes.tally(),
            tls13_handshakes: self.tls13_handshakes.tally(),
            tls_failed: self.tls_failed.tally(),
            panics: self.panics.get(),
            stalls: self.stalls.get(),
            busy: Duration::from_micros(self.busy_us.get()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_bucket_whose_bound_it_reaches() {
        let counts = Counts::default();
        for us in [0, 25, 26, 60_000_000, 60_000_001] {
            counts.took(us, 1);
        }
        let latency = counts.snapshot().latency;
        assert_eq!(latency.buckets[..3], [2, 1, 0]);
        assert_eq!(latency.buckets[19..], [1, 1]);
        assert_eq!(latency.sum, Duration::from_micros(120_000_052));
    }

    #[test]
    fn every_status_has_its_number() {
        let counts = Counts::default();
        for status in [100, 101, 200, 599, 600, 999] {
            counts.requests.add(StatusCode::from_u16(status).unwrap());
        }
        counts.refused(StatusCode::URI_TOO_LONG);
        let metrics = counts.snapshot();
        assert_eq!(
            metrics.requests,
            [(100, 1), (101, 1), (200, 1), (414, 1), (599, 3)]
        );
        assert_eq!(metrics.rejected.get(Rejected::TargetTooLong), 1);
    }
}
