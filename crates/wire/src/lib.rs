//! Bytes to values and back: HTTP/1 heads and bodies, WebSocket frames, server-sent events.
//!
//! Nothing here reads a socket or a clock, spawns, or waits: everything takes bytes and values and gives values
//! back. Everything that a peer sends is bounded by a named limit, and no input makes anything here panic.
//!
//! | module | reads | writes |
//! |---|---|---|
//! | [`h1`] | request heads ([`h1::parse_head`]), bodies ([`h1::BodyDecoder`]) | response heads ([`h1::encode_head`]), chunks, refusals ([`h1::Reject`]) |
//! | [`ws`] | handshakes ([`ws::check_upgrade`]), messages ([`ws::Decoder`]) | frames ([`ws::encode_frame`]) |
//! | [`multipart`] | forms with files ([`multipart::Decoder`]) | |
//! | [`accept_encoding`] | which codings a peer takes | |
//! | [`sse`] | event streams ([`sse::Parser`]) | events ([`sse::encode`]) |
//! | [`proxy`] | PROXY protocol headers ([`proxy::parse`]) | |
//! | [`delta`] | Fossil deltas ([`delta::apply`]) | Fossil deltas ([`delta::patch`]) |
//! | [`date`] | | `Date` field values |
//!
//! # Strict by default
//!
//! Two programs that read one message differently are how requests are smuggled, so a request head that can be
//! read in more than one way is refused, even where RFC 9112 would let a recipient repair it. What is refused,
//! with which status, is listed at [`h1::parse_head`] and [`h1::BodyDecoder`].
//!
//! ```
//! use bytes::Bytes;
//! use squall_wire::h1::{HeadLimits, Parsed, parse_head};
//!
//! let input = Bytes::from_static(b"GET /rooms/42 HTTP/1.1\r\nHost: squall.example\r\n\r\n");
//! let Ok(Parsed::Complete(head)) = parse_head(&input, &HeadLimits::default(), &mut Default::default()) else {
//!     panic!("a complete head");
//! };
//! assert_eq!(head.uri.path(), "/rooms/42");
//! assert_eq!(head.head_bytes, input.len());
//! ```

pub mod accept_encoding;
pub mod date;
pub mod delta;
pub mod h1;
pub mod multipart;
pub mod proxy;
pub mod sse;
pub mod ws;
