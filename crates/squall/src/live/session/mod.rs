//! Sessions: one connection, many channels, in the protocol that Centrifugo's clients speak.
//!
//! Its official SDKs (JavaScript, Dart, Swift, Java, Go, Python, C#) work as they are: over WebSocket, over a streamed
//! response, or over Server-Sent Events with commands sent beside them; in JSON or Protobuf. A session follows channels,
//! which are topics: `offset` and `epoch` on the wire are those of the hub, so a client that comes back through another
//! door goes on where it was.
//!
//! ```no_run
//! use squall::live::session::{ConnectAsk, Connected, Deny, SessionPolicy, SubscribeAsk, SubscribeOptions};
//! use squall::live::{self, Hub, HubConfig, Live};
//!
//! struct Chat;
//!
//! impl SessionPolicy for Chat {
//!     async fn connect(&self, ask: ConnectAsk) -> Result<Connected, Deny> {
//!         Ok(Connected::user(ask.name))
//!     }
//!     async fn subscribe(&self, _: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
//!         Ok(SubscribeOptions::recoverable())
//!     }
//! }
//!
//! fn main() -> Result<(), squall::Error> {
//!     let hub = Hub::new(HubConfig { epoch: live::new_epoch(), ..HubConfig::default() });
//!     let live = Live::sessions(hub);
//!     let router = live::router(&live, Chat);
//!     squall::Server::new(router).bind("127.0.0.1:8888").live(&live).run()
//! }
//! ```
//!
//! What is promised: a subscription's messages never come before its reply, and reply and messages together are one
//! contiguous slice of the channel's log, each message once; or its client is told (`recovered: false`, an `unsubscribe`
//! push with code 2500, a disconnect with 3010).
//!
//! Offsets increase, and have holes: the hub has one order for all topics.

pub(crate) mod codes;
mod config;
mod doors;
pub(crate) mod framing;
pub(crate) mod policy;
pub mod protocol;
pub(crate) mod record;
pub(crate) mod shared;
pub(crate) mod style;
mod tokens;

use std::sync::Arc;

pub use codes::{Disconnect, SessionError, Unsubscribed};
pub use config::SessionConfig;
pub use doors::{Sessions, router};
pub use framing::Transport;
pub use policy::{
    Caller, ChannelAsk, ConnectAsk, Connected, Deny, Gone, MessageAsk, PublishAsk, PublishOptions, Recovery,
    RefreshAsk, Refreshed, RpcAsk, SessionPolicy, SessionState, SubRefreshAsk, SubscribeAsk,
    SubscribeOptions, Token,
};
pub use record::{ClientId, NoClientId};
pub use shared::SessionCounts;
pub use tokens::TokenPolicy;

pub(crate) use super::source::session::{Order, OrderFor, To, Told, What};
use framing::Framing;
use shared::Shared;

/// What makes a door's connections sessions.
#[derive(Clone)]
pub(crate) struct SessionSpec {
    pub(crate) shared: Arc<Shared>,
    pub(crate) framing: Framing,
}

#[cfg(test)]
mod tests;
