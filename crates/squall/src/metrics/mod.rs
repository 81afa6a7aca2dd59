//! What a running server counts: connections, requests, bytes, time-outs, what was refused.
//!
//! ```no_run
//! # fn main() -> Result<(), squall::Error> {
//! # let router = squall::web::Router::new();
//! let handle = squall::Server::new(router).bind("127.0.0.1:8888").start()?;
//! let metrics = handle.metrics();
//! println!("{} answers, {} open", metrics.total().answered(), metrics.open_connections);
//! # Ok(())
//! # }
//! ```

pub use squall_engine::metrics::*;
