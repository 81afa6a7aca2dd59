//! A handler time-out of a route's own.

use std::task::{Context, Poll};
use std::time::Duration;

use squall_engine::Deadline;
use tower_layer::Layer;
use tower_service::Service;

/// A layer: its routes have this time for their answer's head, longer or shorter, in place of
/// [`crate::Limits::handler_timeout`]. Past it the engine answers 503.
///
/// ```
/// use std::time::Duration;
/// use squall::web::{HandlerTimeout, Router, routing::post};
///
/// let router: Router = Router::new()
///     .route("/report", post(|| async { "took long" }))
///     .layer(HandlerTimeout::new(Duration::from_secs(300)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HandlerTimeout(Duration);

impl HandlerTimeout {
    /// So long, from the moment at which the request (with its body, if that arrives late) was there.
    pub fn new(timeout: Duration) -> Self {
        HandlerTimeout(timeout)
    }
}

impl<S> Layer<S> for HandlerTimeout {
    type Service = WithTimeout<S>;

    fn layer(&self, inner: S) -> WithTimeout<S> {
        WithTimeout {
            inner,
            timeout: self.0,
        }
    }
}

/// What [`HandlerTimeout`] makes of a service.
#[derive(Clone, Debug)]
pub struct WithTimeout<S> {
    inner: S,
    timeout: Duration,
}

impl<S, R> Service<R> for WithTimeout<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        // Outside of a server, as in a test that calls the router, there is nobody to keep it.
        Deadline::set_timeout(self.timeout);
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::serve_with;
    use crate::web::{Router, routing::get};

    #[test]
    fn a_route_has_its_own_time() {
        let slow = || std::future::pending::<&'static str>();
        let router = Router::new()
            .route("/", get(slow))
            .layer(HandlerTimeout::new(Duration::from_millis(250)));
        let server = serve_with(router, |server| server);
        assert_eq!(server.client().get("/").send().status, 503);
    }
}
