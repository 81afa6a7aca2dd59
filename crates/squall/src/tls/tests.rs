//! Files that change, hosts that are ours and others, and the keys of a configuration.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::get;
use axum::{Extension, Router};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tracing::Level;

use super::*;
use crate::testing::{LogCapture, serve, serve_with};
use crate::{Handle, Server};

/// Writes a certificate and its key beside each other.
fn write(dir: &Path, certificate: &DevCertificate) -> TlsConfig {
    let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
    std::fs::write(&chain, &certificate.certificate_pem).unwrap();
    std::fs::write(&key, &certificate.key_pem).unwrap();
    TlsConfig {
        reload_interval_ms: 5,
        ..TlsConfig::new(chain, key)
    }
}

/// Asks for `/` as one who trusts this certificate alone.
fn ask(handle: &Handle, trusted: &DevCertificate, name: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from_pem_slice(trusted.certificate_pem.as_bytes()).unwrap();
    roots.add(der).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let socket = std::net::TcpStream::connect(handle.local_addr().unwrap())?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn start(tls: &Tls) -> Handle {
    let app = Router::new().route(
        "/",
        get(async |info: Extension<TlsInfo>| format!("{:?}", info.version())),
    );
    let server = Server::new(app).listen_tls("127.0.0.1:0", tls).cores(1);
    server.start().unwrap()
}

fn end(handle: &Handle) {
    handle.shutdown();
    handle.join();
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::yield_now();
    }
}

#[test]
fn a_development_certificate_serves_the_developer() {
    let certificate = DevCertificate::new(&["localhost", "127.0.0.1"]).unwrap();
    let handle = start(&certificate.tls().unwrap());
    for name in ["localhost", "127.0.0.1"] {
        assert!(ask(&handle, &certificate, name).unwrap().ends_with("Tls13"));
    }
    assert!(
        development()
            .unwrap()
            .names()
            .iter()
            .any(|name| &**name == "localhost")
    );
    end(&handle);
}

#[test]
fn files_that_change_are_taken_and_broken_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let logs = LogCapture::new();
    let [old, new] = [["old.test"], ["new.test"]].map(|names| DevCertificate::new(&names).unwrap());
    let config = write(dir.path(), &old);
    let files =
        tracing::dispatcher::with_default(logs.dispatch(), || TlsFiles::open(config.clone())).unwrap();
    let handle = start(&files);
    assert!(ask(&handle, &old, "old.test").is_ok());
    // Broken: what was there stays, and one line says so.
    logs.expect(Level::WARN, "the old ones stay");
    std::fs::write(&config.certificate, "nothing").unwrap();
    let warned = || {
        logs.lines()
            .iter()
            .filter(|line| line.level == Level::WARN)
            .count()
    };
    wait_until(|| warned() == 1);
    assert!(ask(&handle, &old, "old.test").is_ok());
    assert!(files.reload().is_err());
    // Whole again, and another.
    write(dir.path(), &new);
    wait_until(|| ask(&handle, &new, "new.test").is_ok());
    assert!(ask(&handle, &old, "old.test").is_err());
    assert_eq!(warned(), 1, "not once for every look");
    end(&handle);
    logs.check();
}

#[test]
fn a_reload_is_in_force_when_it_returns() {
    let dir = tempfile::tempdir().unwrap();
    let [old, new] = [["old.test"], ["new.test"]].map(|names| DevCertificate::new(&names).unwrap());
    let mut config = write(dir.path(), &old);
    config.reload_interval_ms = 0;
    let files = TlsFiles::open(config).unwrap();
    let handle = start(&files);
    write(dir.path(), &new);
    assert!(ask(&handle, &old, "old.test").is_ok(), "nobody looks by itself");
    files.reload().unwrap();
    assert!(ask(&handle, &new, "new.test").is_ok());
    end(&handle);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = DevCertificate::new(&["a.test"]).unwrap();
    let config = write(dir.path(), &certificate);
    let said = |config: TlsConfig| TlsFiles::open(config).unwrap_err().to_string();
    assert!(said(TlsConfig::default()).contains("certificate"));
    assert!(said(TlsConfig::new("/nowhere/a.pem", "/nowhere/b.pem")).starts_with("/nowhere/a.pem: "));
    let asked = TlsConfig {
        client_certificates: ClientCertificates::Required,
        ..config.clone()
    };
    assert!(said(asked.clone()).contains("client_authorities"));
    let asked = TlsConfig {
        client_authorities: Some(config.key.clone()),
        ..asked
    };
    assert!(said(asked).contains("key.pem: there is no certificate"));
    let large = dir.path().join("large.pem");
    std::fs::write(&large, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(said(TlsConfig::new(large, config.key)).contains("larger than 1 MiB"));
}

#[test]
fn keys_that_are_none_are_refused() {
    let read = toml::from_str::<TlsConfig>("certificate = 'a'\nkey = 'b'\nclient_certificates = 'required'")
        .unwrap();
    assert_eq!(read.client_certificates, ClientCertificates::Required);
    assert!(toml::from_str::<TlsConfig>("certificates = 'a'").is_err());
}

#[test]
fn a_host_of_ours_is_sent_to_https_and_no_other() {
    let certificate = DevCertificate::new(&["site.test", "*.site.test"]).unwrap();
    let tls = certificate.tls().unwrap();
    let layer = redirect_to_https(&tls)
        .host("192.0.2.1")
        .except("/.well-known/acme-challenge/");
    let app = Router::new().fallback(async || "in clear").layer(layer.clone());
    let server = serve(app);
    let ask = |host: &str, target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        String::from_utf8(server.send_raw(text.as_bytes())).unwrap()
    };
    for (host, target, to) in [
        ("site.test", "/a?b=c", "https://site.test/a?b=c"),
        ("SITE.test:80", "/", "https://SITE.test/"),
        (
            "www.site.test",
            "//evil.test/",
            "https://www.site.test//evil.test/",
        ),
        ("192.0.2.1", "/%0d%0aX: y", "https://192.0.2.1/%0d%0aX:"),
    ] {
        let answer = ask(host, target.split(' ').next().unwrap());
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        assert!(answer.contains(&format!("location: {to}\r\n")), "{answer}");
    }
    for host in [
        "evil.test",
        "site.test.evil.test",
        "a.b.site.test",
        "evil.test#.site.test",
        "[::1]",
    ] {
        let answer = ask(host, "/");
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && !answer.contains("location"),
            "{answer}"
        );
    }
    let answer = ask("evil.test", "/.well-known/acme-challenge/x");
    assert!(answer.ends_with("in clear"), "{answer}");
    let server = serve(Router::new().fallback(async || "").layer(layer.port(8443)));
    let answer = server.send_raw(b"POST /x HTTP/1.1\r\nHost: site.test:8080\r\nConnection: close\r\n\r\n");
    assert!(
        String::from_utf8(answer)
            .unwrap()
            .contains("location: https://site.test:8443/x\r\n")
    );
}

#[test]
fn what_comes_under_tls_is_served() {
    let certificate = DevCertificate::new(&["localhost"]).unwrap();
    let tls = certificate.tls().unwrap();
    let app = Router::new()
        .route(
            "/",
            get(async |client: crate::web::ClientInfo| client.scheme().as_str()),
        )
        .layer(redirect_to_https(&tls));
    let server = serve_with(app, |server| server.listen_tls("127.0.0.1:0", &tls));
    // The first listener is the one under TLS.
    let answer = ask(server.handle(), &certificate, "localhost").unwrap();
    assert!(answer.ends_with("https"), "{answer}");
}
