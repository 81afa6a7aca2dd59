//! The test kit: a real server on a free port of this machine, and clients for all that it speaks.
//!
//! Clients are blocking and need no runtime. Nothing sleeps: every wait is for something to arrive, and at most for
//! [`PATIENCE`]; then the test fails with what was waited for. A server that logged a warning or an error which the
//! test did not announce fails it too.
//!
//! ```
//! use squall::testing::serve;
//! use squall::web::{Router, routing::get};
//!
//! let server = serve(Router::new().route("/", get(async || "Hello")));
//! let answer = server.client().get("/").send();
//! assert_eq!((answer.status, answer.text().as_str()), (200, "Hello"));
//! assert!(server.send_raw(b"BOO\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
//! ```

mod answer;
mod client;
mod jar;
mod logs;
mod poll;
mod raw;
mod server;
mod sse;
mod ws;

use std::time::Duration;

pub use answer::Answer;
pub use client::{Client, RequestBuilder};
pub use jar::Jar;
pub use logs::{LogCapture, LogLine};
pub use poll::PollAnswer;
pub use raw::RawConn;
pub use server::{TestServer, serve, serve_with};
pub use squall_engine::wire::sse::ParsedEvent as SseEvent;
pub use squall_engine::wire::ws::DeflateRequest;
pub use sse::SseStream;
pub use ws::{WsClient, WsEvent};

/// How long anything is waited for: far longer than it takes on a busy machine, and short enough to watch.
pub const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
