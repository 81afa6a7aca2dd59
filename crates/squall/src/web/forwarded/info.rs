//! What a handler can know of its client.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use squall_engine::tls::TlsInfo;
use squall_engine::{Peer, Proxied};

use crate::web::ConnectInfo;

/// How the client reaches the site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    #[default]
    Http,
    /// Over TLS, up to us or up to a proxy that is believed.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        match () {
            () if is("https") || is("wss") => Some(Scheme::Https),
            () if is("http") || is("ws") => Some(Scheme::Http),
            () => None,
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who the client is, as far as it can be believed: an extractor that always succeeds.
///
/// Without [`super::TrustedProxies`] it says what the connection says: the peer's address (or that in a PROXY header of
/// a trusted proxy), and the request's own host. See [`super`] for what is believed otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    pub(super) ip: Option<IpAddr>,
    pub(super) port: Option<u16>,
    /// The nearest address that is known, when the client's is not.
    pub(super) hop: Option<IpAddr>,
    pub(super) scheme: Scheme,
    pub(super) host: Option<Arc<str>>,
    pub(super) forwarded: bool,
}

impl ClientInfo {
    /// Of a request that may be in pieces.
    pub fn of(extensions: &Extensions, headers: &HeaderMap, uri: &Uri) -> Self {
        match extensions.get::<ClientInfo>() {
            Some(noted) => noted.clone(),
            None => {
                let mut info = Self::of_connection(extensions);
                info.host = own_host(headers, uri).map(Arc::from);
                info
            }
        }
    }

    /// What connection and PROXY header say; no host.
    pub(super) fn of_connection(extensions: &Extensions) -> Self {
        let addr = sender(extensions).and_then(|peer| peer.addr());
        let over_tls =
            extensions.get::<TlsInfo>().is_some() || extensions.get::<Proxied>().is_some_and(Proxied::is_tls);
        Self {
            ip: addr.map(|addr| addr.ip().to_canonical()),
            port: addr.map(|addr| addr.port()),
            hop: None,
            scheme: if over_tls { Scheme::Https } else { Scheme::Http },
            host: None,
            forwarded: extensions
                .get::<Proxied>()
                .is_some_and(|proxied| proxied.client().is_some()),
        }
    }

    /// The client's address; none for a Unix socket, and where a proxy does not say (`unknown`, or a name of its own).
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The client's port, where it is known: proxies seldom say.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// How the client reaches the site.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether the client reaches the site over TLS: cookies may be `Secure`, redirects may lead to `https`.
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The host that the client asked for, with the port if it is not that of the scheme. As the client wrote it: hold it
    /// against your own names before it goes into a link that somebody else gets.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Scheme and host, as browsers write an origin: `https://example.org`.
    pub fn origin(&self) -> Option<String> {
        self.host().map(|host| format!("{}://{host}", self.scheme))
    }

    /// Whether a proxy that is believed named the client.
    pub fn is_forwarded(&self) -> bool {
        self.forwarded
    }

    /// By what to count this client's attempts ([`crate::limits::Attempts`]): its address, of IPv6 its /64, which is what
    /// one household has. Clients whose address is not known share a key with all that came the same way.
    pub fn limit_key(&self) -> String {
        match (self.ip, self.hop) {
            (Some(ip), _) => network(ip).to_string(),
            (None, Some(hop)) => format!("unknown via {hop}"),
            (None, None) => "unknown".to_owned(),
        }
    }

    /// The address to count by where an address is needed: as [`ClientInfo::limit_key`], with `0.0.0.0` for unknown.
    pub fn limit_ip(&self) -> IpAddr {
        network(self.ip.or(self.hop).unwrap_or(IpAddr::from([0, 0, 0, 0])))
    }

    pub(super) fn set_host(&mut self, host: &str, port: Option<u16>) {
        let bracket = host.rfind(']').unwrap_or(0);
        let has_port = host[bracket..].contains(':');
        self.host = Some(match port {
            Some(port) if !has_port && port != self.scheme.default_port() => format!("{host}:{port}").into(),
            _ => host.into(),
        });
    }
}

/// Who sent the request to us: the peer, or whom a trusted PROXY header names.
pub(crate) fn sender(extensions: &Extensions) -> Option<Peer> {
    let named = extensions.get::<Proxied>().and_then(Proxied::client);
    let noted = || {
        extensions
            .get::<ConnectInfo<std::net::SocketAddr>>()
            .map(|info| Peer::Tcp(info.0))
    };
    named.or_else(noted).or_else(|| extensions.get::<Peer>().copied())
}

/// The client's address, for who needs no more.
pub(crate) fn client_ip(extensions: &Extensions) -> Option<IpAddr> {
    match extensions.get::<ClientInfo>() {
        Some(noted) => noted.ip,
        None => sender(extensions)
            .and_then(|peer| peer.addr())
            .map(|addr| addr.ip().to_canonical()),
    }
}

/// The host that a proxy which is believed says the client asked for, or that of the request.
pub(crate) fn client_host<'a>(
    extensions: &'a Extensions,
    headers: &'a HeaderMap,
    uri: &'a Uri,
) -> Option<&'a str> {
    let noted = extensions.get::<ClientInfo>().and_then(ClientInfo::host);
    noted.or_else(|| own_host(headers, uri))
}

pub(super) fn own_host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.or_else(|| uri.authority().map(|authority| authority.as_str()))
        .filter(|host| !host.is_empty())
}

/// What one subscriber has.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(ClientInfo::of(&parts.extensions, &parts.headers, &parts.uri))
    }
}

/// The client's address: an extractor that refuses requests whose client is not known (400). See [`ClientInfo`] for one
/// that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// Nobody says where the request comes from: over a Unix socket without a proxy that is believed, or by a proxy that will
/// not tell. 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientUnknown;

impl fmt::Display for ClientUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not known where this request comes from")
    }
}

impl std::error::Error for ClientUnknown {}

impl IntoResponse for ClientUnknown {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = ClientUnknown;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ClientUnknown> {
        client_ip(&parts.extensions).map(ClientAddr).ok_or(ClientUnknown)
    }
}
