//! What is known of one request, from its beginning until its answer is over.

use std::cell::Cell;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::http::header::{REFERER, USER_AGENT};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use axum::response::Response;
use http_body::Body as _;
use tracing::Span;

use super::output::Output;
use super::{How, Lines, LogUser, format, secrets};
use crate::log::{RequestId, escape};
use crate::trace::TraceContext;

pub(super) const TARGET: &str = "squall::access";
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whoever asked went away before there was an answer: what nginx writes for it. Never sent.
const GONE: u16 = 499;

/// One request. Written to the log, and counted, when it is dropped: after its answer's body, or when it is cancelled.
pub(crate) struct Record {
    pub(super) how: Arc<How>,
    pub(super) id: RequestId,
    pub(super) trace: TraceContext,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    /// Of the client, as far as we know.
    pub(super) client: Option<IpAddr>,
    pub(super) agent: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
    pub(super) user: Option<String>,
    pub(super) began_at: SystemTime,
    began: Instant,
    span: Span,
    /// Whether a line is written at all.
    wanted: bool,
    /// None until there is an answer.
    status: Option<StatusCode>,
    /// From the request's beginning to the answer's.
    head_after: Option<Duration>,
    /// Body bytes that were taken.
    pub(super) bytes: u64,
    /// Those that the answer promised, if it did.
    promised: Option<u64>,
    /// Whether nothing of the answer is missing.
    whole: bool,
    /// Whether the handler panicked.
    panicked: Cell<bool>,
}

/// Notes a panic on its way: whoever catches it may drop the record much later.
struct NotePanic<'r>(&'r Cell<bool>);

impl Drop for NotePanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set(true);
        }
    }
}

impl Record {
    pub(super) fn begin<B>(how: &Arc<How>, request: &mut Request<B>) -> Box<Self> {
        let trusted = how.trusts(request.extensions());
        let fields = request.headers();
        let given = fields.get(X_REQUEST_ID).filter(|_| trusted);
        let given = given.and_then(|id| RequestId::parse(id.to_str().ok()?));
        let trace = trusted.then(|| TraceContext::of(fields)).flatten();
        // Somebody outside of us may observe the request too.
        let known = request.extensions();
        let id = known.get().cloned().or(given).unwrap_or_default();
        let trace = known.get().cloned().or(trace);
        let trace = trace.unwrap_or_else(|| TraceContext::new(how.samples()));
        let wanted = how.output.as_ref().is_some_and(Output::is_wanted);
        let in_full = wanted && how.lines != Lines::Common;
        let field = |name| fields.get(name).filter(|_| in_full).cloned();
        let (agent, referer) = (field(USER_AGENT), field(REFERER));
        let mut record = Box::new(Self {
            how: how.clone(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            client: crate::web::forwarded::client_ip(request.extensions()),
            agent,
            referer,
            user: None,
            began_at: SystemTime::now(),
            began: Instant::now(),
            span: Span::none(),
            wanted,
            status: None,
            head_after: None,
            bytes: 0,
            promised: None,
            whole: false,
            panicked: Cell::new(false),
            id: id.clone(),
            trace: trace.clone(),
        });
        if how.spans {
            record.span = record.new_span();
        }
        request.extensions_mut().insert(id);
        request.extensions_mut().insert(trace);
        record
    }

    fn new_span(&self) -> Span {
        let shown = Shown(self);
        tracing::info_span!(
            target: "squall::request", "request",
            id = %self.id, method = %self.method, route = %shown.route(),
            trace_id = %shown.trace_id(), span_id = %shown.span_id(),
        )
    }

    /// Does something of the request's: what it logs belongs to the request.
    pub(crate) fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        let _noted = NotePanic(&self.panicked);
        if self.span.is_disabled() {
            return act();
        }
        self.span.in_scope(act)
    }

