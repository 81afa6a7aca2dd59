//! WebSocket.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use http::StatusCode;
use http::request::Parts;
use squall_engine::wire::ws::Accept;
use squall_engine::ws::check_handshake;

use super::open::{self, Asked};
use super::query::Query;
use crate::live::access::{Door, Grant, Moment, Refusal, Topics};
use crate::live::api::Live;
use crate::live::connection::Incoming;
use crate::live::style::Style;
use crate::live::ticket::Spec;
use crate::web::origin::may_open;

/// How a following WebSocket behaves.
#[derive(Clone)]
pub struct WsDoor {
    spec: Arc<Spec>,
}

impl WsDoor {
    /// The usual: `{"cursor","topic","data"}`; what the peer sends is ignored; pages of other origins are refused.
    pub fn new() -> Self {
        Self {
            spec: Arc::new(Spec::new(Door::Ws, Style::WS)),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(Arc::make_mut(&mut self.spec));
        self
    }

    /// How messages are framed: see [`Live::style`].
    #[must_use]
    pub fn style(self, style: Style) -> Self {
        self.change(|spec| spec.style = style)
    }

    /// The data alone, without cursor. Where others are told of a gap, such a connection is closed with
    /// [`CLOSE_BEHIND`](crate::live::CLOSE_BEHIND).
    #[must_use]
    pub fn bare(self) -> Self {
        self.style(Style::WS_BARE)
    }

    /// What happens with messages of the peer. Runs on the core, in place: it must not block; spawn what awaits.
    #[must_use]
    pub fn on_message(self, on_message: impl Fn(Incoming<'_>) + Send + Sync + 'static) -> Self {
        self.change(|spec| spec.on_message = Some(Arc::new(on_message)))
    }

    /// Largest message of the peer, in bytes; one that is larger closes the connection with 1009. Default: 64 KiB. The
    /// server's own limit holds as well.
    #[must_use]
    pub fn message_bytes_max(self, message_bytes_max: usize) -> Self {
        self.change(|spec| spec.message_bytes_max = message_bytes_max)
    }

    /// Lets pages of `origin` (`https://app.example`) in, beside those of our own host.
    #[must_use]
    pub fn trust_origin(self, origin: impl Into<String>) -> Self {
        self.change(|spec| spec.trusted_origins.push(origin.into()))
    }

    /// Lets pages of any origin in: only where no cookie says who somebody is.
    #[must_use]
    pub fn any_origin(self) -> Self {
        self.change(|spec| spec.any_origin = true)
    }

    /// Messages go out as they are, whatever the peer can read: where a secret and a stranger's words stand in one message, how
    /// small it becomes tells of the secret. See `docs/guide/websockets.md`. By default they are compressed where the peer
    /// offers it, once for all who follow; [`crate::Limits::ws_deflate`] says how.
    #[must_use]
    pub fn uncompressed(self) -> Self {
        self.change(|spec| spec.may_deflate = false)
    }

    /// A subprotocol that is spoken here; chosen if the client offers it.
    #[must_use]
    pub fn protocol(self, protocol: impl Into<String>) -> Self {
        self.change(|spec| spec.protocols.push(protocol.into()))
    }

    pub(crate) fn route<S: Clone + Send + Sync + 'static>(
        self,
        live: Live,
        topics: Topics,
    ) -> MethodRouter<S> {
        // Any method: the handshake's own check answers others with 405 or 426 and says what it wants.
        any(move |request: Request| {
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
        let accept = self.check(&parts)?;
        let query = Query::read(&parts, false).map_err(open::bad)?;
        let asked = open::ask(live, &self.spec, topics, parts, &query).await?;
        self.respond(live, &accept, None, &query, asked)
    }

    /// The handshake, and where it comes from.
    fn check(&self, parts: &Parts) -> Result<Accept, Refusal> {
        let accept = check_handshake(parts).map_err(|error| {
            let mut response = Refusal::problem(error.status(), error.reason()).into_response();
            response.headers_mut().extend(error.fields());
            Refusal::from(response)
        })?;
        if !self.spec.any_origin && !may_open(parts, &self.spec.trusted_origins) {
            return Err(Refusal::problem(
                StatusCode::FORBIDDEN,
                "Pages of this origin may not open a WebSocket here.",
            ));
        }
        Ok(accept)
    }

    fn respond(
        &self,
        live: &Live,
        accept: &Accept,
        protocol: Option<&str>,
        query: &Query,
        asked: Asked,
    ) -> Result<Response, Refusal> {
        let park = open::park(live, &self.spec, asked, query, None)?;
        let ours: Vec<&str> = self.spec.protocols.iter().map(String::as_str).collect();
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, Body::empty()).into_response();
        let protocol = protocol.or_else(|| accept.select(&ours));
        response.headers_mut().extend(accept.response_fields(protocol));
        response.extensions_mut().insert(park);
        if let Some(offer) = accept.deflate.filter(|_| self.spec.may_deflate) {
            response.extensions_mut().insert(offer);
        }
        Ok(response)
    }
}

impl Default for WsDoor {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// Opens a door by hand, after checks of your own: the response that follows what `grant` says.
    ///
    /// `moment` must have been [taken](Live::moment) before those checks. `protocol` is the subprotocol to choose, if
    /// the client offered it (some clients offer their token there and want it back). The cursor is read from the
    /// request, as [`Live::ws`] does; handshake and origin are checked as it does.
    pub fn ws_response(
        &self,
        door: &WsDoor,
        parts: &Parts,
        moment: Moment,
        grant: Grant,
        protocol: Option<&str>,
    ) -> Response {
        let open = || {
            let accept = door.check(parts)?;
            let query = Query::read(parts, false).map_err(open::bad)?;
            door.respond(self, &accept, protocol, &query, Asked { moment, grant })
        };
        open().unwrap_or_else(|refusal: Refusal| refusal.into_response())
    }
}
