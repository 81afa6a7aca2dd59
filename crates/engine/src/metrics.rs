//! What a server counts, as plain numbers: [`crate::Handle::metrics`].
//!
//! Why plain numbers: who renders them (Prometheus text, a log line, a page) is not the engine's business. Names of
//! labels are those that Prometheus expects: lower case with underscores. How they are counted is in `count`.

pub(crate) mod count;

use std::time::Duration;

/// A closed set of names that something is counted by.
pub trait Label: Copy + 'static {
    /// All of them, in the order of [`Label::index`].
    const ALL: &'static [Self];

    /// As it stands in a label of Prometheus.
    fn name(self) -> &'static str;

    /// Its place in [`Label::ALL`].
    fn index(self) -> usize;
}

/// An enum whose values are the names of a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $value,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$($name::$value,)+];

            fn name(self) -> &'static str {
                match self {
                    $($name::$value => $text,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// What a connection speaks.
    Protocol {
        /// HTTP/1.
        Http1 = "http1",
        /// HTTP/2, whatever its streams have become.
        Http2 = "http2",
        /// HTTP/3, whatever its streams have become.
        Http3 = "http3",
        /// A WebSocket, with a handler or following.
        WebSocket = "websocket",
        /// A response that goes on until either side closes (SSE), following.
        Stream = "stream",
        /// A long-poll that waits for its answer.
        Poll = "poll",
        /// A service of its own on the bare connection.
        Raw = "raw",
    }
}

label! {
    /// What a connection costs now.
    Activity {
        /// It waits: a record, no task, no buffer.
        Parked = "parked",
        /// It is being served, or is owed bytes.
        Active = "active",
        /// We have said our last and wait for the peer to close.
        Lingering = "lingering",
    }
}

label! {
    /// Which time-out ended a request or a connection.
    TimedOut {
        /// [`crate::Limits::header_read_timeout`].
        Head = "head",
        /// [`crate::Limits::body_read_timeout`].
        Body = "body",
        /// [`crate::Limits::handler_timeout`], or the route's own.
        Handler = "handler",
        /// [`crate::Limits::idle_timeout`]: the usual end of a keep-alive connection.
        Idle = "idle",
        /// [`crate::Limits::write_stall_timeout`].
        WriteStall = "write_stall",
        /// The peer took less than [`crate::Limits::write_rate_bytes`].
        WriteRate = "write_rate",
        /// [`crate::Limits::silence_timeout`]: a response body that yielded nothing.
        Silence = "silence",
        /// [`crate::Limits::ping_timeout`].
        Ping = "ping",
        /// [`crate::Limits::close_timeout`].
        Close = "close",
        /// A TLS handshake, or another preface of the connection.
        Handshake = "handshake",
        /// [`crate::Limits::drain_timeout`]: cut at the end of a drain.
        Drain = "drain",
    }
}

label! {
    /// Why a connection was refused before anything of it was read.
    Refused {
        /// [`crate::Limits::connections_max`].
        ConnectionsMax = "connections_max",
        /// [`crate::Limits::connections_per_address_max`].
        PerAddressMax = "per_address_max",
        /// The process, or the system, has no descriptor left.
        Descriptors = "descriptors",
        /// Its preface (PROXY protocol, TLS) was not what this listener takes.
        Preface = "preface",
    }
}

label! {
    /// Why the engine answered a request itself.
    Rejected {
        /// 400, and whatever has no name of its own here.
        Malformed = "malformed",
        /// 408.
        TimedOut = "timed_out",
        /// 413.
        BodyTooLarge = "body_too_large",
        /// 414.
        TargetTooLong = "target_too_long",
        /// 417.
        Expectation = "expectation",
        /// 431.
        HeadTooLarge = "head_too_large",
        /// 500: the service failed, panicked, or gave an answer that cannot be sent.
        Failed = "failed",
        /// 501: a method or a transfer coding that is not known.
        NotImplemented = "not_implemented",
        /// 503: [`crate::Limits::handlers_max`], or a handler that did not answer in time.
        Unavailable = "unavailable",
        /// 505.
        Version = "version",
    }
}

label! {
    /// How a TLS handshake that was completed went.
    Handshake {
        /// With a key exchange and, as a rule, a signature of ours.
        Full = "full",
        /// Out of a ticket of an earlier one.
        Resumed = "resumed",
        /// Over QUIC, which does not show which of the two.
        Quic = "quic",
    }
}

label! {
    /// Why a TLS handshake failed.
    HandshakeFailed {
        /// The peer spoke HTTP in clear, and was told so.
        Clear = "clear",
        /// No version of TLS in common.
        Version = "version",
        /// No cipher suite, key exchange or signature in common.
        Parameters = "parameters",
        /// No protocol in common (ALPN).
        Alpn = "alpn",
        /// The peer asked for a name without a certificate, where that is refused.
        Name = "name",
        /// The peer's own certificate is missing or not good.
        ClientCertificate = "client_certificate",
        /// The peer said that it does not want to go on: it may not know who signed our certificate.
        Alert = "alert",
        /// [`crate::tls::TlsSettings::handshake_bytes_max`].
        TooLong = "too_long",
        /// [`crate::tls::TlsSettings::handshake_timeout`].
        TimedOut = "timed_out",
        /// The peer went away in the middle of it.
        Gone = "gone",
        /// Anything else: it was no TLS, or TLS against its rules.
        Malformed = "malformed",
    }
}

/// Numbers by label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<L> {
    counts: Vec<u64>,
    label: std::marker::PhantomData<L>,
}