    /// There is an answer: notes what it is, and says the request's id in it.
    pub(crate) fn answered(&mut self, response: &mut Response) {
        let status = response.status();
        self.status = Some(status);
        self.head_after = Some(self.began.elapsed());
        if let Ok(id) = HeaderValue::try_from(self.id.as_str()) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        self.user = response.extensions_mut().remove::<LogUser>().map(|user| user.0);
        self.promised = response.body().size_hint().exact();
        let bodiless = matches!(status.as_u16(), 100..=199 | 204 | 304) || self.method == Method::HEAD;
        self.whole = bodiless || self.promised == Some(0);
        self.warn_if_slow();
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.whole |= self.promised == Some(self.bytes);
    }

    pub(crate) fn ended(&mut self) {
        self.whole = true;
    }

    fn warn_if_slow(&self) {
        let took = self.head_after.unwrap_or_else(|| self.began.elapsed());
        if self.how.slow.is_some_and(|slow| took > slow) {
            let (millis, shown) = (took.as_millis(), Shown(self));
            tracing::warn!(
                target: "squall::slow",
                id = %self.id, method = %self.method, path = %shown.path(), route = %shown.route(), millis,
                "a request was slow to answer",
            );
        }
    }

    /// The status of the answer; for a request that has none, what ended it.
    pub(super) fn status(&self) -> u16 {
        match self.status {
            Some(status) => status.as_u16(),
            None if self.panicked.get() => 500,
            None => GONE,
        }
    }

    /// Whether something of the answer was not taken.
    pub(super) fn is_aborted(&self) -> bool {
        !self.whole
    }

    pub(super) fn duration(&self) -> Duration {
        self.began.elapsed()
    }

    /// Written now, to wherever lines go.
    fn write(&self) {
        let Some(output) = self.how.output.as_ref().filter(|_| self.wanted) else {
            return;
        };
        if output.is_tracing() {
            return self.trace();
        }
        let mut line = String::with_capacity(256);
        format::line(self, self.how.lines, &mut line);
        output.write(line);
    }

    fn trace(&self) {
        let micros = u64::try_from(self.duration().as_micros()).unwrap_or(u64::MAX);
        let (shown, status, bytes) = (Shown(self), self.status(), self.bytes);
        tracing::info!(
            target: TARGET, parent: None,
            peer = %shown.client(), id = %self.id, method = %self.method, path = %shown.target(), status, bytes, micros,
            route = %shown.route(), protocol = ?self.version, aborted = self.is_aborted(), trace_id = %shown.trace_id(),
        );
    }
}

impl How {
    /// Whether a trace that begins now is sampled.
    fn samples(&self) -> bool {
        match self.sample_every {
            0 => false,
            1 => true,
            every => u32::from_be_bytes(crate::log::random()).is_multiple_of(every),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.warn_if_slow();
        }
        if let Some(metrics) = &self.how.metrics {
            let time = self.head_after.unwrap_or_else(|| self.began.elapsed());
            metrics.count(
                &self.method,
                self.uri.path(),
                self.status.map(|status| status.as_u16()),
                time,
            );
        }
        self.write();
    }
}

/// The parts of a record as they are written.
pub(super) struct Shown<'r>(pub(super) &'r Record);

impl<'r> Shown<'r> {
    /// Without its query.
    pub(super) fn path(&self) -> String {
        escape::path(self.0.uri.path())
    }

    /// With as much of its query as may be shown.
    pub(super) fn target(&self) -> String {
        let mut text = self.path();
        if let Some(query) = self.0.uri.query()
            && let Some(query) = secrets::shown(query, self.0.how.queries)
        {
            text.push('?');
            text.push_str(&escape::path(&query));
        }
        text
    }

    pub(super) fn client(&self) -> impl fmt::Display + 'r {
        let client = self.0.client;
        fmt::from_fn(move |f| match client {
            Some(client) => write!(f, "{client}"),
            None => f.write_str("-"),
        })
    }

    pub(super) fn route(&self) -> &'r str {
        self.0.how.names.of_path(self.0.uri.path()).unwrap_or("-")
    }

    pub(super) fn trace_id(&self) -> String {
        self.0.trace.trace_id()
    }

    pub(super) fn span_id(&self) -> String {
        self.0.trace.span_id()
    }
}
