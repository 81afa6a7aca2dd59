//! Topics that any open connection can follow, over whatever transport it has.
//!
//! Three doors lead to the same log: Server-Sent Events, long-polling, WebSocket. Each takes a cursor (`epoch:offset`)
//! and gives cursors, so a client that drops off one comes back through another and misses nothing.
//! Who may follow what is one function, asked when somebody comes to a door. A connection that follows has no task: its
//! core asks, when something moved, what is next for it, and writes that from the log.
//!
//! ```no_run
//! use squall::live::{self, Ask, Grant, Hub, HubConfig, Live, Refusal};
//! use squall::web::{Router, routing::post};
//!
//! async fn who_may_follow_what(ask: Ask) -> Result<Grant, Refusal> {
//!     if ask.topics.iter().any(|topic| topic.starts_with("secret")) {
//!         return Err(Refusal::forbidden());
//!     }
//!     Ok(Grant::topics(ask.topics))
//! }
//!
//! fn main() -> Result<(), squall::Error> {
//!     let hub = Hub::new(HubConfig { epoch: live::new_epoch(), ..HubConfig::default() });
//!     let live = Live::new(hub, who_may_follow_what);
//!     let publisher = live.clone();
//!     let router = Router::new()
//!         .route("/sse/room", live.sse(["room"]))
//!         .route("/poll/room", live.poll(["room"]))
//!         .route("/ws/room", live.ws(["room"]))
//!         .route("/say", post(async move |text: String| publisher.publish("room", text).await.map(drop).is_ok().to_string()));
//!     squall::Server::new(router).bind("127.0.0.1:8888").live(&live).run()
//! }
//! ```
//!
//! What a client sees:
//!
//! - **SSE**: `id: <cursor>` and `data:` lines; the browser sends the last id back by itself. `event: gap` with
//!   `{"after","resume"}` when messages may be lost.
//! - **WebSocket**: `{"cursor","topic","data"}`; `{"cursor","gap":{"after","resume"}}`. In the bare mode the data alone;
//!   a bare connection cannot be told of a gap and is closed with [`CLOSE_BEHIND`] instead.
//! - **Long-poll**: `{"cursor","messages":[{"cursor","topic","data"}],"gap":null}`; ask again with `cursor`.
//!
//! Data that is not UTF-8 comes as base64: in `data_base64` instead of `data`, or with `event: binary`.

mod access;
mod api;
mod commands;
mod connection;
mod counts;
pub mod delta;
mod doors;
#[cfg(feature = "durable")]
mod durable;
pub mod encode;
pub mod filter;
mod mailbox;
pub mod namespaces;
mod script;
mod seeing;
pub mod server_api;
pub mod session;
mod source;
mod style;
mod ticket;
pub mod token;

pub use access::{Ask, Door, Grant, Moment, Refusal, Topics, anyone};
pub use api::{Live, LiveConfig};
pub use commands::COMMANDS_KEPT_MAX;
pub use connection::{Busy, Connection, DIRECT_BYTES_MAX, DIRECT_FRAMES_MAX, Incoming};
pub use counts::LiveCounts;
pub use doors::{
    POLL_BYTES_MAX, POLL_MESSAGES_MAX, POLL_TIMEOUT_MS, POLL_TIMEOUT_MS_MAX, PollDoor, SSE_RETRY_MS, SseDoor,
    WsDoor,
};
#[cfg(feature = "durable")]
pub use durable::durable;
pub use encode::{Encode, Encoded, Lost};
pub use script::{SCRIPT, SCRIPT_TYPES, script};
pub use seeing::{Admin, CURSOR_LAG_BOUNDS, LAG_BOUNDS_MS, TAP_BYTES_MAX, TOPICS_SHOWN_MAX};
pub use session::router;
pub use source::LiveSource;
#[cfg(feature = "durable")]
pub use squall_durable::{
    Durability, DurableBroker, DurableConfig, DurableCounts, DurableLog, IfDamaged, Life, Loaded, OpenError,
};
pub use squall_engine::ws::Message as WsMessage;
pub use squall_hub::{
    Answer, AppendError, Broker, Counts, Cursor, CursorError, Epoch, Gap, Hub, HubConfig, KeyWindow,
    MemoryBroker, Message, Meta, OFFSET_MAX, Policy, Publish, PublishError, Retention, Sender, TopicCounts,
};
pub use style::{STYLES_MAX, Style};

/// Close code: the log's tail has passed this connection, or it would have to be told of a gap and has no words for it.
/// Come back with your cursor, if you have one.
pub const CLOSE_BEHIND: u16 = 4008;

/// Close code: the right to follow was ended (`Policy Violation`).
pub const CLOSE_ENDED: u16 = 1008;

/// Close code: the server could not keep this subscription up to date. Come back with your cursor (`Try Again Later`).
pub const CLOSE_COME_BACK: u16 = 1013;

/// Close code: the server goes away or starts anew. Come back with your cursor (`Service Restart`).
pub const CLOSE_RESTART: u16 = 1012;

/// Close code: a message from the peer was larger than the door allows (`Message Too Big`).
pub const CLOSE_TOO_BIG: u16 = 1009;

/// An epoch that no log had before: for a hub in memory, at each start.
pub fn new_epoch() -> Epoch {
    // 2^53 is plenty, and a cursor stays short.
    Epoch::from_number(u64::from_le_bytes(crate::random_bytes()) >> 11)
}
