//! The feed: people post status updates, friends see them live, everyone decides who sees what.
//!
//! ```text
//! domain   values and rules: no HTTP, no SQL
//! store    the same operations over SQLite
//! stream   what changed -> who may see it -> which topics
//! web      pages
//! api      what programs talk to
//! ```

pub mod api;
pub mod app;
pub mod config;
pub mod domain;
mod opening;
pub mod router;
pub mod store;
pub mod stream;
pub mod web;
