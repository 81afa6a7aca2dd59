//! What a running server counts, as numbers and for Prometheus.
//!
//! The engine counts connections, requests, bytes, time-outs and what was refused; [`crate::Handle::metrics`] gives the
//! numbers. [`Meters`] adds requests by route and what the application counts itself, and writes all of it as Prometheus
//! reads it.
//!
//! ```
//! use squall::metrics::Meters;
//! use squall::web::{Router, routing::get};
//!
//! let meters = Meters::new();
//! let posts = meters.counter("blog_posts_total", "Posts that were written.");
//! let write = async move || {
//!     posts.add(1);
//!     "written"
//! };
//! let app: Router = Router::new()
//!     .route("/write", get(write))
//!     .route("/metrics", meters.endpoint()); // for this machine alone, unless told otherwise
//! let server = squall::Server::new(app).metrics(&meters);
//! # drop(server);
//! ```

mod application;
mod by_route;
mod endpoint;
mod engine;
mod exposition;
mod process;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::Method;
pub use squall_engine::metrics::*;

use crate::web::RouteNames;
use application::Application;
use by_route::ByRoute;

pub use application::{Counter, Gauge, METRICS_MAX};
pub use by_route::DURATION_BOUNDS;
pub use endpoint::Endpoint;
pub(crate) use endpoint::Relayed;
pub use exposition::{Buckets, Exposition, Labels, Syntax};

/// Everything that is measured of one server. Clones are the same.
#[derive(Clone, Default)]
pub struct Meters {
    inner: Arc<Inner>,
}

/// Writes what is only looked at when it is asked for.
type Collect = Box<dyn Fn(&mut Exposition) + Send + Sync>;

#[derive(Default)]
struct Inner {
    by_route: OnceLock<ByRoute>,
    application: Application,
    collect: Mutex<Vec<Collect>>,
    observer: OnceLock<squall_engine::Observer>,
}

impl Meters {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that only grows, by the name and explanation under which Prometheus knows it. The same name gives the
    /// same counter. A name that is none (`[a-zA-Z_:][a-zA-Z0-9_:]*`), that does not end in `_total`, or that comes past
    /// [`METRICS_MAX`], gives a counter that nobody sees, and a line in the log.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        self.inner.application.counter(name, help)
    }

    /// A number that rises and falls. As [`Meters::counter`], of any name that does not end in `_total`.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.inner.application.gauge(name, help)
    }

    /// Writes more whenever it is asked for: numbers that are known elsewhere, numbers with labels. Must not wait.
    ///
    /// ```
    /// # let meters = squall::metrics::Meters::new();
    /// # let queue_length = || 3;
    /// meters.collect(move |out| {
    ///     out.gauge("mail_waiting", "Mails that wait to be sent.", &[(&[("kind", "welcome")], f64::from(queue_length()))]);
    /// });
    /// assert!(meters.render(Default::default()).contains("mail_waiting{kind=\"welcome\"} 3\n"));
    /// ```
    pub fn collect(&self, write: impl Fn(&mut Exposition) + Send + Sync + 'static) {
        let mut collect = self.inner.collect.lock().unwrap_or_else(PoisonError::into_inner);
        collect.push(Box::new(write));
    }

    /// Everything, as text.
    pub fn render(&self, syntax: Syntax) -> String {
        let mut out = Exposition::new(syntax);
        if let Some(observer) = self.inner.observer.get() {
            engine::write(&observer.metrics(), &mut out);
        }
        process::write(&mut out);
        if let Some(by_route) = self.inner.by_route.get() {
            by_route.write(&mut out);
        }
        self.inner.application.write(&mut out);
        for write in self
            .inner
            .collect
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            write(&mut out);
        }
        out.finish()
    }

    /// A route that gives the text to this machine alone: see [`Endpoint`] for others.
    pub fn endpoint<S>(&self) -> axum::routing::MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        self.endpoint_for(Endpoint::local())
    }

    /// A route that gives the text to whom `endpoint` says. Everybody else gets a 404, as if there were none.
    pub fn endpoint_for<S>(&self, endpoint: Endpoint) -> axum::routing::MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        endpoint.route(self.clone())
    }

    /// Counts by these routes. The first call decides: names that come later are not told apart.
    pub(crate) fn by_route(&self, names: &RouteNames) {
        self.inner.by_route.get_or_init(|| ByRoute::new(names.clone()));
    }

    /// Shows what this server counts.
    pub(crate) fn observe(&self, observer: squall_engine::Observer) {
        // A second server with the same meters is not shown.
        let _ = self.inner.observer.set(observer);
    }

    /// One request that is over; `status` is none if nobody waited for its answer.
    pub(crate) fn count(&self, method: &Method, path: &str, status: Option<u16>, took: Duration) {
        if let Some(by_route) = self.inner.by_route.get() {
            by_route.count(method, path, status, took);
        }
    }
}
