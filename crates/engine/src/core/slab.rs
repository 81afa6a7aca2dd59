//! The connections of one core: a record each, found by slot.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use mio::Token;

use crate::conn::follow::Follow;
use crate::conn::h2::H2;
use crate::conn::http::Http;
use crate::conn::proxy::Waiting;
use crate::conn::stream::Held;
use crate::conn::websocket::WebSocket;
use crate::limits::Tick;
use crate::metrics::{Activity, Label, Open, Protocol};
use crate::proxy::Proxied;
use crate::socket::{Peer, Socket};
use crate::source::ConnId;

/// One open connection. Parked, this is all there is of it.
pub(crate) struct Conn {
    pub(crate) socket: Socket,
    pub(crate) peer: CompactPeer,
    pub(crate) life: u32,
    /// When the sweep acts; on what, `state` says.
    pub(crate) deadline: Tick,
    pub(crate) state: State,
}

/// What a connection is doing.
pub(crate) enum State {
    /// The proxy says whose connection this is; the client's first byte comes behind that.
    ProxyHeader(Box<Waiting>),
    /// Accepted, and nothing has come yet.
    Fresh,
    /// A keep-alive connection between requests, of which so many have come.
    Parked(u32),
    /// A request is arriving or being answered.
    Http(Box<Http>),
    /// Parked, following what the source has for it.
    Follow(Follow),
    /// A WebSocket with a handler.
    WebSocket(Box<WebSocket>),
    /// HTTP/2.
    H2(Box<H2>),
    /// In the hands of a task.
    Stream(Box<Held>),
    /// We have said our last; what the peer still sends is thrown away until it closes. Counts down the bytes.
    Lingering(u32),
    /// In the hands of a method of the core, which puts it back.
    Taken,
}

impl State {
    /// As what the connection is counted.
    fn census(&self) -> (Protocol, Activity) {
        match self {
            State::Fresh | State::Parked(_) | State::ProxyHeader(_) => (Protocol::Http1, Activity::Parked),
            State::H2(h2) => h2.census(),
            State::Stream(_) => (Protocol::Raw, Activity::Active),
            State::Http(_) | State::Taken => (Protocol::Http1, Activity::Active),
            State::Follow(follow) => follow.census(),
            State::WebSocket(_) => (Protocol::WebSocket, Activity::Active),
            State::Lingering(_) => (Protocol::Http1, Activity::Lingering),
        }
    }
}

/// A peer's address in 16 bytes.
pub(crate) enum CompactPeer {
    V4(Ipv4Addr, u16),
    V6(Box<SocketAddrV6>),
    Unix,
    /// A proxy that is believed, and what it said of whose connection this is.
    Proxy(Box<(Peer, Option<Proxied>)>),
}

impl From<Peer> for CompactPeer {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Tcp(SocketAddr::V4(v4)) => CompactPeer::V4(*v4.ip(), v4.port()),
            Peer::Tcp(SocketAddr::V6(v6)) => CompactPeer::V6(Box::new(v6)),
            Peer::Unix => CompactPeer::Unix,
        }
    }
}

impl CompactPeer {
    /// A proxy that is believed.
    pub(crate) fn proxy(peer: Peer, said: Option<Proxied>) -> Self {
        CompactPeer::Proxy(Box::new((peer, said)))
    }

    pub(crate) fn peer(&self) -> Peer {
        match self {
            CompactPeer::V4(ip, port) => Peer::Tcp(SocketAddr::V4(SocketAddrV4::new(*ip, *port))),
            CompactPeer::V6(v6) => Peer::Tcp(SocketAddr::V6(**v6)),
            CompactPeer::Unix => Peer::Unix,
            CompactPeer::Proxy(proxy) => proxy.0,
        }
    }

    /// By whose address the connection is counted.
    pub(crate) fn counted(&self) -> Option<Peer> {
        match self {
            CompactPeer::Proxy(proxy) => proxy.1.as_ref().and_then(Proxied::client),
            _ => Some(self.peer()),
        }
    }

    /// What the proxy said, if there was one that was believed.
    pub(crate) fn proxied(&self) -> Option<&Proxied> {
        match self {
            CompactPeer::Proxy(proxy) => proxy.1.as_ref(),
            _ => None,
        }
    }
}

/// Records by slot. A freed slot is used again with another `life`, so that a late event finds no stranger.
#[derive(Default)]
pub(crate) struct Slab {
    conns: Vec<Option<Conn>>,
    free: Vec<u32>,
    life: u32,
}

impl Slab {
    /// The name that the next inserted connection will have.
    pub(crate) fn next_id(&mut self) -> ConnId {
        let slot = self.free.last().copied().unwrap_or(self.conns.len() as u32);
        self.life = self.life.wrapping_add(1);
        ConnId {
            slot,
            life: self.life,
        }
    }

    /// Puts a connection under the name that [`Slab::next_id`] just gave.
    pub(crate) fn insert(&mut self, id: ConnId, conn: Conn) {
        if self.free.last() == Some(&id.slot) {
            self.free.pop();
            self.conns[id.slot as usize] = Some(conn);
        } else {
            debug_assert_eq!(id.slot as usize, self.conns.len());
            self.conns.push(Some(conn));
        }
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns
            .get_mut(id.slot as usize)?
            .as_mut()
            .filter(|c| c.life == id.life)
    }

    pub(crate) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        self.get_mut(id)?;
        self.free.push(id.slot);
        self.conns[id.slot as usize].take()
    }

    pub(crate) fn len(&self) -> usize {
        self.conns.len() - self.free.len()
    }

    /// Every open connection's name.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.conns.iter().enumerate().filter_map(|(slot, c)| {
            c.as_ref().map(|c| ConnId {
                slot: slot as u32,
                life: c.life,
            })
        })
    }

    /// Names those whose deadline has passed, and counts all: one walk, as the records of very many connections are
    /// more than a CPU caches.
    pub(crate) fn overdue(&self, now: Tick, into: &mut Vec<ConnId>) -> Open {
        let mut open = Open::default();
        for (slot, conn) in self.conns.iter().enumerate() {
            let Some(conn) = conn else { continue };
            let (protocol, activity) = conn.state.census();
            open.counts[protocol.index()][activity.index()] += 1;
            if conn.deadline <= now {
                into.push(ConnId {
                    slot: slot as u32,
                    life: conn.life,
                });
            }
        }
        open
    }
}

/// A poll set's token: slot and life, so that an event of a closed connection is known as such.
pub(crate) fn token(id: ConnId) -> Token {
    Token(((id.life as usize) << 32) | id.slot as usize)
}

pub(crate) fn id_of(token: Token) -> ConnId {
    ConnId {
        slot: token.0 as u32,
        life: (token.0 >> 32) as u32,
    }
}
