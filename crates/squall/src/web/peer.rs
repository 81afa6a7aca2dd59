//! Who is at the other end of the connection.

use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};

/// The address at the other end of the connection: an extractor of the shape of axum's.
///
/// Behind a proxy it is the proxy's address: nothing that a proxy says is believed here. Who the client is says
/// [`super::ClientInfo`].
///
/// ```
/// # use std::net::SocketAddr;
/// use squall::web::ConnectInfo;
/// async fn whoami(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
///     format!("you are {}", peer.ip())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectInfo<T>(pub T);

/// The request did not come through [`crate::Server`] over TCP, and nobody added a [`ConnectInfo`] extension: 500.
#[derive(Clone, Copy, Debug)]
pub struct ConnectInfoMissing;

impl IntoResponse for ConnectInfoMissing {
    fn into_response(self) -> Response {
        tracing::error!("a handler asked for the peer's address, and the connection has none");
        (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ConnectInfo<SocketAddr> {
    type Rejection = ConnectInfoMissing;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        peer_addr(&parts.extensions)
            .map(ConnectInfo)
            .ok_or(ConnectInfoMissing)
    }
}

/// The peer's address as the engine (or a test, with a [`ConnectInfo`] extension) noted it.
fn peer_addr(extensions: &axum::http::Extensions) -> Option<SocketAddr> {
    let noted = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    noted.or_else(|| {
        extensions
            .get::<squall_engine::Peer>()
            .and_then(squall_engine::Peer::addr)
    })
}
