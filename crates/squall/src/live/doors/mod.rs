//! Three ways in.

mod open;
mod poll;
mod query;
mod sse;
mod ws;

pub use poll::{POLL_TIMEOUT_MS, POLL_TIMEOUT_MS_MAX, PollDoor};
pub use sse::{SSE_RETRY_MS, SseDoor};
pub use ws::WsDoor;

pub(crate) use query::Query;

/// Most messages in one answer to a long-poll; the rest comes with the next.
pub const POLL_MESSAGES_MAX: usize = 100;

/// An answer to a long-poll takes no further message once it has this many bytes.
pub const POLL_BYTES_MAX: usize = 1 << 20;
