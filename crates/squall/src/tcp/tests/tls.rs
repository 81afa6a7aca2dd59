//! TLS from the client's side, with a server whose certificate nobody but the test has signed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::*;

/// A server for `one.example` that says back what it is told, and its certificate.
async fn server() -> (SocketAddr, String) {
    let own = rcgen::generate_simple_self_signed(["one.example".to_owned()]).unwrap();
    let pem = own.cert.pem();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"echo".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // Those who do not trust it break off, and that is what they are for.
            let Ok(mut stream) = acceptor.accept(socket).await else {
                continue;
            };
            let mut said = Vec::new();
            stream.read_to_end(&mut said).await.unwrap();
            stream.write_all(&said).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (addr, pem)
}

#[tokio::test]
async fn bytes_go_both_ways_under_tls() {
    let (addr, pem) = server().await;
    let tls = ClientTls::trusting(pem.as_bytes())
        .unwrap()
        .alpn([&b"h2"[..], b"echo"]);
    let mut stream = connect("one.example", 443).at([addr]).tls(tls).await.unwrap();
    assert!(stream.is_tls());
    assert_eq!(stream.alpn(), Some(&b"echo"[..]));
    stream.write_all(b"secret").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "secret");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (addr, pem) = server().await;
    let tls = ClientTls::trusting(pem.as_bytes()).unwrap();
    let other = connect("two.example", 443).at([addr]).tls(tls.clone());
    let error = other.await.unwrap_err();
    assert!(error.is_tls() && !error.is_timeout(), "{error}");
    let said = format!("cannot connect to two.example:443: {addr} answers, but TLS fails: ");
    assert!(error.to_string().starts_with(&said), "{error}");
    let named = connect("two.example", 443)
        .at([addr])
        .tls(tls.server_name("one.example"));
    assert!(named.await.is_ok(), "unless it is asked for");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (addr, _) = server().await;
    let error = connect("one.example", 443)
        .at([addr])
        .tls(ClientTls::new())
        .await
        .unwrap_err();
    assert!(
        error.is_tls() && error.to_string().contains("UnknownIssuer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_an_error_of_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let clear = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    });
    let error = connect("one.example", 80)
        .at([addr])
        .tls(ClientTls::new())
        .await
        .unwrap_err();
    assert!(error.is_tls() && !error.is_timeout(), "{error}");
    clear.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let silent = connect("one.example", 443).at([addr]).tls(ClientTls::new());
    let error = silent.timeout(Duration::from_secs(2)).await.unwrap_err();
    assert!(error.is_tls() && error.is_timeout(), "{error}");
    assert!(error.to_string().contains("TLS was not ready in 2s"), "{error}");
}

#[test]
fn what_is_no_certificate_cannot_be_trusted() {
    let why = |pem: &[u8]| ClientTls::trusting(pem).unwrap_err().to_string();
    assert_eq!(why(b""), "there is no certificate in this PEM");
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(why(broken).starts_with("a certificate cannot be read: "));
}
