//! Answers that are made smaller on their way: gzip, brotli and zstd, as the peer's `Accept-Encoding` says.
//!
//! ```
//! use squall::compression::Compression;
//! use squall::web::{Router, routing::get};
//! let app: Router = Router::new().route("/", get(async || "a page")).layer(Compression::new());
//! ```
//!
//! What is left as it is: answers below a size, types that are compressed already (or not known to gain), event streams
//! and other followers, `206` and `Content-Range`, what has a `Content-Encoding` or a digest of its bytes, what says
//! `Cache-Control: no-transform`, and what a handler marks with [`Uncompressed`]. Assets with a hash in their URL are better
//! compressed once than for every visitor.
//!
//! What is compressed: a strong `ETag` becomes a weak one, as the bytes are not the same any more (RFC 9110, section
//! 8.8.3.3); `Content-Length` is that of what is sent, or gone; `Accept-Ranges` is taken away; `Vary: Accept-Encoding`
//! is said once, also when this peer gets it uncompressed. To `HEAD` the same fields are said.
//!
//! An answer that is there whole, up to [`WHOLE_BYTES_MAX`], is compressed whole and has a length; a longer one is sent in
//! pieces. A stream is flushed whenever it has nothing to say for now. No more than 32 KiB are compressed before other
//! work of the core has its turn, and what one answer holds meanwhile is bounded: see docs/guide/compression.md.
//!
//! # A secret beside what a stranger can choose (BREACH)
//!
//! Who makes a browser ask for a page again and again with a word of his choice in it, and sees how long the answers
//! are, learns of a secret on that page whether it has the word: compression makes repetitions short. So answers to
//! what another site caused (`Sec-Fetch-Site`), with cookies, and not by a click, are left as they are. XSRF tokens of
//! [`crate::xsrf`] are masked anew in every page. A page that repeats what its address says beside another secret should be
//! [`Uncompressed`].

mod accept;
mod body;
mod encoder;
mod layer;
mod rules;

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};

pub use layer::CompressionService;

/// Answers up to this size are compressed whole if they are there at once; longer ones are streamed. In bytes.
pub const WHOLE_BYTES_MAX: u64 = 256 * 1024;

/// Answers of fewer bytes are sent as they are by default: they fit into one packet either way.
pub const FLOOR_BYTES: u64 = 1024;

/// A content coding (RFC 9110, section 8.4.1). `deflate` is not among them: half of the programs take it for something
/// else than the other half, and none needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Zstandard, RFC 8878.
    Zstd,
    /// Brotli, RFC 7932.
    Brotli,
    /// RFC 1952. What everybody takes.
    Gzip,
}

impl Coding {
    /// The name, as it stands in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }
}

/// How much work is put into making an answer small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// For long streams, and cores that have little to spare.
    Fast,
    /// What pays for pages and JSON.
    #[default]
    Balanced,
    /// Some per cent smaller, at several times the work.
    Small,
}

/// A layer that compresses answers: see the [module](self).
#[derive(Clone, Debug)]
pub struct Compression {
    rules: Arc<Rules>,
}

#[derive(Clone, Debug)]
struct Rules {
    floor_bytes: u64,
    level: Level,
    codings: Vec<Coding>,
    cross_site: bool,
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

impl Compression {
    /// All codings, [`Level::Balanced`], answers from [`FLOOR_BYTES`] on.
    pub fn new() -> Self {
        let rules = Rules {
            floor_bytes: FLOOR_BYTES,
            level: Level::default(),
            codings: vec![Coding::Zstd, Coding::Brotli, Coding::Gzip],
            cross_site: false,
        };
        Self {
            rules: Arc::new(rules),
        }
    }

    /// Answers of fewer bytes are sent as they are.
    #[must_use]
    pub fn floor_bytes(self, floor_bytes: u64) -> Self {
        self.with(|rules| rules.floor_bytes = floor_bytes)
    }

    /// How much work is put into it.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        self.with(|rules| rules.level = level)
    }

    /// These codings and no others; of those that a peer likes equally well the first.
    #[must_use]
    pub fn codings(self, codings: &[Coding]) -> Self {
        self.with(|rules| rules.codings = codings.to_vec())
    }

    /// Also what another site caused: for what has no secrets beside what a stranger can choose.
    #[must_use]
    pub fn cross_site(self, cross_site: bool) -> Self {
        self.with(|rules| rules.cross_site = cross_site)
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

/// Says of an answer that it is not to be compressed: `(Uncompressed, body)`.
#[derive(Clone, Copy, Debug)]
pub struct Uncompressed;

impl IntoResponseParts for Uncompressed {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}

impl IntoResponse for Uncompressed {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}
