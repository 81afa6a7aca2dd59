//! One accepted socket, whatever its family, in clear or under TLS.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};

use bytes::Bytes;
use http::Response;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token, event::Source};

use crate::tls::{Alpn, TlsInfo, TlsSocket};

/// A socket of a core's poll set.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// No descriptor of its own: a stream within another connection. Boxed twice, so that a record stays small.
    Virtual(Box<Box<dyn Virtual>>),
    /// Plaintext in and out; the handshake happens in [`Socket::read`].
    Tls(Box<TlsSocket>),
    /// In the hands of a stream (`crate::conn::stream`) or of HTTP/2 (`crate::conn::h2`), which keeps it. What is known of
    /// it stays here.
    Away(Option<TlsInfo>),
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
            Socket::Tls(s) => s.lower_mut().register(registry, token),
            Socket::Virtual(_) | Socket::Away(_) => Ok(()),
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.read(buffer),
            Socket::Unix(s) => s.read(buffer),
            Socket::Virtual(s) => s.read(buffer),
            Socket::Tls(s) => s.read(buffer),
            Socket::Away(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Whether another read may bring something although no event announces it, after one that gave `read_bytes` for
    /// a buffer of `buffer_bytes`.
    pub(crate) fn may_have_more(&self, read_bytes: usize, buffer_bytes: usize) -> bool {
        match self {
            Socket::Tls(s) => s.may_have_more(),
            _ => read_bytes == buffer_bytes,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.write(bytes),
            Socket::Unix(s) => s.write(bytes),
            Socket::Virtual(s) => s.write(&[IoSlice::new(bytes)]),
            Socket::Tls(s) => s.write(bytes),
            Socket::Away(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.write_vectored(slices),
            Socket::Unix(s) => s.write_vectored(slices),
            Socket::Virtual(s) => s.write(slices),
            Socket::Tls(s) => s.write_vectored(slices),
            Socket::Away(_) => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// The socket itself, where what is written goes to the peer as it is.
    pub(crate) fn plain(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Socket::Tcp(s) => Some(s.as_fd()),
            Socket::Unix(s) => Some(s.as_fd()),
            Socket::Virtual(_) | Socket::Tls(_) | Socket::Away(_) => None,
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
            Socket::Tls(s) => {
                s.close_notify();
                s.lower_mut().shutdown_write();
                Ok(())
            }
            Socket::Away(_) => Ok(()),
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

    /// Gives the socket into other hands.
    pub(crate) fn take(&mut self) -> Socket {
        let away = Socket::Away(self.tls_info().cloned());
        std::mem::replace(self, away)
    }

    /// A connection under TLS.
    pub(crate) fn under_tls(tls: TlsSocket) -> Self {
        Socket::Tls(Box::new(tls))
    }

    /// What was before TLS is over: the next bytes are the handshake's.
    pub(crate) fn begin_tls(&mut self) {
        if let Socket::Tls(tls) = self {
            tls.begin();
        }
    }

    /// Takes the first bytes of a handshake that were read already; false if there is to be none. Another read gives
    /// what they come to.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) -> bool {
        match self {
            Socket::Tls(tls) => tls.put_back(bytes),
            _ => return false,
        }
        true
    }

    /// Writes what the socket itself owes (ciphertext); whether the peer took any of it.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        match self {
            Socket::Tls(tls) => tls.flush(),
            _ => Ok(false),
        }
    }

    /// The end of this connection must not look like an end that was meant: an answer was cut.
    pub(crate) fn abandon(&mut self) {
        if let Socket::Tls(tls) = self {
            tls.abandon();
        }
    }

    /// A TLS socket whose handshake is not complete.
    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self, Socket::Tls(tls) if tls.is_handshaking())
    }

    /// How long the handshake may take, if there is one.
    pub(crate) fn handshake_timeout(&self) -> Option<std::time::Duration> {
        match self {
            Socket::Tls(tls) => tls.handshake_timeout(),
            _ => None,
        }
    }

    /// What was negotiated, once it is. None in clear.
    pub(crate) fn tls_info(&self) -> Option<&TlsInfo> {
        match self {
            Socket::Tls(tls) => tls.info(),
            Socket::Away(info) => info.as_ref(),
            _ => None,
        }
    }

    /// What the connection is to speak, by agreement of the peers (RFC 7301). In clear there is none.
    pub(crate) fn speaks(&self) -> Speaks {
        match self.tls_info().map(TlsInfo::alpn) {
            None => Speaks::Anything,
            // Never of a socket, but if it were so, then no HTTP/1.
            Some(Some(Alpn::Http2 | Alpn::Http3)) => Speaks::Http2,
            Some(Some(Alpn::Http1) | None) => Speaks::Http1,
        }
    }
}

/// What a connection may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// Either version, as its first bytes show.
    Anything,
    Http1,
    Http2,
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
