//! HTTP/3 (RFC 9114), experimental: QUIC is the quinn crate's, frames and QPACK are the h3 crate's; what a peer may
//! cost, and what a request is given, is decided here.
//!
//! All of it runs on the first core: QUIC has one socket for all its connections, and the crates want tasks. A
//! connection costs tens of KiB, not tens of bytes. A request is served as over HTTP/2: by the same service, with the
//! same limits; an SSE stream or a long-poll becomes a record of the slab like any other (see `pipe`). Not here: server
//! push, 0-RTT, and WebSockets (RFC 9220): h3 0.0.8 knows of the `:protocol`s of an extended CONNECT only webtransport
//! and connect-udp, as a private enum, and resets a stream that asks for another before we see it.

mod body;
mod pipe;
mod request;
mod send;

use std::cell::Cell;
use std::io;
use std::net::UdpSocket;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Extensions;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, Incoming, TokioRuntime, TransportConfig, VarInt};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::App;
use crate::core::Core;
use crate::error::Error;
use crate::limits::{Limits, SWEEP_INTERVAL};
use crate::metrics::{HandshakeFailed, Refused, TimedOut};
use crate::socket::Peer;
use crate::tls::TlsInfo;

/// Requests of one connection at a time.
const STREAMS_MAX: u32 = 100;

/// What one connection may have on its way to us, and one stream of it, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// What one connection may have on its way to its peer, in bytes.
const SEND_WINDOW_BYTES: u64 = 1024 * 1024;

/// From so many connections on, a new peer must show that its address is its own before it costs anything
/// (RFC 9000 section 8.1.2).
const UNPROVEN_MAX: usize = 64;

/// The code for a connection that ends as it should (RFC 9114 section 8.1).
const H3_NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// A bound socket and the keys to speak with: what the first core is given.
pub(crate) struct Quic {
    socket: UdpSocket,
    config: quinn::ServerConfig,
}

impl Quic {
    /// # Errors
    /// A configuration without TLS 1.3.
    pub(crate) fn new(
        socket: UdpSocket,
        tls: Arc<rustls::ServerConfig>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let crypto = QuicServerConfig::try_from(tls).map_err(|_| {
            Error::new("HTTP/3 needs TLS 1.3 with AES-128-GCM, which this certificate's provider lacks")
        })?;
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport(limits)));
        // A peer whose address changes goes on, as phones do: its path is validated first (RFC 9000 section 9.3).
        config.migration(true);
        Ok(Quic { socket, config })
    }
}

fn transport(limits: &Limits) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle =
        IdleTimeout::try_from(limits.idle_timeout).unwrap_or(IdleTimeout::from(VarInt::from_u32(75_000)));
    transport
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        // Control, and QPACK's two; more only for extensions that we do not know.
        .max_concurrent_uni_streams(8_u8.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(CONNECTION_WINDOW_BYTES.into())
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle));
    transport
}

