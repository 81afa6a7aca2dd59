//! Who the client is when a proxy of ours stands between: the fields `Forwarded` (RFC 7239) or `X-Forwarded-*`, believed
//! from trusted networks and from nobody else.
//!
//! Anybody can send these fields. So nothing is believed unless a server is told whom to believe, and in which fields
//! that proxy writes ([`TrustedProxies`], given to [`crate::Server::behind`]). Then, for each request:
//!
//! - **Who sent it?** The peer of the connection; if a PROXY header named its client ([`crate::Proxied`]), that client.
//! - **Not one of the trusted networks:** all these fields are removed. The client is who sent it.
//! - **One of them:** of the chain of addresses, the right-most that is not trusted is the client: what stands to the left
//!   of it is the client's own invention, and is removed, as is every field of the family that was not chosen. What is
//!   left is true.
//! - **A chain that cannot be read**, as far as it must be: 400. To fall back to the proxy's own address would give a
//!   stranger the rights of our network.
//!
//! Handlers ask with [`ClientInfo`] and [`ClientAddr`]. Access log, limits by address and the check of a form's origin do
//! so too; [`super::ConnectInfo`] goes on to say who the peer is.
//!
//! ```
//! use squall::web::{ClientAddr, Router, TrustedProxies, routing::get};
//!
//! async fn whoami(ClientAddr(ip): ClientAddr) -> String {
//!     format!("you are {ip}")
//! }
//! let router = Router::new().route("/", get(whoami));
//! let server = squall::Server::new(router).behind(TrustedProxies::x_forwarded("10.0.0.0/8, unix".parse()?));
//! # Ok::<(), squall::Error>(())
//! ```

mod chain;
mod info;
mod layer;
mod rfc7239;
mod x;

use axum::http::header::{FORWARDED, HeaderMap, HeaderName};
use squall_engine::{Networks, Peer};

pub use info::{ClientAddr, ClientInfo, ClientUnknown, Scheme};
pub(crate) use info::{client_host, client_ip, sender};
pub use layer::{ForwardedService, Malformed};

/// Addresses of a chain that are looked at. Past it the request is refused (400): no honest chain is so long.
pub const HOPS_MAX: usize = 32;
/// Bytes of all fields of a chain together. Past it the request is refused (400).
pub const CHAIN_BYTES_MAX: usize = 8 * 1024;

/// Whose word is taken for who the client is, and in which fields. A tower layer too, though
/// [`crate::Server::behind`] is the better place: nothing is outside of it.
///
/// The trusted networks should hold the proxies and nothing else. Whoever is in them can be anybody.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Networks,
    family: Family,
}

/// Which fields are believed. Only ever one family: a proxy that writes the one passes the other on unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Forwarded,
    X { host: bool, port: bool },
}

impl TrustedProxies {
    /// The proxies write `Forwarded` (RFC 7239).
    pub fn forwarded(networks: Networks) -> Self {
        Self {
            networks,
            family: Family::Forwarded,
        }
    }

    /// The proxies write `X-Forwarded-For` and `X-Forwarded-Proto`, each of them, at every request: a field that a
    /// proxy leaves alone is the client's to write.
    pub fn x_forwarded(networks: Networks) -> Self {
        Self {
            networks,
            family: Family::X {
                host: false,
                port: false,
            },
        }
    }

    /// `X-Forwarded-Host` is believed too. Only if the proxies set it at every request: addresses in links, and the check
    /// of a form's origin, come from it. Without it, the host is that of the request. No effect on `Forwarded`, whose
    /// elements are whole.
    #[must_use]
    pub fn with_host(mut self) -> Self {
        if let Family::X { host, .. } = &mut self.family {
            *host = true;
        }
        self
    }

    /// `X-Forwarded-Port` is believed too, for a host that says none. Only if the proxies set it at every request.
    #[must_use]
    pub fn with_port(mut self) -> Self {
        if let Family::X { port, .. } = &mut self.family {
            *port = true;
        }
        self
    }

    /// The proxies.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Whether the word of this sender is taken.
    fn trusts(&self, sender: Option<Peer>) -> bool {
        sender.is_some_and(|sender| self.networks.contains_peer(&sender))
    }
}

const X_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Fields of neither family that say the same, and that somebody may read.
const OTHERS: [&str; 4] = ["x-real-ip", "x-scheme", "x-client-ip", "true-client-ip"];

/// Removes what is not believed, of all fields that say who the client is.
fn strip(fields: &mut HeaderMap, keep: &[HeaderName]) {
    let says_who = |name: &HeaderName| {
        *name == FORWARDED || name.as_str().starts_with("x-forwarded-") || OTHERS.contains(&name.as_str())
    };
    let gone: Vec<HeaderName> = fields
        .keys()
        .filter(|name| says_who(name) && !keep.contains(name))
        .cloned()
        .collect();
    for name in gone {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests;
