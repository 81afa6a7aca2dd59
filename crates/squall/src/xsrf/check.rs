//! May this request be a person's own doing? Decided from its head alone, as far as that goes.

use std::fmt;

use crate::web::origin::is_own_origin;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Rules;

/// What a request's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Refuse(Refused),
    /// Nothing was said about where it comes from: only the token can tell.
    NeedsToken,
}

/// Why a request was refused: 403 with a sentence for people and, in `X-Xsrf`, a word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The browser says that another site caused it (`Sec-Fetch-Site`).
    CrossSite,
    /// The page that caused it has another origin.
    CrossOrigin,
    /// Neither was said, and there is no token.
    TokenMissing,
    /// The token is not the cookie's.
    TokenWrong,
}

impl Refused {
    /// The word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::CrossSite => "cross-site",
            Self::CrossOrigin => "cross-origin",
            Self::TokenMissing => "token-missing",
            Self::TokenWrong => "token-wrong",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CrossSite => "another site asked your browser to send this, so it was not done",
            Self::CrossOrigin => "a page of another origin sent this, so it was not done",
            Self::TokenMissing => "the form's protection token is missing: reload the page and send it again",
            Self::TokenWrong => "the form's protection token has expired: reload the page and send it again",
        })
    }
}

impl std::error::Error for Refused {}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (
            StatusCode::FORBIDDEN,
            [("x-xsrf", self.code())],
            format!("{self}\n"),
        )
            .into_response()
    }
}

/// Whether a request signs itself with a Bearer token and brings no cookie: no browser does that on its own, so no
/// other site can cause it.
pub fn bearer_without_cookies(parts: &Parts) -> bool {
    let bearer = |value: &[u8]| {
        value
            .get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
    };
    let signed = parts
        .headers
        .get(AUTHORIZATION)
        .is_some_and(|value| bearer(value.as_bytes()));
    signed && !parts.headers.contains_key(COOKIE)
}

pub(super) fn check_head(rules: &Rules, parts: &Parts) -> Verdict {
    if matches!(
        parts.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    ) {
        return Verdict::Pass;
    }
    if rules.exempt.iter().any(|exempt| exempt(parts)) {
        return Verdict::Pass;
    }
    let origin = parts
        .headers
        .get(ORIGIN)
        .map(|value| value.to_str().unwrap_or("?"));
    if origin.is_some_and(|origin| rules.trusted_origins.iter().any(|trusted| trusted == origin)) {
        return Verdict::Pass;
    }
    if let Some(site) = parts.headers.get("sec-fetch-site") {
        return match site.as_bytes() {
            b"same-origin" | b"none" => Verdict::Pass,
            // A sister domain is another site to us: it may be anybody's.
            _ => Verdict::Refuse(Refused::CrossSite),
        };
    }
    match origin {
        None => Verdict::NeedsToken,
        Some(origin) if is_own_origin(origin, parts) => Verdict::Pass,
        Some(_) => Verdict::Refuse(Refused::CrossOrigin),
    }
}

/// The token in a field of the head: for scripts, and for forms that are not urlencoded.
pub(super) fn token_of_head(headers: &HeaderMap) -> Option<&str> {
    let field = headers
        .get("x-xsrftoken")
        .or_else(|| headers.get("x-csrftoken"))?;
    field.to_str().ok()
}

pub(super) fn is_urlencoded_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
