//! Commands of sessions whose own connection only goes one way.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prost::Message;

use super::{Ways, open};
use crate::live::access::Refusal;
use crate::live::session::protocol::{EmulationRequest, Form, decode_commands, decode_json};
use crate::live::session::{To, Told, What};

/// 204 once the commands are on their way, also if the session is gone: its stream ends, which says so. 404 if another
/// process had it.
pub(super) async fn serve(ways: &Ways, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let serve = async {
        open::check_origin(ways, &parts)?;
        // In JSON the commands are escaped once more.
        let bytes_max = ways.0.shared.config.frame_bytes_max * 2;
        let body = open::read_body(body, bytes_max).await?;
        let is_binary = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/octet-stream");
        let (form, request) = if is_binary {
            (Form::Protobuf, EmulationRequest::decode(body).ok())
        } else {
            (Form::Json, decode_json(&body).ok())
        };
        let Some(request) = request else {
            return Err(Refusal::problem(
                StatusCode::BAD_REQUEST,
                "This is no emulated request.",
            ));
        };
        deliver(ways, form, &request)
    };
    let mut response = serve.await.unwrap_or_else(IntoResponse::into_response);
    open::allow_origin(ways, &parts, &mut response);
    response
}

fn deliver(ways: &Ways, form: Form, request: &EmulationRequest) -> Result<Response, Refusal> {
    if request.node != ways.0.shared.node {
        return Err(Refusal::problem(StatusCode::NOT_FOUND, "There is no such node."));
    }
    if request.data.len() > ways.0.shared.config.frame_bytes_max {
        return Err(Refusal::problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The commands are too large.",
        ));
    }
    let place = ways.0.shared.place(&request.session);
    if let Some(place) = place
        && let Some(core) = ways.0.live.core(place.core)
    {
        let commands = decode_commands(form, &request.data).ok();
        core.tell(Told {
            to: To {
                follower: place.follower,
                life: place.life,
            },
            what: What::Commands(commands.map(|commands| (commands, request.data.len()))),
        });
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
