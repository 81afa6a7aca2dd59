//! permessage-deflate: messages that travel compressed (RFC 7692).
//!
//! What is negotiated stands in [`DeflateOffer`] (a client's wish, as a server reads it) and [`Deflate`] (what both sides
//! agreed). A frame tells by its first reserved bit that its message is compressed: [`Decoder`](super::Decoder) undoes that with
//! an [`Inflater`], [`encode_deflated_frame`](super::encode_deflated_frame) says it of what a [`Deflater`] made.
//!
//! Both hold tens or hundreds of KiB, and neither belongs to a connection: unless a side was allowed to refer to earlier
//! messages ("context takeover"), one of each serves all connections of a thread.

mod client;
mod codec;
mod extensions;
mod inflater;
mod offer;

pub use client::DeflateRequest;
pub use codec::Deflater;
pub use inflater::{History, Inflate, Inflater};
pub use offer::{Deflate, DeflateOffer};

pub(super) use offer::offered;

/// The extension's name in `Sec-WebSocket-Extensions`.
const NAME: &str = "permessage-deflate";

/// The largest window: matches may reach back 2^15 bytes.
pub const WINDOW_BITS_MAX: u8 = 15;

/// The smallest window that we compress with. RFC 7692 knows 8 too; zlib cannot, so an offer that asks for it is declined.
pub const WINDOW_BITS_MIN: u8 = 9;

/// When a server compresses, how well, and what a connection may cost for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateLimits {
    /// Whether clients that offer the extension get it. Default yes.
    pub enabled: bool,
    /// Messages shorter than this, in bytes, are sent as they are. Default 512: less becomes little
    /// smaller, and costs some 25 microseconds all the same. Zero
    /// for all, even where they become no smaller.
    pub floor_bytes: u32,
    /// How hard to try, 1 (fast) to 9 (small); others count as the nearest. Default 2: on JSON as small as 6, within 2 %, in
    /// half the time where messages are long.
    pub level: u8,
    /// The largest window for what we send, as a power of two: 9 to 15; others count as the nearest. Default 15.
    pub window_bits_max: u8,
    /// Whether a message may refer to those before it on the same connection, both ways. Default no: such a connection keeps
    /// a compressor of its own from its first compressed message on (310 KiB with a window of 15 bits, 200 KiB with 12, 180 KiB
    /// with 9), and up to 32 KiB of what its peer said, for as long as it is open. Connections that follow topics never do,
    /// since they share their frames.
    pub context_takeover: bool,
}

impl Default for DeflateLimits {
    fn default() -> DeflateLimits {
        DeflateLimits {
            enabled: true,
            floor_bytes: 512,
            level: 2,
            window_bits_max: WINDOW_BITS_MAX,
            context_takeover: false,
        }
    }
}
