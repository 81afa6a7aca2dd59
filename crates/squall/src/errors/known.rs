//! Errors that are the caller's fault, and which status says so.

use std::error::Error as StdError;

use axum::extract::rejection::{
    BytesRejection, FormRejection, JsonRejection, PathRejection, QueryRejection, RawFormRejection,
    StringRejection,
};
use axum::http::StatusCode;
use squall_engine::BodyError;

use super::Problem;
use crate::limits::Wait;

/// The problem for an error that is no fault of ours; looked for in the whole chain of sources, as libraries wrap what
/// they are given.
pub(super) fn of(error: &(dyn StdError + 'static)) -> Option<Problem> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(problem) = rejection(error).or_else(|| other(error)) {
            return Some(problem);
        }
        next = error.source();
    }
    None
}

/// One of an extractor. What it says is about the request alone; a 5xx of one is a mistake in the handler.
fn rejection(error: &(dyn StdError + 'static)) -> Option<Problem> {
    macro_rules! any_of {
        ($($kind:ident)*) => {
            $(
                if let Some(rejection) = error.downcast_ref::<$kind>() {
                    return of_text(rejection.status(), rejection.body_text());
                }
            )*
        };
    }
    any_of!(JsonRejection QueryRejection FormRejection PathRejection BytesRejection StringRejection RawFormRejection);
    None
}

fn of_text(status: StatusCode, text: String) -> Option<Problem> {
    status
        .is_client_error()
        .then(|| Problem::new(status).detail(text))
}

fn other(error: &(dyn StdError + 'static)) -> Option<Problem> {
    if let Some(wait) = error.downcast_ref::<Wait>() {
        return Some(Problem::too_many_requests().retry_after_s(wait.seconds()));
    }
    let body = error.downcast_ref::<BodyError>()?;
    let status = if body.is_too_large() {
        StatusCode::PAYLOAD_TOO_LARGE
    } else if body.is_timed_out() {
        StatusCode::REQUEST_TIMEOUT
    } else {
        StatusCode::BAD_REQUEST
    };
    Some(Problem::new(status).detail(body.to_string()))
}
