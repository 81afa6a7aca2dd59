//! Addresses to listen on, as people write them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::Error;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address, v4 or v6. Port 0 lets the system choose; see [`crate::Handle::local_addrs`].
    Tcp(SocketAddr),
    /// A Unix socket at this path. A stale socket there is replaced; anything else is an error.
    Unix(PathBuf),
}

impl Address {
    /// Reads `HOST:PORT`, `[V6]:PORT`, `:PORT` (all of v4) or `unix:PATH`. `localhost` is `127.0.0.1`.
    /// [`crate::Listen::parse`] reads more.
    ///
    /// # Errors
    /// A sentence for people, when it is none of these.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        let full = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None if text.starts_with(':') => format!("0.0.0.0{text}"),
            None => text.to_owned(),
        };
        full.parse().map(Address::Tcp).map_err(|_| {
            Error::new(format!(
                "'{text}' is not an address to listen on: write IP:PORT, as in 127.0.0.1:8888, or unix:PATH"
            ))
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(addr) => addr.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Address::Tcp(addr)
    }
}
