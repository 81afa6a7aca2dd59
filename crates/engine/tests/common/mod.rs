//! A server on a free port, and a client that speaks bytes.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod tls;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::Router;
use squall_engine::{Handle, Limits, Server};

/// Whether these tests run over TLS: those of `over_tls.rs` and `h2_over_tls.rs` are the others, once more.
pub(crate) fn is_over_tls() -> bool {
    module_path!().starts_with("over_tls") || module_path!().starts_with("h2_over_tls")
}

/// Binds a server to a free port, under TLS if that is how these tests run.
pub(crate) fn bind<A: squall_engine::App>(server: Server<A>) -> Server<A> {
    if is_over_tls() {
        server.listen_tls("127.0.0.1:0", &tls::PLAIN)
    } else {
        server.bind("127.0.0.1:0")
    }
}

/// The socket as a test speaks on it.
pub(crate) fn plaintext(socket: TcpStream) -> TcpStream {
    if is_over_tls() {
        tls::tunnel(socket)
    } else {
        socket
    }
}

/// A running server that ends with the test.
pub(crate) struct Running {
    handle: Handle,
}

impl Running {
    pub(crate) fn new(handle: Handle) -> Self {
        Running { handle }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown();
        self.handle.join();
    }
}

pub(crate) fn serve(app: Router) -> Running {
    serve_with(
        app,
        Limits {
            drain_timeout: Duration::from_secs(1),
            ..Limits::default()
        },
    )
}

pub(crate) fn serve_with(app: Router, limits: Limits) -> Running {
    let app = app.into_service();
    Running {
        handle: bind(Server::new(app)).cores(1).limits(limits).start().unwrap(),
    }
}

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
}

impl Client {
    pub(crate) fn connect(server: &Running) -> Self {
        let socket = TcpStream::connect(server.handle.local_addr().unwrap()).unwrap();
        socket.set_nodelay(true).unwrap();
        // A test that waits longer than this has failed; none waits for it when all is well.
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client {
            socket: plaintext(socket),
        }
    }

    /// A client whose kernel takes little before it is read from.
    pub(crate) fn connect_narrow(server: &Running) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        socket
            .connect(&server.handle.local_addr().unwrap().into())
            .unwrap();
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client {
            socket: plaintext(socket),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Reads exactly these bytes.
    pub(crate) fn expect(&mut self, text: &str) {
        let mut bytes = vec![0; text.len()];
        self.socket.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    pub(crate) fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        self.socket.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads up to the end of a head.
    pub(crate) fn read_head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8_lossy(&head).into_owned()
    }
}

/// Sends a text and reads until the server closes.
pub(crate) fn exchange(server: &Running, text: &str) -> String {
    let mut client = Client::connect(server);
    client.send(text.as_bytes());
    client.read_to_end()
}

/// Waits for what another thread does; gives up, loudly, after 20 seconds.
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        std::thread::yield_now();
    }
}
