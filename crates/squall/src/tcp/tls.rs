//! TLS from the client's side: whom it trusts, and what it asks for.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How a connection is made secure: TLS 1.3 or 1.2, a certificate for the host's name, signed by somebody who is
/// trusted. Cheap to clone; clones resume each other's sessions.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: Option<String>,
}

/// Certificates that cannot be trusted: there are none, or one cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTlsError(String);

impl fmt::Display for ClientTlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClientTlsError {}

impl Default for ClientTls {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientTls {
    /// Trusts those whom Mozilla's browser trusts; their list is part of this program, so a machine without one will do.
    pub fn new() -> Self {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::of_roots(roots)
    }

    /// Trusts these certificates (PEM, one or many) and no others: a house's own authority.
    ///
    /// # Errors
    /// When there is none in it, or one that cannot be read.
    pub fn trusting(pem: &[u8]) -> Result<Self, ClientTlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let unreadable =
                |error: &dyn fmt::Display| ClientTlsError(format!("a certificate cannot be read: {error}"));
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
        if roots.is_empty() {
            return Err(ClientTlsError("there is no certificate in this PEM".to_owned()));
        }
        Ok(Self::of_roots(roots))
    }

    fn of_roots(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientTls {
            config: Arc::new(config),
            name: None,
        }
    }

    /// The protocols that are offered, most wanted first (ALPN): `h2`, `http/1.1`. Default: none.
    #[must_use]
    pub fn alpn<'a>(mut self, protocols: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = protocols.into_iter().map(<[u8]>::to_vec).collect();
        self
    }

    /// The name that the certificate must be for, if it is not the host's.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    pub(super) fn name_for(&self, host: &str) -> Result<ServerName<'static>, InvalidDnsNameError> {
        let name = self.name.as_deref().unwrap_or(host);
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        ServerName::try_from(bare.unwrap_or(name).to_owned())
    }

    pub(super) async fn handshake(
        &self,
        name: ServerName<'static>,
        socket: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.config.clone())
            .connect(name, socket)
            .await
    }
}
