//! A server for a test: real sockets, its own port, its own log.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use tracing::Level;

use super::{Client, LogCapture, LogLine, RawConn};
use crate::{Handle, Limits, Server};

/// A test is over when its body is: what still runs is cut soon.
const DRAIN: Duration = Duration::from_millis(250);

/// Serves a router on a free port of the loopback address, with one core.
///
/// # Panics
/// When it cannot start.
pub fn serve(router: Router) -> TestServer {
    serve_with(router, |server| server)
}

/// As [`serve`], with a server that is set up further: limits, cores, live topics.
///
/// # Panics
/// When it cannot start.
pub fn serve_with(router: Router, change: impl FnOnce(Server) -> Server) -> TestServer {
    let logs = LogCapture::new();
    // Connections that the test still holds when it is over are cut, and that is fine.
    logs.allow(Level::WARN, "the drain deadline passed");
    let limits = Limits {
        drain_timeout: DRAIN,
        ..Limits::default()
    };
    let server = change(
        Server::new(router)
            .log_to(logs.dispatch().clone())
            .cores(1)
            .limits(limits),
    )
    .bind("127.0.0.1:0");
    let handle = server
        .start()
        .unwrap_or_else(|error| panic!("the server does not start: {error}"));
    let addr = handle.local_addr().expect("it is bound to TCP");
    TestServer {
        addr,
        handle,
        logs,
        over: AtomicBool::new(false),
    }
}

/// A running server. When it is dropped it is stopped, and warnings in its log that were not announced fail the test.
pub struct TestServer {
    addr: SocketAddr,
    handle: Handle,
    logs: LogCapture,
    over: AtomicBool,
}

impl TestServer {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A client with cookies of its own.
    pub fn client(&self) -> Client {
        Client::new(self.addr)
    }

    /// A connection as bytes.
    pub fn raw(&self) -> RawConn {
        RawConn::connect(self.addr)
    }

    /// Sends bytes on a connection of their own, and gives all that comes until the server closes.
    ///
    /// # Panics
    /// When it does not close in [`super::PATIENCE`].
    pub fn send_raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut conn = self.raw();
        conn.write(bytes);
        conn.read_to_end()
    }

    /// Announces a warning or an error: without it the line would fail the test, and now its absence does.
    pub fn expect_log(&self, level: Level, text: &str) {
        self.logs.expect(level, text);
    }

    /// Announces a warning or an error that may come or not.
    pub fn allow_log(&self, level: Level, text: &str) {
        self.logs.allow(level, text);
    }

    /// What its threads logged so far: engine, layers and handlers.
    pub fn log_lines(&self) -> Vec<LogLine> {
        self.logs.lines()
    }

    /// The running server, to look into.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops it and waits for its end, as dropping does.
    pub fn stop(&self) {
        if !self.over.swap(true, Ordering::Relaxed) {
            self.handle.shutdown();
            self.handle.join();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        // A test that fails already says why.
        if !std::thread::panicking() {
            self.logs.check();
        }
    }
}
