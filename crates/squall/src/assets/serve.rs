//! Answers for files: caching, validation, types.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Assets;
use super::files::{File, split_hash};

/// A year: what caches take for ever (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Keep it, but ask each time.
const ASK: &str = "no-cache";

impl Assets {
    /// The answer to a request below the prefix.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let path = request.uri().path().strip_prefix(&self.inner.prefix);
        let Some(path) = path.and_then(decode) else {
            return not_found();
        };
        if let Some((name, hash)) = split_hash(&path)
            && let Some(file) = self.file(&name)
        {
            // Another hash is a page of another version: it gets what there is, and nobody keeps it under that name.
            let cache = if file.hash == hash { FOR_EVER } else { ASK };
            return respond(&file, cache, request.headers());
        }
        self.answer_named(&path, request.headers())
    }

    /// The answer for one file under its plain name.
    pub(super) fn answer_named(&self, name: &str, headers: &HeaderMap) -> Response {
        match self.file(name) {
            Some(file) => respond(&file, ASK, headers),
            None => not_found(),
        }
    }
}

fn respond(file: &File, cache: &'static str, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", file.hash);
    let validators = [(ETAG, etag.as_str()), (CACHE_CONTROL, cache)];
    if is_known(headers, &etag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    let kind = [(CONTENT_TYPE, file.kind), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (validators, kind, Body::from(file.bytes.clone())).into_response()
}

/// `If-None-Match`, compared weakly as RFC 9110 13.1.2 says.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let fields = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|field| field.to_str().ok());
    let mut tags = fields.flat_map(|field| field.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Not Found").into_response()
}

/// Undoes percent-encoding. `None`: it is malformed, or not UTF-8.
fn decode(path: &str) -> Option<String> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = rest
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(out).ok()
}
