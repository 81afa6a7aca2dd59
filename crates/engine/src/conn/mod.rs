//! What one connection does, by kind: methods of [`crate::core::Core`].

pub(crate) mod answer;
pub(crate) mod attend;
mod becomes;
mod feed;
pub(crate) mod follow;
pub(crate) mod h2;
#[cfg(feature = "http3")]
pub(crate) mod h3;
pub(crate) mod http;
pub(crate) mod outbox;
pub(crate) mod proxy;
pub(crate) mod request;
mod small;
pub(crate) mod stream;
pub(crate) mod wait;
pub(crate) mod websocket;
