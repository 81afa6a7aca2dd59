//! A response that goes on: lines or events, both ways with `/emulation`, or one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::open::{self, Said};
use super::{Ways, is_head};
use crate::live::access::Refusal;
use crate::live::session::framing::{Carrier, Framing, Transport};
use crate::live::session::protocol::{Command, ConnectRequest, Form, decode_commands, decode_json};
use crate::live::source::session::connect_command;

/// The commands are in the body.
pub(super) async fn posted(ways: &Ways, transport: Transport, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let serve = async {
        open::check_origin(ways, &parts)?;
        let body = open::read_body(body, ways.0.shared.config.frame_bytes_max).await?;
        let framing = Framing {
            form: posted_form(&parts, transport),
            transport,
        };
        let said = if transport.is_one_way() {
            one_way(&body)
        } else {
            decode_commands(framing.form, &body).ok()
        };
        Ok((framing, said, body.len()))
    };
    match serve.await {
        Ok((framing, said, bytes)) => respond(ways, framing, parts, said, bytes),
        Err(refusal) => Refusal::into_response(refusal),
    }
}

/// The connect command is in the query: browsers open event streams so.
pub(super) async fn got(ways: &Ways, transport: Transport, request: Request) -> Response {
    let parts = request.into_parts().0;
    let framing = Framing {
        form: Form::Json,
        transport,
    };
    let found = open::check_origin(ways, &parts).and_then(|()| {
        let found = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "cf_connect")
            .map(|(_, value)| value.into_owned());
        match found {
            None if transport.is_one_way() => Ok("{}".to_owned()),
            None => Err(bad("cf_connect is missing: the connect command.")),
            Some(found) if found.len() > ways.0.shared.config.frame_bytes_max => {
                Err(bad("cf_connect is too large."))
            }
            Some(found) => Ok(found),
        }
    });
    let text = match found {
        Ok(text) => text,
        Err(refusal) => return refusal.into_response(),
    };
    let said = if transport.is_one_way() {
        one_way(text.as_bytes())
    } else {
        // A link can make a browser send this with its cookies: so it may begin a session, and do nothing.
        decode_commands(Form::Json, text.as_bytes())
            .ok()
            .filter(|said| is_connect_alone(said))
    };
    respond(ways, framing, parts, said, text.len())
}

/// Nothing begins for a request that asks for the head alone.
pub(super) fn asked_for_head(ways: &Ways, request: Request) -> Response {
    let parts = request.into_parts().0;
    debug_assert!(is_head(&parts));
    open::check_origin(ways, &parts).map_or_else(Refusal::into_response, |()| {
        StatusCode::NO_CONTENT.into_response()
    })
}

fn is_connect_alone(said: &[Command]) -> bool {
    matches!(said, [only] if only.connect.is_some())
}

fn one_way(request: &[u8]) -> Said {
    let request: ConnectRequest = decode_json(request).ok()?;
    Some(vec![connect_command(request)])
}

fn posted_form(parts: &Parts, transport: Transport) -> Form {
    let kind = parts.headers.get(CONTENT_TYPE);
    let is_binary = kind.is_some_and(|kind| kind == "application/octet-stream");
    if is_binary && transport == Transport::HttpStream {
        Form::Protobuf
    } else {
        Form::Json
    }
}

fn respond(ways: &Ways, framing: Framing, parts: Parts, said: Said, bytes: usize) -> Response {
    let mut response = Response::new(Body::empty());
    open::allow_origin(ways, &parts, &mut response);
    let kind = match (framing.transport.carrier(), framing.form) {
        (Carrier::Events, _) => "text/event-stream",
        (_, Form::Json) => "application/x-ndjson",
        (_, Form::Protobuf) => "application/octet-stream",
    };
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx buffers answers unless it is told not to.
    fields.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    let park = open::park(ways, framing, Arc::new(parts), said, bytes);
    response.extensions_mut().insert(park);
    response
}

fn bad(detail: &str) -> Refusal {
    Refusal::problem(StatusCode::BAD_REQUEST, detail)
}
