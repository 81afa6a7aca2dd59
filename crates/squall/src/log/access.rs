//! One line for each request: who asked for what, what came of it, how long it took.
//!
//! Never in it: queries (they hold tokens), cookies, `Authorization`, bodies.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use http_body::{Body as _, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use super::{RequestId, escape};
use crate::BoxFuture;
use crate::web::forwarded::client_ip;

const TARGET: &str = "squall::access";
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A layer that logs one line for each request, at level info under the target `squall::access`, and gives each an
/// id: an extension [`RequestId`] for handlers, the field `X-Request-Id` for whoever reports a problem. To be put
/// outermost, that is last.
///
/// A body whose length is known is logged with its head; another one when it ends, or is given up. A connection that
/// goes on as a stream is logged when it is opened.
pub fn access() -> Access {
    Access {}
}

/// See [`access`].
#[derive(Clone, Debug)]
pub struct Access {}

impl<S> Layer<S> for Access {
    type Service = AccessService<S>;

    fn layer(&self, inner: S) -> AccessService<S> {
        AccessService { inner }
    }
}

/// What [`Access`] wraps a service in.
#[derive(Clone, Debug)]
pub struct AccessService<S> {
    inner: S,
}

impl<S> Service<Request> for AccessService<S>
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

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = RequestId::new();
        let wanted = tracing::enabled!(target: TARGET, tracing::Level::INFO);
        let line = wanted.then(|| Line::of_request(&request, id.clone()));
        request.extensions_mut().insert(id.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            if let Ok(value) = HeaderValue::try_from(id.as_str()) {
                response.headers_mut().insert(X_REQUEST_ID, value);
            }
            Ok(match line {
                Some(line) => line.of_response(response),
                None => response,
            })
        })
    }
}

/// What is known of a request; written once.
struct Line {
    id: RequestId,
    method: Method,
    path: String,
    peer: String,
    started: Instant,
    status: StatusCode,
    bytes: u64,
}

impl Line {
    fn of_request(request: &Request, id: RequestId) -> Self {
        let peer = client_ip(request.extensions()).map(|ip| ip.to_string());
        Self {
            id,
            method: request.method().clone(),
            path: escape::path(request.uri().path()),
            peer: peer.unwrap_or_else(|| "-".to_owned()),
            started: Instant::now(),
            status: StatusCode::OK,
            bytes: 0,
        }
    }

    /// Written now, if all is known, else when the body is over.
    fn of_response(mut self, response: Response) -> Response {
        self.status = response.status();
        // A connection that is taken over carries what follows in an extension, and an empty body.
        match response.body().size_hint().exact() {
            Some(bytes) => {
                self.bytes = bytes;
                self.write();
                response
            }
            None => response.map(|body| {
                Body::new(Counted {
                    body,
                    line: Some(self),
                })
            }),
        }
    }

    fn write(&self) {
        let took = self.started.elapsed();
        let (status, bytes, micros) = (self.status.as_u16(), self.bytes, took.as_micros());
        tracing::info!(
            target: TARGET,
            peer = %self.peer, id = %self.id, method = %self.method, path = %self.path, status, bytes,
            micros = u64::try_from(micros).unwrap_or(u64::MAX),
        );
    }
}

/// A body that is counted as it goes, and logged when it is over.
struct Counted {
    body: Body,
    line: Option<Line>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let (Poll::Ready(Some(Ok(frame))), Some(line)) = (&polled, &mut self.line) {
            line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            line.write();
        }
    }
}
