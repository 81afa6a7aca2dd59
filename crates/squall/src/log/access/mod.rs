//! One line for each request: who asked for what, what came of it, how long it took.
//!
//! Never in it: cookies, `Authorization`, bodies; queries only if that is asked for, and even then not the values of
//! parameters that hold secrets by their names.

mod format;
mod output;
mod record;
mod secrets;
mod service;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Extensions;
use tower_layer::Layer;

use crate::metrics::Meters;
use crate::web::RouteNames;
use crate::web::forwarded::sender;

pub use format::Lines;
pub use output::{LINES_WAITING_MAX, Output};
pub use secrets::Queries;
pub use service::{AccessFuture, AccessService};

pub(crate) use record::Record;
pub(crate) use service::wrap;

/// An access log: one line for each request. It also gives each an id ([`crate::log::RequestId`], in the answer's field
/// `X-Request-Id`) and its place in a trace ([`crate::trace::TraceContext`]), both extensions of the request, and wraps what
/// the handler logs in a span with both.
///
/// [`crate::Server::access_log`] puts it before everything else, which is where it belongs; it is a layer too, to be put
/// outermost, that is last.
///
/// The line is written when the answer's body is over, or given up, so it tells the bytes that were taken and whether they
/// were all of them. A connection that goes on as a stream or a WebSocket is logged when it is opened.
///
/// | default | why | otherwise |
/// |---|---|---|
/// | through `tracing`, info, target `squall::access` | one log for everything | [`Access::to`], [`Access::lines`] |
/// | no queries | they hold tokens | [`Access::queries`] |
/// | ids and traces of callers are not believed | anybody could write into the log, and join traces | [`Access::trust`] |
/// | more than 10 s to the answer's head is a warning | a person has gone by then | [`Access::slow`] |
///
/// ```
/// use squall::log;
/// use squall::web::{Router, routing::get};
/// let app: Router = Router::new().route("/", get(async || "Hello"));
/// let access = log::access().lines(log::Lines::Combined).to(log::Output::stdout()).trust(|peer| peer.is_loopback());
/// let server = squall::Server::new(app).access_log(access);
/// # drop(server);
/// ```
pub fn access() -> Access {
    Access {
        how: Arc::new(How {
            lines: Lines::Common,
            output: Some(Output::tracing()),
            ..How::silent()
        }),
    }
}

/// See [`access`].
#[derive(Clone)]
pub struct Access {
    how: Arc<How>,
}

/// Whom the ids and traces of requests are believed from.
type Trust = dyn Fn(IpAddr) -> bool + Send + Sync;

/// Everything that is decided once for all requests.
#[derive(Clone)]
pub(crate) struct How {
    lines: Lines,
    /// None: no line is written.
    output: Option<Output>,
    queries: Queries,
    slow: Option<Duration>,
    spans: bool,
    sample_every: u32,
    trust: Option<Arc<Trust>>,
    names: RouteNames,
    pub(crate) metrics: Option<Meters>,
}

impl How {
    /// Ids and traces, and no line.
    pub(crate) fn silent() -> Self {
        Self {
            lines: Lines::Common,
            output: None,
            queries: Queries::Hidden,
            slow: Some(Duration::from_secs(10)),
            spans: true,
            sample_every: 1,
            trust: None,
            names: RouteNames::default(),
            metrics: None,
        }
    }

    /// Whether a request from there may bring an id and a trace.
    fn trusts(&self, extensions: &Extensions) -> bool {
        let Some(trust) = &self.trust else { return false };
        let sender = sender(extensions).and_then(|peer| peer.addr());
        sender.is_some_and(|peer| trust(peer.ip().to_canonical()))
    }
}

impl Access {
    fn with(mut self, change: impl FnOnce(&mut How)) -> Self {
        change(Arc::make_mut(&mut self.how));
        self
    }

    /// How lines look, where they are written as lines: not by `tracing`, whose fields have the form that
    /// [`crate::log::init`] gives all. Default [`Lines::Common`].
    #[must_use]
    pub fn lines(self, lines: Lines) -> Self {
        self.with(|how| how.lines = lines)
    }

    /// Where lines go.
    #[must_use]
    pub fn to(self, output: Output) -> Self {
        self.with(|how| how.output = Some(output))
    }

    /// Ids, traces and metrics, and no line.
    #[must_use]
    pub fn silent(self) -> Self {
        self.with(|how| how.output = None)
    }

    /// What of a query is written. Default [`Queries::Hidden`].
    #[must_use]
    pub fn queries(self, queries: Queries) -> Self {
        self.with(|how| how.queries = queries)
    }

    /// Requests whose answer does not begin within that time are also logged as a warning, under the target
    /// `squall::slow`. Default 10 s; `None` for no such warning.
    #[must_use]
    pub fn slow(self, after: impl Into<Option<Duration>>) -> Self {
        self.with(|how| how.slow = after.into())
    }

    /// `X-Request-Id` and `traceparent` of requests from these addresses (of the connection: the proxy's) are believed.
    /// Default nobody's.
    #[must_use]
    pub fn trust(self, from: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.with(|how| how.trust = Some(Arc::new(from)))
    }

    /// Whether what handlers log has the request's id, route and trace with it (a span at level info, under the target
    /// `squall::request`). Default yes.
    #[must_use]
    pub fn spans(self, spans: bool) -> Self {
        self.with(|how| how.spans = spans)
    }

    /// Of the traces that begin here, one in so many is marked as sampled, for the programs that we ask. Default 1; 0 for
    /// none.
    #[must_use]
    pub fn sample_every(self, requests: u32) -> Self {
        self.with(|how| how.sample_every = requests)
    }

    /// The names of the routes, for lines and spans. [`crate::Server::access_log`] knows them already.
    #[must_use]
    pub fn routes(self, names: &RouteNames) -> Self {
        self.with(|how| how.names = names.clone())
    }

    /// Counts requests by route. [`crate::Server::metrics`] does that already.
    #[must_use]
    pub fn metrics(self, meters: &Meters) -> Self {
        self.with(|how| how.metrics = Some(meters.clone()))
    }

    pub(crate) fn into_how(self) -> How {
        Arc::unwrap_or_clone(self.how)
    }

    pub(crate) fn of_how(how: How) -> Self {
        Self { how: Arc::new(how) }
    }

    /// Begins the record of a request, and gives it what handlers see of it.
    pub(crate) fn begin<B>(&self, request: &mut axum::http::Request<B>) -> Box<Record> {
        Record::begin(&self.how, request)
    }
}

impl<S> Layer<S> for Access {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService::new(inner, self.clone())
    }
}

/// Who is signed in, for the access log: an extension of the *response*, set by whoever knows. Shown as the `authuser`
/// of the common format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogUser(pub String);
