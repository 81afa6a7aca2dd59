//! Refusals and failures as pages: a status, what it means, what to do next.
//!
//! These pages ask nothing of the store, so that they can be shown when it is what failed.

use serde::Serialize;
use squall::web::extract::Request;
use squall::web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use squall::web::http::{HeaderMap, HeaderValue};
use squall::web::middleware::Next;
use squall::web::{Html, IntoResponse, Redirect, Response, StatusCode};

use super::house;
use super::next::encoded;
use crate::store::StoreError;

/// Why a page is not what was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such thing, or it is not for this viewer: the two must look the same.
    Missing,
    /// Only for those who are signed in; then on to this path.
    SignInFirst(String),
    /// The input is not accepted, for this reason.
    Refused(String),
    /// The store is busy.
    Busy,
    /// Something of ours failed. It is in the log, not on the page.
    Broken,
}

/// What handlers of pages return.
pub(super) type Answer<T = Response> = Result<T, Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_missing() {
            Failure::Missing
        } else if error.is_refused() || error.is_taken() {
            Failure::Refused(error.to_string())
        } else if error.is_busy() {
            Failure::Busy
        } else {
            tracing::error!(%error, "the store failed");
            Failure::Broken
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Failure::Missing => refusal_page(StatusCode::NOT_FOUND, None),
            Failure::SignInFirst(next) if next.is_empty() => Redirect::to("/sign-in").into_response(),
            Failure::SignInFirst(next) => {
                Redirect::to(&format!("/sign-in?next={}", encoded(&next))).into_response()
            }
            Failure::Refused(why) => refusal_page(StatusCode::UNPROCESSABLE_ENTITY, Some(&why)),
            Failure::Busy => {
                let mut response = refusal_page(StatusCode::SERVICE_UNAVAILABLE, None);
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("2"));
                response
            }
            Failure::Broken => refusal_page(StatusCode::INTERNAL_SERVER_ERROR, None),
        }
    }
}

#[derive(Serialize)]
struct ErrorPage<'a> {
    viewer: Option<()>,
    bare: bool,
    xsrf: &'a str,
    path: &'a str,
    here: &'a str,
    notice: &'a str,
    status: u16,
    title: &'a str,
    message: &'a str,
}

/// What a status means to a person: a title, and what can be done.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => (
            "That was not understood",
            "The address or the form is not one of ours.",
        ),
        StatusCode::UNAUTHORIZED => ("Sign in first", "This is only for those who are signed in."),
        StatusCode::FORBIDDEN => (
            "Not from here",
            "The form did not come from a page of this site, or was open for too long. Reload and try again.",
        ),
        StatusCode::NOT_FOUND => (
            "Nothing here",
            "There is no such page, or it is not for you to see.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => ("Not like this", "This address takes another kind of request."),
        StatusCode::PAYLOAD_TOO_LARGE => ("Too much at once", "What was sent is longer than we take."),
        StatusCode::UNPROCESSABLE_ENTITY => ("That cannot be done", "Something in the form is not accepted."),
        StatusCode::TOO_MANY_REQUESTS => ("Too often", "Wait a little, then try again."),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Busy",
            "Very many want something at this moment. Try again in a few seconds.",
        ),
        status if status.is_client_error() => {
            ("That did not work", "The request is not one that we can answer.")
        }
        _ => (
            "Something broke",
            "The fault is ours, and it has been written down. Try again in a little while.",
        ),
    }
}

/// The page for a status, with a message of its own or the usual one. No store, no session: it cannot fail for want of
/// either.
pub fn refusal_page(status: StatusCode, message: Option<&str>) -> Response {
    let (title, usual) = words(status);
    let page = ErrorPage {
        viewer: None,
        bare: true,
        xsrf: "",
        path: "",
        here: "/",
        notice: "",
        status: status.as_u16(),
        title,
        message: message.unwrap_or(usual),
    };
    let html = house::render("error.html", &page).unwrap_or_else(|| title.to_owned());
    // Some of these answers come from outside the layer that sets such fields.
    let fields = [
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
    ];
    (status, fields, Html(html)).into_response()
}

/// For addresses that lead nowhere.
pub async fn not_found(headers: HeaderMap) -> Response {
    if wants_html(&headers) {
        refusal_page(StatusCode::NOT_FOUND, None)
    } else {
        (StatusCode::NOT_FOUND, "Not found\n").into_response()
    }
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| {
        value
            .as_bytes()
            .windows(9)
            .any(|part| part.eq_ignore_ascii_case(b"text/html"))
    })
}

/// Turns the bare refusals of extractors and layers (a wrong number, a form from another site) into pages for those
/// who asked for one.
pub(super) async fn as_pages(request: Request, next: Next) -> Response {
    let for_person = wants_html(request.headers());
    let response = next.run(request).await;
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let is_page = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !for_person || !failed || is_page {
        return response;
    }
    let (parts, _) = response.into_parts();
    let mut page = refusal_page(status, None);
    for (name, value) in &parts.headers {
        // The rest speaks of the body that is replaced.
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            page.headers_mut().append(name.clone(), value.clone());
        }
    }
    page
}
