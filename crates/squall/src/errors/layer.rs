//! The layer that gives errors the form that their request asked for.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName,
    LAST_MODIFIED, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode, response::Parts};
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::accept::{self, Form};
use super::page::{ErrorPage, MakePage};
use super::problem::{Cause, Inner, Problem};
use super::render;
use crate::BoxFuture;
use crate::log::RequestId;
use crate::web::is_standard;

/// Bytes of a bare text that is looked at; a longer one is no short word about what went wrong, and is left alone.
const BARE_BYTES_MAX: u64 = 4096;

/// For a site: pages for browsers, problem details for whoever asks for JSON, text for everybody else. To be put inside
/// [`crate::log::access`], so that answers show the request's id, and outside everything else.
pub fn pages() -> Pages {
    Pages::new([Form::Text, Form::Html, Form::Json])
}

/// For an API: problem details for everybody but browsers.
pub fn api() -> Pages {
    Pages::new([Form::Json, Form::Html, Form::Text])
}

/// A layer that gives errors their form: see [`pages()`] and [`api()`], and the module for what it does.
#[derive(Clone)]
pub struct Pages {
    how: Arc<How>,
}

struct How {
    /// By preference.
    offers: [Form; 3],
    page: Option<Box<MakePage>>,
}

impl Pages {
    fn new(offers: [Form; 3]) -> Self {
        let how = How { offers, page: None };
        Self { how: Arc::new(how) }
    }

    /// Pages of your own. `None` (a template that fails) gives the built-in one; it should have been logged.
    ///
    /// [`ErrorPage`] is plain text: escape it, as templates do.
    #[must_use]
    pub fn page(self, make: impl Fn(&ErrorPage) -> Option<String> + Send + Sync + 'static) -> Self {
        let how = How {
            offers: self.how.offers,
            page: Some(Box::new(make)),
        };
        Self { how: Arc::new(how) }
    }

    /// Pages by a template, which sees the members of [`ErrorPage`].
    ///
    /// ```
    /// use squall::{errors, templates::Templates};
    /// let page = "<h1>{{ status }} {{ title }}</h1><p>{{ detail }}</p><small>{{ request_id }}</small>";
    /// let templates = Templates::embedded(&[("error.html", page)]).build()?;
    /// let layer = errors::pages().template(&templates, "error.html");
    /// # drop(layer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn template(self, templates: &crate::templates::Templates, name: &'static str) -> Self {
        let templates = templates.clone();
        self.page(move |page| match templates.render(name, page) {
            Ok(html) => Some(html.0),
            Err(error) => {
                tracing::error!(%error, "the template of error pages failed");
                None
            }
        })
    }
}

impl<S> Layer<S> for Pages {
    type Service = PagesService<S>;

    fn layer(&self, inner: S) -> PagesService<S> {
        PagesService {
            inner,
            how: self.how.clone(),
        }
    }
}

/// What [`Pages`] wraps a service in.
#[derive(Clone)]
pub struct PagesService<S> {
    inner: S,
    how: Arc<How>,
}

impl<S> Service<Request> for PagesService<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = PagesFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut asked = Asked {
            how: self.how.clone(),
            accept: accept::of(request.headers()),
            id: request.extensions().get().cloned(),
            known_method: is_standard(request.method()),
            is_head: request.method() == Method::HEAD,
        };
        let called = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        let (inner, cold) = match called {
            Ok(inner) => (Some(inner), None),
            Err(panic) => (None, Some(asked.panicked(&*panic))),
        };
        PagesFuture { inner, asked, cold }
    }
}

/// What of a request decides how its error looks.
struct Asked {
    how: Arc<How>,
    accept: Option<HeaderValue>,
    id: Option<RequestId>,
    /// Whether the method is one that any route can take.
    known_method: bool,
    is_head: bool,
}

pin_project! {
    /// The answer to come of a [`PagesService`].
    pub struct PagesFuture<F> {
        #[pin]
        inner: Option<F>,
        asked: Asked,
        // The error's answer, while its text is read.
        cold: Option<BoxFuture<'static, Response>>,
    }
}

