//! The tests of HTTP/2 once more, each over TLS: see `over_tls.rs`. Here the tunnel agrees to `h2` where a test is about
//! to speak it.
#![allow(
    clippy::duplicate_mod,
    reason = "each file has its own view of what they share"
)]

#[path = "h2.rs"]
mod h2_requests;

#[path = "h2_attacks.rs"]
mod h2_attacks;
