//! Refusals and failures as pages: a status, what it means, what to do next.
//!
//! These pages ask nothing of the store, so that they can be shown when it is what failed.

use serde::Serialize;
use squall::errors::{ErrorPage, Problem};
use squall::web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
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
        let problem = match self {
            Failure::Missing => Problem::not_found(),
            Failure::SignInFirst(next) => {
                let to = match next.as_str() {
                    "" => "/sign-in".to_owned(),
                    next => format!("/sign-in?next={}", encoded(next)),
                };
                return Redirect::to(&to).into_response();
            }
            // With a title of its own the detail is for people: see `page`.
            Failure::Refused(why) => Problem::unprocessable().title(REFUSED).detail(why),
            Failure::Busy => Problem::unavailable().retry_after_s(2),
            Failure::Broken => Problem::internal(),
        };
        problem.into_response()
    }
}

/// The title of what the store, or a rule, does not accept.
const REFUSED: &str = "That cannot be done";

/// What `error.html` sees.
#[derive(Serialize)]
struct Sorry<'a> {
    viewer: Option<()>,
    bare: bool,
    xsrf: &'a str,
    path: &'a str,
    here: &'a str,
    notice: &'a str,
    status: u16,
    title: &'a str,
    message: &'a str,
    /// What to name when it is reported; empty if there is nothing to report.
    reference: &'a str,
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
        StatusCode::UNPROCESSABLE_ENTITY => (REFUSED, "Something in the form is not accepted."),
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
    let html = html(status, message, "").unwrap_or_else(|| words(status).0.to_owned());
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

fn html(status: StatusCode, message: Option<&str>, reference: &str) -> Option<String> {
    let (title, usual) = words(status);
    let page = Sorry {
        viewer: None,
        bare: true,
        xsrf: "",
        path: "",
        here: "/",
        notice: "",
        status: status.as_u16(),
        title,
        message: message.unwrap_or(usual),
        reference,
    };
    house::render("error.html", &page)
}

/// The page of any refusal or failure of the site. What extractors and layers say is for those who write programs: people
/// get the usual words.
pub fn page(error: &ErrorPage) -> Option<String> {
    let status = StatusCode::from_u16(error.status).ok()?;
    let message = Some(error.detail.as_str()).filter(|_| error.title == REFUSED);
    let reference = if error.ours { error.request_id.as_str() } else { "" };
    html(status, message, reference)
}

/// For addresses that lead nowhere.
pub async fn not_found() -> Problem {
    Problem::not_found()
}
