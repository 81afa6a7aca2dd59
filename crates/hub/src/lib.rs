//! Topics with a log, and subscribers that are cursors into it.
//!
//! A [`Hub`] keeps what was published, for a while; everybody who follows a topic reads the same log from where
//! they are. There is no queue per subscriber, so there is nothing that a slow one can make grow.
//!
//! - One **order** for the whole hub: offsets increase strictly from message to message, whatever the topic. So one
//!   [`Cursor`] (`epoch:offset`) says what was received of any *set* of topics.
//! - A reader gets a contiguous slice of its topics' merged log, or a [`Gap`] that says up to where messages may be
//!   missing. There is no third case.
//! - Everything is bounded: messages, bytes and age per topic ([`Retention`]), bytes and topics for the whole hub.
//!
//! Not here: HTTP, sockets, threads, clocks. Time is an argument (`now_ms`, milliseconds since any fixed moment), so a
//! simulation can drive the whole crate from a seed.
//!
//! ```
//! use squall_hub::{Hub, HubConfig};
//!
//! let hub = Hub::new(HubConfig::default());
//! let now_ms = 1_000;
//! hub.publish("room:42", "hello", now_ms).ready().unwrap().unwrap();
//! let seen = hub.read(&["room:42"], 0, 100).unwrap();
//! assert_eq!(&seen[0].data[..], b"hello");
//! ```

mod broker;
mod bus;
mod config;
mod cursor;
mod error;
mod history;
mod hub;
mod mailbox;
mod message;
mod meta;
mod names;
mod order;
mod policy;
pub mod presence;
mod read;
mod restore;
mod retain;
pub mod roster;
mod topic;
mod topics;
mod window;
mod withdraw;

pub use broker::{Answer, Broker, MemoryBroker, Publish};
pub use bus::{Bus, Ear, Heard, WORD_BYTES_MAX};
pub use config::{HubConfig, KeyWindow, Retention};
pub use cursor::{CURSOR_BYTES_MAX, Cursor, CursorError, EPOCH_BYTES_MAX, Epoch};
pub use error::{AppendError, PublishError};
pub use history::{Page, PageQuery};
pub use hub::{Counts, Hub, OFFSET_MAX, TopicCounts};
pub use mailbox::{Mailbox, Watch};
pub use message::{MESSAGE_OVERHEAD_BYTES, Message};
pub use meta::{META_BYTES_MAX, Meta, Sender};
pub use policy::Policy;
pub use read::Gap;
pub use restore::WeakHub;
