//! The fields of one request: believed, or removed.

use std::fmt;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::FORWARDED;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::info::{own_host, sender};
use super::{ClientInfo, Family, TrustedProxies, X_FOR, X_HOST, X_PORT, X_PROTO, rfc7239, strip, x};
use crate::BoxFuture;

/// A trusted proxy sent fields that cannot be read, as far as they must be: 400. What they say of the client could be
/// the client's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub(super) &'static str);

impl Malformed {
    /// What is wrong, in words; nothing of the request is in it.
    pub fn reason(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

impl IntoResponse for Malformed {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response()
    }
}

impl TrustedProxies {
    /// Believes or removes the fields of a request, and notes the [`ClientInfo`] of one that was forwarded.
    ///
    /// # Errors
    /// [`Malformed`]: the request must not be served.
    pub fn apply(
        &self,
        headers: &mut HeaderMap,
        extensions: &mut Extensions,
        uri: &Uri,
    ) -> Result<(), Malformed> {
        if !self.trusts(sender(extensions)) {
            strip(headers, &[]);
            return Ok(());
        }
        let mut info = ClientInfo::of_connection(extensions);
        info.host = own_host(headers, uri).map(Into::into);
        match self.family {
            Family::Forwarded => {
                strip(headers, &[FORWARDED]);
                rfc7239::believe(headers, &self.networks, &mut info)?;
            }
            Family::X { host, port } => {
                let mut keep = vec![X_FOR, X_PROTO];
                keep.extend(host.then_some(X_HOST));
                keep.extend(port.then_some(X_PORT));
                strip(headers, &keep);
                x::believe(headers, &self.networks, (host, port), &mut info)?;
            }
        }
        extensions.insert(info);
        Ok(())
    }
}

impl<S> Layer<S> for TrustedProxies {
    type Service = ForwardedService<S>;

    fn layer(&self, inner: S) -> ForwardedService<S> {
        ForwardedService {
            inner,
            proxies: self.clone(),
        }
    }
}

/// What [`TrustedProxies`] wraps a service in.
#[derive(Clone, Debug)]
pub struct ForwardedService<S> {
    inner: S,
    proxies: TrustedProxies,
}

impl<S> Service<Request> for ForwardedService<S>
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
        let (mut parts, body) = request.into_parts();
        match self
            .proxies
            .apply(&mut parts.headers, &mut parts.extensions, &parts.uri)
        {
            Ok(()) => Box::pin(self.inner.call(Request::from_parts(parts, body))),
            Err(malformed) => Box::pin(async move { Ok(malformed.into_response()) }),
        }
    }
}
