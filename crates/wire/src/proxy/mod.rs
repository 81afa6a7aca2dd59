//! The PROXY protocol, versions 1 and 2: what a proxy says of the connection that it forwards, before the first byte
//! of TLS or HTTP (haproxy's `proxy-protocol.txt`).
//!
//! ```
//! use squall_wire::proxy::{Limits, Origin, Parsed, parse};
//!
//! let input = b"PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\r\nGET / HTTP/1.1\r\n";
//! let Ok(Parsed::Complete(header)) = parse(input, &Limits::default()) else {
//!     panic!("a complete header");
//! };
//! let Origin::Inet { source, .. } = header.origin else { panic!("an address") };
//! assert_eq!(source, "203.0.113.9:51000".parse().unwrap());
//! assert_eq!(&input[header.header_bytes..], b"GET / HTTP/1.1\r\n");
//! ```
//!
//! A header is believed whole or not at all: what can be read in two ways (leading zeros, a repeated field, lengths
//! that do not add up, a wrong checksum) is refused. Who may send one is not decided here.

mod crc32c;
mod tlv;
mod v1;
mod v2;

use std::fmt;
use std::net::SocketAddr;

pub use tlv::{Ssl, Tlvs, UNIQUE_ID_BYTES_MAX, kind};

/// Bytes of the longest header of version 1, with its CRLF (section 2.1: two full IPv6 addresses and ports).
pub const V1_BYTES_MAX: usize = 107;

/// Bytes of the fixed part of version 2.
pub const V2_FIXED_BYTES: usize = 16;

/// How long a header may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a header of version 2 with everything in it. Default 4,096: the specification promises senders 536,
    /// and a client's certificate among the facts about TLS takes more. At most 65,551 can be said.
    pub v2_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { v2_bytes_max: 4096 }
    }
}

/// How far the input goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// All of it may belong to a header, and the end is not there yet.
    Partial,
    /// A header, and perhaps something after it.
    Complete(Header<'a>),
}

/// A header that keeps all rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Bytes of the input that are the header; what the client sent begins behind them.
    pub header_bytes: usize,
    /// Which version the proxy speaks.
    pub version: Version,
    /// Whose connection it is.
    pub origin: Origin<'a>,
    /// What else the proxy says (version 2). Nothing for [`Origin::Local`], whose block must be ignored.
    pub tlvs: Tlvs<'a>,
}

/// Which version of the protocol a header is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One line for people.
    V1,
    /// Binary.
    V2,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The proxy's own, a health check say (version 2, `LOCAL`): the socket's addresses are the true ones.
    Local,
    /// Forwarded, and the proxy does not say for whom (`UNKNOWN`, or `UNSPEC`).
    Unknown,
    /// That of a client of an IP network.
    Inet {
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
        /// How the client reached the proxy.
        transport: Transport,
    },
    /// That of a client of a Unix socket: paths, or names, as `sun_path` carries them, without the zeros at the end.
    Unix {
        /// The client.
        source: &'a [u8],
        /// What the client connected to.
        destination: &'a [u8],
    },
}

/// How the client reached the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, or a Unix stream.
    Stream,
    /// UDP: HTTP/3, say, that the proxy turns into something else.
    Datagram,
}

/// Why bytes are no header. Nothing of the input is in the text: it may be anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    TooLong,
    Malformed(&'static str),
    Checksum,
}

impl Refused {
    const MISSING: Refused = Refused { kind: Kind::Missing };
    const TOO_LONG: Refused = Refused { kind: Kind::TooLong };
    const CHECKSUM: Refused = Refused { kind: Kind::Checksum };

    const fn malformed(what: &'static str) -> Self {
        Refused {
            kind: Kind::Malformed(what),
        }
    }

    /// The bytes do not begin like a header of either version: the peer speaks something else.
    pub fn is_missing(&self) -> bool {
        self.kind == Kind::Missing
    }

    /// The header is longer than its limit ([`V1_BYTES_MAX`], [`Limits::v2_bytes_max`]).
    pub fn is_too_long(&self) -> bool {
        self.kind == Kind::TooLong
    }

    /// The header's own checksum (CRC32c) is not that of its bytes.
    pub fn is_checksum(&self) -> bool {
        self.kind == Kind::Checksum
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Missing => f.write_str("no PROXY header where one must be"),
            Kind::TooLong => f.write_str("a PROXY header longer than its limit"),
            Kind::Malformed(what) => write!(f, "a malformed PROXY header: {what}"),
            Kind::Checksum => f.write_str("a PROXY header whose checksum is wrong"),
        }
    }
}

impl std::error::Error for Refused {}

/// Reads a header of either version at the beginning of `input`.
///
/// Says no as soon as the first byte that cannot belong to a header is there, so a peer that speaks something else is
/// not waited for. Costs one look at each byte and no allocation.
///
/// # Errors
/// [`Refused`]: no header, one past its limit, one that breaks a rule. The connection should be closed without an
/// answer: whoever sent this would not understand one.
pub fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, Refused> {
    match input.first() {
        None => Ok(Parsed::Partial),
        Some(b'P') => v1::parse(input),
        Some(_) => v2::parse(input, limits),
    }
}

/// Whether `input` begins with `prefix`, as far as it goes.
fn is_on_the_way(input: &[u8], prefix: &[u8]) -> bool {
    let both = input.len().min(prefix.len());
    input[..both] == prefix[..both]
}