impl<F, E> Future for PagesFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.cold.is_none()
            && let Some(inner) = this.inner.as_mut().as_pin_mut()
        {
            *this.cold = Some(match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
                Ok(polled) => {
                    let response = ready!(polled)?;
                    if !(response.status().is_client_error() || response.status().is_server_error()) {
                        return Poll::Ready(Ok(response));
                    }
                    Box::pin(this.asked.take().answer(response))
                }
                Err(panic) => this.asked.panicked(&*panic),
            });
            // Whatever the handler holds is given back before the answer.
            this.inner.set(None);
        }
        match this.cold.as_mut() {
            Some(cold) => cold.as_mut().poll(context).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl Asked {
    fn take(&mut self) -> Asked {
        Asked {
            how: self.how.clone(),
            accept: self.accept.take(),
            id: self.id.take(),
            ..*self
        }
    }

    /// The error in the form that was asked for, or as it is if it has a form of its own.
    async fn answer(self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        if let Some(said) = parts.extensions.remove::<Said>() {
            let mut problem = said.problem.clone();
            said.log(self.id.as_ref());
            self.adjust(&mut problem);
            return self.render(&problem, &parts);
        }
        if self.is_formed(&parts, &body) {
            return Response::from_parts(parts, body);
        }
        let text = axum::body::to_bytes(body, BARE_BYTES_MAX as usize)
            .await
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let text = text.trim();
        let mut problem = Problem::new(parts.status);
        let says_nothing = text.is_empty() || Some(text) == parts.status.canonical_reason();
        if !says_nothing && parts.status.is_client_error() {
            problem = problem.detail(text);
        } else if !says_nothing {
            // What a 5xx says may be anything: an error's text, a path, a query.
            problem = problem.cause(text.escape_debug().to_string());
        }
        let mut problem = problem.into_inner();
        log(&mut problem, self.id.as_ref());
        self.adjust(&mut problem);
        self.render(&problem, &parts)
    }

    /// A method that no route knows is 501, wherever it is sent (RFC 9110, section 15.6.2).
    fn adjust(&self, problem: &mut Inner) {
        if problem.status == StatusCode::METHOD_NOT_ALLOWED && !self.known_method {
            problem.status = StatusCode::NOT_IMPLEMENTED;
        }
    }

    /// Whether an error has a body that somebody gave a form.
    fn is_formed(&self, parts: &Parts, body: &Body) -> bool {
        let bare = parts.headers.get(CONTENT_TYPE).is_none_or(|kind| {
            let kind = kind
                .as_bytes()
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"text/plain")
        });
        let short = body
            .size_hint()
            .upper()
            .is_some_and(|bytes| bytes <= BARE_BYTES_MAX);
        // Typed text that is empty may be the head of something: a handler that answers HEAD itself.
        let own_head = self.is_head && parts.headers.contains_key(CONTENT_TYPE) && body.is_end_stream();
        !bare || !short || own_head || parts.headers.contains_key(CONTENT_ENCODING)
    }

    /// The answer, with those fields of the first one that do not speak of its body.
    fn render(&self, problem: &Inner, parts: &Parts) -> Response {
        const OF_THE_BODY: [HeaderName; 7] = [
            CONTENT_TYPE,
            CONTENT_LENGTH,
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            ETAG,
            LAST_MODIFIED,
            ACCEPT_RANGES,
        ];
        let form = accept::choose(self.accept.as_ref(), self.how.offers);
        let page = self.how.page.as_deref();
        let id = self.id.as_ref().map(RequestId::as_str);
        let mut response = render::response(problem, form, id, page);
        for name in parts.headers.keys() {
            let replaced = OF_THE_BODY.contains(name) || problem.fields.contains_key(name);
            if replaced {
                continue;
            }
            if *name != VARY {
                response.headers_mut().remove(name);
            }
            for value in parts.headers.get_all(name) {
                // What a `Problem` said of itself is said already.
                if *name != VARY || !response.headers().get_all(VARY).iter().any(|said| said == value) {
                    response.headers_mut().append(name.clone(), value.clone());
                }
            }
        }
        response.extensions_mut().extend(parts.extensions.clone());
        response
    }

    fn panicked(&mut self, panic: &(dyn Any + Send)) -> BoxFuture<'static, Response> {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("it does not say why").escape_debug().to_string();
        let mut problem = Problem::internal()
            .cause(format!("a handler panicked: {text}"))
            .into_inner();
        let asked = self.take();
        log(&mut problem, asked.id.as_ref());
        let (parts, ()) = Response::new(()).into_parts();
        Box::pin(std::future::ready(asked.render(&problem, &parts)))
    }
}

/// What a response says of the problem that it is, for the layer; without one, the cause is logged when this is dropped.
#[derive(Clone)]
struct Said {
    problem: Inner,
    cause: Arc<Mutex<Unlogged>>,
}

struct Unlogged {
    status: StatusCode,
    cause: Option<Cause>,
}

impl Said {
    fn log(&self, id: Option<&RequestId>) {
        let mut unlogged = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        unlogged.log(id);
    }
}

impl Unlogged {
    fn log(&mut self, id: Option<&RequestId>) {
        let Some(cause) = self.cause.take() else { return };
        let (status, id) = (self.status.as_u16(), id.map_or("-", RequestId::as_str));
        let cause = chain(&*cause);
        if self.status.is_server_error() {
            tracing::error!(id, status, %cause, "a request failed");
        } else {
            tracing::debug!(id, status, %cause, "a request was refused");
        }
    }
}

impl Drop for Unlogged {
    fn drop(&mut self) {
        self.log(None);
    }
}

fn log(problem: &mut Inner, id: Option<&RequestId>) {
    let cause = problem.cause.0.take();
    Unlogged {
        status: problem.status,
        cause,
    }
    .log(id);
}

/// An error and what caused it, on one line: texts of errors may hold what a peer sent.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    /// Sources that are said.
    const DEPTH_MAX: usize = 8;
    let mut text = error.to_string();
    let mut next = error.source();
    for _ in 0..DEPTH_MAX {
        let Some(source) = next else { break };
        let said = source.to_string();
        // Some libraries say their source themselves.
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = source.source();
    }
    crate::log::one_line(&text)
}

impl IntoResponse for Problem {
    /// Problem details. With the layer, whatever the request asked for.
    fn into_response(self) -> Response {
        let mut problem = self.into_inner();
        let cause = problem.cause.0.take();
        let mut response = render::response(&problem, Form::Json, None, None);
        let unlogged = Unlogged {
            status: problem.status,
            cause,
        };
        let cause = Arc::new(Mutex::new(unlogged));
        response.extensions_mut().insert(Said { problem, cause });
        response
    }
}
