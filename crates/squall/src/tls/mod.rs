//! TLS: certificates from files, watched; one for development; plain HTTP sent on to HTTPS.
//!
//! ```no_run
//! use squall::tls::{TlsConfig, TlsFiles, redirect_to_https};
//! use squall::web::{Router, routing::get};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let tls = TlsFiles::open(TlsConfig::new("/etc/site/fullchain.pem", "/etc/site/privkey.pem"))?;
//!     let router = Router::new()
//!         .route("/", get(|| async { "Hello, World!" }))
//!         .layer(redirect_to_https(&tls));
//!     squall::Server::new(router)
//!         .listen_tls("*:443", &tls)
//!         .bind("*:80")
//!         .run()?;
//!     Ok(())
//! }
//! ```
//!
//! Handlers see what was negotiated, and a client's certificate, in the [`TlsInfo`] of their request
//! (`Extension<TlsInfo>`; a request in clear has none). The guide is `docs/guide/tls.md`.

mod config;
#[cfg(feature = "dev-cert")]
mod development;
mod files;
mod redirect;
#[cfg(test)]
mod tests;

use std::fmt;

pub use config::{ClientCertificates, Files, TlsConfig};
#[cfg(feature = "dev-cert")]
pub use development::{DevCertificate, development};
pub use files::TlsFiles;
pub use redirect::{RedirectToHttps, RedirectToHttpsService, redirect_to_https};
pub use squall_engine::tls::{
    Alpn, Certificate, CertificateDer, ClientCertificate, ClientRoots, Clients, CryptoProvider, Tls, TlsInfo,
    TlsSettings, TlsVersion, UnknownNames,
};

/// Why there is no TLS: a sentence for people that names the file.
#[derive(Debug)]
pub struct TlsError {
    message: String,
}

impl TlsError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsError {}
