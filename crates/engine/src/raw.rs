//! Services on the bare connection: what is spoken on it is theirs.
//!
//! ```no_run
//! use squall_engine::{Listen, raw};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! async fn echo(mut stream: raw::Stream) {
//!     let mut buffer = [0; 4096];
//!     while let Ok(count @ 1..) = stream.read(&mut buffer).await {
//!         if stream.write_all(&buffer[..count]).await.is_err() {
//!             return;
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), squall_engine::Error> {
//! # let app = axum::Router::new().into_service();
//! squall_engine::Server::new(app)
//!     .bind("127.0.0.1:8888")
//!     .listen(Listen::parse("127.0.0.1:7777")?.raw(echo))
//!     .run()
//! # }
//! ```
//!
//! A service runs on the core that owns the connection, beside everything else on that core, so it must not block. Its
//! connections count for [`crate::Limits::connections_max`] and are accepted, capped and drained like all others.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::conn::stream::Shared;
use crate::limits::ticks;
use crate::proxy::Proxied;
use crate::socket::Peer;
use crate::tls::TlsInfo;

/// What runs for a connection.
type Serve = dyn Fn(Stream) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync;

/// A service of a listener: see [`crate::Listen::raw`].
#[derive(Clone)]
pub(crate) struct Service(Arc<Serve>);

impl Service {
    pub(crate) fn new<F, Fut>(serve: F) -> Self
    where
        F: Fn(Stream) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        Service(Arc::new(move |stream| Box::pin(serve(stream))))
    }

    pub(crate) fn serve(&self, stream: Stream) -> Pin<Box<dyn Future<Output = ()>>> {
        (self.0)(stream)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

/// A connection in the hands of a service. `Send`, though it is fastest on its own core.
///
/// It reads and writes the socket itself, without a buffer between: a service that does not read stops its peer, and a
/// peer that does not read stops the service. When nothing moves for its idle time-out, or a write waits for
/// [`crate::Limits::write_stall_timeout`], it is closed, and reading and writing fail with
/// [`io::ErrorKind::TimedOut`]. Dropping it says the end to the peer and closes.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    peer: Peer,
    proxied: Option<Proxied>,
    tls: Option<TlsInfo>,
}

impl Stream {
    pub(crate) fn new(
        shared: Arc<Shared>,
        peer: Peer,
        proxied: Option<Proxied>,
        tls: Option<TlsInfo>,
    ) -> Self {
        Stream {
            shared,
            peer,
            proxied,
            tls,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// What the proxy said of the client, on a listener where the PROXY protocol is spoken.
    pub fn proxied(&self) -> Option<&Proxied> {
        self.proxied.as_ref()
    }

    /// What was negotiated, on a listener under TLS: the service begins when the handshake is complete.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// How long nothing may move before it is closed, to the second; `None` for ever. Default
    /// [`crate::Limits::idle_timeout`].
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) {
        self.shared.set_idle_ticks(timeout.map(ticks));
    }

    /// Becomes ready when the server begins to drain: time to say goodbye. What still runs at
    /// [`crate::Limits::drain_timeout`] is cut.
    pub fn draining(&self) -> Draining {
        Draining(self.shared.clone())
    }
}

/// The future of [`Stream::draining`].
#[derive(Clone, Debug)]
pub struct Draining(Arc<Shared>);

impl Future for Draining {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_draining(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.shared.poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.shared.poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.shutdown();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.release();
    }
}
