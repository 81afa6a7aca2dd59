//! The PROXY protocol on a listener: who may speak it, and what was said.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use squall_wire::proxy::{Header, Limits, Origin, Ssl, Tlvs};

use crate::networks::Networks;
use crate::socket::Peer;

/// Connections of a listener begin with a PROXY header (version 1 or 2, whichever comes), before the first byte of TLS
/// or HTTP. It must be there within [`crate::Limits::header_read_timeout`].
///
/// Given to a listener with [`crate::Listen::proxy`]. What a header says is in the [`Proxied`] of each request;
/// [`crate::Peer`] stays who the connection really comes from.
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    trusted: Networks,
    required: bool,
    limits: Limits,
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// A header, or it is closed.
    Header,
    /// Perhaps a header.
    Either,
    /// No header: what looks like one is the client's own.
    Client,
    /// Nothing: it is closed at once.
    Refused,
}

impl ProxyProtocol {
    /// Every connection comes from one of these networks and brings a header. Others are closed without an answer.
    pub fn required_from(trusted: Networks) -> Self {
        ProxyProtocol {
            trusted,
            required: true,
            limits: Limits::default(),
        }
    }

    /// Peers of these networks may send a header, and all others are ordinary connections, whatever they send.
    ///
    /// Only where no trusted peer forwards what it is sent without a header of its own: through such a peer, anybody
    /// writes the header. [`ProxyProtocol::required_from`] on a listener of its own has no such hole.
    pub fn allowed_from(trusted: Networks) -> Self {
        ProxyProtocol {
            required: false,
            ..ProxyProtocol::required_from(trusted)
        }
    }

    /// Bytes of the longest header of version 2 that is taken. Default 4,096; see [`Limits::v2_bytes_max`].
    #[must_use]
    pub fn v2_bytes_max(mut self, bytes: usize) -> Self {
        self.limits.v2_bytes_max = bytes;
        self
    }

    pub(crate) fn begin(&self, peer: &Peer) -> Begin {
        match (self.trusted.contains_peer(peer), self.required) {
            (true, true) => Begin::Header,
            (true, false) => Begin::Either,
            (false, false) => Begin::Client,
            (false, true) => Begin::Refused,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// What a trusted proxy said of a connection in its PROXY header. A request extension, on connections where there was
/// one that named a client or said anything else. Cheap to clone: the requests of a connection share it.
#[derive(Clone)]
pub struct Proxied(Arc<Said>);

struct Said {
    client: Option<Peer>,
    destination: Option<SocketAddr>,
    /// The header's fields as they came.
    tlvs: Box<[u8]>,
}

impl Proxied {
    /// `None` if the header says nothing: a proxy's own connection, or one of which it knows nothing.
    pub(crate) fn from_header(header: &Header<'_>) -> Option<Self> {
        let canonical = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
        let (client, destination) = match header.origin {
            Origin::Local | Origin::Unknown => (None, None),
            Origin::Inet {
                source, destination, ..
            } => (Some(Peer::Tcp(canonical(source))), Some(canonical(destination))),
            Origin::Unix { .. } => (Some(Peer::Unix), None),
        };
        if client.is_none() && header.tlvs.is_empty() {
            return None;
        }
        Some(Proxied(Arc::new(Said {
            client,
            destination,
            tlvs: header.tlvs.as_bytes().into(),
        })))
    }

    /// Who connected to the proxy; `None` if it did not say. A client of a Unix socket of the proxy is [`Peer::Unix`].
    pub fn client(&self) -> Option<Peer> {
        self.0.client
    }

    /// What the client connected to.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.0.destination
    }

    /// What else the proxy said (version 2): the host name of SNI, the protocol of ALPN, its name for the connection.
    pub fn tlvs(&self) -> Tlvs<'_> {
        // They were read once already.
        Tlvs::parse(&self.0.tlvs).unwrap_or_default()
    }

    /// What the proxy said of TLS between it and the client.
    pub fn ssl(&self) -> Option<Ssl<'_>> {
        self.tlvs().ssl()
    }

    /// Whether the client came to the proxy over TLS, as far as the proxy said so.
    pub fn is_tls(&self) -> bool {
        self.ssl().is_some_and(|ssl| ssl.is_tls())
    }
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied")
            .field("client", &self.0.client)
            .field("destination", &self.0.destination)
            .field("tlvs", &self.tlvs())
            .finish()
    }
}
