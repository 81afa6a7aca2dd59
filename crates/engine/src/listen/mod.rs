//! Where a server listens, and what holds for the connections that come there.
//!
//! A [`Listen`] is what a user says; [`Listen::open`] makes a socket of it; the acceptor has a [`Listener`] of each. What
//! holds for one listener's connections ([`Options`]) stays with the listener: cores look it up by number.

mod address;
mod bind;
mod inherited;

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::unix::net::UnixListener as StdUnixListener;

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token, event::Source};
use socket2::SockRef;

pub use address::Address;
use bind::UnixPath;

use crate::error::Error;
use crate::proxy::{Begin, ProxyProtocol};
use crate::raw::{Service, Stream};
use crate::socket::{Peer, Socket};
use crate::tls::Tls;

/// The mode of a Unix socket unless said otherwise: its owner alone.
pub const UNIX_MODE_DEFAULT: u32 = 0o600;

/// A place to listen, and what holds for the connections that come there.
///
/// ```no_run
/// use squall_engine::{Listen, ProxyProtocol};
/// # fn main() -> Result<(), squall_engine::Error> {
/// let plain = Listen::parse("127.0.0.1:8888")?;
/// let behind_a_balancer = Listen::parse("*:8443")?.proxy(ProxyProtocol::required_from("10.0.0.0/8".parse()?));
/// let for_nginx = Listen::parse("unix:/run/squall/web.sock")?.unix_mode(0o660);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Listen {
    place: Place,
    /// An IPv6 wildcard takes IPv4 too.
    dual_stack: bool,
    unix_mode: u32,
    options: Options,
}

/// Where a listener's socket comes from.
#[derive(Debug)]
enum Place {
    Address(Address),
    /// All of IPv6 and IPv4 on this port.
    Everywhere(u16),
    /// Passed by the service manager: the first of this name, or the first of all.
    Inherited(Option<String>),
    Tcp(StdTcpListener),
    /// With its path, if the socket is ours to remove at the end.
    Unix(StdUnixListener, Option<UnixPath>),
}

/// What holds for the connections of one listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// What a proxy says before the first byte of the client, if it is listened to.
    pub(crate) proxy: Option<ProxyProtocol>,
    /// What its connections are given to, instead of HTTP.
    pub(crate) raw: Option<Service>,
    /// What its connections are under, if they are not in clear.
    pub(crate) tls: Option<Tls>,
}

impl Options {
    /// What a connection of this peer begins with.
    pub(crate) fn begin(&self, peer: &Peer) -> Begin {
        self.proxy
            .as_ref()
            .map_or(Begin::Client, |proxy| proxy.begin(peer))
    }
}

impl Listen {
    /// On this address.
    pub fn on(address: impl Into<Address>) -> Self {
        Listen::at(Place::Address(address.into()))
    }

    fn at(place: Place) -> Self {
        Listen {
            place,
            dual_stack: false,
            unix_mode: UNIX_MODE_DEFAULT,
            options: Options::default(),
        }
    }

