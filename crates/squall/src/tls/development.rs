//! A certificate made on the spot, for the developer's own machine.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use squall_engine::tls::{Certificate, Tls, TlsSettings};

use super::TlsError;

/// TLS with a certificate made now for `localhost`, `127.0.0.1` and `::1`. Browsers warn of it, as they should: nobody
/// vouches for it.
///
/// # Errors
/// When the system gives no random bytes.
pub fn development() -> Result<Tls, TlsError> {
    DevCertificate::new(&["localhost", "127.0.0.1", "::1"])?.tls()
}

/// A certificate that signs itself. It is valid from yesterday for 30 days; its key is in memory alone unless it is
/// written somewhere.
#[derive(Clone)]
pub struct DevCertificate {
    /// In PEM: for a file that `curl --cacert` takes.
    pub certificate_pem: String,
    /// In PEM.
    pub key_pem: String,
}

impl DevCertificate {
    /// For these names and addresses.
    ///
    /// # Errors
    /// A name that is none, or a system without random bytes.
    pub fn new(names: &[&str]) -> Result<Self, TlsError> {
        let failed = |e: rcgen::Error| TlsError::new(format!("no certificate can be made: {e}"));
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Squall development certificate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(1);
        params.not_after = now + time::Duration::days(30);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// TLS with this certificate.
    ///
    /// # Errors
    /// None that could be expected: the certificate was just made.
    pub fn tls(&self) -> Result<Tls, TlsError> {
        let certificate = Certificate::from_pem(self.certificate_pem.as_bytes(), self.key_pem.as_bytes());
        certificate
            .and_then(|certificate| Tls::new(TlsSettings::new(vec![certificate])))
            .map_err(|e| TlsError::new(e.to_string()))
    }
}

impl std::fmt::Debug for DevCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevCertificate").finish_non_exhaustive()
    }
}
