//! What stands between the engine and the router: what HTTP asks of every resource alike.
//!
//! `OPTIONS` is answered where no route does it itself (RFC 9110, section 9.3.7), `OPTIONS *` for the whole server; a
//! method that no route could know is 501 and not 405 (section 15.6.2); and a 405 always says what is allowed
//! (section 15.5.6). A request that needs none of that costs a look at its method and at its answer's status.
//!
//! What proxies say of their clients is believed or removed here ([`crate::web::forwarded`]): nothing of an application is
//! outside of it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::RouterIntoService;
use axum::routing::future::RouteFuture;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::log::{Access, How, Record, wrap};
use crate::metrics::Relayed;
use crate::web::forwarded::Malformed;
use crate::web::{RouteNames, TrustedProxies, is_standard};

/// What `OPTIONS *` says that the server takes, for one resource or another.
const SERVER_ALLOWS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A router as the engine calls it.
#[derive(Clone)]
pub(crate) struct Front {
    router: RouterIntoService<squall_engine::Body>,
    /// Who is believed in who the client is.
    proxies: Option<Arc<TrustedProxies>>,
    names: RouteNames,
    /// None: nobody wants to know of requests.
    access: Option<Access>,
}

impl Front {
    pub(crate) fn new(router: axum::Router) -> Self {
        Self {
            names: RouteNames::of(&router),
            router: router.into_service(),
            proxies: None,
            access: None,
        }
    }

    /// What the routes are called.
    pub(crate) fn names(&self) -> &RouteNames {
        &self.names
    }

    pub(crate) fn trust(&mut self, proxies: TrustedProxies) {
        self.proxies = Some(Arc::new(proxies));
    }

    /// Observes requests in this way; what was counted before is counted on.
    pub(crate) fn observe(&mut self, access: Access) {
        let before = self.access.take().and_then(|access| access.into_how().metrics);
        let access = access.routes(&self.names);
        self.access = Some(match before {
            Some(meters) => access.metrics(&meters),
            None => access,
        });
    }

    /// Counts requests.
    pub(crate) fn count(&mut self, meters: &crate::metrics::Meters) {
        meters.by_route(&self.names);
        let access = self.access.take();
        let access = access.unwrap_or_else(|| Access::of_how(How::silent()).routes(&self.names).spans(false));
        self.access = Some(access.metrics(meters));
    }
}

/// What a request's method means for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Ordinary,
    Options,
    /// A method that no route can be for.
    Unknown,
    /// It cannot be told who asks.
    Malformed(Malformed),
}

impl Ask {
    fn of(method: &Method) -> Self {
        if *method == Method::GET {
            Ask::Ordinary
        } else if *method == Method::OPTIONS {
            Ask::Options
        } else if is_standard(method) {
            Ask::Ordinary
        } else {
            Ask::Unknown
        }
    }
}

impl Service<Request<squall_engine::Body>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = FrontFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<squall_engine::Body>) -> FrontFuture {
        let mut ask = Ask::of(request.method());
        if let Some(proxies) = &self.proxies {
            let (mut parts, body) = request.into_parts();
            // What is not believed is removed, and with it the sign that somebody stands between.
            Relayed::note(&parts.headers, &mut parts.extensions);
            let applied = proxies.apply(&mut parts.headers, &mut parts.extensions, &parts.uri);
            if let Err(malformed) = applied {
                ask = Ask::Malformed(malformed);
            }
            request = Request::from_parts(parts, body);
        }
        let record = self.access.as_ref().map(|access| access.begin(&mut request));
        // In asterisk-form the path is `*`, which no route can have: routes begin with a slash.
        let about_the_server = ask == Ask::Options && request.uri().path() == "*";
        let inner = if about_the_server || matches!(ask, Ask::Malformed(_)) {
            None
        } else {
            let router = &mut self.router;
            Some(within(record.as_deref(), || router.call(request)))
        };
        FrontFuture { inner, ask, record }
    }
}

/// Does something of a request's, as that if it is observed.
fn within<T>(record: Option<&Record>, act: impl FnOnce() -> T) -> T {
    match record {
        Some(record) => record.within(act),
        None => act(),
    }
}

pin_project! {
    /// The answer to come.
    pub(crate) struct FrontFuture {
        // None: the request is about the server, or is refused.
        #[pin]
        inner: Option<RouteFuture<Infallible>>,
        ask: Ask,
        record: Option<Box<Record>>,
    }
}

impl Future for FrontFuture {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            if let Ask::Malformed(malformed) = this.ask {
                return Poll::Ready(Ok(recorded(malformed.into_response(), this.record)));
            }
            let mut response = Response::new(Body::empty());
            allow_only(&mut response, HeaderValue::from_static(SERVER_ALLOWS));
            return Poll::Ready(Ok(recorded(response, this.record)));
        };
        // Looked at where it is: a response is large, and every request has one.
        let mut polled = within(this.record.as_deref(), || inner.poll(context));
        if let Poll::Ready(Ok(response)) = &mut polled
            && matches!(
                response.status(),
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
            )
        {
            not_allowed(*this.ask, response);
        }
        if this.record.is_none() {
            return polled;
        }
        polled.map_ok(|response| recorded(response, this.record))
    }
}

/// The answer, with the record of its request in its body, if there is one.
fn recorded(response: Response, record: &mut Option<Box<Record>>) -> Response {
    match record.take() {
        Some(record) => wrap(response, record),
        None => response,
    }
}

/// Completes what the router says of a method that a resource does not take.
fn not_allowed(ask: Ask, response: &mut Response) {
    match ask {
        Ask::Unknown => {
            *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
            response.headers_mut().remove(ALLOW);
        }
        _ if response.status() == StatusCode::NOT_IMPLEMENTED => {}
        Ask::Options => {
            let allow = allowed(response.headers());
            *response.body_mut() = Body::empty();
            allow_only(response, allow);
        }
        Ask::Ordinary | Ask::Malformed(_) => {
            let allow = allowed(response.headers());
            response.headers_mut().insert(ALLOW, allow);
        }
    }
}

/// 204, and what is allowed.
fn allow_only(response: &mut Response, allow: HeaderValue) {
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields = response.headers_mut();
    fields.remove(CONTENT_TYPE);
    fields.remove(CONTENT_LENGTH);
    fields.insert(ALLOW, allow);
}

/// What the router says is allowed, and `OPTIONS`, which is always.
fn allowed(fields: &HeaderMap) -> HeaderValue {
    let said = fields
        .get_all(ALLOW)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut methods: Vec<&str> = said
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|method| !method.is_empty())
        .collect();
    if !methods.contains(&"OPTIONS") {
        methods.push("OPTIONS");
    }
    HeaderValue::try_from(methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
