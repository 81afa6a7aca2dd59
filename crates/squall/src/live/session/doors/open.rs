//! What all doors do: where a request comes from, and what its session begins with.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use squall_engine::source::Park;

use super::Ways;
use crate::live::access::{Grant, Moment, Refusal};
use crate::live::session::framing::Framing;
use crate::live::session::protocol::Command;
use crate::live::ticket::{SessionTicket, Start, Ticket};
use crate::web::origin::may_open;

/// Refuses what pages of other origins cause.
pub(super) fn check_origin(ways: &Ways, parts: &Parts) -> Result<(), Refusal> {
    if ways.0.any_origin || may_open(parts, &ways.0.trusted_origins) {
        return Ok(());
    }
    Err(Refusal::problem(
        StatusCode::FORBIDDEN,
        "Pages of this origin may not open a session here.",
    ))
}

/// Says to a browser that a page of another origin, which may, can read the answer.
pub(super) fn allow_origin(ways: &Ways, parts: &Parts, response: &mut Response) {
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return;
    };
    let fields = response.headers_mut();
    fields.append(VARY, HeaderValue::from_static("origin"));
    let trusted = ways
        .0
        .trusted_origins
        .iter()
        .any(|trusted| trusted.as_bytes() == origin.as_bytes());
    if trusted {
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    } else if ways.0.any_origin {
        // Without cookies: who trusts everybody must not be told who somebody is by one.
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
}

/// A browser asks first whether a page of another origin may.
pub(super) fn preflight(ways: &Ways, request: Request) -> Response {
    let parts = request.into_parts().0;
    if let Err(refusal) = check_origin(ways, &parts) {
        return refusal.into_response();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    allow_origin(ways, &parts, &mut response);
    let fields = response.headers_mut();
    fields.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, OPTIONS"),
    );
    fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("300"));
    if let Some(wanted) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    response
}

/// What a session has said with its request; `None` if that made no sense.
pub(super) type Said = Option<Vec<Command>>;

/// The way to park a connection that becomes a session.
pub(super) fn park(ways: &Ways, framing: Framing, parts: Arc<Parts>, said: Said, bytes: usize) -> Park {
    let live = &ways.0.live;
    let moment = parts.extensions.get::<Moment>().copied();
    Ticket {
        live: live.id(),
        spec: ways.spec(framing),
        grant: Grant::default(),
        moment: moment.unwrap_or_else(|| live.moment()),
        start: Start::At(live.hub().head()),
        deadline: None,
        session: Some(SessionTicket {
            request: parts,
            commands: said,
            bytes,
        }),
    }
    .park()
}

/// A whole body of at most so many bytes.
pub(super) async fn read_body(body: Body, bytes_max: usize) -> Result<bytes::Bytes, Refusal> {
    axum::body::to_bytes(body, bytes_max).await.map_err(|_| {
        Refusal::problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The commands are too large, or broke off.",
        )
    })
}