    /// Reads one of:
    ///
    /// | text | is |
    /// |---|---|
    /// | `127.0.0.1:8888`, `[::1]:8888`, `localhost:8888` | one address |
    /// | `:8888` | all of IPv4 |
    /// | `*:8888` | all of IPv6 and IPv4, through one socket (of IPv4 alone where the machine has no IPv6) |
    /// | `unix:/run/squall.sock` | a Unix socket, see [`Listen::unix_mode`] |
    /// | `systemd`, `systemd:NAME` | the first socket, or the first of that name, that the service manager passes |
    ///
    /// # Errors
    /// A sentence for people, when it is none of these.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text == "systemd" {
            return Ok(Listen::at(Place::Inherited(None)));
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            return Ok(Listen::at(Place::Inherited(Some(name.to_owned()))));
        }
        if let Some(port) = text.strip_prefix("*:")
            && let Ok(port) = port.parse()
        {
            return Ok(Listen::at(Place::Everywhere(port)));
        }
        Address::parse(text).map(Listen::on)
    }

    /// Whether an IPv6 wildcard address (`[::]:PORT`) takes IPv4 connections too. Default no: one address, one family.
    /// Peers that come over IPv4 have IPv4 addresses all the same.
    #[must_use]
    pub fn dual_stack(mut self, dual_stack: bool) -> Self {
        self.dual_stack = dual_stack;
        self
    }

    /// The mode of a Unix socket that is made: who may connect. Default `0o600`, the server's own user alone; a proxy that
    /// runs as another user of the same group needs `0o660`. Nobody can connect before the mode is set.
    #[must_use]
    pub fn unix_mode(mut self, mode: u32) -> Self {
        self.unix_mode = mode & 0o777;
        self
    }

    /// Connections begin with a PROXY header, which says who the client is. Default: none do.
    #[must_use]
    pub fn proxy(mut self, proxy: ProxyProtocol) -> Self {
        self.options.proxy = Some(proxy);
        self
    }

    /// Connections are given to this service, and not to HTTP: see [`crate::raw`].
    #[must_use]
    pub fn raw<F, Fut>(mut self, serve: F) -> Self
    where
        F: Fn(Stream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.options.raw = Some(Service::new(serve));
        self
    }

    /// Connections are under TLS, after a PROXY header if there is to be one. Default: they are in clear.
    #[must_use]
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.options.tls = Some(tls.clone());
        self
    }

    /// Opens the socket now: its address is known, and connections wait for a server, before there is one.
    /// [`crate::Server::start`] opens what is not open.
    ///
    /// # Errors
    /// When the socket cannot be had; the text says which and why.
    pub fn open(mut self) -> Result<Self, Error> {
        self.place = match self.place {
            Place::Address(Address::Tcp(addr)) => bind::tcp(addr, self.dual_stack)
                .map(Place::Tcp)
                .map_err(|e| cannot(&addr, e))?,
            Place::Everywhere(port) => bind::everywhere(port)
                .map(Place::Tcp)
                .map_err(|e| cannot(&format_args!("*:{port}"), e))?,
            Place::Address(Address::Unix(path)) => {
                let (listener, ours) = bind::unix(&path, self.unix_mode)
                    .map_err(|e| cannot(&format_args!("unix:{}", path.display()), e))?;
                Place::Unix(listener, Some(ours))
            }
            Place::Inherited(name) => match inherited::take(name.as_deref())? {
                inherited::Socket::Tcp(listener) => Place::Tcp(listener),
                inherited::Socket::Unix(listener) => Place::Unix(listener, None),
            },
            open @ (Place::Tcp(_) | Place::Unix(..)) => open,
        };
        Ok(self)
    }

    /// Where it listens, with the port that the system chose; none before it is open.
    pub fn local_address(&self) -> Option<Address> {
        match &self.place {
            Place::Tcp(listener) => listener.local_addr().ok().map(Address::Tcp),
            Place::Unix(listener, _) => listener.local_addr().ok().map(|addr| unix_address(&addr)),
            Place::Address(_) | Place::Everywhere(_) | Place::Inherited(_) => None,
        }
    }

    /// The acceptor's part and the cores' part.
    pub(crate) fn into_parts(self) -> Result<(Listener, Options), Error> {
        let open = self.open()?;
        let prepared = match open.place {
            Place::Tcp(listener) => prepare(&listener).map(|()| {
                // Nothing to be done about a machine that refuses: answers then wait for more now and then.
                let _ = SockRef::from(&listener).set_tcp_nodelay(true);
                Listener::Tcp(TcpListener::from_std(listener))
            }),
            Place::Unix(listener, ours) => {
                prepare(&listener).map(|()| Listener::Unix(UnixListener::from_std(listener), ours))
            }
            Place::Address(_) | Place::Everywhere(_) | Place::Inherited(_) => {
                Err(io::ErrorKind::NotConnected.into())
            }
        };
        let listener = prepared.map_err(|e| Error::io("cannot use a listening socket", e))?;
        Ok((listener, open.options))
    }
}

fn cannot(place: &dyn std::fmt::Display, error: io::Error) -> Error {
    Error::io(format!("cannot listen on {place}"), error)
}

/// A socket that somebody else opened may wait, and may go along to programs that are started.
fn prepare<S: std::os::fd::AsFd>(listener: &S) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)
}

fn unix_address(addr: &std::os::unix::net::SocketAddr) -> Address {
    use std::os::linux::net::SocketAddrExt;
    let abstract_name = || {
        addr.as_abstract_name()
            .map(|name| format!("@{}", name.escape_ascii()))
    };
    let path = addr.as_pathname().map(Into::into);
    Address::Unix(
        path.or_else(|| abstract_name().map(Into::into))
            .unwrap_or_default(),
    )
}

impl From<Address> for Listen {
    fn from(address: Address) -> Self {
        Listen::on(address)
    }
}

impl From<SocketAddr> for Listen {
    fn from(addr: SocketAddr) -> Self {
        Listen::on(addr)
    }
}

/// On a socket that listens already.
impl From<StdTcpListener> for Listen {
    fn from(listener: StdTcpListener) -> Self {
        Listen::at(Place::Tcp(listener))
    }
}

/// On a socket that listens already. Its path is not removed at the end.
impl From<StdUnixListener> for Listen {
    fn from(listener: StdUnixListener) -> Self {
        Listen::at(Place::Unix(listener, None))
    }
}

/// A socket that listens, in the acceptor's hands.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// With what is removed at the end.
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "it does its work when it is dropped")] Option<UnixPath>,
    ),
}

impl Listener {
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listener::Unix(listener, _) => listener.local_addr().map(|addr| unix_address(&addr)),
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
                // A socket for both families gives IPv4 peers in the clothes of IPv6 (RFC 4291, section 2.5.5.2).
                let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
                Ok((Socket::Tcp(stream), Peer::Tcp(addr)))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::Unix(stream), Peer::Unix))
            }
        }
    }
}
