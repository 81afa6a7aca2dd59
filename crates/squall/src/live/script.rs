//! The browser's client, served.

use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// The browser's client: an ES module without dependencies, `import { Squall } from "/squall.js"`. What it offers is in
/// [`SCRIPT_TYPES`].
pub const SCRIPT: &str = include_str!("../../assets/squall.js");

/// The types of [`SCRIPT`] for TypeScript and editors, with what each option means.
pub const SCRIPT_TYPES: &str = include_str!("../../assets/squall.d.ts");

/// Serves [`SCRIPT`]: browsers keep it and ask whether it has changed.
///
/// ```
/// use squall::live;
/// let router: squall::web::Router = squall::web::Router::new().route("/squall.js", live::script());
/// ```
pub fn script<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    let hash = crate::hex(&Sha256::digest(SCRIPT)[..16]);
    let tag = HeaderValue::try_from(format!("\"{hash}\"")).expect("hexadecimal digits");
    get(async move |headers: HeaderMap| serve(&headers, &tag))
}

fn serve(headers: &HeaderMap, tag: &HeaderValue) -> Response {
    let fields = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    // RFC 9110, section 13.1.2: weak comparison, and a list of tags.
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let tags = value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii);
        tags.map(|known| known.strip_prefix(b"W/").unwrap_or(known))
            .any(|known| known == b"*" || known == tag.as_bytes())
    });
    if is_known {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    let kind = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/javascript; charset=utf-8"),
        ),
        (
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (fields, kind, SCRIPT).into_response()
}
