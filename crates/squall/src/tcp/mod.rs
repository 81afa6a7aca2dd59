//! Connections to other servers over TCP, by name, with and without TLS.
//!
//! A name may have addresses that nobody answers at: an IPv6 route that ends in nothing is the usual one. They are tried
//! in an order that alternates between the families, the next one 250 ms after the last if that has not answered; the
//! first that does wins (RFC 8305, "Happy Eyeballs"). Looking the name up, connecting and the handshake of TLS have one
//! time-out together, and an error says which host could not be reached, why, and what to look at.
//!
//! ```no_run
//! use squall::tcp::{self, ClientTls};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut stream = tcp::connect("example.org", 443).tls(ClientTls::new()).await?;
//! stream.write_all(b"HEAD / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//! # Ok(()) }
//! ```

mod error;
mod eyeballs;
mod stream;
mod tls;

use std::future::IntoFuture;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

pub use error::ConnectError;
use error::Kind;
pub use stream::Stream;
pub use tls::{ClientTls, ClientTlsError};

use crate::BoxFuture;

/// The shortest time between two attempts (RFC 8305, section 5: "MUST NOT be less than 10 milliseconds").
pub const ATTEMPT_DELAY_MIN: Duration = Duration::from_millis(10);

/// A connection to be made: await it. See [`connect`].
#[derive(Clone, Debug)]
#[must_use = "nothing is connected before this is awaited"]
pub struct Connect {
    host: String,
    port: u16,
    addresses: Option<Vec<SocketAddr>>,
    from: Option<IpAddr>,
    timeout: Duration,
    resolve_timeout: Duration,
    attempt_delay: Duration,
    addresses_max: usize,
    tls: Option<ClientTls>,
}

/// A connection to a host: a name, an IPv4 address, or an IPv6 address with or without brackets.
pub fn connect(host: impl Into<String>, port: u16) -> Connect {
    Connect {
        host: host.into(),
        port,
        addresses: None,
        from: None,
        timeout: Duration::from_secs(10),
        resolve_timeout: Duration::from_secs(5),
        attempt_delay: Duration::from_millis(250),
        addresses_max: 16,
        tls: None,
    }
}

impl Connect {
    /// Until the connection is there, with the handshake of TLS. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Until the name's addresses are there; part of [`Connect::timeout`]. Default 5 s.
    pub fn resolve_timeout(mut self, timeout: Duration) -> Self {
        self.resolve_timeout = timeout;
        self
    }

    /// After how long without an answer the next address is tried beside those before it. Default 250 ms, at least
    /// [`ATTEMPT_DELAY_MIN`]. An address that fails is followed by the next at once.
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay.max(ATTEMPT_DELAY_MIN);
        self
    }

    /// How many of the name's addresses are tried. Default 16, at least 1.
    pub fn addresses_max(mut self, addresses: usize) -> Self {
        self.addresses_max = addresses.max(1);
        self
    }

    /// These addresses, instead of looking the name up. The name is still what TLS asks for.
    pub fn at(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.addresses = Some(addresses.into_iter().collect());
        self
    }

    /// From this address of ours. Only addresses of the same family are tried.
    pub fn from_ip(mut self, from: IpAddr) -> Self {
        self.from = Some(from);
        self
    }

    /// Over TLS: the server must show a certificate for the host that is trusted.
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    async fn run(self) -> Result<Stream, ConnectError> {
        let deadline = Instant::now() + self.timeout;
        let failed = |kind| ConnectError::new(&self.host, self.port, kind);
        let name = match &self.tls {
            Some(tls) => Some((
                tls,
                tls.name_for(&self.host).map_err(|e| failed(Kind::TlsName(e)))?,
            )),
            None => None,
        };
        let addresses = self.resolve(deadline).await.map_err(failed)?;
        let mut attempts = Vec::new();
        let dial = |addr| dial(addr, self.from);
        let race = eyeballs::race(&addresses, self.attempt_delay, dial, &mut attempts);
        let connected = timeout_at(deadline, race).await;
        let (socket, peer) = match connected {
            Ok(Some(connected)) => connected,
            Ok(None) => return Err(failed(Kind::AllFailed(attempts))),
            Err(_) => return Err(failed(Kind::TimedOut(self.timeout, attempts))),
        };
        // Small messages leave at once; a socket that cannot be told so works all the same.
        let _ = socket.set_nodelay(true);
        let Some((tls, name)) = name else {
            return Ok(Stream::plain(socket, peer));
        };
        match timeout_at(deadline, tls.handshake(name, socket)).await {
            Ok(Ok(stream)) => Ok(Stream::tls(stream, peer)),
            Ok(Err(error)) => Err(failed(Kind::Tls(error, peer))),
            Err(_) => Err(failed(Kind::TlsTimedOut(self.timeout, peer))),
        }
    }

    /// The addresses, in the order in which they are tried.
    async fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, Kind> {
        let host = &self.host;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let literal = bare.unwrap_or(host).parse::<IpAddr>();
        let all = match (&self.addresses, literal) {
            (Some(addresses), _) => addresses.clone(),
            (None, Ok(ip)) => vec![SocketAddr::new(ip, self.port)],
            (None, Err(_)) => {
                let deadline = deadline.min(Instant::now() + self.resolve_timeout);
                match timeout_at(deadline, lookup_host((host.as_str(), self.port))).await {
                    Ok(Ok(found)) => found.collect(),
                    Ok(Err(error)) => return Err(Kind::NotFound(error)),
                    Err(_) => return Err(Kind::ResolveTimedOut(self.resolve_timeout.min(self.timeout))),
                }
            }
        };
        let fits = |addr: &SocketAddr| self.from.is_none_or(|from| from.is_ipv4() == addr.is_ipv4());
        let mut order = eyeballs::interleaved(all.into_iter().filter(fits));
        order.truncate(self.addresses_max);
        if order.is_empty() {
            Err(Kind::NoAddress)
        } else {
            Ok(order)
        }
    }
}

impl IntoFuture for Connect {
    type Output = Result<Stream, ConnectError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

async fn dial(addr: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let Some(from) = from else {
        return TcpStream::connect(addr).await;
    };
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(addr).await
}

#[cfg(test)]
mod tests;
