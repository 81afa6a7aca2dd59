//! From a file and a request to the answer.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

use super::body::{Buffers, Piece, Pieces, Reader};
use super::coding::{Accepted, Coding};
use super::conditions::{self, Verdict};
use super::entry::{Content, Entry, Stamp, Variant};
use super::ranges::{self, Asked, Span};

/// Keep it, but ask each time.
pub(crate) const ASK: HeaderValue = HeaderValue::from_static("no-cache");
/// A year: what caches take for ever (RFC 8246).
pub(crate) const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// What an answer needs beside its file.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) cache_control: HeaderValue,
    pub(crate) ranges_max: usize,
}

/// An answer, or what it waits for.
pub(crate) enum Decided {
    Answer(Response),
    /// A head, and a body of parts of a file.
    Send(Box<Sending>),
}

/// An answer whose bytes are in a file that is not open yet.
pub(crate) struct Sending {
    /// Which of the entry's variants it is.
    pub(crate) variant: usize,
    pub(crate) stamp: Stamp,
    pub(crate) settled: bool,
    head: Response,
    pieces: VecDeque<Piece>,
}

impl Sending {
    /// Sends them from this file. It must be as the stamp says.
    pub(crate) fn from(self, file: Arc<File>, buffers: &Arc<Buffers>) -> Response {
        let stamp = self.settled.then_some(self.stamp);
        let reader = Reader::new(file, stamp, buffers.clone());
        let mut pieces = Pieces::new(self.pieces, Some(reader));
        let mut head = self.head;
        head.extensions_mut().insert(pieces.offer());
        head.map(|_| Body::new(pieces))
    }
}

/// Decides what a GET or HEAD of this file is answered with (RFC 9110, section 13.2.2).
pub(crate) fn decide(entry: &Entry, method: &Method, headers: &HeaderMap, policy: &Policy) -> Decided {
    let there = entry.variants.iter().map(|variant| variant.coding);
    let Some(coding) = Accepted::of(headers).choose(there) else {
        return Decided::Answer(with_vary(short(StatusCode::NOT_ACCEPTABLE), entry));
    };
    let found = entry
        .variants
        .iter()
        .enumerate()
        .find(|(_, variant)| variant.coding == coding);
    let Some((at, variant)) = found else {
        return Decided::Answer(short(StatusCode::NOT_FOUND));
    };
    match conditions::check(headers, &variant.tag, variant.modified.as_ref()) {
        Verdict::Failed => return Decided::Answer(with_vary(short(StatusCode::PRECONDITION_FAILED), entry)),
        Verdict::NotModified => return Decided::Answer(not_modified(entry, variant, policy)),
        Verdict::Go => {}
    }
    // Ranges are defined for GET alone (section 14.2).
    let ranged =
        method == Method::GET && conditions::range_counts(headers, &variant.tag, variant.modified.as_ref());
    let asked = if ranged {
        ranges::asked(headers, variant.len_bytes, policy.ranges_max)
    } else {
        Asked::Whole
    };
    let mut head = head(entry, variant, policy);
    let pieces = match asked {
        Asked::Nothing => return Decided::Answer(with_vary(unsatisfiable(variant.len_bytes), entry)),
        Asked::Whole => whole(variant.len_bytes),
        Asked::Parts(spans) => parts(&mut head, &spans, variant.len_bytes, &entry.content_type),
    };
    if method == Method::HEAD {
        head.headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(variant.len_bytes));
        return Decided::Answer(head);
    }
    match &variant.content {
        Content::Memory { bytes, .. } => Decided::Answer(from_memory(head, pieces, bytes)),
        Content::Disk { stamp, settled } => Decided::Send(Box::new(Sending {
            variant: at,
            stamp: *stamp,
            settled: *settled,
            head,
            pieces,
        })),
    }
}

/// The fields of 200 and 206.
fn head(entry: &Entry, variant: &Variant, policy: &Policy) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(CONTENT_TYPE, entry.content_type.clone());
    validators(headers, variant, policy);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if variant.coding != Coding::Identity {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(variant.coding.token()));
    }
    if let Some(disposition) = &entry.disposition {
        headers.insert(CONTENT_DISPOSITION, disposition.clone());
        // Should a browser show it all the same: without scripts, and as of another site.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    with_vary(response, entry)
}