impl<A: App> Core<A> {
    /// Accepts on the socket until the core drains.
    pub(crate) fn serve_quic(self: &Rc<Self>, quic: Quic) -> io::Result<()> {
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(quic.config),
            quic.socket,
            Arc::new(TokioRuntime),
        )?;
        let core = self.clone();
        self.quic_serves.set(true);
        tokio::task::spawn_local(async move {
            let serving = Serving(core);
            serving.0.accept_quic(&endpoint).await;
        });
        Ok(())
    }

    async fn accept_quic(self: &Rc<Self>, endpoint: &Endpoint) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => {
                        if let Some(admitted) = self.admit(endpoint, incoming) {
                            connections.spawn_local(admitted);
                        }
                    }
                    None => break,
                },
                Some(_) = connections.join_next() => {}
                () = self.drains() => break,
            }
        }
        endpoint.set_server_config(None);
        // Each ends by itself when its requests have ended; the drain's deadline ends those that don't.
        tokio::select! {
            () = async { while connections.join_next().await.is_some() {} } => {}
            () = self.drain_is_over() => {
                self.link.counts.timed_out.add(TimedOut::Drain, self.quic_busy.get());
            }
        }
        drop(connections);
        endpoint.close(H3_NO_ERROR, b"");
        // The peers are told; who does not hear it finds out by its own time-out.
        let told = tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle());
        let _ = told.await;
    }

    /// Whether a connection may begin, and what it does then.
    fn admit(
        self: &Rc<Self>,
        endpoint: &Endpoint,
        incoming: Incoming,
    ) -> Option<impl Future<Output = ()> + use<A>> {
        let peer = Peer::Tcp(incoming.remote_address());
        let refused = if self.shared.open_connections() >= self.limits.connections_max {
            Some(Refused::ConnectionsMax)
        } else if !self.shared.addresses.enter(&peer) {
            Some(Refused::PerAddressMax)
        } else {
            None
        };
        if let Some(why) = refused {
            self.link.counts.refused.add(why, 1);
            incoming.refuse();
            return None;
        }
        let entered = Entered::new(self.clone(), peer);
        if endpoint.open_connections() >= UNPROVEN_MAX && !incoming.remote_address_validated() {
            // Fails for one that was validated, which this is not.
            let _ = incoming.retry();
            return None;
        }
        let core = self.clone();
        Some(async move {
            let handshake = async { incoming.accept().ok()?.await.ok() };
            let timeout = core.limits.header_read_timeout;
            match tokio::time::timeout(timeout, handshake).await {
                Ok(Some(connection)) => {
                    core.link.counts.accepted.add(1);
                    if let Some(tls) = TlsInfo::of_quic(&connection) {
                        core.link.counts.shook_hands(&tls);
                    }
                    core.serve_h3(connection, &entered).await;
                }
                Ok(None) => core.link.counts.tls_failed.add(HandshakeFailed::Malformed, 1),
                Err(_) => {
                    core.link.counts.timed_out.add(TimedOut::Handshake, 1);
                    core.link.counts.tls_failed.add(HandshakeFailed::TimedOut, 1);
                }
            }
        })
    }

    async fn serve_h3(self: &Rc<Self>, quic: quinn::Connection, entered: &Entered<A>) {
        let mut builder = h3::server::builder();
        let head_bytes_max = self.limits.head.head_bytes_max as u64;
        builder.max_field_section_size(head_bytes_max).send_grease(false);
        let built = builder.build::<_, Bytes>(h3_quinn::Connection::new(quic.clone()));
        let mut connection = match tokio::time::timeout(self.limits.header_read_timeout, built).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(_)) | Err(_) => return quic.close(H3_NO_ERROR, b""),
        };
        let client = Rc::new(Client {
            peer: entered.peer,
            tls: TlsInfo::of_quic(&quic),
        });
        let mut requests = JoinSet::new();
        let mut begun: u32 = 0;
        let mut idle = std::pin::pin!(tokio::time::sleep(self.limits.idle_timeout));
        let mut accepts = true;
        let mut going_away = false;
        while accepts || !requests.is_empty() {
            entered.is_busy(!requests.is_empty());
            let goes = tokio::select! {
                accepted = connection.accept(), if accepts => match accepted {
                    Ok(Some(resolver)) => {
                        let (core, client) = (self.clone(), client.clone());
                        requests.spawn_local(async move { core.h3_request(resolver, client).await });
                        begun = begun.saturating_add(1);
                        begun >= self.requests_max && !going_away
                    }
                    Ok(None) => {
                        accepts = false;
                        false
                    }
                    Err(error) => {
                        tracing::debug!(%error, "an HTTP/3 connection ended");
                        // Handlers whose peer is gone are cancelled with the set.
                        return;
                    }
                },
                Some(_) = requests.join_next() => {
                    idle.as_mut().reset(Instant::now() + self.limits.idle_timeout);
                    false
                }
                // QUIC's own time-out is for peers that are silent; one that sends pings may still ask for nothing.
                () = &mut idle, if requests.is_empty() && !going_away => {
                    self.link.counts.timed_out.add(TimedOut::Idle, 1);
                    true
                }
                () = self.drains(), if !going_away => true,
            };
            if goes {
                going_away = true;
                // What is named is the first request that will not be served (RFC 9114 section 5.2).
                accepts = connection.shutdown(1).await.is_ok();
            }
            accepts &= !(going_away && requests.is_empty());
        }
        drop(requests);
        entered.is_busy(false);
        // A close throws away what is on its way still; a peer that was told to go closes when it has all.
        let _ = tokio::time::timeout(self.limits.close_timeout, quic.closed()).await;
        quic.close(H3_NO_ERROR, b"");
    }

    /// Until the core begins to drain. Looks as often as the sweep does.
    async fn drains(&self) {
        while self.draining.get().is_none() {
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    }

    /// Until the drain's deadline.
    async fn drain_is_over(&self) {
        while self
            .draining
            .get()
            .is_none_or(|drain| drain.deadline > self.clock.tick())
        {
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    }
}

/// Until it is dropped, the core does not end.
struct Serving<A: App>(Rc<Core<A>>);

impl<A: App> Drop for Serving<A> {
    fn drop(&mut self) {
        self.0.quic_serves.set(false);
    }
}

/// Whose requests they are.
struct Client {
    peer: Peer,
    tls: Option<TlsInfo>,
}

impl Client {
    /// Says so in a request's extensions.
    fn tell_of(&self, peer_info: bool, extensions: &mut Extensions) {
        if peer_info {
            extensions.insert(self.peer);
        }
        if let Some(tls) = &self.tls {
            extensions.insert(tls.clone());
        }
    }
}

/// A connection that is counted, by its core and for its address, for as long as it lives.
struct Entered<A: App> {
    core: Rc<Core<A>>,
    peer: Peer,
    busy: Cell<bool>,
}

impl<A: App> Entered<A> {
    fn new(core: Rc<Core<A>>, peer: Peer) -> Self {
        core.link.open.fetch_add(1, Ordering::Relaxed);
        core.quic_open.set(core.quic_open.get() + 1);
        Entered {
            core,
            peer,
            busy: Cell::new(false),
        }
    }

    /// Whether it has requests.
    fn is_busy(&self, busy: bool) {
        if self.busy.replace(busy) != busy {
            let count = &self.core.quic_busy;
            count.set(if busy { count.get() + 1 } else { count.get() - 1 });
        }
    }
}

impl<A: App> Drop for Entered<A> {
    fn drop(&mut self) {
        self.is_busy(false);
        let core = &self.core;
        core.quic_open.set(core.quic_open.get() - 1);
        // Whoever sees that it is not open any more may count on its place.
        core.shared.addresses.leave(&self.peer);
        core.link.open.fetch_sub(1, Ordering::Release);
    }
}
