//! The works that servers are put to.

use std::time::Duration;

use crate::load::live::fan::Shape;
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
    /// Sessions that each follow a room in which nothing happens, and could take it up again after a cut.
    LiveIdle,
    /// Sessions of one room that hears a message a second.
    LiveAll,
    /// Rooms of ten.
    LiveRooms10,
    /// Rooms of a hundred.
    LiveRooms100,
    /// Rooms of a thousand.
    LiveRooms1000,
    /// A room of which one in a hundred reads nothing.
    LiveSlow,
    /// Everybody comes back at once, having missed ten messages.
    LiveStorm,
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

/// Sessions of [`Work::LiveStorm`].
#[must_use]
pub fn storm_sessions(sizes: Sizes) -> usize {
    sizes.sessions.min(15_000)
}

/// How many connections each work has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of the idle works.
    pub idle: usize,
    /// Followers in the room.
    pub followers: usize,
    /// Sessions of [`Work::LiveAll`].
    pub sessions: usize,
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
    pub const ALL: [Self; 24] = [
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
        Self::LiveIdle,
        Self::LiveAll,
        Self::LiveRooms10,
        Self::LiveRooms100,
        Self::LiveRooms1000,
        Self::LiveSlow,
        Self::LiveStorm,
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

    /// Whether it is of sessions in live rooms.
    #[must_use]
    pub fn is_live(self) -> bool {
        self.fan(Sizes::default()).is_some() || matches!(self, Self::LiveIdle | Self::LiveStorm)
    }

    /// Who is in which room, and how often something is said there.
    #[must_use]
    pub fn fan(self, sizes: Sizes) -> Option<Shape> {
        let all = Shape {
            sessions: sizes.sessions,
            room: sizes.sessions,
            stalled: 0,
            every: Duration::from_secs(1),
            text_bytes: 60,
        };
        let sessions = sizes.sessions.min(6_000);
        // 30,000 deliveries a second, however large the rooms are.
        let rooms = |room: usize| Shape {
            sessions,
            room: room.min(sessions),
            every: Duration::from_secs(1) * room as u32 / 30_000,
            ..all
        };
        match self {
            Self::LiveAll => Some(all),
            Self::LiveRooms10 => Some(rooms(10)),
            Self::LiveRooms100 => Some(rooms(100)),
            Self::LiveRooms1000 => Some(rooms(1_000)),
            Self::LiveSlow => Some(Shape {
                sessions: sizes.sessions.min(990),
                room: sizes.sessions.min(990),
                stalled: 10,
                every: Duration::from_millis(20),
                text_bytes: 8_000,
            }),
            _ => None,
        }
    }

    /// Whether a server can be put to it: nginx serves files and connections, and actix-web is not asked for files.
    #[must_use]
    pub fn is_for(self, kind: Kind) -> bool {
        match kind {
            Kind::Squall | Kind::Axum => true,
            Kind::Actix => self.served().is_none() && !self.is_live(),
            Kind::Bun | Kind::SocketIo | Kind::Socketioxide => self.is_live(),
            Kind::Nginx => self.served().is_some() || self.is_tls() || self == Self::Connect,
        }
    }

    /// What it is, in words.
    #[must_use]
    pub fn title(self, sizes: Sizes) -> String {
        let Sizes {
            idle,
            followers,
            sessions,
        } = sizes;
        let rooms = |of: usize| {
            format!(
                "{} sessions in rooms of {of}, 30,000 deliveries a second",
                sessions.min(6_000)
            )
        };
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
            Self::LiveIdle => format!("{idle} idle sessions that follow a room"),
            Self::LiveAll => format!("{sessions} sessions in one room, a message a second"),
            Self::LiveRooms10 => rooms(10),
            Self::LiveRooms100 => rooms(100),
            Self::LiveRooms1000 => rooms(1_000),
            Self::LiveSlow => {
                "1,000 sessions, 10 of which read nothing, 50 messages of 8 KB a second".to_owned()
            }
            Self::LiveStorm => format!(
                "{} sessions come back at once, 10 messages each",
                storm_sessions(sizes)
            ),
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
            Self::LiveIdle | Self::LiveStorm => "session",
            Self::LiveAll | Self::LiveRooms10 | Self::LiveRooms100 | Self::LiveRooms1000 | Self::LiveSlow => {
                "delivery"
            }
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
            Self::LiveIdle => &[(Metric::Memory, "memory per session")],
            Self::LiveAll | Self::LiveRooms10 | Self::LiveRooms100 | Self::LiveRooms1000 => {
                &[(Metric::Cpu, "CPU per delivery"), (Metric::P99, "p99")]
            }
            Self::LiveSlow => &[
                (Metric::P99, "p99"),
                (Metric::Memory, "memory more, per stalled session"),
            ],
            Self::LiveStorm => &[
                (Metric::Rate, "sessions a second"),
                (Metric::Cpu, "CPU per session"),
            ],
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
