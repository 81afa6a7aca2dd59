//! What one peer may cost. Every number that bounds the engine stands here.

use std::time::Duration;

use squall_wire::h1::{BodyLimits, HeadLimits};
use squall_wire::ws::{DecodeLimits, DeflateLimits};

use crate::networks::Networks;

/// Every limit and time-out of a server. Time-outs are kept by a sweep every [`SWEEP_INTERVAL`], so they are exact to
/// that interval.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Request heads: bytes (64 KiB), bytes of the target (8 KiB), number of fields (100).
    pub head: HeadLimits,
    /// Request bodies: bytes (2 MiB; a route may change it, see [`crate::Body::set_bytes_max`]), trailers, chunk lines.
    pub body: BodyLimits,
    /// Open connections of the process, or as many as its descriptors allow, if that is less (see
    /// [`crate::Metrics::connections_max`]). Past it a connection is answered 503 with `Retry-After`, and closed.
    /// Default 1,000,000.
    pub connections_max: usize,
    /// Open connections of one address: a v4 address, or a v6 /64. Past it as above. `usize::MAX` for none. Default
    /// 4,096: thousands behind one NAT fit, and one host does not fill the server.
    pub connections_per_address_max: usize,
    /// Whose connections are not counted for [`Limits::connections_per_address_max`]: a proxy or a load balancer stands
    /// for all its clients. [`Networks::none`] counts everybody but the peers of Unix sockets, which have no address.
    /// Default [`Networks::own`]: loopback, private and link-local addresses.
    pub connections_exempt: Networks,
    /// Connections accepted a second, for the whole process; those of one second may come at once. Past it they wait
    /// in the kernel's queue. Default none.
    pub accept_rate_max: Option<u32>,
    /// What `Retry-After` says to those for whom there is no room, in whole seconds. Default 5 s.
    pub retry_after: Duration,
    /// Handlers that may run at once without having answered, for the whole process. Past it a request is answered 503
    /// with `Retry-After`, and its connection stays. Those that answer at once, long-polls and what follows do not
    /// count. Default none.
    pub handlers_max: Option<usize>,
    /// Requests of one connection. The last answer says that the connection ends (`Connection: close`, or GOAWAY), so that
    /// its peer comes back, perhaps to another server behind a balancer. Zero counts as one. Default none.
    pub requests_per_connection_max: Option<u32>,
    /// Requests answered in one turn of one connection before the others get theirs. Default 64.
    pub pipelined_burst_max: usize,
    /// From the first byte of a head (or from accept) until the head is complete. Default 10 s.
    pub header_read_timeout: Duration,
    /// A body must arrive within this time plus one second for every [`Limits::body_rate_bytes`] of it. Default 30 s.
    pub body_read_timeout: Duration,
    /// The slowest rate at which a body may arrive, in bytes a second. Default 500.
    pub body_rate_bytes: u64,
    /// A keep-alive connection may wait this long for its next request. Default 75 s.
    pub idle_timeout: Duration,
    /// A peer that is owed bytes must take some within this time. Default 30 s.
    pub write_stall_timeout: Duration,
    /// ... and on average so many bytes a second, beyond that time. Default 500.
    pub write_rate_bytes: u64,
    /// A handler must have given its response head within this time; then the answer is 503. A handler may ask for
    /// another, see [`crate::Deadline::set_timeout`]. Default 60 s.
    pub handler_timeout: Duration,
    /// A response body that has begun must yield something within this time; then the connection is closed. For a
    /// stream that may be silent for longer, have it send comments. Default 5 min.
    pub silence_timeout: Duration,
    /// What holds a core for this long is named in the log: none of the core's other connections is served meanwhile.
    /// Zero for never. Default 250 ms.
    pub stall_threshold: Duration,
    /// A stream that had nothing written to it for this long gets a heartbeat. Default 15 s.
    pub heartbeat_interval: Duration,
    /// A WebSocket from which nothing came for this long is pinged. Default 25 s.
    pub ping_interval: Duration,
    /// After a ping something must come within this time. Default 20 s.
    pub ping_timeout: Duration,
    /// After our close (WebSocket or HTTP) the peer may take this long to close too. Default 5 s.
    pub close_timeout: Duration,
    /// From the start of a drain until whatever still runs is cut. Default 30 s.
    pub drain_timeout: Duration,
    /// WebSocket messages and frames: bytes (1 MiB), fragments of one message (131,072).
    pub ws: DecodeLimits,
    /// Compressed WebSocket messages (RFC 7692), where the client offers them and the handler does not mind: on, from 512 bytes
    /// on, without reference to earlier messages.
    pub ws_deflate: DeflateLimits,
    /// What a WebSocket handler may leave unread, or unsent, before back-pressure begins, in bytes. Default 64 KiB.
    pub ws_buffer_bytes: usize,
    /// HTTP/2 connections.
    pub h2: H2Limits,
}

