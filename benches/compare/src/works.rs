//! The works that servers are put to.

use crate::metric::Metric;
use crate::servers::Kind;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Keep-alive connections that each did one request and wait.
    IdleHttp,
    /// WebSockets that follow a room in which nothing happens.
    IdleWs,
    /// `GET /`, one at a time on each connection.
    Keepalive,
    /// `GET /`, 16 at a time on each connection.
    Pipeline,
    /// WebSocket texts that come back, one at a time on each connection.
    Echo,
    /// The same, 16 at a time.
    Echo16,
    /// HTTP/2 connections that each did one request and wait.
    IdleH2,
    /// `GET /` over HTTP/2, 10 streams at a time on each connection.
    H2,
    /// `GET /` on a connection of its own, 8 at a time.
    Connect,
    /// The same over TLS, with a full handshake.
    TlsFull,
    /// The same over TLS, each resuming an earlier session.
    TlsResumed,
    /// TLS connections that each did one request and wait.
    IdleTls,
    /// A room: one message in flight.
    Fanout1,
    /// A room: 16 messages in flight.
    Fanout16,
    /// `GET` of a file of 1 KiB, one at a time on each connection.
    Static1k,
    /// The same, of 100 KiB.
    Static100k,
    /// The same, of 10 MiB.
    Static10m,
}

/// A file that is served, and by how many connections it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its name.
    pub name: &'static str,
    /// Its size.
    pub bytes: usize,
    /// Connections.
    pub connections: usize,
}

/// How many connections each work has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of the idle works.
    pub idle: usize,
    /// Followers in the room.
    pub followers: usize,
}

/// Connections of [`Work::Keepalive`].
pub const KEEPALIVE_CONNECTIONS: usize = 64;
/// Connections of [`Work::Pipeline`].
pub const PIPELINE_CONNECTIONS: usize = 32;
/// Requests sent at once on each of them.
pub const PIPELINE_DEPTH: usize = 16;
/// Connections of [`Work::Echo`] and [`Work::Echo16`].
pub const ECHO_CONNECTIONS: usize = 100;
/// Connections of [`Work::H2`].
pub const H2_CONNECTIONS: usize = 100;
/// Streams at once on each of them.
pub const H2_STREAMS: usize = 10;
/// Connections at once of [`Work::Connect`] and the handshakes of TLS.
/// Clients keep eight tickets of a server.
pub const CONNECT_CONNECTIONS: usize = 8;
/// Texts sent at once on each connection of [`Work::Echo16`].
pub const ECHO_DEPTH: usize = 16;

impl Work {
    /// All works, in the order in which they are run.
    pub const ALL: [Self; 17] = [
        Self::IdleHttp,
        Self::IdleWs,
        Self::Keepalive,
        Self::Pipeline,
        Self::Echo,
        Self::Echo16,
        Self::IdleH2,
        Self::H2,
        Self::Connect,
        Self::TlsFull,
        Self::TlsResumed,
        Self::IdleTls,
        Self::Fanout1,
        Self::Fanout16,
        Self::Static1k,
        Self::Static100k,
        Self::Static10m,
    ];

    /// The file that a work of files asks for.
    #[must_use]
    pub fn served(self) -> Option<Served> {
        let (name, bytes, connections) = match self {
            Self::Static1k => ("1k.bin", 1 << 10, 64),
            Self::Static100k => ("100k.bin", 100 << 10, 16),
            Self::Static10m => ("10m.bin", 10 << 20, 4),
            _ => return None,
        };
        Some(Served {
            name,
            bytes,
            connections,
        })
    }

    /// Whether it is done over TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::TlsFull | Self::TlsResumed | Self::IdleTls)
    }

    /// Whether a server can be put to it: nginx serves files and connections, and actix-web is not asked for files.
    #[must_use]
    pub fn is_for(self, kind: Kind) -> bool {
        match kind {
            Kind::Squall | Kind::Axum => true,
            Kind::Actix => self.served().is_none(),
            Kind::Nginx => self.served().is_some() || self.is_tls() || self == Self::Connect,
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn title(self, sizes: Sizes) -> String {
        let Sizes { idle, followers } = sizes;
        match self {
            Self::IdleHttp => format!("{idle} idle keep-alive connections"),
            Self::IdleWs => format!("{idle} idle WebSockets that follow a room"),
            Self::Keepalive => format!("GET on {KEEPALIVE_CONNECTIONS} keep-alive connections"),
            Self::Pipeline => {
                format!("{PIPELINE_DEPTH} pipelined GETs on {PIPELINE_CONNECTIONS} connections")
            }
            Self::Echo => format!("WebSocket echo on {ECHO_CONNECTIONS} connections"),
            Self::Echo16 => {
                format!("WebSocket echo on {ECHO_CONNECTIONS} connections, {ECHO_DEPTH} messages in flight")
            }
            Self::IdleH2 => format!("{idle} idle HTTP/2 connections"),
            Self::H2 => {
                format!("GET over HTTP/2, {H2_STREAMS} streams on {H2_CONNECTIONS} connections")
            }
            Self::Connect => format!("GET on a connection of its own, {CONNECT_CONNECTIONS} at a time"),
            Self::TlsFull => {
                format!("GET after a full TLS 1.3 handshake, {CONNECT_CONNECTIONS} connections at a time")
            }
            Self::TlsResumed => {
                format!("GET after a resumed TLS 1.3 handshake, {CONNECT_CONNECTIONS} connections at a time")
            }
            Self::IdleTls => format!("{idle} idle TLS connections"),
            Self::Fanout1 => format!("{followers} WebSocket followers, 1 message in flight"),
            Self::Fanout16 => format!("{followers} WebSocket followers, 16 messages in flight"),
            Self::Static1k => "a file of 1 KiB, 64 keep-alive connections".to_owned(),
            Self::Static100k => "a file of 100 KiB, 16 keep-alive connections".to_owned(),
            Self::Static10m => "a file of 10 MiB, 4 keep-alive connections".to_owned(),
        }
    }

    /// What its costs are counted per.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::IdleHttp | Self::IdleWs | Self::IdleH2 | Self::IdleTls => "connection",
            Self::Keepalive | Self::Pipeline | Self::H2 | Self::Connect => "request",
            Self::TlsFull | Self::TlsResumed => "request",
            Self::Echo | Self::Echo16 => "message",
            Self::Static1k | Self::Static100k | Self::Static10m => "response",
            Self::Fanout1 | Self::Fanout16 => "delivery",
        }
    }

    /// The figures that say most about it: what the README's table and the chart show.
    #[must_use]
    pub fn headlines(self) -> &'static [(Metric, &'static str)] {
        match self {
            Self::IdleHttp | Self::IdleWs | Self::IdleH2 | Self::IdleTls => {
                &[(Metric::Memory, "memory per connection")]
            }
            Self::Keepalive | Self::Pipeline | Self::H2 => &[(Metric::Cpu, "CPU per request")],
            Self::Connect | Self::TlsFull | Self::TlsResumed => &[(Metric::Cpu, "CPU per request")],
            Self::Echo | Self::Echo16 => &[(Metric::Cpu, "CPU per message")],
            Self::Static1k | Self::Static100k | Self::Static10m => &[(Metric::Cpu, "CPU per response")],
            Self::Fanout1 => &[
                (Metric::CpuUser, "user CPU per delivery"),
                (Metric::Cpu, "CPU per delivery"),
            ],
            Self::Fanout16 => &[
                (Metric::Rate, "deliveries per second"),
                (Metric::Cpu, "CPU per delivery"),
            ],
        }
    }
}
