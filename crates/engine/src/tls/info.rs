//! What a TLS handshake came to: a request extension.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::{HandshakeKind, ProtocolVersion};

use crate::tls::subject::subject_text;

/// What is known of a request's connection because it is under TLS. An extension of each such request; requests that
/// come in clear have none. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsInfo(Arc<Facts>);

#[derive(Debug, PartialEq, Eq)]
struct Facts {
    version: TlsVersion,
    cipher_suite: &'static str,
    server_name: Option<Box<str>>,
    alpn: Option<Alpn>,
    resumed: bool,
    client: Option<ClientCertificate>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What the peers agreed to speak (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

/// A client's certificate, as verified in the handshake, this one or the one that is resumed.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    subject: String,
}

impl TlsInfo {
    /// The version of the protocol.
    pub fn version(&self) -> TlsVersion {
        self.0.version
    }

    /// The cipher suite, by its IANA name: `TLS13_AES_128_GCM_SHA256`. `?` over HTTP/3, where it is not known.
    pub fn cipher_suite(&self) -> &'static str {
        self.0.cipher_suite
    }

    /// The name that the client asked for (SNI, RFC 6066 section 3), in lower case. Whether there is a certificate for
    /// it is another question.
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_deref()
    }

    /// The protocol agreed upon; none if the client did not offer any.
    pub fn alpn(&self) -> Option<Alpn> {
        self.0.alpn
    }

    /// Whether an earlier session was resumed with a ticket. Not known over HTTP/3, where it is always false.
    pub fn is_resumed(&self) -> bool {
        self.0.resumed
    }

    /// The client's certificate, if it showed one.
    pub fn client(&self) -> Option<&ClientCertificate> {
        self.0.client.as_ref()
    }

    /// Reads a session whose handshake is complete.
    pub(super) fn of(session: &UnbufferedServerConnection, server_name: Option<Box<str>>) -> Option<Self> {
        let version = match session.protocol_version()? {
            ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
            ProtocolVersion::TLSv1_3 => TlsVersion::Tls13,
            _ => return None,
        };
        let alpn = match session.alpn_protocol() {
            Some(b"h2") => Some(Alpn::Http2),
            Some(b"http/1.1") => Some(Alpn::Http1),
            _ => None,
        };
        let facts = Facts {
            version,
            cipher_suite: session.negotiated_cipher_suite()?.suite().as_str().unwrap_or("?"),
            server_name,
            alpn,
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            client: session.peer_certificates().and_then(ClientCertificate::new),
        };
        Some(TlsInfo(shared(facts)))
    }

    /// Reads a connection of QUIC, as far as the quinn crate shows it.
    #[cfg(feature = "http3")]
    pub(crate) fn of_quic(quic: &quinn::Connection) -> Option<Self> {
        use quinn::crypto::rustls::HandshakeData;

        let data = quic.handshake_data()?.downcast::<HandshakeData>().ok()?;
        let chain = quic.peer_identity();
        let chain = chain.and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
        let facts = Facts {
            version: TlsVersion::Tls13,
            cipher_suite: "?",
            server_name: data.server_name.map(String::into_boxed_str),
            alpn: Some(Alpn::Http3),
            resumed: false,
            client: chain.and_then(|chain| ClientCertificate::new(&chain)),
        };
        Some(TlsInfo(shared(facts)))
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ClientCertificate {
    fn new(chain: &[CertificateDer<'static>]) -> Option<Self> {
        let own = webpki::EndEntityCert::try_from(chain.first()?).ok()?;
        Some(ClientCertificate {
            subject: subject_text(own.subject()),
            chain: chain.to_vec(),
        })
    }

    /// The chain as the client sent it, in DER, its own certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Whom the certificate names, as in RFC 4514 but in the order of the certificate: `O=Example,CN=alice`. Characters
    /// that could be taken for syntax are escaped.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Facts that a core keeps for connections to come.
const SHARED_MAX: usize = 16;

thread_local! {
    /// Most connections of a server have the same facts, so those of a core share them.
    static SHARED: RefCell<Vec<Arc<Facts>>> = const { RefCell::new(Vec::new()) };
}

fn shared(facts: Facts) -> Arc<Facts> {
    if facts.client.is_some() {
        return Arc::new(facts);
    }
    SHARED.with_borrow_mut(|kept| {
        if let Some(same) = kept.iter().find(|have| ***have == facts) {
            return same.clone();
        }
        let facts = Arc::new(facts);
        if kept.len() == SHARED_MAX {
            kept.remove(0);
        }
        kept.push(facts.clone());
        facts
    })
}
