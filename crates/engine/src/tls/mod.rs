//! TLS on a listener: certificates, who may connect, and what was negotiated.
//!
//! [`Tls`] is what a listener is given; it can be changed while the server runs, and connections that are open stay
//! as they are. The protocol is rustls (TLS 1.2 and 1.3, no renegotiation, no early data); here is how its records
//! meet a core's sockets (`socket`), which certificate answers which name (`certificate`), and what a handler is
//! told (`info`).

mod certificate;
mod info;
mod records;
mod settings;
mod socket;
mod subject;
mod validity;

pub use certificate::Certificate;
pub use info::{Alpn, ClientCertificate, TlsInfo, TlsVersion};
pub use rustls::crypto::CryptoProvider;
pub use rustls::pki_types::CertificateDer;
pub use settings::{ClientRoots, Clients, Tls, TlsSettings, UnknownNames};
pub(crate) use socket::{TlsSocket, why_failed};
