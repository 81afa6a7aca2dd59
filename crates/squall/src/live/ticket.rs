//! What a door hands to a core: everything about a follower-to-be.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use squall_engine::source::{Framing, Park};
use squall_engine::ws::DEFLATE_KINDS;
use squall_hub::Cursor;

use super::access::{Door, Grant, Moment};
use super::connection::Incoming;
use super::session::SessionSpec;
use super::session::protocol::Command;
use super::style::Style;

/// What a door does with the messages of its peers.
pub(crate) type OnMessage = Arc<dyn Fn(Incoming<'_>) + Send + Sync>;

/// What all connections of one door have in common.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) door: Door,
    /// How messages are framed unless a subscription says otherwise. It also says what a gap looks like.
    pub(crate) style: Style,
    /// What an SSE stream begins with instead of `retry:` and `id:`.
    pub(crate) hello: Option<Bytes>,
    /// What a quiet SSE stream is sent.
    pub(crate) heartbeat: Bytes,
    pub(crate) on_message: Option<OnMessage>,
    /// Largest message that a WebSocket's peer may send, in bytes.
    pub(crate) message_bytes_max: usize,
    /// Origins beside our own whose pages may open a WebSocket.
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) any_origin: bool,
    /// Subprotocols that a WebSocket speaks.
    pub(crate) protocols: Vec<String>,
    /// Its connections are sessions.
    pub(crate) session: Option<SessionSpec>,
    /// Messages of a WebSocket may be compressed, if its peer likes.
    pub(crate) may_deflate: bool,
    /// How frames for this connection are compressed: one of [`DEFLATE_KINDS`], if they are.
    pub(crate) deflate: Option<u8>,
    /// The same with `deflate` set, made on first need: a connection that compresses has no more of its own than another.
    deflated: Deflated,
}

/// A copy of a specification is about to be changed, so it makes its own.
#[derive(Default)]
struct Deflated([OnceLock<Arc<Spec>>; DEFLATE_KINDS]);

impl Clone for Deflated {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Spec {
    pub(crate) fn new(door: Door, style: Style) -> Self {
        Self {
            door,
            style,
            hello: None,
            heartbeat: Bytes::from_static(b":\n\n"),
            on_message: None,
            message_bytes_max: 64 << 10,
            trusted_origins: Vec::new(),
            any_origin: false,
            protocols: Vec::new(),
            session: None,
            may_deflate: true,
            deflate: None,
            deflated: Deflated::default(),
        }
    }

    /// The same for connections whose frames are compressed in this way.
    pub(crate) fn deflated(&self, kind: usize) -> Arc<Spec> {
        let make = || {
            Arc::new(Spec {
                deflate: Some(kind as u8),
                ..self.clone()
            })
        };
        match self.deflated.0.get(kind) {
            Some(made) => made.get_or_init(make).clone(),
            None => make(),
        }
    }
}

/// Where a follower begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It has everything up to here.
    At(u64),
    /// It is new, and this is where the log was when it came.
    Now(u64),
    /// It has a cursor of another life of the log.
    Foreign(Cursor),
}

/// The ticket that a [`Park`] carries.
pub(crate) struct Ticket {
    /// Names the `Live` it is for.
    pub(crate) live: usize,
    pub(crate) spec: Arc<Spec>,
    pub(crate) grant: Grant,
    pub(crate) moment: Moment,
    pub(crate) start: Start,
    /// When a long-poll ends; `None` for the other doors.
    pub(crate) deadline: Option<Instant>,
    /// What a session begins with.
    pub(crate) session: Option<SessionTicket>,
}

/// What a session begins with.
pub(crate) struct SessionTicket {
    /// The request that opened the connection.
    pub(crate) request: Arc<Parts>,
    /// What it has said already; `None` if that made no sense.
    pub(crate) commands: Option<Vec<Command>>,
    /// How many bytes that was.
    pub(crate) bytes: usize,
}

impl Ticket {
    pub(crate) fn park(self) -> Park {
        let framing = match self.spec.door {
            Door::Sse => Framing::Stream,
            Door::Poll => Framing::Answer,
            Door::Ws => Framing::WebSocket,
        };
        Park {
            framing,
            ticket: Arc::new(self),
        }
    }
}
