//! Certificates made on the spot, clients that speak TLS, and a tunnel for tests that know nothing of it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use squall_engine::tls::{Certificate, ClientRoots, Tls, TlsSettings};
use squall_engine::{Limits, Server};

use super::Running;

/// An authority that this process made.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// The authority of servers, and, unless a test has its own, of clients.
pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("Test Authority"));

/// What a server has that says nothing about its certificate.
pub(crate) static PLAIN: LazyLock<Tls> =
    LazyLock::new(|| tls(TlsSettings::new(vec![AUTHORITY.server(&["localhost"])])));

pub(crate) fn tls(settings: TlsSettings) -> Tls {
    Tls::new(settings).unwrap()
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn roots(&self) -> ClientRoots {
        ClientRoots::from_pem(self.pem().as_bytes()).unwrap()
    }

    /// A certificate for a server of these names, and its key, in PEM.
    pub(crate) fn server_pem(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn server(&self, names: &[&str]) -> Certificate {
        let (chain, key) = self.server_pem(names);
        Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    /// A certificate for a client. `change` may make it worse.
    pub(crate) fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "alice");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity(vec![certificate.der().clone()], key)
    }
}

/// Who a client is.
pub(crate) struct Identity(pub(crate) Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(crate) const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(crate) const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A client that trusts our authority. One configuration remembers its sessions.
pub(crate) fn client(
    versions: &[&'static SupportedProtocolVersion],
    identity: Option<Identity>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(AUTHORITY.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(Identity(chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
    }
}

/// A blocking connection under TLS.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn connect_tcp(server: &Running) -> TcpStream {
    let socket = TcpStream::connect(server.handle().local_addr().unwrap()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// A session that has not begun its handshake.
pub(crate) fn session(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    ClientConnection::new(config.clone(), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
}

/// Connects and completes the handshake, as far as the client is concerned.
pub(crate) fn connect(server: &Running, config: &Arc<ClientConfig>, name: &str) -> io::Result<Stream> {
    let mut stream = StreamOwned::new(session(config, name), connect_tcp(server));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Sends a text and reads until the server closes, which it must do as TLS says.
pub(crate) fn exchange(stream: &mut Stream, text: &str) -> io::Result<String> {
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Asks for `/` on a new connection, and gives the body.
pub(crate) fn ask(server: &Running, config: &Arc<ClientConfig>, name: &str) -> io::Result<String> {
    let mut stream = connect(server, config, name)?;
    ask_on(&mut stream)
}

pub(crate) fn ask_on(stream: &mut Stream) -> io::Result<String> {
    let answer = exchange(
        stream,
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    Ok(body.to_owned())
}

pub(crate) fn serve_tls(app: axum::Router, tls: &Tls) -> Running {
    let limits = Limits {
        drain_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    serve_tls_with(app, tls, limits)
}

pub(crate) fn serve_tls_with(app: axum::Router, tls: &Tls, limits: Limits) -> Running {
    let server = Server::new(app.into_service())
        .listen_tls("127.0.0.1:0", tls)
        .cores(1)
        .limits(limits);
    Running::new(server.start().unwrap())
}

/// Plaintext on the socket that is given back, TLS on `lower`: for tests that speak bytes.
///
/// Two threads move bytes until both sides have ended. A reset is passed on as one.
pub(crate) fn tunnel(mut lower: TcpStream) -> TcpStream {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // Little is on its way here, so that a peer that does not read is felt.
    socket2::SockRef::from(&listener)
        .set_recv_buffer_size(32 * 1024)
        .unwrap();
    let ours = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    ours.set_recv_buffer_size(32 * 1024).unwrap();
    ours.set_send_buffer_size(32 * 1024).unwrap();
    ours.connect(&listener.local_addr().unwrap().into()).unwrap();
    let ours = TcpStream::from(ours);
    let (theirs, _) = listener.accept().unwrap();
    socket2::SockRef::from(&theirs)
        .set_send_buffer_size(32 * 1024)
        .unwrap();
    for end in [&ours, &theirs] {
        end.set_nodelay(true).unwrap();
    }
    static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(client(BOTH, None)));
    static HTTP2: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        let mut config = client(BOTH, None);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    });
    lower.set_read_timeout(None).unwrap();
    // Not here: the server may not take this connection before the test has ended another.
    std::thread::spawn(move || {
        // What is agreed upon must be what the test is about to speak.
        let mut start = [0; 3];
        let is_h2 = module_path!().starts_with("h2_over_tls")
            && theirs.peek(&mut start).is_ok_and(|n| start[..n] == b"PRI"[..n]);
        let config = if is_h2 { &HTTP2 } else { &CONFIG };
        let mut session = session(config, "localhost");
        // A server that closes at once is a matter of the test.
        while session.is_handshaking() && session.complete_io(&mut lower).is_ok_and(|(read, _)| read > 0) {}
        let session = Arc::new(Mutex::new(session));
        let (from_test, to_server) = (theirs.try_clone().unwrap(), lower.try_clone().unwrap());
        let sending = session.clone();
        std::thread::spawn(move || drop(pump_up(from_test, to_server, &sending)));
        pump_down(lower, theirs, &session);
    });
    ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    ours
}

fn pump_up(mut from: TcpStream, mut to: TcpStream, session: &Mutex<ClientConnection>) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        let mut sealed = Vec::new();
        {
            let mut session = session.lock().unwrap();
            match count {
                0 => session.send_close_notify(),
                _ => session.writer().write_all(&buffer[..count])?,
            }
            while session.wants_write() {
                session.write_tls(&mut sealed)?;
            }
        }
        to.write_all(&sealed)?;
        if count == 0 {
            return to.shutdown(Shutdown::Write);
        }
    }
}

fn pump_down(mut from: TcpStream, mut to: TcpStream, session: &Mutex<ClientConnection>) {
    let mut buffer = [0; 4096];
    let mut plain = Vec::new();
    // The handshake may have left something. `read_to_end` says `WouldBlock` at the end of what is there, and what it
    // read stays.
    let _ = session.lock().unwrap().reader().read_to_end(&mut plain);
    loop {
        if to.write_all(&plain).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
        plain.clear();
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(_) => {
                let _ = socket2::SockRef::from(&to).set_linger(Some(Duration::ZERO));
                return;
            }
        };
        let mut session = session.lock().unwrap();
        let mut sealed = &buffer[..count];
        while !sealed.is_empty() {
            if session.read_tls(&mut sealed).is_err() || session.process_new_packets().is_err() {
                break;
            }
            let _ = session.reader().read_to_end(&mut plain);
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
