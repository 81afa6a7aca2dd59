//! The layer, and the body whose end is the end of a request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Access, Record};

/// What [`Access`] wraps a service in.
#[derive(Clone)]
pub struct AccessService<S> {
    inner: S,
    access: Access,
}

impl<S> AccessService<S> {
    pub(super) fn new(inner: S, access: Access) -> Self {
        Self { inner, access }
    }
}

impl<S, B> Service<Request<B>> for AccessService<S>
where
    S: Service<Request<B>, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = AccessFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let record = self.access.begin(&mut request);
        let inner = record.within(|| self.inner.call(request));
        AccessFuture {
            inner,
            record: Some(record),
        }
    }
}

pin_project! {
    /// The answer to come of an [`AccessService`].
    pub struct AccessFuture<F> {
        #[pin]
        inner: F,
        record: Option<Box<Record>>,
    }
}

impl<F, E> Future for AccessFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.record {
            Some(record) => record.within(|| this.inner.poll(context)),
            None => this.inner.poll(context),
        };
        let response = ready!(polled)?;
        Poll::Ready(Ok(match this.record.take() {
            Some(record) => wrap(response, record),
            None => response,
        }))
    }
}

/// The answer, with the record of its request in its body.
pub(crate) fn wrap(mut response: Response, mut record: Box<Record>) -> Response {
    record.answered(&mut response);
    response.map(|body| Body::new(AccessBody { body, record }))
}

/// The body of an answer. Its record is complete when it is dropped.
struct AccessBody {
    body: Body,
    record: Box<Record>,
}

impl http_body::Body for AccessBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let AccessBody { body, record } = &mut *self;
        let polled = record.within(|| Pin::new(body).poll_frame(context));
        match &polled {
            Poll::Ready(Some(Ok(frame))) => record.sent(frame.data_ref().map_or(0, |data| data.len() as u64)),
            Poll::Ready(None) => record.ended(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
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
