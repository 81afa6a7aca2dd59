//! Whether a request was caused by a page of our own.

use axum::http::header::ORIGIN;
use axum::http::request::Parts;

use super::forwarded::client_host;

/// Whether `origin` (`https://example.org`, as browsers write it) is the one that the request was sent to.
///
/// Host and port are compared. The scheme is not: a proxy that ends TLS hides it from us, and whoever holds our name
/// on port 80 holds our visitors anyway. `Origin: null` (a sandboxed frame) is nobody's.
pub(crate) fn is_own_origin(origin: &str, parts: &Parts) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let own = client_host(&parts.extensions, &parts.headers, &parts.uri);
    let bare = |authority: &str| {
        authority
            .strip_suffix(default_port)
            .unwrap_or(authority)
            .to_ascii_lowercase()
    };
    own.is_some_and(|own| !own.is_empty() && bare(own) == bare(authority))
}

/// Whether a WebSocket or a stream may be opened by this request: from our own pages, from `trusted` ones, or by a
/// program that is no browser and so sends no `Origin`. `null` is refused.
pub(crate) fn may_open(parts: &Parts, trusted: &[String]) -> bool {
    match parts.headers.get(ORIGIN) {
        None => true,
        Some(origin) => origin
            .to_str()
            .is_ok_and(|origin| trusted.iter().any(|t| t == origin) || is_own_origin(origin, parts)),
    }
}
