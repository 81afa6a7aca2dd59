//! WebSockets with a handler of their own: an extractor like axum's.

use std::future::Future;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use squall_engine::wire::ws::{Accept, UpgradeError};
use squall_engine::ws::check_handshake;

pub use squall_engine::ws::{Closed, Message, Socket};

use super::origin::may_open;

/// Says yes to a WebSocket handshake.
///
/// Opened only by pages of our own origin (and by programs that are no browsers and send none), or a stranger's page
/// would act with its visitor's cookies; [`WebSocketUpgrade::trust_origin`] lets others in.
///
/// ```
/// use squall::web::ws::WebSocketUpgrade;
/// use squall::web::Response;
///
/// async fn echo(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(|mut socket| async move {
///         while let Some(message) = socket.recv().await {
///             if socket.send(message).await.is_err() {
///                 break;
///             }
///         }
///     })
/// }
/// ```
#[derive(Debug)]
pub struct WebSocketUpgrade {
    parts: Parts,
    accept: Accept,
    protocol: Option<HeaderValue>,
    trusted_origins: Vec<String>,
    any_origin: bool,
    uncompressed: bool,
}

impl WebSocketUpgrade {
    /// The first of the client's subprotocols that is one of these is selected.
    #[must_use]
    pub fn protocols(mut self, ours: &[&str]) -> Self {
        self.protocol = self
            .accept
            .select(ours)
            .and_then(|p| HeaderValue::from_str(p).ok());
        self
    }

    /// The subprotocols that the client offers, most wanted first.
    pub fn offered_protocols(&self) -> &[String] {
        &self.accept.protocols
    }

    /// Pages of this origin (`https://example.org`, as browsers write it) may open it too.
    #[must_use]
    pub fn trust_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// Pages of any origin may open it. Only for sockets that no cookie gives rights to.
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// Messages go out as they are, whatever the peer can read: where a secret and a stranger's words stand in one message, how
    /// small it becomes tells of the secret. By default they are compressed where the peer offers it;
    /// [`crate::Limits::ws_deflate`] says how.
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.uncompressed = true;
        self
    }

    /// The response that makes the connection a WebSocket; `callback` then runs on the core that owns it. 403 for a page
    /// of another origin.
    pub fn on_upgrade<F, Fut>(self, callback: F) -> Response
    where
        F: FnOnce(Socket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        if !self.any_origin && !may_open(&self.parts, &self.trusted_origins) {
            return (StatusCode::FORBIDDEN, "this page may not open a WebSocket here\n").into_response();
        }
        let protocol = self.protocol.as_ref().and_then(|p| p.to_str().ok());
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = self.accept.response_fields(protocol);
        response
            .extensions_mut()
            .insert(squall_engine::OnUpgrade::new(callback));
        if let Some(offer) = self.accept.deflate.filter(|_| !self.uncompressed) {
            response.extensions_mut().insert(offer);
        }
        response
    }
}

/// The request is no WebSocket handshake, or a wrong one: 400, 405 or 426.
#[derive(Debug)]
pub struct NotWebSocket(UpgradeError);

impl IntoResponse for NotWebSocket {
    fn into_response(self) -> Response {
        (self.0.status(), self.0.fields(), format!("{}\n", self.0.reason())).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = NotWebSocket;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let accept = check_handshake(parts).map_err(NotWebSocket)?;
        let mut head = http::Request::new(()).into_parts().0;
        head.uri = parts.uri.clone();
        for name in [http::header::HOST, http::header::ORIGIN] {
            if let Some(value) = parts.headers.get(&name) {
                head.headers.insert(name, value.clone());
            }
        }
        Ok(WebSocketUpgrade {
            parts: head,
            accept,
            protocol: None,
            trusted_origins: Vec::new(),
            any_origin: false,
            uncompressed: false,
        })
    }
}
