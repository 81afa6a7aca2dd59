//! Where the engine meets whatever moves: *what is next for this connection?*
//!
//! A response may carry a [`Park`]: from then on its connection has no task and no future. It is a record of
//! the core's slab that follows something, and the core's [`Source`] says what that something has for it.
//! The engine asks when it is told that something moved, and when a full socket drains.
//! Not here: what a topic is (`squall-hub`), how a message becomes a frame (`squall::live`).

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Response;
use squall_wire::ws::Deflate;

use crate::ws::Message;

/// Names one connection of one core. A later connection in the same slot has another `life`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// The place in the core's slab.
    pub slot: u32,
    /// Which connection of that place this is.
    pub life: u32,
}

/// How the bytes of a parked connection are framed, so what the engine may do with it beside asking its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A response body that goes on until either side closes (SSE). Bytes that the peer sends end it.
    Stream,
    /// A WebSocket after its handshake. The engine answers pings, sends its own, and hands messages to
    /// [`Source::received`].
    WebSocket,
    /// An answer that is not there yet (long-polling): nothing is written until [`After::Respond`]; then the
    /// connection is an ordinary keep-alive connection again.
    Answer,
}

/// A response extension: once the head is written, the connection is parked and follows what `ticket` asks for.
///
/// With [`Framing::WebSocket`] the response is the `101` of the handshake, and messages may be compressed if it also carries the
/// peer's [`DeflateOffer`](squall_wire::ws::DeflateOffer); with [`Framing::Answer`] nothing of the
/// response is written, but its header fields are added to the answer that comes later.
#[derive(Clone)]
pub struct Park {
    /// What kind of connection it becomes.
    pub framing: Framing,
    /// What it follows: understood by the [`Source`] alone.
    pub ticket: Arc<dyn Any + Send + Sync>,
}

/// What [`Source::attach`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The source's own number for this follower; the engine gives it back with every question.
    pub follower: u32,
    /// Everything up to here has been received.
    pub position: u64,
}

/// Bytes to be written whole, and the position that is reached when they have been.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Shared by all who follow the same thing in the same framing.
    pub bytes: Bytes,
    /// The follower's position once `bytes` are with the socket. Never decreases.
    pub position: u64,
}

/// What follows after the frames that [`Source::next`] gave.
#[derive(Debug)]
pub enum After {
    /// Wait for more. The source has more right now only if it filled the whole room it was given.
    Stay,
    /// Write the frames, then close the connection.
    Close,
    /// For [`Framing::Answer`] alone: this is the answer; the follower is detached.
    Respond(Box<Response<Bytes>>),
}

/// Answers for the parked connections of one core, on that core's thread.
///
/// Methods take `&self`: an implementation keeps its state in cells, and must not hold a borrow while it calls
/// code that it was given.
pub trait Source {
    /// `conn` is parked with this ticket from now on. `None`: the ticket is not one of ours; the connection is closed.
    fn attach(&self, conn: ConnId, ticket: &(dyn Any + Send + Sync)) -> Option<Attached>;

    /// As [`Source::attach`], for a WebSocket whose peer reads compressed messages too: frames for it may be those of
    /// [`crate::ws::encode_shared`]. What the peer compresses is undone before [`Source::received`].
    fn attach_deflated(
        &self,
        conn: ConnId,
        ticket: &(dyn Any + Send + Sync),
        deflate: &Deflate,
    ) -> Option<Attached> {
        let _ = deflate;
        self.attach(conn, ticket)
    }

    /// The follower's connection is gone. Called exactly once for each follower, except after [`After::Respond`].
    fn detach(&self, follower: u32);

    /// [`crate::CoreWaker::wake`] was called: name in `ready` every connection that may have something to read.
    fn drain(&self, ready: &mut Vec<ConnId>);

    /// Appends at most `room` frames past `position` to `out`, oldest first.
    fn next(&self, follower: u32, position: u64, room: usize, out: &mut Vec<Frame>) -> After;

    /// A message came in on a following WebSocket. Runs in place: it must not block.
    fn received(&self, follower: u32, message: Message);

    /// What to write to a follower that had nothing written to it for a heartbeat interval; not asked for
    /// [`Framing::WebSocket`], which the engine pings.
    fn heartbeat(&self, follower: u32) -> Option<Bytes>;

    /// Called about once a second: name in `ready` every connection for which time alone made something next
    /// (a long-poll that ends).
    fn tick(&self, now: Instant, ready: &mut Vec<ConnId>);

    /// The server drains: every follower's next answer should be its last ([`After::Close`] after a farewell in its
    /// framing, [`After::Respond`] for a long-poll). The engine asks each of them after this call.
    fn shutdown(&self);
}
