//! A server that speaks HTTP/3, and the h3 crate's client.
#![allow(dead_code, reason = "each test file uses its part")]

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use http::HeaderMap;
use squall_engine::tls::{Certificate, Tls, TlsSettings};
use squall_engine::{Limits, Server};

use super::common::Running;
use super::source::{Log, source_of};

/// No test takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server that speaks HTTP/3, and a client's idea of it.
pub(crate) struct Served {
    pub(crate) handle: Running,
    pub(crate) log: Arc<Log>,
    pub(crate) address: SocketAddr,
    pub(crate) client: quinn::Endpoint,
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn served(router: Router, limits: Limits) -> Served {
    served_with(router, limits, quinn::TransportConfig::default(), None)
}

/// As [`served`], with what the client's QUIC is like, and where the server logs to.
pub(crate) fn served_with(
    router: Router,
    mut limits: Limits,
    transport: quinn::TransportConfig,
    logs: Option<tracing::Dispatch>,
) -> Served {
    // At the end of a test its client answers nothing any more.
    limits.drain_timeout = limits.drain_timeout.min(Duration::from_secs(1));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let tls = Tls::new(TlsSettings::new(vec![certificate])).unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let log = Arc::new(Log::default());
    let mut server = Server::new(router.into_service())
        .bind("127.0.0.1:0")
        .cores(1)
        .limits(limits)
        .source(source_of(&log))
        .http3(socket, &tls)
        .unwrap();
    if let Some(logs) = logs {
        server = server.log_to(logs);
    }
    let handle = server.start().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let mut client = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    client.set_default_client_config(config);
    Served {
        handle: Running::new(handle),
        log,
        address,
        client,
    }
}

pub(crate) type Client = SendRequest<h3_quinn::OpenStreams, Bytes>;
pub(crate) type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

impl Served {
    pub(crate) async fn connect(&self) -> (Client, quinn::Connection) {
        let quic = self
            .client
            .connect(self.address, "localhost")
            .unwrap()
            .await
            .unwrap();
        let (mut driver, send) = h3::client::new(h3_quinn::Connection::new(quic.clone()))
            .await
            .unwrap();
        tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
        (send, quic)
    }
}

pub(crate) async fn ask(client: &mut Client, method: &str, path: &str) -> Stream {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("https://localhost{path}"))
        .body(())
        .unwrap();
    client.send_request(request).await.unwrap()
}

pub(crate) async fn body_of(stream: &mut Stream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut body = Vec::new();
    while let Some(mut piece) = stream.recv_data().await.unwrap() {
        body.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
    }
    (body, stream.recv_trailers().await.unwrap())
}

pub(crate) async fn fetched(
    client: &mut Client,
    method: &str,
    path: &str,
    body: &[u8],
) -> (Response<()>, Vec<u8>) {
    let mut stream = ask(client, method, path).await;
    if !body.is_empty() {
        stream.send_data(Bytes::copy_from_slice(body)).await.unwrap();
    }
    stream.finish().await.unwrap();
    let response = stream.recv_response().await.unwrap();
    (response, body_of(&mut stream).await.0)
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, test).await })
        .expect("the test ends in time");
}
