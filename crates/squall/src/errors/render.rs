//! A problem as bytes: problem details, a page, a line of text.

use std::fmt::Write;

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde_json::{Map, Value};

use super::accept::Form;
use super::page::{self, ErrorPage, MakePage};
use super::problem::Inner;

/// Problem details (RFC 9457, section 3). `type` is left out when it is `about:blank`, as the section allows.
pub(super) fn json(problem: &Inner, request_id: Option<&str>) -> Vec<u8> {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    if let Some(kind) = &problem.kind {
        set("type", Value::from(kind.as_ref()));
    }
    set("title", Value::from(problem.title()));
    set("status", Value::from(problem.status.as_u16()));
    if let Some(detail) = &problem.detail {
        set("detail", Value::from(detail.as_str()));
    }
    if let Some(instance) = &problem.instance {
        set("instance", Value::from(instance.as_str()));
    }
    if !problem.invalid.is_empty() {
        set(
            "errors",
            serde_json::to_value(&problem.invalid).unwrap_or_default(),
        );
    }
    if let Some(id) = request_id {
        set("request_id", Value::from(id));
    }
    members.extend(problem.members.clone());
    let mut text = Value::Object(members).to_string().into_bytes();
    text.push(b'\n');
    text
}

/// For a terminal: one line, one for each invalid part, and the request's id if the fault is ours.
fn text(problem: &Inner, request_id: Option<&str>) -> Vec<u8> {
    let mut text = match &problem.detail {
        Some(detail) => detail.clone(),
        None => format!("{} {}", problem.status.as_u16(), problem.title()),
    };
    // Writing to a String cannot fail.
    for invalid in &problem.invalid {
        let _ = write!(text, "\n{}: {}", invalid.pointer, invalid.detail);
    }
    if let Some(id) = request_id
        && problem.status.is_server_error()
    {
        let _ = write!(text, "\nrequest id: {id}");
    }
    text.push('\n');
    text.into_bytes()
}

/// The answer in that form. `page` is the application's own page, if it has one.
pub(super) fn response(
    problem: &Inner,
    form: Form,
    request_id: Option<&str>,
    page: Option<&MakePage>,
) -> Response {
    let mut fields = HeaderMap::with_capacity(8);
    let (kind, body) = match form {
        Form::Json => ("application/problem+json", json(problem, request_id)),
        Form::Text => ("text/plain; charset=utf-8", text(problem, request_id)),
        Form::Html => {
            let shown = ErrorPage::of(problem, request_id);
            let own = page.and_then(|page| page(&shown));
            let html = own.unwrap_or_else(|| {
                fields.insert(CONTENT_SECURITY_POLICY, page::built_in_policy());
                page::built_in(&shown)
            });
            ("text/html; charset=utf-8", html.into_bytes())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = problem.status;
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A 404, 405, 410, 414 or 501 may be kept by caches that are told nothing (RFC 9110, section 15.1).
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(VARY, HeaderValue::from_static("accept"));
    for (name, value) in &problem.fields {
        fields.insert(name, value.clone());
    }
    *response.headers_mut() = fields;
    response
}
