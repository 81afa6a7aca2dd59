//! Addresses, and the sockets that listen on them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token, event::Source};
use socket2::{Domain, Protocol, Type};

use crate::error::Error;
use crate::socket::{Peer, Socket};

/// Connections that the kernel keeps for us until we accept them.
const BACKLOG: i32 = 4096;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP address, v4 or v6. Port 0 lets the system choose; see [`crate::Handle::local_addrs`].
    Tcp(SocketAddr),
    /// A Unix socket at this path. A stale socket there is replaced; anything else is an error.
    Unix(PathBuf),
}

impl Address {
    /// Reads `HOST:PORT`, `[V6]:PORT`, `:PORT` (all of v4) or `unix:PATH`. `localhost` is `127.0.0.1`.
    ///
    /// # Errors
    /// A sentence for people, when it is none of these.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        let full = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None if text.starts_with(':') => format!("0.0.0.0{text}"),
            None => text.to_owned(),
        };
        full.parse().map(Address::Tcp).map_err(|_| {
            Error::new(format!(
                "'{text}' is not an address to listen on: write IP:PORT, as in 127.0.0.1:8888, or unix:PATH"
            ))
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(addr) => addr.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Address::Tcp(addr)
    }
}

/// A socket that listens.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// With the path that is removed at the end.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) fn bind(address: &Address) -> Result<Self, Error> {
        let bound = match address {
            Address::Tcp(addr) => bind_tcp(*addr).map(Listener::Tcp),
            Address::Unix(path) => bind_unix(path).map(|l| Listener::Unix(l, path.clone())),
        };
        bound.map_err(|e| Error::io(format!("cannot listen on {address}"), e))
    }

    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listener::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }

    /// Announces connections under this token.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            Listener::Unix(listener, _) => listener.register(registry, token, Interest::READABLE),
        }
    }

    /// The next connection; `WouldBlock` when there is none.
    pub(crate) fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, addr) = listener.accept()?;
                Ok((Socket::Tcp(stream), Peer::Tcp(addr)))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::Unix(stream), Peer::Unix))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // Nobody answers there any more; if it is gone already, so much the better.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // One address, one family: who wants both binds both.
        socket.set_only_v6(true)?;
    }
    // A restarted server must not wait for its predecessor's closed connections.
    socket.set_reuse_address(true)?;
    // Answers leave in one write, so waiting for more to send with them only costs time. Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if let Ok(meta) = std::fs::symlink_metadata(path) {
        if !meta.file_type().is_socket() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is a file that is not a socket",
            ));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}
