//! Which methods routes can be for.

use axum::http::Method;

/// Whether a route can be for it: the methods of RFC 9110, section 9, and `PATCH` (RFC 5789).
pub(crate) fn is_standard(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "CONNECT" | "TRACE"
    )
}
