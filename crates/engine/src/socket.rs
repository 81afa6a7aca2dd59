//! One accepted socket, whatever its family.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

use bytes::Bytes;
use http::Response;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token, event::Source};

/// A socket of a core's poll set.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// No descriptor of its own: a stream within another connection. Boxed twice, so that a record stays small.
    Virtual(Box<Box<dyn Virtual>>),
    /// In the hands of a stream (`crate::conn::stream`) or of HTTP/2 (`crate::conn::h2`), which keeps it.
    Away,
}

/// What stands in for a socket: a stream of HTTP/2 whose bytes are a WebSocket's or a follower's.
///
/// It is as a non-blocking socket is: `WouldBlock` means that the core is told (by [`crate::core::waker::ConnWaker`])
/// when it is worth trying again, and whoever gets a short write tries again until `WouldBlock`.
pub(crate) trait Virtual: std::fmt::Debug + Send {
    /// As a socket's read; 0 is the end of what the peer sends.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// As a socket's gathering write.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Nothing more will be written; what was, is delivered.
    fn finish(&mut self);

    /// Whether it is a stream within another connection; the socket in memory of a test is a connection.
    fn is_stream(&self) -> bool {
        true
    }

    /// The answer of a long-poll: its head is sent now, and its body given back to be written.
    fn respond(&mut self, response: Response<Bytes>) -> io::Result<Bytes>;
}

impl Socket {
    /// Edge-triggered, both ways, once and for all: no system call when a connection changes what it waits for.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(s) => s.register(registry, token, interest),
            Socket::Unix(s) => s.register(registry, token, interest),
            Socket::Virtual(_) | Socket::Away => Ok(()),
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.read(buffer),
            Socket::Unix(s) => s.read(buffer),
            Socket::Virtual(s) => s.read(buffer),
            Socket::Away => Err(ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.write(bytes),
            Socket::Unix(s) => s.write(bytes),
            Socket::Virtual(s) => s.write(&[IoSlice::new(bytes)]),
            Socket::Away => Err(ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.write_vectored(slices),
            Socket::Unix(s) => s.write_vectored(slices),
            Socket::Virtual(s) => s.write(slices),
            Socket::Away => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Says to the peer that nothing more comes, while what it still sends can be read.
    pub(crate) fn shutdown_write(&mut self) {
        // A peer that is gone already makes this fail; there is nobody left to tell.
        let _ = match self {
            Socket::Tcp(s) => s.shutdown(std::net::Shutdown::Write),
            Socket::Unix(s) => s.shutdown(std::net::Shutdown::Write),
            Socket::Virtual(s) => {
                s.finish();
                Ok(())
            }
            Socket::Away => Ok(()),
        };
    }

    /// Whether it is a stream within another connection.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Socket::Virtual(s) if s.is_stream())
    }

    /// All is said, and the socket is about to be closed: what does not say so by being closed says it now.
    pub(crate) fn finish(&mut self) {
        if let Socket::Virtual(s) = self {
            s.finish();
        }
    }
}

/// Who is at the other end. A request extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer: its address and port.
    Tcp(SocketAddr),
    /// A process on this machine, through a Unix socket.
    Unix,
}

impl Peer {
    /// The peer's address; none for a Unix socket.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self {
            Peer::Tcp(addr) => Some(*addr),
            Peer::Unix => None,
        }
    }
}