fn validators(headers: &mut HeaderMap, variant: &Variant, policy: &Policy) {
    headers.insert(ETAG, variant.tag.value().clone());
    if let Some(modified) = &variant.modified {
        headers.insert(LAST_MODIFIED, modified.value().clone());
    }
    headers.insert(CACHE_CONTROL, policy.cache_control.clone());
}

fn with_vary(mut response: Response, entry: &Entry) -> Response {
    if entry.variants.len() > 1 {
        response
            .headers_mut()
            .insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    }
    response
}

/// What a 304 repeats (RFC 9110, section 15.4.5).
fn not_modified(entry: &Entry, variant: &Variant, policy: &Policy) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    validators(response.headers_mut(), variant, policy);
    with_vary(response, entry)
}

fn unsatisfiable(len_bytes: u64) -> Response {
    let mut response = short(StatusCode::RANGE_NOT_SATISFIABLE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_RANGE, text(format!("bytes */{len_bytes}")));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn whole(len_bytes: u64) -> VecDeque<Piece> {
    let all = Span {
        from: 0,
        to: len_bytes,
    };
    VecDeque::from_iter((len_bytes > 0).then_some(Piece::Span(all)))
}

/// Makes a head one of 206, and says what follows it (RFC 9110, section 15.3.7).
fn parts(head: &mut Response, spans: &[Span], len_bytes: u64, content_type: &HeaderValue) -> VecDeque<Piece> {
    let content_range = |span: &Span| format!("bytes {}-{}/{len_bytes}", span.from, span.to - 1);
    *head.status_mut() = StatusCode::PARTIAL_CONTENT;
    if let [span] = spans {
        head.headers_mut()
            .insert(CONTENT_RANGE, text(content_range(span)));
        return VecDeque::from([Piece::Span(*span)]);
    }
    // Random, so that nobody can write a file with it in.
    let boundary = crate::hex(&crate::random_bytes::<16>());
    let kind = text(format!("multipart/byteranges; boundary={boundary}"));
    head.headers_mut().insert(CONTENT_TYPE, kind);
    let mut pieces = VecDeque::with_capacity(spans.len() * 2 + 1);
    for (at, span) in spans.iter().enumerate() {
        let mut part = if at == 0 { String::new() } else { "\r\n".to_owned() };
        part.push_str(&format!("--{boundary}\r\ncontent-type: "));
        part.push_str(content_type.to_str().unwrap_or("application/octet-stream"));
        part.push_str(&format!("\r\ncontent-range: {}\r\n\r\n", content_range(span)));
        pieces.push_back(Piece::Bytes(part.into()));
        pieces.push_back(Piece::Span(*span));
    }
    pieces.push_back(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

fn from_memory(head: Response, mut pieces: VecDeque<Piece>, bytes: &Bytes) -> Response {
    let slice = |span: Span| {
        let at = |position| usize::try_from(position).unwrap_or(bytes.len());
        bytes.slice(at(span.from)..at(span.to))
    };
    for piece in &mut pieces {
        if let Piece::Span(span) = *piece {
            *piece = Piece::Bytes(slice(span));
        }
    }
    let body = match (pieces.pop_front(), pieces.is_empty()) {
        (None, _) => Body::empty(),
        (Some(Piece::Bytes(only)), true) => Body::from(only),
        (Some(first), _) => {
            pieces.push_front(first);
            Body::new(Pieces::new(pieces, None))
        }
    };
    head.map(|_| body)
}

/// A status with its name for a body.
pub(crate) fn short(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = Response::new(Body::from(reason));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Files are only asked for.
pub(crate) fn not_allowed() -> Response {
    let mut response = short(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Sends to where it is, for now: a cache that kept it for ever would keep it when it has become a file.
pub(crate) fn redirect(location: HeaderValue) -> Response {
    let mut response = short(StatusCode::MOVED_PERMANENTLY);
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, ASK);
    response
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("numbers and names are text")
}
