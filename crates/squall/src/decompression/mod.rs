//! Request bodies that come compressed: gzip, brotli or zstd, undone before the handler sees them.
//!
//! Opt-in, for the routes that want it: a few bytes of a compressed body become very many, so every such route is a
//! promise to bound them.
//!
//! ```
//! use squall::decompression::Decompression;
//! use squall::web::{Router, routing::post};
//! let api: Router = Router::new()
//!     .route("/events", post(async |body: String| format!("{} bytes", body.len())))
//!     .layer(Decompression::new().bytes_max(16 * 1024 * 1024));
//! ```
//!
//! | what comes | answer |
//! |---|---|
//! | no `Content-Encoding`, or `identity` | passed on as it is |
//! | one of `gzip`, `x-gzip`, `br`, `zstd` | passed on undone, without `Content-Encoding` and `Content-Length` |
//! | another coding, or several | 415 with `Accept-Encoding` (RFC 9110, section 15.5.16) |
//! | more bytes, undone, than [`Decompression::bytes_max`], or more for each byte sent than [`Decompression::ratio_max`] | 413 |
//! | bytes that are not of that coding, that end too early, or that go on after its end | 400 |
//!
//! The server's limit for bodies holds for the bytes that are sent. Those that come out are made 16 KiB at a time, when
//! the handler asks for them, and the core's other work has its turn after every 64 KiB. What the handler answers to a
//! body that failed is not sent: the peer is told what the table says.

mod body;
mod decoder;
mod layer;

pub use body::DecompressionError;
pub use layer::DecompressionService;

/// Bytes that a body may become, by default: those that one which is not compressed may have.
pub const BYTES_MAX: u64 = 2 * 1024 * 1024;

/// How many bytes may come out for each byte that went in, by default, once more than [`RATIO_FLOOR_BYTES`] came out.
/// Text becomes 3 to 20 times smaller, logs up to 100 times; bombs are of 1,000 times and more.
pub const RATIO_MAX: u64 = 200;

/// Bytes that may come out at any ratio: short bodies of zeros are not worth a refusal.
pub const RATIO_FLOOR_BYTES: u64 = 256 * 1024;

/// A layer that undoes the compression of request bodies: see the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Decompression {
    bytes_max: u64,
    ratio_max: u64,
}

impl Default for Decompression {
    fn default() -> Self {
        Self::new()
    }
}

impl Decompression {
    /// With [`BYTES_MAX`] and [`RATIO_MAX`].
    pub fn new() -> Self {
        Decompression {
            bytes_max: BYTES_MAX,
            ratio_max: RATIO_MAX,
        }
    }

    /// Bytes that a body may become; past it 413. A body that is not compressed has the server's limit, or its route's.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: u64) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// How many bytes may come out for each byte that went in, once more than [`RATIO_FLOOR_BYTES`] came out; past it
    /// 413. At least 1.
    #[must_use]
    pub fn ratio_max(mut self, ratio_max: u64) -> Self {
        self.ratio_max = ratio_max.max(1);
        self
    }
}
