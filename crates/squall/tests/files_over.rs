//! Files over TLS and over HTTP/2: what `sendfile` does for HTTP/1 in clear is done in another way there, and must come to
//! the same.
#![cfg(feature = "dev-cert")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use squall::Limits;
use squall::files::{Files, FilesConfig};
use squall::metrics::TimedOut;
use squall::testing::{TestServer, serve_with};
use squall::tls::DevCertificate;
use tracing::Level;

/// How a client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Http1Tls,
    Http2,
    Http2Tls,
}

const DOORS: [Door; 3] = [Door::Http1Tls, Door::Http2, Door::Http2Tls];

/// Larger than any buffer, window or turn.
const LARGE_BYTES: usize = 3 * 1024 * 1024 + 7;

/// A directory of files, and a server of them.
struct Site {
    server: TestServer,
    directory: PathBuf,
    trust: Arc<ClientConfig>,
}

impl Site {
    fn new(limits: Limits) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("squall-files-over-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("small.txt"), "0123456789").unwrap();
        std::fs::write(directory.join("large.bin"), large()).unwrap();
        let config = FilesConfig {
            fresh_ms: 0,
            settled_after_ms: 0,
            ..FilesConfig::default()
        };
        let files = Files::directory_with(&directory, config).unwrap();
        let certificate = DevCertificate::new(&["localhost"]).unwrap();
        let tls = certificate.tls().unwrap();
        // The listener under TLS is the first, so it is where the kit says that the server is.
        let server = serve_with(files.router("/f/"), |server| {
            server.limits(limits).listen_tls("127.0.0.1:0", &tls)
        });
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trust = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Site {
            server,
            directory,
            trust: Arc::new(trust),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn clear(&self) -> SocketAddr {
        let addresses = self.server.handle().local_addrs();
        let mut tcp = addresses.iter().filter_map(|address| match address {
            squall::Address::Tcp(address) => Some(*address),
            squall::Address::Unix(_) => None,
        });
        tcp.nth(1).unwrap()
    }

    fn http1(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let socket = TcpStream::connect(self.server.addr()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(self.trust.clone(), name).unwrap(), socket)
    }

    async fn http2(&self, door: Door) -> SendRequest<Bytes> {
        if door == Door::Http2 {
            let socket = tokio::net::TcpStream::connect(self.clear()).await.unwrap();
            return begin(socket).await;
        }
        let socket = tokio::net::TcpStream::connect(self.server.addr()).await.unwrap();
        let mut trust = (*self.trust).clone();
        trust.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(trust));
        begin(connector.connect(name, socket).await.unwrap()).await
    }

    /// An answer, whole.
    fn ask(&self, door: Door, method: &str, name: &str, fields: &[(&str, &str)]) -> Answer {
        if door == Door::Http1Tls {
            let mut stream = self.http1();
            let mut text = format!("{method} /f/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
            for (name, value) in fields {
                text += &format!("{name}: {value}\r\n");
            }
            stream.write_all((text + "\r\n").as_bytes()).unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            return Answer::of_http1(&bytes);
        }
        run(async {
            let client = self.http2(door).await;
            let mut request = Request::builder()
                .method(method)
                .uri(format!("https://localhost/f/{name}"));
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let mut client = client.ready().await.unwrap();
            let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
            let (head, mut body) = answer.await.unwrap().into_parts();
            Answer {
                status: head.status,
                fields: head.headers,
                body: read(&mut body).await.unwrap(),
            }
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn begin<S>(socket: S) -> SendRequest<Bytes>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

/// Bytes that are not the same anywhere.
fn large() -> Vec<u8> {
    (0..LARGE_BYTES)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn run<F: Future>(client: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), client)
            .await
            .unwrap()
    })
}

async fn read(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn of_http1(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let fields = lines.map(|line| line.split_once(": ").unwrap());
        Answer {
            status: status.parse().unwrap(),
            fields: fields
                .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
                .collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[test]
fn a_file_comes_whole_whatever_its_size() {
    let site = Site::new(Limits::default());
    for door in DOORS {
        let small = site.ask(door, "GET", "small.txt", &[]);
        assert_eq!(
            (small.status, &*small.body),
            (StatusCode::OK, &b"0123456789"[..]),
            "{door:?}"
        );
        assert_eq!(small.field("content-length"), "10");
        assert_eq!(small.field("accept-ranges"), "bytes");
        let answer = site.ask(door, "GET", "large.bin", &[]);
        assert_eq!(answer.field("content-length"), LARGE_BYTES.to_string());
        assert!(answer.body == large(), "{door:?}");
        assert_eq!(
            site.ask(door, "GET", "none.txt", &[]).status,
            StatusCode::NOT_FOUND
        );
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let site = Site::new(Limits::default());
    for door in DOORS {
        for name in ["small.txt", "large.bin"] {
            let (get, head) = (
                site.ask(door, "GET", name, &[]),
                site.ask(door, "HEAD", name, &[]),
            );
            assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{door:?}");
            for field in [
                "content-length",
                "content-type",
                "etag",
                "last-modified",
                "accept-ranges",
            ] {
                assert_eq!(head.field(field), get.field(field), "{door:?} {field}");
                assert!(!head.field(field).is_empty(), "{door:?} {field}");
            }
        }
    }
}

#[test]
fn ranges_are_what_they_say() {
    let (site, all) = (Site::new(Limits::default()), large());
    for door in DOORS {
        for (range, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=65530-65540", 65_530, 65_541),
            ("bytes=1000000-", 1_000_000, LARGE_BYTES),
            ("bytes=-70000", LARGE_BYTES - 70_000, LARGE_BYTES),
        ] {
            let part = site.ask(door, "GET", "large.bin", &[("range", range)]);
            assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{door:?} {range}");
            let said = format!("bytes {from}-{}/{LARGE_BYTES}", to - 1);
            assert_eq!(part.field("content-range"), said, "{door:?}");
            assert!(part.body == all[from..to], "{door:?} {range}");
        }
        let two = [("range", "bytes=10-19, 2000000-2000009")];
        let parts = site.ask(door, "GET", "large.bin", &two);
        assert_eq!(parts.status, StatusCode::PARTIAL_CONTENT);
        assert!(
            parts.field("content-type").starts_with("multipart/byteranges"),
            "{door:?}"
        );
        assert_eq!(parts.field("content-length"), parts.body.len().to_string());
        for span in [10..20, 2_000_000..2_000_010] {
            let part = &all[span];
            assert!(
                parts.body.windows(part.len()).any(|window| window == part),
                "{door:?}"
            );
        }
        let beyond = site.ask(door, "GET", "small.txt", &[("range", "bytes=10-")]);
        assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE, "{door:?}");
        assert_eq!(beyond.field("content-range"), "bytes */10");
    }
}

#[test]
fn conditions_decide_whether_there_is_a_body() {
    let site = Site::new(Limits::default());
    for door in DOORS {
        let tag = site.ask(door, "GET", "large.bin", &[]).field("etag").to_owned();
        let known = site.ask(door, "GET", "large.bin", &[("if-none-match", &tag)]);
        assert_eq!(
            (known.status, known.body.len()),
            (StatusCode::NOT_MODIFIED, 0),
            "{door:?}"
        );
        assert_eq!(known.field("etag"), tag);
        let other = site.ask(door, "HEAD", "large.bin", &[("if-none-match", "\"other\"")]);
        assert_eq!(other.status, StatusCode::OK, "{door:?}");
        let range = ("range", "bytes=1-3");
        let same = site.ask(door, "GET", "small.txt", &[range, ("if-range", "\"other\"")]);
        assert_eq!(
            (same.status, &*same.body),
            (StatusCode::OK, &b"0123456789"[..]),
            "{door:?}"
        );
        let failed = site.ask(door, "GET", "small.txt", &[("if-match", "\"other\"")]);
        assert_eq!(failed.status, StatusCode::PRECONDITION_FAILED, "{door:?}");
    }
}

/// It costs its own connection, or stream, and nobody else.
#[test]
fn a_reader_that_stalls_is_cut_and_keeps_nobody_waiting() {
    for door in DOORS {
        let site = Site::new(Limits {
            write_stall_timeout: Duration::from_millis(300),
            drain_timeout: Duration::from_secs(1),
            ..Limits::default()
        });
        // More than the buffers of any kernel take for a peer that does not read.
        let file = std::fs::File::create(site.path("sparse.bin")).unwrap();
        file.set_len(256 << 20).unwrap();
        let stalled = || {
            site.server
                .handle()
                .metrics()
                .total()
                .timed_out
                .get(TimedOut::WriteStall)
                == 1
        };
        if door == Door::Http1Tls {
            let mut stream = site.http1();
            stream
                .write_all(b"GET /f/sparse.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
            while !stalled() {
                assert_eq!(site.ask(door, "GET", "small.txt", &[]).body, b"0123456789");
            }
            let mut rest = Vec::new();
            // Cut, and not ended as TLS ends.
            assert!(stream.read_to_end(&mut rest).is_err());
            assert!(rest.len() < 256 << 20);
            continue;
        }
        run(async {
            let client = site.http2(door).await;
            let mut client = client.ready().await.unwrap();
            let request = |name: &str| {
                Request::get(format!("https://localhost/f/{name}"))
                    .body(())
                    .unwrap()
            };
            let (answer, _) = client.send_request(request("sparse.bin"), true).unwrap();
            let mut body = answer.await.unwrap().into_body();
            // Its windows are the client's defaults, and it gives none back.
            while !stalled() {
                tokio::task::yield_now().await;
            }
            let error = loop {
                match body.data().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break error,
                    None => panic!("half a file looked whole"),
                }
            };
            assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{door:?}");
            // The connection goes on, with what is left of its window.
            let (answer, _) = client.send_request(request("none.txt"), true).unwrap();
            assert_eq!(answer.await.unwrap().status(), StatusCode::NOT_FOUND, "{door:?}");
        });
    }
}

/// The length is told already, so only an end that is none can say that the rest does not come.
#[test]
fn a_file_cut_while_it_is_sent_does_not_look_whole() {
    const BYTES: u64 = 256 << 20;
    for door in DOORS {
        let site = Site::new(Limits {
            drain_timeout: Duration::from_secs(1),
            ..Limits::default()
        });
        site.server
            .allow_log(Level::WARN, "a response body failed on its way");
        site.server
            .allow_log(Level::WARN, "a file became shorter while it was sent");
        let file = std::fs::File::create(site.path("sparse.bin")).unwrap();
        file.set_len(BYTES).unwrap();
        if door == Door::Http1Tls {
            let mut stream = site.http1();
            stream
                .write_all(b"GET /f/sparse.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
            stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
            file.set_len(1 << 20).unwrap();
            let mut rest = Vec::new();
            assert!(stream.read_to_end(&mut rest).is_err(), "TLS says that it is cut");
            assert!((rest.len() as u64) < BYTES - (1 << 20));
            continue;
        }
        run(async {
            let client = site.http2(door).await;
            let mut client = client.ready().await.unwrap();
            let request = Request::get("https://localhost/f/sparse.bin").body(()).unwrap();
            let (answer, _) = client.send_request(request, true).unwrap();
            let mut body = answer.await.unwrap().into_body();
            let first = body.data().await.unwrap().unwrap();
            file.set_len(1 << 20).unwrap();
            body.flow_control().release_capacity(first.len()).unwrap();
            let error = read(&mut body).await.unwrap_err();
            assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR), "{door:?}");
        });
    }
}
