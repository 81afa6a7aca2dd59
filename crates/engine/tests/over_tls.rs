//! The tests of connections once more, each over TLS: what holds for a socket in clear holds for one that is not.
//!
//! They are the same files. `common` sees that it is compiled here, binds its servers under TLS, and puts a tunnel
//! before its clients.

#![allow(
    clippy::duplicate_mod,
    reason = "each file has its own view of what they share"
)]

#[path = "bodies.rs"]
mod bodies;
#[path = "follow.rs"]
mod follow;
#[path = "http.rs"]
mod http;
#[path = "life.rs"]
mod life;
#[path = "limits.rs"]
mod limits;
#[path = "websocket.rs"]
mod websocket;
