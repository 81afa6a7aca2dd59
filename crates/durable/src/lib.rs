//! Durable topics: a [`Broker`](squall_hub::Broker) that keeps the hub's log on disk.
//!
//! What is acknowledged is on the disk: [`Hub::publish`](squall_hub::Hub::publish) answers after a commit and its
//! `fdatasync`, which publishes share that come in while another is under way. After a restart, a crash or a kill the
//! hub is filled again, with the same epoch, the same offsets and the floors that topics had: whoever comes back with a
//! cursor misses nothing. What the hub evicts (by count, bytes, age, or because all is full) is deleted on disk too.
//!
//! ```
//! use squall_durable::{DurableBroker, DurableConfig, Life};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! let (hub, loaded) = DurableBroker::open(folder.path(), DurableConfig::default())?;
//! assert_eq!(loaded.life, Life::New);
//! let cursor = runtime.block_on(hub.publish("room", "hello", 1_000)).unwrap();
//! drop(hub);
//!
//! let (hub, loaded) = DurableBroker::open(folder.path(), DurableConfig::default())?;
//! assert_eq!(loaded.life, Life::Resumed);
//! assert_eq!(hub.cursor(), cursor);
//! assert_eq!(&hub.history("room", 10)[0].data[..], b"hello");
//! # Ok::<(), squall_durable::OpenError>(())
//! ```
//!
//! Not here: sockets, and clocks but for one's rhythm. The publisher's `now_ms` must be of a clock that goes on over
//! restarts: the system's.

mod broker;
mod config;
mod error;
mod index;
mod keys;
mod open;
mod plan;
mod queue;
mod store;
mod sums;
mod witness;
mod writer;

pub use broker::{DurableBroker, DurableCounts, DurableLog};
pub use config::{Durability, DurableConfig, IfDamaged};
pub use error::OpenError;
pub use open::{Life, Loaded};
