//! The load: many sockets on one thread, with as little work per message as checking allows.

pub mod client;
pub mod connect;
pub mod downloads;
pub mod echo;
pub mod fanout;
pub mod get;
pub mod group;
pub mod http2;
pub mod idle;
pub mod live;
pub mod tls;

use std::io;
use std::time::Instant;

use crate::stats::Histogram;

/// What was done while a load was pumped.
#[derive(Debug, Default)]
pub struct Tally {
    /// Units done: requests, messages or deliveries.
    pub units: u64,
    /// How long each took.
    pub latency: Histogram,
}

/// Something that keeps a server busy.
pub trait Load {
    /// Keeps it busy until then, counting what is done. What is under way at the end is counted by the next call.
    ///
    /// # Errors
    /// When the server closes a connection, stalls for 10 seconds, or answers what it should not.
    fn pump(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()>;
}

/// An answer that is not the expected one.
fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
