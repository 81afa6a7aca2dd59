//! Parts of files in answers: in order with everything else, at the pace of the peer, and never in place of another body.

mod common;
#[path = "common/source.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod source;

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use common::{Client, Running, exchange, serve};
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::{Frame, SizeHint};
use source::{doors, serve_log};
use squall_engine::wire::ws::check_upgrade;
use squall_engine::{BUFFER_BYTES_MAX, FileFrames, FileWindow, Limits, OnUpgrade, Server};

const HANDSHAKE: &str = "HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A file that is removed when it is dropped.
struct Scratch {
    path: PathBuf,
    content: Vec<u8>,
}

impl Scratch {
    fn new(bytes: usize) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("squall-engine-files-{}-{count}", std::process::id()));
        let content: Vec<u8> = (0..bytes)
            .map(|at| b'a' + (at.wrapping_mul(2_654_435_761) >> 13) as u8 % 26)
            .collect();
        fs::write(&path, &content).unwrap();
        Self { path, content }
    }

    fn file(&self) -> Arc<File> {
        Arc::new(File::open(&self.path).unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Windows of a file, if they are taken, and dots if not.
struct Windows {
    file: Arc<File>,
    frames: FileFrames,
    at: u64,
    end: u64,
    window_bytes: usize,
}

impl http_body::Body for Windows {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let left = (self.end - self.at) as usize;
        if left == 0 {
            return Poll::Ready(None);
        }
        if !self.frames.are_taken() {
            self.at = self.end;
            return Poll::Ready(Some(Ok(Frame::data(".".repeat(left).into()))));
        }
        let bytes = left.min(self.window_bytes);
        self.frames.give(FileWindow {
            file: self.file.clone(),
            at: self.at,
            bytes,
        });
        self.at += bytes as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}

/// `said`: the length that the extension says.
fn answer(file: &Arc<File>, end: u64, said: u64, window_bytes: usize) -> Response {
    let frames = FileFrames::new(said);
    let body = Windows {
        file: file.clone(),
        frames: frames.clone(),
        at: 0,
        end,
        window_bytes,
    };
    let mut response = Response::new(Body::new(body));
    response.extensions_mut().insert(frames);
    response
}

/// `/WINDOW`: the whole file in windows of that many bytes.
fn app(scratch: &Scratch) -> Router {
    let (file, bytes) = (scratch.file(), scratch.content.len() as u64);
    let whole =
        move |Path(window_bytes): Path<usize>| async move { answer(&file, bytes, bytes, window_bytes) };
    Router::new()
        .route("/{window}", get(whole))
        .route("/hello", get(async || "hello"))
}

#[test]
fn a_file_is_sent_between_other_answers() {
    for bytes in [1, 10_000, BUFFER_BYTES_MAX, 1_000_000] {
        let scratch = Scratch::new(bytes);
        let server = serve(app(&scratch));
        for window in [997, BUFFER_BYTES_MAX, 1 << 20] {
            let get = |path: &str| format!("GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n");
            let file = get(&window.to_string());
            let mut client = Client::connect(&server);
            client.send(
                [get("hello"), file.clone(), file, get("hello")]
                    .concat()
                    .as_bytes(),
            );
            for expect in ["hello", scratch.text(), scratch.text(), "hello"] {
                let head = client.read_head();
                assert!(
                    head.contains(&format!("content-length: {}\r\n", expect.len())),
                    "{head}"
                );
                client.expect(expect);
            }
        }
    }
}

#[test]
fn a_head_of_a_file_has_no_body_and_a_close_comes_after_all_of_it() {
    let scratch = Scratch::new(300_000);
    let server = serve(app(&scratch));
    let head = exchange(
        &server,
        "HEAD /1000000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    assert!(
        head.contains("content-length: 300000\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let whole = exchange(
        &server,
        "GET /1000000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    assert!(whole.ends_with(&format!("\r\n\r\n{}", scratch.text())));
}

#[test]
fn a_peer_that_reads_slowly_gets_all_of_it() {
    let scratch = Scratch::new(8 << 20);
    let server = serve(app(&scratch));
    let mut client = Client::connect_narrow(&server);
    client.send(b"GET /262144 HTTP/1.1\r\nhost: x\r\n\r\nGET /hello HTTP/1.1\r\nhost: x\r\n\r\n");
    client.read_head();
    assert!(client.read_exactly(scratch.content.len()) == scratch.content);
    client.read_head();
    client.expect("hello");
}

/// A layer put another body in its place, and left the extension.
#[test]
fn a_body_of_another_length_is_not_the_file() {
    let scratch = Scratch::new(1000);
    let file = scratch.file();
    let other = move || async move { answer(&file, 10, 1000, 100) };
    let server = serve(Router::new().route("/", get(other)));
    let said = exchange(&server, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(said.ends_with("\r\n\r\n.........."), "{said}");
}

#[test]
fn a_file_that_is_too_short_ends_the_connection() {
    let scratch = Scratch::new(1000);
    let file = scratch.file();
    let longer = move || async move { answer(&file, 1001, 1001, 600) };
    let server = serve(Router::new().route("/", get(longer)));
    let said = exchange(&server, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(said.contains("content-length: 1001\r\n"), "{said}");
    assert!(said.ends_with(&format!("\r\n\r\n{}", scratch.text())));
}

#[test]
fn a_unix_socket_takes_files_too() {
    let scratch = Scratch::new(1_000_000);
    let socket = scratch.path.with_extension("socket");
    let address = format!("unix:{}", socket.display());
    let running = Server::new(app(&scratch).into_service())
        .bind(&address)
        .cores(1)
        .start()
        .unwrap();
    let running = Running::new(running);
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"GET /300000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert!(said.ends_with(&scratch.content));
    drop(running);
}

/// What cannot be sent from the file is read instead: which that is depends on the kernel, and /proc is a candidate.
#[test]
fn a_file_of_a_kind_that_sockets_do_not_take_is_read() {
    let content = fs::read("/proc/version").unwrap();
    let file = Arc::new(File::open("/proc/version").unwrap());
    let bytes = content.len() as u64;
    let server = serve(Router::new().route(
        "/",
        get(move || async move { answer(&file, bytes, bytes, 1 << 20) }),
    ));
    let said = exchange(&server, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(said.as_bytes().ends_with(&content), "{said}");
}

/// What becomes of the connection next must not overtake the part of the file that the socket has not taken.
#[test]
fn a_stream_or_a_websocket_pipelined_behind_a_file_waits_for_it() {
    let scratch = Scratch::new(8 << 20);
    let upgrade = async |headers: HeaderMap| {
        let accept = check_upgrade(&Method::GET, Version::HTTP_11, &headers).unwrap();
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        *response.headers_mut() = accept.response_fields(None);
        response.extensions_mut().insert(OnUpgrade::new(async |_| {}));
        response
    };
    let app = doors().merge(app(&scratch)).route("/upgrade", get(upgrade));
    let (server, _log) = serve_log(app, 1, Limits::default());
    for (next, status) in [("/sse", "200"), ("/ws", "101"), ("/upgrade", "101")] {
        let mut client = Client::connect_narrow(&server);
        // One window that no socket takes at once.
        client.send(
            format!(
                "GET /{} HTTP/1.1\r\nhost: x\r\n\r\nGET {next} {HANDSHAKE}",
                8 << 20
            )
            .as_bytes(),
        );
        client.read_head();
        assert!(client.read_exactly(scratch.content.len()) == scratch.content);
        let head = client.read_head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{next}: {head}");
    }
}
