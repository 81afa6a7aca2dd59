//! What may be compressed, and how an answer's fields follow.

use axum::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, COOKIE, ETAG, HeaderName, IF_NONE_MATCH, VARY,
};
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use squall_engine::source::Park;
use squall_engine::{FileFrames, OnUpgrade};

use super::{Coding, Uncompressed};

/// Types outside `text/` that gain. A type that is not known is left alone.
const TYPES: &[&str] = &[
    "application/javascript",
    "application/json",
    "application/jsonl",
    "application/ld+json",
    "application/manifest+json",
    "application/rtf",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-sh",
    "application/xml",
    "application/yaml",
    "application/toml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
];

/// Fields that speak of the very bytes that are sent: with others they would lie.
const DIGESTS: &[&str] = &["content-digest", "repr-digest", "digest", "content-md5"];

/// Whether an answer is of a kind that is compressed for those who want it, whatever its size.
pub(super) fn is_compressible(parts: &Parts) -> bool {
    let status = parts.status;
    let has_whole_body = !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    let fields = &parts.headers;
    has_whole_body
        && fields.get(CONTENT_TYPE).is_some_and(gains)
        && !fields.contains_key(CONTENT_ENCODING)
        && !fields.contains_key(CONTENT_RANGE)
        && !DIGESTS.iter().any(|name| fields.contains_key(*name))
        && !has_word(fields, &CACHE_CONTROL, "no-transform")
        && !is_marked(parts)
}

/// Whether the handler, or what the connection becomes, forbids it.
fn is_marked(parts: &Parts) -> bool {
    let marks = &parts.extensions;
    !marks.is_empty()
        && (marks.get::<Uncompressed>().is_some()
            || marks.get::<Park>().is_some()
            || marks.get::<OnUpgrade>().is_some())
}

/// Whether bytes of that type become fewer. Never event streams: each event is for now, and their followers share
/// their bytes.
fn gains(content_type: &HeaderValue) -> bool {
    let kind = content_type.as_bytes().split(|&byte| byte == b';').next();
    let Ok(kind) = std::str::from_utf8(kind.unwrap_or_default()) else {
        return false;
    };
    let kind = kind.trim().to_ascii_lowercase();
    if let Some(text) = kind.strip_prefix("text/") {
        return text != "event-stream";
    }
    let has_suffix = kind.ends_with("+json") || kind.ends_with("+xml");
    (has_suffix && !kind.starts_with("application/grpc")) || TYPES.contains(&kind.as_str())
}

/// Whether a stranger may have caused this request, with this visitor's cookies, and not by a click: see BREACH.
pub(super) fn is_strangers(fields: &HeaderMap) -> bool {
    let Some(site) = fields.get("sec-fetch-site") else {
        return false;
    };
    let own = matches!(site.as_bytes(), b"same-origin" | b"none");
    let clicked = fields.get("sec-fetch-user").is_some_and(|value| value == "?1");
    !own && !clicked && fields.contains_key(COOKIE)
}

/// Says that the answer is another one for other peers, unless that is said already.
pub(super) fn add_vary(fields: &mut HeaderMap) {
    if has_word(fields, &VARY, "*") || has_word(fields, &VARY, ACCEPT_ENCODING.as_str()) {
        return;
    }
    fields.append(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
}

/// The head of an answer that is compressed now.
pub(super) fn mark_coded(parts: &mut Parts, coding: Coding) {
    // The socket must not take the bytes from the file.
    parts.extensions.remove::<FileFrames>();
    mark_fields(&mut parts.headers, coding);
}

fn mark_fields(fields: &mut HeaderMap, coding: Coding) {
    fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    fields.remove(CONTENT_LENGTH);
    // They would be ranges of other bytes.
    fields.remove(ACCEPT_RANGES);
    if let Some(weak) = fields.get(ETAG).and_then(weakened) {
        fields.insert(ETAG, weak);
    }
}

/// An answer that says "you have it" must name it as the answer did that the peer has (RFC 9110, section 15.4.5): with the
/// weak tag if that is what the peer asked about.
pub(super) fn mark_not_modified(parts: &mut Parts, asked: Option<&HeaderValue>) {
    if parts.status != StatusCode::NOT_MODIFIED {
        return;
    }
    add_vary(&mut parts.headers);
    let weak = parts.headers.get(ETAG).and_then(weakened);
    if let (Some(weak), Some(asked)) = (weak, asked)
        && asked
            .as_bytes()
            .windows(weak.len())
            .any(|part| part == weak.as_bytes())
    {
        parts.headers.insert(ETAG, weak);
    }
}

/// What [`mark_not_modified`] needs of the request.
pub(super) fn asked_about(method: &Method, fields: &HeaderMap) -> Option<HeaderValue> {
    let safe = matches!(*method, Method::GET | Method::HEAD);
    fields.get(IF_NONE_MATCH).filter(|_| safe).cloned()
}

/// The weak form of a strong tag.
fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    if !tag.as_bytes().starts_with(b"\"") {
        return None;
    }
    HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()
}

/// Whether a list field has that word.
fn has_word(fields: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let mut words = fields
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    words.any(|have| have.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_gain() {
        for kind in [
            "text/html; charset=utf-8",
            "TEXT/PLAIN",
            "text/css",
            "application/json",
            "application/problem+json",
            "application/activity+json; charset=utf-8",
            "image/svg+xml",
            "application/atom+xml",
            "application/wasm",
            "font/ttf",
        ] {
            assert!(gains(&HeaderValue::from_static(kind)), "{kind}");
        }
        for kind in [
            "",
            "text/event-stream",
            "text/event-stream; charset=utf-8",
            "image/png",
            "image/jpeg",
            "video/mp4",
            "font/woff2",
            "application/zip",
            "application/octet-stream",
            "application/grpc",
            "application/grpc+json",
            "application/grpc-web",
            "multipart/byteranges; boundary=x",
        ] {
            assert!(!gains(&HeaderValue::from_static(kind)), "{kind}");
        }
    }

    #[test]
    fn vary_is_said_once() {
        for (before, after) in [
            (&[][..], &["accept-encoding"][..]),
            (&["Cookie"], &["Cookie", "accept-encoding"]),
            (&["Accept-Encoding"], &["Accept-Encoding"]),
            (&["Cookie, ACCEPT-ENCODING"], &["Cookie, ACCEPT-ENCODING"]),
            (&["Cookie", "accept-encoding"], &["Cookie", "accept-encoding"]),
            (&["*"], &["*"]),
            (
                &["Accept-Encoding-Not"],
                &["Accept-Encoding-Not", "accept-encoding"],
            ),
        ] {
            let mut fields = HeaderMap::new();
            for value in before {
                fields.append(VARY, HeaderValue::from_static(value));
            }
            add_vary(&mut fields);
            add_vary(&mut fields);
            assert_eq!(fields.get_all(VARY).iter().collect::<Vec<_>>(), after);
        }
    }

    #[test]
    fn tags_become_weak_once() {
        for (before, after) in [
            ("\"a\"", "W/\"a\""),
            ("W/\"a\"", "W/\"a\""),
            ("a", "a"),
            ("\"\"", "W/\"\""),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(ETAG, HeaderValue::from_static(before));
            mark_fields(&mut fields, Coding::Gzip);
            assert_eq!(fields[ETAG], after);
        }
    }
}
