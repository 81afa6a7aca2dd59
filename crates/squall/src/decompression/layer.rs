//! Undoes the compression of requests, and answers for bodies that are broken.

use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::Decompression;
use super::body::{DecompressionError, Note, Undone};
use super::decoder::Decoder;
use crate::BoxFuture;

/// What a peer may send instead (RFC 9110, section 12.5.3).
const TAKEN: &str = "gzip, br, zstd";

impl<S> Layer<S> for Decompression {
    type Service = DecompressionService<S>;

    fn layer(&self, inner: S) -> DecompressionService<S> {
        DecompressionService { inner, limits: *self }
    }
}

/// What [`Decompression`] wraps a service in.
#[derive(Clone, Debug)]
pub struct DecompressionService<S> {
    inner: S,
    limits: Decompression,
}

/// What a request says of its body.
enum Said {
    Plain,
    Coded(Decoder),
    /// A coding that is not ours, or more than one: each layer would need limits of its own, and nobody sends them.
    Unknown,
}

impl<S> Service<Request> for DecompressionService<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let decoder = match said(request.headers()) {
            Said::Plain => return Box::pin(self.inner.call(request)),
            Said::Unknown => return Box::pin(async { Ok(unknown()) }),
            Said::Coded(_) if request.body().is_end_stream() => None,
            Said::Coded(decoder) => Some(decoder),
        };
        let note = Note::default();
        let (mut parts, mut body) = request.into_parts();
        parts.headers.remove(CONTENT_ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
        if let Some(decoder) = decoder {
            body = Body::new(Undone::new(body, decoder, self.limits, note.clone()));
        }
        let answer = self.inner.call(Request::from_parts(parts, body));
        Box::pin(async move {
            let response = answer.await?;
            Ok(note.get().map_or(response, refused))
        })
    }
}

fn said(headers: &HeaderMap) -> Said {
    let mut codings = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    match (codings.next(), codings.next()) {
        (None, _) => Said::Plain,
        (Some(coding), None) => Decoder::of(coding).map_or(Said::Unknown, Said::Coded),
        (Some(_), Some(_)) => Said::Unknown,
    }
}

fn unknown() -> Response {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let text = "the request body has a coding that is not taken here\n";
    (status, [(ACCEPT_ENCODING, TAKEN)], text).into_response()
}

fn refused(error: DecompressionError) -> Response {
    let status = if error.is_too_large() {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    };
    // Not a warning: anybody can cause it, from anywhere.
    tracing::info!(%status, why = %error, "a compressed request body was refused");
    (status, format!("{error}\n")).into_response()
}