impl<L: Label> Default for Tally<L> {
    fn default() -> Self {
        Tally {
            counts: vec![0; L::ALL.len()],
            label: std::marker::PhantomData,
        }
    }
}

impl<L: Label> Tally<L> {
    /// The number of this label.
    pub fn get(&self, label: L) -> u64 {
        self.counts[label.index()]
    }

    /// All of them, zeros too: a series that appears only with its first event hides that event from `rate()`.
    pub fn iter(&self) -> impl Iterator<Item = (L, u64)> + '_ {
        L::ALL.iter().copied().zip(self.counts.iter().copied())
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn set(&mut self, label: L, count: u64) {
        self.counts[label.index()] = count;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }
}

/// Upper bounds of the buckets of [`Latency`], in microseconds; one more bucket has no bound.
pub const LATENCY_BOUNDS_US: [u64; 20] = [
    25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// How long requests took: from the turn of the core in which their head was complete until the head of their answer
/// was written, or owed to a peer that does not read.
///
/// Measured with one look at the clock for each *write*, not for each request, so it costs a pipelined request next to
/// nothing: all that one write answers has the same time. Requests that wait for the core are counted with their wait
/// in its turn, not with that in the socket. Long-polls are left out: they are meant to wait. Resolution 1 µs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Requests in each bucket, not cumulative; the last is above all of [`LATENCY_BOUNDS_US`].
    pub buckets: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// All durations together.
    pub sum: Duration,
}

impl Latency {
    /// Requests measured.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// Open connections, by what they speak and what they cost now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Open {
    pub(crate) counts: [[u64; ACTIVITIES]; PROTOCOLS],
}

pub(crate) const PROTOCOLS: usize = Protocol::ALL.len();
pub(crate) const ACTIVITIES: usize = Activity::ALL.len();

impl Open {
    /// Connections of this protocol that are in this state.
    pub fn get(&self, protocol: Protocol, activity: Activity) -> u64 {
        self.counts[protocol.index()][activity.index()]
    }

    pub(crate) fn set(&mut self, protocol: Protocol, activity: Activity, count: u64) {
        self.counts[protocol.index()][activity.index()] = count;
    }

    /// All of them, zeros too.
    pub fn iter(&self) -> impl Iterator<Item = (Protocol, Activity, u64)> + '_ {
        Protocol::ALL.iter().flat_map(move |&protocol| {
            Activity::ALL
                .iter()
                .map(move |&activity| (protocol, activity, self.get(protocol, activity)))
        })
    }

    /// All connections of this protocol.
    pub fn of(&self, protocol: Protocol) -> u64 {
        self.counts[protocol.index()].iter().sum()
    }

    /// All connections in this state.
    pub fn in_state(&self, activity: Activity) -> u64 {
        self.counts.iter().map(|states| states[activity.index()]).sum()
    }

    /// All connections.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }
}

/// What one core has counted since it began.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CoreMetrics {
    /// Connections taken over.
    pub accepted: u64,
    /// Connections open now, counted once a [`crate::SWEEP_INTERVAL`]: as old as that.
    pub open: Open,
    /// Handlers that have not given the head of their answer yet.
    pub handlers: u64,
    /// Bytes read from sockets, after TLS.
    pub bytes_in: u64,
    /// Bytes that sockets took, before TLS.
    pub bytes_out: u64,
    /// Answers by status, those that occurred.
    pub requests: Vec<(u16, u64)>,
    /// How long they took.
    pub latency: Latency,
    /// Requests and connections ended by a time-out.
    pub timed_out: Tally<TimedOut>,
    /// Requests that the engine answered itself.
    pub rejected: Tally<Rejected>,
    /// TLS handshakes that were completed, of version 1.2.
    pub tls12_handshakes: Tally<Handshake>,
    /// TLS handshakes that were completed, of version 1.3.
    pub tls13_handshakes: Tally<Handshake>,
    /// TLS handshakes that began and failed.
    pub tls_failed: Tally<HandshakeFailed>,
    /// Handlers, bodies and other code of the application that panicked.
    pub panics: u64,
    /// Times that something held the core longer than [`crate::Limits::stall_threshold`].
    pub stalls: u64,
    /// How long the core has not been waiting: its share of the time is how busy it is. As old as `open`.
    pub busy: Duration,
}

