//! WebSocket.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use squall_engine::ws::check_handshake;

use super::open::{self, Said};
use super::{Ways, asked_form};
use crate::live::access::Refusal;
use crate::live::session::framing::{Framing, Transport};
use crate::live::session::protocol::{ConnectRequest, Form, decode_json};
use crate::live::source::session::connect_command;

/// Clients offer these to say which form they speak.
const PROTOCOLS: [&str; 2] = ["centrifuge-json", "centrifuge-protobuf"];

pub(super) async fn serve(ways: &Ways, transport: Transport, request: Request) -> Response {
    respond(ways, transport, request).unwrap_or_else(IntoResponse::into_response)
}

fn respond(ways: &Ways, transport: Transport, request: Request) -> Result<Response, Refusal> {
    let parts = request.into_parts().0;
    let accept = check_handshake(&parts).map_err(|error| {
        let mut response = Refusal::problem(error.status(), error.reason()).into_response();
        response.headers_mut().extend(error.fields());
        Refusal::from(response)
    })?;
    open::check_origin(ways, &parts)?;
    let (mut form, mut protocol, mut said): (Form, Option<&str>, Said) = (Form::Json, None, Some(Vec::new()));
    let mut bytes = 0;
    if transport.is_one_way() {
        let query = parts.uri.query().unwrap_or_default();
        if let Some((_, request)) =
            form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "cf_connect")
        {
            let request: Option<ConnectRequest> = decode_json(request.as_bytes()).ok();
            bytes = query.len();
            said = request.map(|request| vec![connect_command(request)]);
        }
    } else {
        protocol = accept.select(&PROTOCOLS);
        form = match protocol {
            Some("centrifuge-protobuf") => Form::Protobuf,
            _ => asked_form(&parts),
        };
    }
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, Body::empty()).into_response();
    response.headers_mut().extend(accept.response_fields(protocol));
    let framing = Framing { form, transport };
    let park = open::park(ways, framing, Arc::new(parts), said, bytes);
    response.extensions_mut().insert(park);
    if let Some(offer) = accept.deflate {
        response.extensions_mut().insert(offer);
    }
    Ok(response)
}
