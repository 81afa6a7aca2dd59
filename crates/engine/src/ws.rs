//! WebSocket connections that run a handler of their own.

use bytes::Bytes;

/// One WebSocket message, as an application sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text; checked.
    Text(String),
    /// Anything.
    Binary(Bytes),
}
