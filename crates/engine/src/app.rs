//! What the engine serves: any tower service, under a shorter name.

use std::error::Error as StdError;
use std::future::Future;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use crate::body::Body;

/// Any error.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// A `tower::Service<http::Request<Body>>` that can be cloned to every core. Implemented for all such services;
/// an `axum::Router` is the usual one.
pub trait App: Clone + Send + 'static {
    /// The response's body.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + 'static;
    /// Turned into a 500 and logged.
    type Error: Into<BoxError>;
    /// The answer to be.
    type Future: Future<Output = Result<Response<Self::Body>, Self::Error>> + 'static;

    /// As `tower::Service::poll_ready`.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// As `tower::Service::call`.
    fn call(&mut self, request: Request<Body>) -> Self::Future;
}

impl<S, B> App for S
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    type Body = B;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(self, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Service::call(self, request)
    }
}
