//! TLS connections of a client that trusts the one certificate of this run.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, Stream};

use super::{client, get, wrong};

/// Whom the certificate is for.
pub const NAME: &str = "localhost";

/// A client for TLS 1.3; one that resumes keeps the tickets it is given.
///
/// # Errors
/// When the certificate is none.
pub fn client(certificate: &CertificateDer<'static>, resumes: bool) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

/// The client's side of a connection that has not said anything yet.
///
/// # Errors
/// When rustls does not like its configuration.
pub fn begin(config: &Arc<ClientConfig>) -> io::Result<ClientConnection> {
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    ClientConnection::new(config.clone(), name).map_err(io::Error::other)
}

/// Whether the handshake is over and was of the kind that was asked for.
///
/// # Errors
/// When it was another.
pub fn check_handshake(tls: &ClientConnection, resumed: bool) -> io::Result<()> {
    let is_resumed = match tls.handshake_kind() {
        Some(HandshakeKind::Resumed) => true,
        Some(HandshakeKind::Full) => false,
        kind => return Err(wrong(format!("the handshake is {kind:?}"))),
    };
    if is_resumed != resumed {
        return Err(wrong("a session was resumed or not, against what was asked for"));
    }
    Ok(())
}

/// Opens a connection, does one request, and forgets the keys: what is left is a socket whose server waits.
///
/// # Errors
/// When the server does not answer `GET /` as it should.
pub fn open_after_request(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<TcpStream> {
    let mut socket = client::connect(address)?;
    let mut tls = begin(config)?;
    let mut stream = Stream::new(&mut tls, &mut socket);
    stream.write_all(&client::get_request(address, "/"))?;
    read_hello(&mut stream)?;
    check_handshake(&tls, false)?;
    Ok(socket)
}

/// Reads one answer, which must be the greeting.
///
/// # Errors
/// When it is another, or the connection ends.
pub fn read_hello(stream: &mut impl io::Read) -> io::Result<()> {
    let mut bytes = [0; 1024];
    let mut got = 0;
    loop {
        let more = stream.read(&mut bytes[got..])?;
        if more == 0 {
            return Err(wrong("the connection ended within an answer"));
        }
        got += more;
        if bytes[..got].ends_with(get::HELLO) {
            break;
        }
    }
    if bytes.starts_with(b"HTTP/1.1 200 OK\r\n") {
        Ok(())
    } else {
        Err(wrong("another answer than the greeting"))
    }
}
