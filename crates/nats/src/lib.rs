//! The hub's log in a cluster: order, history and acknowledgement by NATS JetStream.
//!
//! Every process (a *node*) has a whole [`Hub`](squall_hub::Hub) of its own, which is filled from one stream by one
//! ordered consumer, however many clients the node has. All nodes give the same cursors: the offset is the message's
//! sequence in the stream, and the epoch follows from the stream's identity. So a client that drops off one node comes back
//! through another and misses nothing. What is published is acknowledged by JetStream before it is answered.
//!
//! ```no_run
//! use squall_hub::HubConfig;
//! use squall_nats::{NatsConfig, Node};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let config = NatsConfig { servers: vec!["nats://127.0.0.1:4222".into()], ..NatsConfig::default() };
//! // Ready when the recent part of the stream is in the hub.
//! let (hub, node) = Node::start(config, HubConfig::default()).await?;
//! let cursor = hub.publish("room:42", "hello", 0).await?;
//! assert!(hub.head() >= cursor.offset);
//! assert!(node.status().is_current());
//! # Ok(())
//! # }
//! ```
//!
//! **When the cluster is away**, everything that reads goes on from the node's own log, publishing answers a typed error
//! after a time-out, and [`Status`] says so. When it is back, the node goes on where it was. What it cannot have any more
//! is a gap for its followers: never a silence. See [`Node`] for what is checked, and `docs/guide/cluster.md` for what the
//! servers must be set to.
//!
//! Not here: HTTP, clients, presence's rules.

mod ask;
mod bus;
mod config;
mod consumer;
mod delivered;
mod error;
mod follow;
mod job;
mod life;
mod link;
mod node;
mod presence;
mod publish;
mod shared;
mod status;
mod stream;
mod subject;

pub use config::{Auth, NatsConfig, Secret, Storage, StreamSettings, Tls};
pub use error::StartError;
pub use node::Node;
pub use status::Status;
