//! A server for an axum router: the engine, with what an application expects around it.

use std::time::Duration;

use axum::Router;
use squall_engine::tls::Tls;
use squall_engine::{Address, Error, Handle, Limits, Listen, Signals};

use crate::front::Front;
use crate::health::Health;
use crate::log::Access;
use crate::metrics::Meters;
use crate::web::TrustedProxies;

/// Serves a router.
///
/// ```no_run
/// use squall::web::{Router, routing::get};
///
/// fn main() -> Result<(), squall::Error> {
///     let router = Router::new().route("/", get(|| async { "Hello, World!" }));
///     squall::Server::new(router).bind("127.0.0.1:8888").run()
/// }
/// ```
pub struct Server {
    engine: squall_engine::Server<Front>,
    meters: Option<Meters>,
    live: Option<crate::live::Live>,
    health: Option<Health>,
    drain_delay: Duration,
}

impl Server {
    /// A server of this router; it listens nowhere yet.
    pub fn new(router: Router) -> Self {
        let front = Front::new(router);
        let names = front.names().clone();
        let engine = squall_engine::Server::new(front);
        Server {
            engine: engine.route_names(move |path| names.of_path(path).map(str::to_owned)),
            meters: None,
            live: None,
            health: None,
            drain_delay: Duration::ZERO,
        }
    }

    /// Listens on this address too: `IP:PORT`, `[V6]:PORT`, `localhost:PORT`, `:PORT` (all of IPv4), `*:PORT` (all of IPv6
    /// and IPv4), `unix:PATH`, or `systemd:NAME`; see [`Listen::parse`]. What is wrong with it is said at the start.
    #[must_use]
    pub fn bind(mut self, address: &str) -> Self {
        self.engine = self.engine.bind(address);
        self
    }

    /// Listens on this address too.
    #[must_use]
    pub fn bind_to(mut self, address: impl Into<Address>) -> Self {
        self.engine = self.engine.bind_to(address);
        self
    }

    /// Listens there too: an address, a socket that listens already, or either with more to say of it ([`Listen`]).
    #[must_use]
    pub fn listen(mut self, listen: impl Into<Listen>) -> Self {
        self.engine = self.engine.listen(listen);
        self
    }

    /// Listens on this address too, as [`Server::bind`], under TLS: see [`crate::tls`].
    #[must_use]
    pub fn listen_tls(mut self, address: &str, tls: &Tls) -> Self {
        self.engine = self.engine.listen_tls(address, tls);
        self
    }

    /// Whose word is taken for who the client is: see [`crate::web::forwarded`]. Default: nobody's.
    #[must_use]
    pub fn behind(mut self, proxies: TrustedProxies) -> Self {
        self.engine.app_mut().trust(proxies);
        self
    }

    /// How many cores; by default as many as this process may use CPUs.
    #[must_use]
    pub fn cores(mut self, cores: usize) -> Self {
        self.engine = self.engine.cores(cores);
        self
    }

    /// What one peer may cost.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.engine = self.engine.limits(limits);
        self
    }

    /// Whether requests carry their peer's address, for [`crate::web::ConnectInfo`]. Default yes.
    #[must_use]
    pub fn connect_info(mut self, connect_info: bool) -> Self {
        self.engine = self.engine.peer_info(connect_info);
        self
    }

    /// Whether HTTP/2 is spoken with clients that begin it: over TLS those that chose it, in clear text those that know
    /// that we speak it ("prior knowledge"). Default yes.
    #[must_use]
    pub fn http2(mut self, http2: bool) -> Self {
        self.engine = self.engine.http2(http2);
        self
    }

    /// Speaks HTTP/3 on this UDP socket too, with these certificates; answers over HTTP/1.1 and HTTP/2 say so. Experimental:
    /// one core serves all of it, and WebSockets are not spoken over it, as the h3 crate knows no `:protocol` of theirs.
    ///
    /// # Errors
    /// Settings that QUIC cannot use, or a socket that cannot be made non-blocking.
    #[cfg(feature = "http3")]
    pub fn http3(
        mut self,
        socket: std::net::UdpSocket,
        tls: &squall_engine::tls::Tls,
    ) -> Result<Self, Error> {
        self.engine = self.engine.http3(socket, tls)?;
        Ok(self)
    }

    /// Serves what follows through the doors of `live`.
    #[must_use]
    pub fn live(mut self, live: &crate::live::Live) -> Self {
        self.engine = self.engine.source(live.source());
        self.live = Some(live.clone());
        self
    }

    /// Logs a line for each request, and gives each an id and its place in a trace: see [`crate::log::access`].
    #[must_use]
    pub fn access_log(mut self, access: Access) -> Self {
        self.engine.app_mut().observe(access);
        self
    }

    /// Counts requests by route into these, and shows what the engine counts: see [`crate::metrics`].
    #[must_use]
    pub fn metrics(mut self, meters: &Meters) -> Self {
        self.engine.app_mut().count(meters);
        self.meters = Some(meters.clone());
        self
    }

    /// Tells this when the server has started, and when it drains: see [`crate::health`].
    #[must_use]
    pub fn health(mut self, health: &Health) -> Self {
        self.health = Some(health.clone());
        self
    }

    /// For so long after SIGTERM or SIGINT `/readyz` says no while everything is still served, so that load balancers send
    /// elsewhere before the drain begins. Another signal ends it. Default none: without a load balancer it only takes time.
    #[must_use]
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.drain_delay = delay;
        self
    }

    /// Its threads log to this instead of the process's subscriber: for tests, of which many run in one process
    /// ([`crate::testing::LogCapture::dispatch`]).
    #[must_use]
    pub fn log_to(mut self, logs: tracing::Dispatch) -> Self {
        self.engine = self.engine.log_to(logs);
        self
    }

    /// Binds and starts all threads.
    ///
    /// # Errors
    /// An address that cannot be read or bound, or a thread that cannot be made.
    pub fn start(self) -> Result<Handle, Error> {
        let handle = self.engine.start()?;
        if let Some(meters) = self.meters {
            meters.observe(handle.observer());
            if let Some(live) = &self.live {
                live.measure(&meters);
            }
        }
        if let Some(health) = self.health {
            health.observe(handle.observer());
        }
        Ok(handle)
    }

    /// Starts, and serves until SIGTERM or SIGINT; then drains and returns. A second signal ends the drain at once.
    /// Lets the process have as many open files as it may, see [`crate::raise_descriptor_limit`].
    ///
    /// # Errors
    /// As [`Server::start`], and when signals cannot be waited for.
    pub fn run(self) -> Result<(), Error> {
        self.run_with(|_| {})
    }

    /// As [`Server::run`]; `ready` is called when the server listens.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub fn run_with(self, ready: impl FnOnce(&Handle)) -> Result<(), Error> {
        squall_engine::raise_descriptor_limit();
        let signals = Signals::new()?;
        let (health, delay) = (self.health.clone(), self.drain_delay);
        let handle = self.start()?;
        ready(&handle);
        signals.wait_then_drain_after(&handle, || {
            if let Some(health) = &health {
                health.drain();
            }
            if !delay.is_zero() {
                tracing::info!(
                    seconds = delay.as_secs(),
                    "not ready any more; the drain begins soon"
                );
            }
            delay
        })
    }
}
