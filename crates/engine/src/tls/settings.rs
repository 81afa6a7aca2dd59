//! What a TLS listener is set up with, and how that changes while it runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerConfig, UnbufferedServerConnection, WebPkiClientVerifier,
};

use crate::error::Error;
use crate::metrics::CertificateEnd;
use crate::tls::certificate::{Certificate, Resolver};

/// Tickets that a TLS 1.3 client is given after its handshake: each is good for one resumption.
const TICKETS: usize = 2;

/// Who connects, as far as TLS asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// Anybody; no certificate is asked for. The default.
    #[default]
    Anybody,
    /// A certificate is asked for. One that is shown must be good; who shows none is let in all the same, and the
    /// handler sees that there is none in its [`crate::tls::TlsInfo`].
    Asked(ClientRoots),
    /// Only who shows a certificate that one of these authorities has signed.
    Known(ClientRoots),
}

/// The authorities whose signature makes a client known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRoots(Vec<CertificateDer<'static>>);

impl ClientRoots {
    /// Reads certificates of authorities in PEM.
    ///
    /// # Errors
    /// Text that is not PEM, or without a certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let roots = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let roots = roots.map_err(|e| Error::new(format!("the client authorities are not PEM: {e}")))?;
        if roots.is_empty() {
            return Err(Error::new("there is no certificate among the client authorities"));
        }
        Ok(ClientRoots(roots))
    }
}

/// What a client gets that asks for a name of which there is no certificate, or for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownNames {
    /// The first certificate. The default: a client that uses an address, or no SNI, can connect.
    #[default]
    First,
    /// An `unrecognized_name` of sorts: the handshake ends with a fatal alert.
    Refuse,
}

/// Everything that a TLS listener is made of.
#[derive(Clone)]
pub struct TlsSettings {
    /// At least one. Which answers is decided by the name that the client asks for (SNI) and by the signatures that
    /// it understands: an ECDSA and an RSA certificate for one name may stand beside each other, the better first.
    pub certificates: Vec<Certificate>,
    /// Whether clients must show certificates. Default: they are not asked.
    pub clients: Clients,
    /// What becomes of names that no certificate has. Default: the first certificate.
    pub unknown_names: UnknownNames,
    /// TLS 1.3 alone. Default no: 1.2 too, with ephemeral keys and authenticated encryption only.
    pub tls13_only: bool,
    /// Whether clients may resume a session with a ticket. Its keys are made at the start, kept in memory, changed
    /// every 6 hours and forgotten after 12. Default yes.
    pub resumption: bool,
    /// From accept to the end of the handshake. Default 10 s.
    pub handshake_timeout: Duration,
    /// What a client may send until the handshake is complete, in bytes. Default 64 KiB: more than any chain of client
    /// certificates that is in use.
    pub handshake_bytes_max: usize,
    /// Another implementation of the cryptography, such as `rustls::crypto::aws_lc_rs` for post-quantum key exchange.
    /// Default: ring.
    pub provider: Option<Arc<CryptoProvider>>,
}

impl TlsSettings {
    /// The defaults, with these certificates.
    pub fn new(certificates: Vec<Certificate>) -> Self {
        TlsSettings {
            certificates,
            clients: Clients::Anybody,
            unknown_names: UnknownNames::First,
            tls13_only: false,
            resumption: true,
            handshake_timeout: Duration::from_secs(10),
            handshake_bytes_max: 64 * 1024,
            provider: None,
        }
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        self.provider.clone().unwrap_or_else(default_provider)
    }
}

/// What we use unless told otherwise.
pub(super) fn default_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS for listeners. Clones are the same: what [`Tls::replace`] changes holds for all of them.
///
/// ```
/// # fn main() -> Result<(), squall_engine::Error> {
/// # fn app() -> axum::routing::RouterIntoService<squall_engine::Body> { axum::Router::new().into_service() }
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// use squall_engine::{Server, tls::{Certificate, Tls, TlsSettings}};
/// let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes())?;
/// let tls = Tls::new(TlsSettings::new(vec![certificate]))?;
/// let server = Server::new(app()).listen_tls("127.0.0.1:0", &tls);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Current>>);

/// The certificates of the moment, for a configuration that stays.
#[cfg(feature = "http3")]
#[derive(Debug)]
struct Newest(Tls);

#[cfg(feature = "http3")]
impl rustls::server::ResolvesServerCert for Newest {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let resolver = self.0.current().http1.cert_resolver.clone();
        resolver.resolve(hello)
    }
}

/// What new connections get.
pub(super) struct Current {
    /// Offers `http/1.1`.
    http1: Arc<ServerConfig>,
    /// The same, and offers `h2` before it.
    http2: Arc<ServerConfig>,
    /// Kept over changes, so that sessions can be resumed across them.
    ticketer: Option<Arc<dyn ProducesTickets>>,
    clients: Clients,
    names: Arc<[Box<str>]>,
    ends: Arc<[CertificateEnd]>,
    handshake_timeout: Duration,
    handshake_bytes_max: usize,
}

