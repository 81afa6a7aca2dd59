//! A server: addresses, cores, and the life of both.

use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;

use crate::accept::Acceptor;
use crate::app::App;
use crate::core::link::{CoreWaker, Link, Note};
use crate::core::{self, Parts, Prelude};
use crate::error::Error;
use crate::limits::Limits;
use crate::listen::{Address, Listen, Listener, Options};
use crate::metrics::Metrics;
use crate::observer::Observer;
use crate::shared::Shared;
use crate::signals::Signals;
use crate::source::{After, Attached, ConnId, Frame, Source};
use crate::tls::Tls;
use crate::watch::{RouteOf, Watch};
use crate::ws::Message;

/// Makes the source of a core, on that core's thread.
pub type MakeSource = Arc<dyn Fn(CoreWaker) -> Rc<dyn Source> + Send + Sync>;

/// Serves an application on its addresses: one core per CPU unless told otherwise, one acceptor.
///
/// ```no_run
/// # async fn hello(_: http::Request<squall_engine::Body>) -> Result<http::Response<String>, std::convert::Infallible> {
/// #     Ok(http::Response::new("Hello, World!".to_owned()))
/// # }
/// # fn main() -> Result<(), squall_engine::Error> {
/// # let app = axum::Router::new().fallback(|| async { "Hello, World!" }).into_service();
/// squall_engine::Server::new(app).bind("127.0.0.1:8888").run()
/// # }
/// ```
pub struct Server<A: App> {
    app: A,
    listens: Vec<Result<Listen, Error>>,
    cores: Option<usize>,
    limits: Limits,
    peer_info: bool,
    http2: bool,
    source: MakeSource,
    /// What the watchdog calls routes.
    routes: Option<RouteOf>,
    /// Where else this server can be reached, as answers say it.
    pub(crate) alt_svc: Option<http::HeaderValue>,
    /// What the first core does when it begins.
    pub(crate) prelude: Option<Prelude<A>>,
    /// Where its threads log to; the process's subscriber if `None`.
    logs: Option<tracing::Dispatch>,
}

impl<A: App> Server<A> {
    /// A server of this service; it listens nowhere yet.
    pub fn new(app: A) -> Self {
        Server {
            app,
            listens: Vec::new(),
            cores: None,
            limits: Limits::default(),
            peer_info: true,
            http2: true,
            source: Arc::new(|_| Rc::new(NoSource)),
            routes: None,
            alt_svc: None,
            prelude: None,
            logs: None,
        }
    }

    /// The service, to be changed before the start.
    pub fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    /// Listens on this address too, as [`Listen::parse`] reads it. What is wrong with it is said at the start.
    #[must_use]
    pub fn bind(mut self, address: &str) -> Self {
        self.listens.push(Listen::parse(address));
        self
    }

    /// Listens on this address too.
    #[must_use]
    pub fn bind_to(self, address: impl Into<Address>) -> Self {
        self.listen(address.into())
    }

    /// Listens there too: an address, a socket that listens already (`std::net::TcpListener`,
    /// `std::os::unix::net::UnixListener`), or either with more to say of it ([`Listen`]).
    #[must_use]
    pub fn listen(mut self, listen: impl Into<Listen>) -> Self {
        self.listens.push(Ok(listen.into()));
        self
    }

    /// Listens on this address too, as [`Listen::parse`] reads it, under TLS.
    #[must_use]
    pub fn listen_tls(mut self, address: &str, tls: &Tls) -> Self {
        self.listens
            .push(Listen::parse(address).map(|listen| listen.tls(tls)));
        self
    }

    /// How many cores; by default as many as this process may use CPUs.
    #[must_use]
    pub fn cores(mut self, cores: usize) -> Self {
        self.cores = Some(cores.max(1));
        self
    }

    /// What one peer may cost.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    #[cfg(feature = "http3")]
    pub(crate) fn limits_of(&self) -> &Limits {
        &self.limits
    }

    /// Whether requests carry their [`crate::Peer`] as an extension. Default yes; it costs about 50 ns a request.
    #[must_use]
    pub fn peer_info(mut self, peer_info: bool) -> Self {
        self.peer_info = peer_info;
        self
    }

    /// Whether HTTP/2 is spoken with clients that begin it: over TLS those that chose it (ALPN), in clear text those
    /// that know that we speak it (RFC 9113 section 3.3, "prior knowledge"). Default yes.
    #[must_use]
    pub fn http2(mut self, http2: bool) -> Self {
        self.http2 = http2;
        self
    }

