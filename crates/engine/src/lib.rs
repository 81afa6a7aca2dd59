//! The engine: sockets, cores, connections.
//!
//! [`Server`] runs any `tower::Service<http::Request<Body>>` on one single-threaded core per CPU. A connection that
//! only waits has no task, no future and no buffer: it is a record of its core's slab. Responses may hand their
//! connection over: to a WebSocket handler ([`OnUpgrade`]) or, without any task, to whatever a [`source::Source`] has
//! for it ([`source::Park`]).
//!
//! The engine alone touches sockets and reads the clock. It knows nothing of topics.

mod accept;
mod app;
mod body;
mod conn;
mod core;
mod deadline;
mod error;
mod file;
#[cfg(feature = "http3")]
mod http3;
mod limits;
mod listen;
pub mod metrics;
mod networks;
mod observer;
mod proxy;
pub mod raw;
mod server;
mod shared;
mod signals;
mod socket;
pub mod source;
pub mod tls;
mod watch;
pub mod ws;

pub use accept::descriptors::raise_descriptor_limit;
pub use app::{App, BoxError};
pub use body::{Body, BodyControl, BodyError};
pub use core::link::CoreWaker;
#[cfg(any(test, feature = "mock"))]
#[doc(hidden)]
pub use core::mock;
pub use deadline::Deadline;
pub use error::Error;
pub use file::{FileFrames, FileWindow};
pub use limits::{BUFFER_BYTES_MAX, H2Limits, Limits, SWEEP_INTERVAL};
pub use listen::{Address, Listen, UNIX_MODE_DEFAULT};
pub use metrics::Metrics;
pub use networks::Networks;
pub use observer::Observer;
pub use proxy::{Proxied, ProxyProtocol};
pub use server::{Handle, MakeSource, Server};
pub use signals::Signals;
pub use socket::Peer;
pub use squall_wire as wire;
pub use ws::{Message, OnUpgrade, Socket};