impl Tls {
    /// Checks the settings and makes what listeners need.
    ///
    /// # Errors
    /// No certificate; versions, authorities or certificates that do not fit together.
    pub fn new(settings: TlsSettings) -> Result<Self, Error> {
        Ok(Tls(Arc::new(RwLock::new(Current::new(settings, None)?))))
    }

    /// From now on, new connections get these settings. Those that are open go on as they are, and sessions begun
    /// before can be resumed, unless other clients are let in than before: then each proves itself again.
    ///
    /// # Errors
    /// As [`Tls::new`]; then nothing changes.
    pub fn replace(&self, settings: TlsSettings) -> Result<(), Error> {
        let kept = {
            let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
            (current.clients == settings.clients)
                .then(|| current.ticketer.clone())
                .flatten()
        };
        let new = Current::new(settings, kept)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// The DNS names that the certificates are for, as they stand there: a wildcard as `*.example.org`.
    pub fn names(&self) -> Arc<[Box<str>]> {
        self.current().names.clone()
    }

    /// When each certificate ends.
    pub(crate) fn ends(&self) -> Arc<[CertificateEnd]> {
        self.current().ends.clone()
    }

    /// How long a handshake may take.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.current().handshake_timeout
    }

    /// A new session, and what its handshake may send.
    pub(super) fn begin(&self, http2: bool) -> Result<(UnbufferedServerConnection, usize), rustls::Error> {
        let (config, bytes_max) = {
            let current = self.current();
            let config = if http2 { &current.http2 } else { &current.http1 };
            (config.clone(), current.handshake_bytes_max)
        };
        Ok((UnbufferedServerConnection::new(config)?, bytes_max))
    }

    /// What QUIC is set up with: TLS 1.3 with the ALPN `h3`, and no early data, which can be replayed.
    #[cfg(feature = "http3")]
    pub(crate) fn for_quic(&self) -> ServerConfig {
        let mut config = (*self.current().http1).clone();
        config.alpn_protocols = vec![b"h3".to_vec()];
        config.max_early_data_size = 0;
        config.cert_resolver = Arc::new(Newest(self.clone()));
        config
    }

    fn current(&self) -> std::sync::RwLockReadGuard<'_, Current> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}

impl Current {
    fn new(settings: TlsSettings, ticketer: Option<Arc<dyn ProducesTickets>>) -> Result<Self, Error> {
        if settings.certificates.is_empty() {
            return Err(Error::new("TLS needs a certificate"));
        }
        let provider = settings.provider();
        let versions: &[&rustls::SupportedProtocolVersion] = if settings.tls13_only {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|e| Error::new(format!("TLS cannot be set up: {e}")))?;
        let verifier = verifier(&settings.clients, provider)?;
        let resolver = Resolver::new(&settings.certificates, settings.unknown_names);
        let names = resolver.names();
        let ends = settings.certificates.iter().filter_map(|certificate| {
            Some(CertificateEnd {
                names: certificate.names().to_vec(),
                unix_seconds: certificate.not_after_unix_s()?,
            })
        });
        let ends = ends.collect();
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(resolver));
        // A session is in its ticket, with the client; the server keeps none, so it holds nothing for clients that
        // never come back.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = TICKETS;
        let ticketer = match (settings.resumption, ticketer) {
            (false, _) => None,
            (true, Some(kept)) => Some(kept),
            (true, None) => Some(
                rustls::crypto::ring::Ticketer::new()
                    .map_err(|e| Error::new(format!("no keys for session tickets: {e}")))?,
            ),
        };
        match &ticketer {
            Some(ticketer) => config.ticketer = ticketer.clone(),
            None => config.send_tls13_tickets = 0,
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Current {
            http1,
            http2: Arc::new(config),
            ticketer,
            clients: settings.clients,
            names,
            ends,
            handshake_timeout: settings.handshake_timeout,
            handshake_bytes_max: settings.handshake_bytes_max,
        })
    }
}

fn verifier(clients: &Clients, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let (roots, required) = match clients {
        Clients::Anybody => return Ok(WebPkiClientVerifier::no_client_auth()),
        Clients::Asked(roots) => (roots, false),
        Clients::Known(roots) => (roots, true),
    };
    let mut store = RootCertStore::empty();
    for root in &roots.0 {
        store
            .add(root.clone())
            .map_err(|e| Error::new(format!("a client authority cannot be used: {e}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
    let builder = if required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    builder
        .build()
        .map_err(|e| Error::new(format!("the client authorities cannot be used: {e}")))
}