    /// What the parked connections of each core follow.
    #[must_use]
    pub fn source(mut self, source: MakeSource) -> Self {
        self.source = source;
        self
    }

    /// How the watchdog names the handler that holds a core: by the pattern of the route that its path (without query)
    /// leads to. Asked by the watchdog's thread, and only then. Where there is none, the path is named.
    #[must_use]
    pub fn route_names(mut self, names: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.routes = Some(Arc::new(names));
        self
    }

    /// Its threads log to this instead of the process's subscriber: for tests, of which many run in one process.
    #[must_use]
    pub fn log_to(mut self, logs: tracing::Dispatch) -> Self {
        self.logs = Some(logs);
        self
    }

    /// Binds and starts all threads.
    ///
    /// # Errors
    /// An address that cannot be read or bound, or a thread that cannot be made.
    pub fn start(mut self) -> Result<Handle, Error> {
        if self.listens.is_empty() {
            return Err(Error::new(
                "the server has no address to listen on: call bind() first",
            ));
        }
        let (listeners, options) = opened(self.listens)?;
        let local = local_addresses(&listeners)?;
        let count = self
            .cores
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let links: Vec<_> = (0..count).map(|_| Arc::new(Link::default())).collect();
        let shared = Arc::new(Shared::new(&self.limits, self.alt_svc.take(), links.clone()));
        let no_waiting = |e| Error::io("cannot wait for connections", e);
        let (of_links, of_shared) = (links.clone(), shared.clone());
        let acceptor = Acceptor::new(listeners, options.clone(), of_links, of_shared, &self.limits)
            .map_err(no_waiting)?;
        let stopper = acceptor.stopper().map_err(no_waiting)?;
        let connections_max = acceptor.connections_max();
        let (ready, started) = mpsc::channel();
        let mut threads = Vec::new();
        let (acceptor, mut on_core) = match count {
            1 => (None, Some(acceptor)),
            _ => (Some(acceptor), None),
        };
        for (at, link) in links.iter().enumerate() {
            let (app, limits, link, source) = (
                self.app.clone(),
                self.limits.clone(),
                link.clone(),
                self.source.clone(),
            );
            let (peer_info, ready, options) = (self.peer_info, ready.clone(), options.clone());
            let on_core = on_core.take();
            let (shared, http2, prelude) = (shared.clone(), self.http2, self.prelude.take());
            let core = spawn(format!("squall-core-{at}"), self.logs.clone(), move || {
                let of = link.clone();
                let _end = EndOfCore(link.clone(), shared.clone());
                let make = || {
                    let source = source(CoreWaker(link.clone()));
                    Parts {
                        app,
                        limits,
                        peer_info,
                        options,
                        http2,
                        link,
                        shared,
                        source,
                        prelude,
                    }
                };
                // Whoever started us may have given up; then nobody listens, and the drain note is there already.
                let is_ready = || drop(ready.send(Ok(())));
                if let Err(error) = core::run(&of, make, on_core, is_ready) {
                    tracing::error!(%error, core = at, "a core ended by an error");
                    drop(ready.send(Err(error)));
                }
            });
            threads.push(core.inspect_err(|_| drain(&links))?);
        }
        drop(ready);
        all_ready(&links, &started)?;
        let watch = Watch {
            links: links.clone(),
            shared: shared.clone(),
            stall_threshold: self.limits.stall_threshold,
            routes: self.routes.take(),
        };
        threads.extend(beside_cores(watch, acceptor, self.logs).inspect_err(|_| drain(&links))?);
        Ok(Handle {
            local,
            links,
            began: Instant::now(),
            connections_max,
            options,
            shared,
            stopper,
            threads: Mutex::new(threads),
        })
    }

    /// Starts, and serves until SIGTERM or SIGINT; then drains and returns. A second signal ends the drain at once.
    /// Lets the process have as many open files as it may, see [`crate::raise_descriptor_limit`].
    ///
    /// # Errors
    /// As [`Server::start`], and when signals cannot be waited for.
    pub fn run(self) -> Result<(), Error> {
        crate::raise_descriptor_limit();
        let signals = Signals::new()?;
        let handle = self.start()?;
        signals.wait_then_drain(&handle)
    }
}

/// Opens all listeners. What is wrong with any is said before one of them is opened.
fn opened(listens: Vec<Result<Listen, Error>>) -> Result<(Vec<Listener>, Arc<[Options]>), Error> {
    let listens = listens.into_iter().collect::<Result<Vec<_>, _>>()?;
    let parts = listens.into_iter().map(Listen::into_parts);
    let (listeners, options): (Vec<_>, Vec<_>) = parts.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    Ok((listeners, options.into()))
}