/// What an HTTP/2 connection may cost beside what holds for every request.
///
/// Heads are bounded by [`Limits::head`] (`head_bytes_max` is announced as `SETTINGS_MAX_HEADER_LIST_SIZE`), bodies by
/// [`Limits::body`], what is owed to the socket by [`BUFFER_BYTES_MAX`].
#[derive(Clone, Debug)]
pub struct H2Limits {
    /// Streams that a peer may have open at once (`SETTINGS_MAX_CONCURRENT_STREAMS`); past it they are refused.
    /// Default 128.
    pub streams_max: u32,
    /// Bytes of one stream that may wait for their handler: its window. At most 2^31 - 1. Default 256 KiB.
    pub stream_window_bytes: u32,
    /// Bytes of all streams of a connection that may wait for their handlers. At most 2^31 - 1. Default 1 MiB.
    pub connection_window_bytes: u32,
    /// Frames that do nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, CONTINUATION, empty DATA, those of
    /// unknown types) that a peer may send beyond what it earns by requests, by bodies and by time; past it the
    /// connection ends with ENHANCE_YOUR_CALM. Default 1,000.
    pub control_frames_max: u32,
    /// How many of them it may send in a second, for ever. Default 100.
    pub control_frames_a_second: u32,
    /// Streams that a peer may reset before they are answered (CVE-2023-44487, "rapid reset"), beyond
    /// [`H2Limits::resets_a_second`]; past it the connection ends with ENHANCE_YOUR_CALM. Default 200.
    pub resets_max: u32,
    /// How many of them it may reset in a second, for ever. Default 20.
    pub resets_a_second: u32,
    /// Streams that a peer may have reset before they were even looked at; past it the connection ends with
    /// ENHANCE_YOUR_CALM. Default 50.
    pub pending_resets_max: usize,
    /// Streams of one connection that may be reset because of what the peer sent on them; past it the connection ends
    /// with ENHANCE_YOUR_CALM. Default 256.
    pub stream_errors_max: usize,
}

impl Default for H2Limits {
    fn default() -> Self {
        H2Limits {
            streams_max: 128,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 1024 * 1024,
            control_frames_max: 1_000,
            control_frames_a_second: 100,
            resets_max: 200,
            resets_a_second: 20,
            pending_resets_max: 50,
            stream_errors_max: 256,
        }
    }
}

/// How often time-outs are looked at.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// Bytes that a connection may have waiting on either side (unread body, unsent response) before back-pressure begins.
pub const BUFFER_BYTES_MAX: usize = 64 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: HeadLimits::default(),
            body: BodyLimits {
                body_bytes_max: 2 * 1024 * 1024,
                ..BodyLimits::default()
            },
            connections_max: 1_000_000,
            connections_per_address_max: 4096,
            connections_exempt: Networks::own(),
            accept_rate_max: None,
            retry_after: Duration::from_secs(5),
            handlers_max: None,
            requests_per_connection_max: None,
            pipelined_burst_max: 64,
            header_read_timeout: Duration::from_secs(10),
            body_read_timeout: Duration::from_secs(30),
            body_rate_bytes: 500,
            idle_timeout: Duration::from_secs(75),
            write_stall_timeout: Duration::from_secs(30),
            write_rate_bytes: 500,
            handler_timeout: Duration::from_secs(60),
            silence_timeout: Duration::from_secs(300),
            stall_threshold: Duration::from_millis(250),
            heartbeat_interval: Duration::from_secs(15),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
            ws: DecodeLimits::default(),
            ws_deflate: DeflateLimits::default(),
            ws_buffer_bytes: 64 * 1024,
            h2: H2Limits::default(),
        }
    }
}

/// A moment in sweeps since the core began; what a connection's deadline is written in.
pub(crate) type Tick = u32;

/// No deadline.
pub(crate) const NEVER: Tick = Tick::MAX;

/// How many sweeps a duration is, rounded up, at least one.
pub(crate) fn ticks(duration: Duration) -> Tick {
    let ticks = duration.as_millis().div_ceil(SWEEP_INTERVAL.as_millis()).max(1);
    Tick::try_from(ticks).unwrap_or(NEVER / 2)
}
