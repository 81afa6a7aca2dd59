//! Long-polling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::HeaderValue;
use http::Method;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;

use super::open::{self, Asked};
use super::query::Query;
use crate::live::access::{Door, Grant, Moment, Refusal, Topics};
use crate::live::api::Live;
use crate::live::style::Style;
use crate::live::ticket::Spec;

/// How long a long-poll waits unless it says so, in milliseconds.
pub const POLL_TIMEOUT_MS: u64 = 25_000;

/// The longest that a long-poll may ask to wait, in milliseconds; more is taken for this.
pub const POLL_TIMEOUT_MS_MAX: u64 = 60_000;

/// How a long-poll's answer looks.
#[derive(Clone)]
pub struct PollDoor {
    spec: Arc<Spec>,
}

impl PollDoor {
    /// The usual: `{"cursor","messages":[{"cursor","topic","data"}],"gap"}`.
    pub fn new() -> Self {
        Self {
            spec: Arc::new(Spec::new(Door::Poll, Style::POLL)),
        }
    }

    /// How the elements of `messages` are written: see [`Live::style`]. Each must be JSON.
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        Arc::make_mut(&mut self.spec).style = style;
        self
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
        let query = Query::read(&parts, false).map_err(open::bad)?;
        let head = parts.method == Method::HEAD;
        let asked = open::ask(live, &self.spec, topics, parts, &query).await?;
        self.respond(live, head, &query, asked)
    }

    fn respond(&self, live: &Live, head: bool, query: &Query, asked: Asked) -> Result<Response, Refusal> {
        let timeout_ms = query
            .timeout_ms
            .unwrap_or(POLL_TIMEOUT_MS)
            .min(POLL_TIMEOUT_MS_MAX);
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        let park = open::park(live, &self.spec, asked, query, Some(deadline))?;
        let mut response = Response::new(Body::empty());
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !head {
            response.extensions_mut().insert(park);
        }
        Ok(response)
    }
}

impl Default for PollDoor {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// Opens a door by hand, after checks of your own: the response that follows what `grant` says.
    ///
    /// `moment` must have been [taken](Live::moment) before those checks. Cursor and time-out are read from the request,
    /// as [`Live::poll`] does.
    pub fn poll_response(&self, door: &PollDoor, parts: &Parts, moment: Moment, grant: Grant) -> Response {
        let query = match Query::read(parts, false) {
            Ok(query) => query,
            Err(detail) => return open::bad(detail).into_response(),
        };
        let head = parts.method == Method::HEAD;
        door.respond(self, head, &query, Asked { moment, grant })
            .unwrap_or_else(IntoResponse::into_response)
    }
}
