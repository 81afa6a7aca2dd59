//! The page that people see, when the application has none of its own.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Inner;
use crate::templates::escape;

/// What makes a page of an error; `None` if it cannot.
pub(super) type MakePage = dyn Fn(&ErrorPage) -> Option<String> + Send + Sync;

/// What a page of an error says: the context of its template. Texts are not escaped yet: templates do that.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorPage {
    /// The status code.
    pub status: u16,
    /// A short summary; the status's phrase if the problem has none of its own.
    pub title: String,
    /// What is wrong this time. Empty if nothing was said.
    pub detail: String,
    /// The request's id, for whoever reports it. Empty if the request has none.
    pub request_id: String,
    /// Whether the fault is ours: a 5xx.
    pub ours: bool,
    /// Parts of the request that are not accepted, and why.
    pub invalid: Vec<(String, String)>,
}

impl ErrorPage {
    pub(super) fn of(problem: &Inner, request_id: Option<&str>) -> Self {
        let pairs = problem.invalid.iter();
        Self {
            status: problem.status.as_u16(),
            title: problem.title().to_owned(),
            detail: problem.detail.clone().unwrap_or_default(),
            request_id: request_id.unwrap_or_default().to_owned(),
            ours: problem.status.is_server_error(),
            invalid: pairs
                .map(|part| (part.pointer.clone(), part.detail.clone()))
                .collect(),
        }
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center}\
main{box-sizing:border-box;width:100%;max-width:34rem;padding:2rem 1.5rem;overflow-wrap:anywhere}\
p{margin:.5rem 0}\
.s{margin:0;font-size:.9rem;opacity:.7}\
h1{margin:.25rem 0 1rem;font-size:1.6rem;line-height:1.25}\
ul{padding-left:1.25rem}\
code{font-size:.9em;user-select:all}\
p code{display:inline-block;max-width:100%}\
a{color:inherit}";

/// Allows the style above, by its hash, and nothing else (CSP Level 3, section 2.3.1).
pub(super) fn built_in_policy() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    POLICY.clone()
}

/// What can be done, for whom the application says nothing.
fn advice(status: u16) -> &'static str {
    match status {
        401 => "Sign in first.",
        403 => "This is not for you, or not from here.",
        404 => "There is nothing at this address.",
        405 => "This address takes another kind of request.",
        408 => "The request took too long. Try again.",
        410 => "It was here, and will not come back.",
        413 => "That is more than is taken at once.",
        429 => "That was too often. Wait a little, then try again.",
        503 => "Very busy at the moment. Try again in a few seconds.",
        500..=599 => "Something broke here. It has been written down. Try again in a little while.",
        _ => "The request could not be answered.",
    }
}

/// A page without a template: no script, one inline style, everything escaped.
pub(super) fn built_in(page: &ErrorPage) -> String {
    let title = escape(&page.title);
    let detail = if page.detail.is_empty() {
        advice(page.status).to_owned()
    } else {
        escape(&page.detail)
    };
    let mut rest = String::new();
    if !page.invalid.is_empty() {
        let item =
            |(at, why): &(String, String)| format!("<li><code>{}</code> {}</li>", escape(at), escape(why));
        rest = format!("<ul>{}</ul>\n", page.invalid.iter().map(item).collect::<String>());
    }
    if page.ours && !page.request_id.is_empty() {
        rest.push_str(&format!(
            "<p>If you report it, say this: <code>{}</code></p>\n",
            escape(&page.request_id)
        ));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<p class=\"s\">{}</p>\n<h1>{title}</h1>\n<p>{detail}</p>\n\
         {rest}<p><a href=\"/\">To the front page</a></p>\n</main>\n</body>\n</html>\n",
        page.status
    )
}
