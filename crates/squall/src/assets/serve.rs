//! Answers for files: which name, and how long it may be kept. All else is as with other files.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

use super::Assets;
use super::files::{File, split_hash};
use crate::files::{ASK, Decided, FOR_EVER, Policy, decide, decode, short};

/// Ranges in one request.
const RANGES_MAX: usize = 16;

impl Assets {
    /// The answer to a request below the prefix.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let path = request.uri().path().strip_prefix(&self.inner.prefix);
        let Some(path) = path.and_then(decode) else {
            return short(StatusCode::NOT_FOUND);
        };
        if let Some((name, hash)) = split_hash(&path)
            && let Some(file) = self.file(&name)
        {
            // Another hash is a page of another version: it gets what there is, and nobody keeps it under that name.
            let cache = if file.hash == hash { FOR_EVER } else { ASK };
            return respond(&file, cache, request.method(), request.headers());
        }
        self.answer_named(&path, request.method(), request.headers())
    }

    /// The answer for one file under its plain name.
    pub(super) fn answer_named(&self, name: &str, method: &Method, headers: &HeaderMap) -> Response {
        match self.file(name) {
            Some(file) => respond(&file, ASK, method, headers),
            None => short(StatusCode::NOT_FOUND),
        }
    }
}

fn respond(file: &File, cache_control: HeaderValue, method: &Method, headers: &HeaderMap) -> Response {
    let policy = Policy {
        cache_control,
        ranges_max: RANGES_MAX,
    };
    match decide(&file.entry, method, headers, &policy) {
        Decided::Answer(answer) => answer,
        // They are all in memory.
        Decided::Send(_) => short(StatusCode::NOT_FOUND),
    }
}