/// The threads that are no cores.
fn beside_cores(
    watch: Watch,
    acceptor: Option<Acceptor>,
    logs: Option<tracing::Dispatch>,
) -> Result<Vec<JoinHandle<()>>, Error> {
    let mut threads = vec![spawn("squall-watch".to_owned(), logs.clone(), move || {
        watch.run()
    })?];
    if let Some(acceptor) = acceptor {
        threads.push(spawn("squall-accept".to_owned(), logs, move || acceptor.run())?);
    }
    Ok(threads)
}

fn local_addresses(listeners: &[Listener]) -> Result<Vec<Address>, Error> {
    let local = listeners.iter().map(Listener::local_address);
    local
        .collect::<Result<_, _>>()
        .map_err(|e| Error::io("cannot read a listener's address", e))
}

/// A core that cannot begin must not be given connections. One that panicked says nothing at all.
fn all_ready(links: &[Arc<Link>], started: &mpsc::Receiver<std::io::Result<()>>) -> Result<(), Error> {
    for _ in links {
        let error = match started.recv() {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(_) => std::io::Error::other("it panicked"),
        };
        drain(links);
        return Err(Error::io("a core cannot start", error));
    }
    Ok(())
}

/// Tells every core to finish.
fn drain(links: &[Arc<Link>]) {
    for link in links {
        // A core that has ended has drained.
        link.note(Note::Drain);
    }
}

/// However a core ends, nothing more is handed to it.
struct EndOfCore(Arc<Link>, Arc<Shared>);

impl Drop for EndOfCore {
    fn drop(&mut self) {
        self.0.end();
        self.1.bell.core_ended();
    }
}

pub(crate) fn spawn(
    name: String,
    logs: Option<tracing::Dispatch>,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Error> {
    std::thread::Builder::new()
        .name(name)
        .spawn(move || match logs {
            Some(logs) => tracing::dispatcher::with_default(&logs, run),
            None => run(),
        })
        .map_err(|e| Error::io("cannot make a thread", e))
}

/// A running server.
pub struct Handle {
    local: Vec<Address>,
    links: Vec<Arc<Link>>,
    began: Instant,
    connections_max: usize,
    options: Arc<[Options]>,
    shared: Arc<Shared>,
    stopper: mio::Waker,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Handle {
    /// Where it listens, in the order of the calls to bind, with the ports that the system chose.
    pub fn local_addrs(&self) -> &[Address] {
        &self.local
    }

    /// The first TCP address.
    pub fn local_addr(&self) -> Option<std::net::SocketAddr> {
        self.local.iter().find_map(|a| match a {
            Address::Tcp(addr) => Some(*addr),
            Address::Unix(_) => None,
        })
    }

    /// Stops accepting and begins to drain. Returns at once; see [`Handle::join`].
    pub fn shutdown(&self) {
        if let Err(error) = self.stopper.wake() {
            tracing::error!(%error, "the acceptor cannot be told to stop");
        }
        self.shared.bell.drain();
        drain(&self.links);
    }

    /// Waits until all threads have ended, which they do after a [`Handle::shutdown`].
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the server panicked");
            }
        }
    }

    /// What was counted so far. Costs some microseconds and nothing of the cores' time.
    pub fn metrics(&self) -> Metrics {
        self.observer().metrics()
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.observer().open_connections()
    }

    /// Sees the same, for as long as it likes.
    pub fn observer(&self) -> Observer {
        Observer {
            links: self.links.clone(),
            shared: self.shared.clone(),
            began: self.began,
            connections_max: self.connections_max,
            options: self.options.clone(),
        }
    }
}

/// The source of a server whose connections follow nothing.
struct NoSource;

impl Source for NoSource {
    fn attach(&self, _: ConnId, _: &(dyn std::any::Any + Send + Sync)) -> Option<Attached> {
        None
    }

    fn detach(&self, _: u32) {}

    fn drain(&self, _: &mut Vec<ConnId>) {}

    fn next(&self, _: u32, _: u64, _: usize, _: &mut Vec<Frame>) -> After {
        After::Stay
    }

    fn received(&self, _: u32, _: Message) {}

    fn heartbeat(&self, _: u32) -> Option<Bytes> {
        None
    }

    fn tick(&self, _: Instant, _: &mut Vec<ConnId>) {}

    fn shutdown(&self) {}
}
