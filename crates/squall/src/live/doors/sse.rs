//! Server-Sent Events.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method};

use super::open::{self, Asked};
use super::query::Query;
use crate::live::access::{Door, Grant, Moment, Refusal, Topics};
use crate::live::api::Live;
use crate::live::style::Style;
use crate::live::ticket::Spec;

/// After how long a browser comes back when its stream has ended, in milliseconds; each is told up to half as much
/// more, so that they do not all come at once.
pub const SSE_RETRY_MS: u64 = 2_000;

/// How a stream of events looks.
#[derive(Clone)]
pub struct SseDoor {
    spec: Arc<Spec>,
}

impl SseDoor {
    /// The usual: `retry:` and `id:` first, events with `id: <cursor>`, a comment as heartbeat.
    pub fn new() -> Self {
        Self {
            spec: Arc::new(Spec::new(Door::Sse, Style::SSE)),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(Arc::make_mut(&mut self.spec));
        self
    }

    /// How messages are framed: see [`Live::style`]. What the style writes is written to the stream as it is.
    ///
    /// A style that has no words for a gap: whoever comes with a cursor that is too old is answered 410, and a
    /// stream that falls behind is closed.
    #[must_use]
    pub fn style(self, style: Style) -> Self {
        self.change(|spec| spec.style = style)
    }

    /// What the stream begins with, instead of `retry:` and an `id:` that gives a cursor to a client that receives
    /// nothing else. May be empty.
    #[must_use]
    pub fn hello(self, hello: impl Into<Bytes>) -> Self {
        self.change(|spec| spec.hello = Some(hello.into()))
    }

    /// What a quiet stream is sent now and then. Default: an empty comment, `:` and a blank line.
    #[must_use]
    pub fn heartbeat(self, heartbeat: impl Into<Bytes>) -> Self {
        self.change(|spec| spec.heartbeat = heartbeat.into())
    }

    pub(crate) fn route<S: Clone + Send + Sync + 'static>(
        self,
        live: Live,
        topics: Topics,
    ) -> MethodRouter<S> {
        get(move |request: Request| {
            let (door, live, topics) = (self.clone(), live.clone(), topics.clone());
            async move {
                door.serve(&live, &topics, request)
                    .await
                    .unwrap_or_else(IntoResponse::into_response)
            }
        })
    }

    async fn serve(self, live: &Live, topics: &Topics, request: Request) -> Result<Response, Refusal> {
        let parts = request.into_parts().0;
        let query = Query::read(&parts, true).map_err(open::bad)?;
        let head = parts.method == Method::HEAD;
        let asked = open::ask(live, &self.spec, topics, parts, &query).await?;
        self.respond(live, head, &query, asked)
    }

    fn respond(&self, live: &Live, head: bool, query: &Query, asked: Asked) -> Result<Response, Refusal> {
        open::check_gap(live, &self.spec, &asked.grant, query)?;
        let park = open::park(live, &self.spec, asked, query, None)?;
        let mut response = Response::new(Body::empty());
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // nginx buffers answers unless it is told not to.
        fields.insert(
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        );
        if !head {
            response.extensions_mut().insert(park);
        }
        Ok(response)
    }
}

impl Default for SseDoor {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// Opens a door by hand, after checks of your own: the response that follows what `grant` says.
    ///
    /// `moment` must have been [taken](Live::moment) before those checks. The cursor is read from the request, as
    /// [`Live::sse`] does.
    pub fn sse_response(&self, door: &SseDoor, parts: &Parts, moment: Moment, grant: Grant) -> Response {
        let query = match Query::read(parts, true) {
            Ok(query) => query,
            Err(detail) => return open::bad(detail).into_response(),
        };
        let head = parts.method == Method::HEAD;
        door.respond(self, head, &query, Asked { moment, grant })
            .unwrap_or_else(IntoResponse::into_response)
    }
}
