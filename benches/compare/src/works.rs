//! The works that servers are put to.

use crate::metric::Metric;

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
    /// A room: one message in flight.
    Fanout1,
    /// A room: 16 messages in flight.
    Fanout16,
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
/// Texts sent at once on each connection of [`Work::Echo16`].
pub const ECHO_DEPTH: usize = 16;

impl Work {
    /// All works, in the order in which they are run.
    pub const ALL: [Self; 8] = [
        Self::IdleHttp,
        Self::IdleWs,
        Self::Keepalive,
        Self::Pipeline,
        Self::Echo,
        Self::Echo16,
        Self::Fanout1,
        Self::Fanout16,
    ];

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
            Self::Fanout1 => format!("{followers} WebSocket followers, 1 message in flight"),
            Self::Fanout16 => format!("{followers} WebSocket followers, 16 messages in flight"),
        }
    }

    /// What its costs are counted per.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::IdleHttp | Self::IdleWs => "connection",
            Self::Keepalive | Self::Pipeline => "request",
            Self::Echo | Self::Echo16 => "message",
            Self::Fanout1 | Self::Fanout16 => "delivery",
        }
    }

    /// The figures that say most about it: what the README's table and the chart show.
    #[must_use]
    pub fn headlines(self) -> &'static [(Metric, &'static str)] {
        match self {
            Self::IdleHttp | Self::IdleWs => &[(Metric::Memory, "memory per connection")],
            Self::Keepalive | Self::Pipeline => &[(Metric::Cpu, "CPU per request")],
            Self::Echo | Self::Echo16 => &[(Metric::Cpu, "CPU per message")],
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
