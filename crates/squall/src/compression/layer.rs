//! Compresses what a service answers.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::CONTENT_LENGTH;
use axum::http::response::Parts;
use axum::response::Response;
use tower_layer::Layer;
use tower_service::Service;

use super::accept::{Choice, choose};
use super::body::{Squeezed, TURN_BYTES, Unsaid};
use super::encoder::Encoder;
use super::rules::{add_vary, asked_about, is_compressible, is_strangers, mark_coded, mark_not_modified};
use super::{Coding, Compression, Rules, WHOLE_BYTES_MAX};
use crate::BoxFuture;

impl<S> Layer<S> for Compression {
    type Service = CompressionService<S>;

    fn layer(&self, inner: S) -> CompressionService<S> {
        CompressionService {
            inner,
            compression: self.clone(),
        }
    }
}

/// What [`Compression`] wraps a service in.
#[derive(Clone, Debug)]
pub struct CompressionService<S> {
    inner: S,
    compression: Compression,
}

impl<S> Service<Request> for CompressionService<S>
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
        let rules = self.compression.rules.clone();
        let fields = request.headers();
        let mut choice = choose(fields, &rules.codings);
        if !rules.cross_site && is_strangers(fields) {
            choice = Choice::Identity;
        }
        let asked = asked_about(request.method(), fields);
        let is_head = request.method() == Method::HEAD;
        let answer = self.inner.call(request);
        Box::pin(async move {
            let (mut parts, body) = answer.await?.into_parts();
            mark_not_modified(&mut parts, asked.as_ref());
            if !is_compressible(&parts) {
                return Ok(Response::from_parts(parts, body));
            }
            Ok(compressed(&rules, choice, is_head, parts, body).await)
        })
    }
}

/// The answer as this peer gets it.
async fn compressed(rules: &Rules, choice: Choice, is_head: bool, mut parts: Parts, body: Body) -> Response {
    // To HEAD the body may be gone already, and the field says how long it would be.
    let declared = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let bytes = if is_head {
        declared.or(body.size_hint().exact())
    } else {
        body.size_hint().exact()
    };
    let is_small = bytes.is_some_and(|bytes| bytes < rules.floor_bytes);
    let (coding, only_coded) = match choice {
        Choice::OnlyCoded(coding) if bytes != Some(0) => (coding, true),
        _ if is_small => return Response::from_parts(parts, body),
        Choice::Coded(coding) | Choice::OnlyCoded(coding) => (coding, false),
        Choice::Identity => {
            add_vary(&mut parts.headers);
            return Response::from_parts(parts, body);
        }
    };
    add_vary(&mut parts.headers);
    if is_head && body.is_end_stream() {
        mark_coded(&mut parts, coding);
        return Response::from_parts(parts, Body::new(Unsaid));
    }
    let (first, body) = match first_piece(body, bytes).await {
        First::Whole(whole) => {
            return match squeeze(rules, coding, &whole).await {
                Some(smaller) if only_coded || smaller.len() < whole.len() => {
                    mark_coded(&mut parts, coding);
                    Response::from_parts(parts, Body::from(smaller))
                }
                _ => Response::from_parts(parts, Body::from(whole)),
            };
        }
        First::Piece(first, body) => (first, body),
        First::Failed(error) => {
            // Whoever writes the answer sees the error as if it had asked itself.
            let failed = Body::new(Failed(Some(error)));
            return Response::from_parts(parts, failed);
        }
    };
    match Encoder::new(coding, rules.level, bytes) {
        Ok(encoder) => {
            mark_coded(&mut parts, coding);
            Response::from_parts(parts, Body::new(Squeezed::new(first, body, encoder)))
        }
        Err(error) => {
            tracing::error!(%error, coding = coding.name(), "no encoder can be made; the answer is sent as it is");
            Response::from_parts(parts, Body::new(Carried(Some(first), body)))
        }
    }
}

/// The beginning of a body.
enum First {
    /// All of it.
    Whole(Bytes),
    /// Some of it, or none yet.
    Piece(Bytes, Body),
    Failed(axum::Error),
}

/// What a body has right now: all of it, if it came from a value.
async fn first_piece(mut body: Body, bytes: Option<u64>) -> First {
    let Some(bytes) = bytes.filter(|bytes| *bytes <= WHOLE_BYTES_MAX) else {
        return First::Piece(Bytes::new(), body);
    };
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
    match polled {
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) if data.len() as u64 == bytes && body.is_end_stream() => First::Whole(data),
            Ok(data) => First::Piece(data, body),
            // Trailers of an empty body.
            Err(_) => First::Whole(Bytes::new()),
        },
        Poll::Ready(Some(Err(error))) => First::Failed(error),
        Poll::Ready(None) => First::Whole(Bytes::new()),
        Poll::Pending => First::Piece(Bytes::new(), body),
    }
}

/// All of it compressed, in turns; `None` if that fails.
async fn squeeze(rules: &Rules, coding: Coding, whole: &[u8]) -> Option<Vec<u8>> {
    let squeezed = async {
        let mut encoder = Encoder::new(coding, rules.level, Some(whole.len() as u64))?;
        for (turn, piece) in whole.chunks(TURN_BYTES).enumerate() {
            if turn > 0 {
                tokio::task::yield_now().await;
            }
            encoder.write(piece)?;
        }
        encoder.finish()
    };
    let squeezed: std::io::Result<Vec<u8>> = squeezed.await;
    squeezed
        .inspect_err(
            |error| tracing::error!(%error, coding = coding.name(), "an answer could not be compressed"),
        )
        .ok()
}

/// A body that failed before its beginning.
struct Failed(Option<axum::Error>);

impl HttpBody for Failed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}

/// A body whose beginning was taken.
struct Carried(Option<Bytes>, Body);

impl HttpBody for Carried {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        match self.0.take().filter(|first| !first.is_empty()) {
            Some(first) => Poll::Ready(Some(Ok(http_body::Frame::data(first)))),
            None => Pin::new(&mut self.1).poll_frame(cx),
        }
    }
}
