//! Certificates with their keys, and which of them answers a client.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::Error;
use crate::tls::settings::{UnknownNames, default_provider};
use crate::tls::validity::not_after;

/// A certificate chain and its private key.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Vec<Box<str>>,
}

impl Certificate {
    /// Reads a chain (the server's own certificate first) and a private key (PKCS #8, PKCS #1 or SEC 1) in PEM.
    ///
    /// # Errors
    /// What is not PEM, an empty chain, a key of an unknown kind, or one that is not this certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|e| Error::new(format!("the certificate is not PEM: {e}")))?;
        if chain.is_empty() {
            return Err(Error::new("there is no certificate in the file of certificates"));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|e| Error::new(format!("there is no private key in PEM: {e}")))?;
        Self::new(chain, key)
    }

    /// From a chain (the server's own certificate first) and a private key in DER.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`].
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, Error> {
        // Also checks that the key is the certificate's.
        let key = CertifiedKey::from_der(chain, key, &default_provider())
            .map_err(|e| Error::new(format!("the certificate and its key cannot be used: {e}")))?;
        let own = key
            .end_entity_cert()
            .map_err(|e| Error::new(format!("the certificate cannot be used: {e}")))?;
        let own = webpki::EndEntityCert::try_from(own)
            .map_err(|e| Error::new(format!("the certificate cannot be read: {e}")))?;
        let names = own
            .valid_dns_names()
            .map(|n| n.to_ascii_lowercase().into())
            .collect();
        Ok(Certificate {
            key: Arc::new(key),
            names,
        })
    }

    /// When it ends, in seconds since 1970, as far as that can be read.
    pub fn not_after_unix_s(&self) -> Option<u64> {
        not_after(self.key.end_entity_cert().ok()?)
    }

    /// The DNS names it is for, in lower case; a wildcard as `*.example.org`.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Chooses by name, then by what signatures the client understands.
#[derive(Debug)]
pub(super) struct Resolver {
    all: Vec<Arc<CertifiedKey>>,
    /// For each name, places in `all`, in the order in which they were given.
    by_name: BTreeMap<Box<str>, Vec<usize>>,
    unknown_names: UnknownNames,
}

impl Resolver {
    pub(super) fn new(certificates: &[Certificate], unknown_names: UnknownNames) -> Self {
        let mut by_name: BTreeMap<Box<str>, Vec<usize>> = BTreeMap::new();
        for (at, certificate) in certificates.iter().enumerate() {
            for name in &certificate.names {
                by_name.entry(name.clone()).or_default().push(at);
            }
        }
        Resolver {
            all: certificates.iter().map(|c| c.key.clone()).collect(),
            by_name,
            unknown_names,
        }
    }

    pub(super) fn names(&self) -> Arc<[Box<str>]> {
        self.by_name.keys().cloned().collect()
    }

    /// The certificates of a name: its own, else those of the wildcard that stands for its first label (RFC 9525
    /// section 6.3).
    fn places(&self, name: &str) -> Option<&[usize]> {
        let name = name.to_ascii_lowercase();
        if let Some(places) = self.by_name.get(name.as_str()) {
            return Some(places);
        }
        let (_, parent) = name.split_once('.')?;
        self.by_name
            .get(format!("*.{parent}").as_str())
            .map(Vec::as_slice)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        ASKED_FOR.replace(name.map(Into::into));
        let places = name.and_then(|name| self.places(name));
        if places.is_none() && self.unknown_names == UnknownNames::Refuse {
            return None;
        }
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        match places {
            Some(places) => {
                let mut keys = places.iter().map(|at| &self.all[*at]);
                // If none fits, the handshake fails, and its alert says why.
                keys.clone().find(fits).or_else(|| keys.next()).cloned()
            }
            None => self.all.iter().find(fits).or_else(|| self.all.first()).cloned(),
        }
    }
}

thread_local! {
    /// The name in the last ClientHello of this thread: rustls tells the resolver, and nobody else, in a session
    /// without buffers.
    static ASKED_FOR: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// The name that the client asked for, if records processed since the last call had a ClientHello.
pub(super) fn take_asked_for() -> Option<Box<str>> {
    ASKED_FOR.take()
}