impl CoreMetrics {
    /// Answers with a status from `hundred * 100` on: `class(2)` are the successes.
    pub fn class(&self, hundred: u16) -> u64 {
        self.requests
            .iter()
            .filter(|(status, _)| status / 100 == hundred)
            .map(|(_, count)| count)
            .sum()
    }

    /// All answers.
    pub fn answered(&self) -> u64 {
        self.requests.iter().map(|(_, count)| count).sum()
    }

    pub(crate) fn add(&mut self, other: &CoreMetrics) {
        self.accepted += other.accepted;
        for (mine, theirs) in self.open.counts.iter_mut().zip(&other.open.counts) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
        self.handlers += other.handlers;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        for &(status, count) in &other.requests {
            match self.requests.binary_search_by_key(&status, |r| r.0) {
                Ok(at) => self.requests[at].1 += count,
                Err(at) => self.requests.insert(at, (status, count)),
            }
        }
        for (mine, theirs) in self.latency.buckets.iter_mut().zip(other.latency.buckets) {
            *mine += theirs;
        }
        self.latency.sum += other.latency.sum;
        self.timed_out.add(&other.timed_out);
        self.rejected.add(&other.rejected);
        self.tls12_handshakes.add(&other.tls12_handshakes);
        self.tls13_handshakes.add(&other.tls13_handshakes);
        self.tls_failed.add(&other.tls_failed);
        self.panics += other.panics;
        self.stalls += other.stalls;
        self.busy += other.busy;
    }
}

/// What a server has counted since it began. The numbers of different cores are not of the very same moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Since the start.
    pub uptime: Duration,
    /// One for each core.
    pub cores: Vec<CoreMetrics>,
    /// Connections that are open now, exactly.
    pub open_connections: u64,
    /// Connections that may be open: [`crate::Limits::connections_max`], or what the descriptors of the process allow.
    pub connections_max: u64,
    /// Connections refused by the acceptor (what was shed), or by a core for what a proxy said of them.
    pub refused: Tally<Refused>,
    /// Times that accepting was put off: [`crate::Limits::accept_rate_max`], or no descriptor for even a refusal.
    pub accept_pauses: u64,
    /// It drains: nothing new is accepted.
    pub draining: bool,
    /// Stalls by the pattern of the route whose handler held a core, where it is known: see
    /// [`crate::Server::route_names`].
    pub stalls_by_route: Vec<(String, u64)>,
    /// The certificates that new connections of its listeners get, those of HTTP/3 aside.
    pub certificates: Vec<CertificateEnd>,
}

/// When a certificate of a listener ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateEnd {
    /// The DNS names that it is for, in lower case.
    pub names: Vec<Box<str>>,
    /// Its `notAfter` (RFC 5280 section 4.1.2.5), in seconds since 1970.
    pub unix_seconds: u64,
}

impl Metrics {
    /// All cores together.
    pub fn total(&self) -> CoreMetrics {
        let mut total = CoreMetrics::default();
        for core in &self.cores {
            total.add(core);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_add_up() {
        let mut one = CoreMetrics {
            requests: vec![(200, 5), (404, 1)],
            ..CoreMetrics::default()
        };
        one.timed_out.set(TimedOut::Idle, 2);
        one.latency.buckets[3] = 6;
        one.open.counts[Protocol::WebSocket.index()][Activity::Parked.index()] = 7;
        let two = CoreMetrics {
            requests: vec![(101, 1), (200, 1)],
            ..one.clone()
        };
        let metrics = Metrics {
            cores: vec![one, two],
            ..Metrics::default()
        };
        let total = metrics.total();
        assert_eq!(total.requests, [(101, 1), (200, 6), (404, 1)]);
        assert_eq!((total.class(2), total.class(4), total.answered()), (6, 1, 8));
        assert_eq!(total.timed_out.get(TimedOut::Idle), 4);
        assert_eq!(total.latency.count(), 12);
        assert_eq!(total.open.of(Protocol::WebSocket), 14);
        assert_eq!(total.open.in_state(Activity::Parked), 14);
    }

    #[test]
    fn labels_are_in_their_places_and_differ() {
        fn check<L: Label + PartialEq + std::fmt::Debug>() {
            for (at, label) in L::ALL.iter().enumerate() {
                assert_eq!(label.index(), at);
                assert!(L::ALL[..at].iter().all(|l| l.name() != label.name()), "{label:?}");
            }
        }
        check::<Protocol>();
        check::<Activity>();
        check::<TimedOut>();
        check::<Refused>();
        check::<Rejected>();
        check::<Handshake>();
        check::<HandshakeFailed>();
    }
}
