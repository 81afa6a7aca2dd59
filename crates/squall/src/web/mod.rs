//! Routing, extractors, responses and middleware: axum's, re-exported, so that one import is enough and one version
//! is used. What axum has only together with its own server ([`ConnectInfo`]) is ours.

pub mod forwarded;
mod methods;
mod names;
pub(crate) mod origin;
mod peer;
mod secure_headers;
mod slash;
mod timeout;
pub mod ws;

#[cfg(feature = "compression")]
pub use crate::compression;
pub use axum::body::{Body, Bytes};
pub use axum::response::{Html, IntoResponse, IntoResponseParts, Redirect, Response};
pub use axum::{Extension, Form, Json, Router, extract::Request, http::StatusCode};
pub use forwarded::{ClientAddr, ClientInfo, Scheme, TrustedProxies};
pub(crate) use methods::is_standard;
pub use names::{ROUTES_MAX, RouteNames};
pub use peer::{ConnectInfo, ConnectInfoMissing};
pub use secure_headers::{SecureHeaders, SecureHeadersService, secure_headers};
pub use slash::redirect_slashes;
pub use timeout::{HandlerTimeout, WithTimeout};

/// Bodies of requests and responses.
pub mod body {
    pub use axum::body::*;
    pub use squall_engine::{BodyControl, BodyError};
}

/// What a handler can ask for of a request.
pub mod extract {
    pub use super::forwarded::{ClientAddr, ClientInfo};
    pub use super::peer::{ConnectInfo, ConnectInfoMissing};
    pub use axum::extract::*;
}

/// Types of the `http` crate: methods, fields, status codes, URIs.
pub mod http {
    pub use axum::http::*;
}

/// Code that runs around handlers.
pub mod middleware {
    pub use axum::middleware::*;
}

/// What a handler can answer with.
pub mod response {
    pub use axum::response::*;
}

/// From method and path to handler.
pub mod routing {
    pub use axum::routing::*;
}

/// Milliseconds since the Unix epoch, by the system's clock.
///
/// A clock before 1970 counts as 0, so that nothing panics on a machine without a battery.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
