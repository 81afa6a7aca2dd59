//! TLS as a configuration file says it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use squall_engine::tls::{Certificate, ClientRoots, Clients, TlsSettings, UnknownNames};

use super::TlsError;

/// Bytes of a file of certificates or keys.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What a listener under TLS needs, as keys of a configuration: a table `[tls]` of the application's own.
///
/// ```
/// let config: squall::tls::TlsConfig = toml::from_str(r#"
///     certificate = "/etc/site/fullchain.pem"
///     key = "/etc/site/privkey.pem"
///     more = [{ certificate = "/etc/other/fullchain.pem", key = "/etc/other/privkey.pem" }]
///     client_certificates = "asked"
///     client_authorities = "/etc/site/clients.pem"
/// "#)?;
/// assert_eq!(config.reload_interval_ms, 10_000);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those that lead from it to an authority, in PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// More certificates; the name that a client asks for decides which it gets.
    pub more: Vec<Files>,
    /// Whether clients are asked who they are. Default `off`.
    pub client_certificates: ClientCertificates,
    /// The authorities that vouch for clients, in PEM. Needed unless `client_certificates` is `off`.
    pub client_authorities: Option<PathBuf>,
    /// Clients that ask for a name of which there is no certificate are refused. Default no: they get the first.
    pub refuse_unknown_names: bool,
    /// No TLS 1.2. Default no.
    pub tls13_only: bool,
    /// Clients may resume their sessions. Default yes.
    pub resumption: bool,
    /// From accept to the end of the handshake, in milliseconds. Default 10,000.
    pub handshake_timeout_ms: u64,
    /// What a client may send until the handshake is complete, in bytes. Default 65,536.
    pub handshake_bytes_max: usize,
    /// How often the files are looked at for changes, in milliseconds; 0 is never. Default 10,000. A change is taken when
    /// two looks in a row see the same, so that files which are being written are not read.
    pub reload_interval_ms: u64,
}

/// A certificate and its key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The certificate and those that lead from it to an authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Whether clients are asked who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// No.
    #[default]
    Off,
    /// Yes; who shows none is let in all the same.
    Asked,
    /// Yes; who shows none is refused.
    Required,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            more: Vec::new(),
            client_certificates: ClientCertificates::Off,
            client_authorities: None,
            refuse_unknown_names: false,
            tls13_only: false,
            resumption: true,
            handshake_timeout_ms: 10_000,
            handshake_bytes_max: 64 * 1024,
            reload_interval_ms: 10_000,
        }
    }
}

impl TlsConfig {
    /// The defaults, with this certificate and key.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            ..Self::default()
        }
    }

    /// One more certificate, for other names.
    #[must_use]
    pub fn add(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.more.push(Files {
            certificate: certificate.into(),
            key: key.into(),
        });
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read, or that is not what it should be, by name.
    pub fn settings(&self) -> Result<TlsSettings, TlsError> {
        if self.certificate.as_os_str().is_empty() || self.key.as_os_str().is_empty() {
            return Err(TlsError::new("TLS needs the files `certificate` and `key`"));
        }
        let mut certificates = vec![certificate(&self.certificate, &self.key)?];
        for files in &self.more {
            certificates.push(certificate(&files.certificate, &files.key)?);
        }
        let mut settings = TlsSettings::new(certificates);
        settings.clients = self.clients()?;
        if self.refuse_unknown_names {
            settings.unknown_names = UnknownNames::Refuse;
        }
        settings.tls13_only = self.tls13_only;
        settings.resumption = self.resumption;
        settings.handshake_timeout = Duration::from_millis(self.handshake_timeout_ms);
        settings.handshake_bytes_max = self.handshake_bytes_max;
        Ok(settings)
    }

    fn clients(&self) -> Result<Clients, TlsError> {
        if self.client_certificates == ClientCertificates::Off {
            return Ok(Clients::Anybody);
        }
        let path = self.client_authorities.as_ref().ok_or_else(|| {
            TlsError::new("clients are to show certificates, so `client_authorities` must name a file")
        })?;
        let roots = ClientRoots::from_pem(&read(path)?).map_err(|e| in_file(path, &e))?;
        Ok(match self.client_certificates {
            ClientCertificates::Required => Clients::Known(roots),
            _ => Clients::Asked(roots),
        })
    }

    /// Every file that is read.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let more = self
            .more
            .iter()
            .flat_map(|files| [&files.certificate, &files.key]);
        [&self.certificate, &self.key]
            .into_iter()
            .chain(more)
            .chain(&self.client_authorities)
            .map(PathBuf::as_path)
    }
}

fn certificate(chain: &Path, key: &Path) -> Result<Certificate, TlsError> {
    Certificate::from_pem(&read(chain)?, &read(key)?)
        .map_err(|e| TlsError::new(format!("{} and {}: {e}", chain.display(), key.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(count) if count as u64 > FILE_BYTES_MAX => Err(in_file(path, &"it is larger than 1 MiB")),
        Ok(_) => Ok(bytes),
        Err(error) => Err(in_file(path, &error)),
    }
}

fn in_file(path: &Path, what: &dyn std::fmt::Display) -> TlsError {
    TlsError::new(format!("{}: {what}", path.display()))
}
