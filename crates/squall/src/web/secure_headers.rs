//! The response fields that every page should have, added where the handler did not say otherwise.

use std::task::{Context, Poll};

use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::BoxFuture;

/// Everything from this origin alone, no inline script or style, no framing by others, forms only to ourselves.
/// `data:` images are let through: they run nothing.
const CSP: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                   form-action 'self'; frame-ancestors 'none'";
const REFERRER: &str = "strict-origin-when-cross-origin";

/// A layer that adds `X-Content-Type-Options: nosniff`, `Referrer-Policy` and a strict `Content-Security-Policy`.
///
/// A field that the handler has set already is left as it is, so a single route can have its own policy.
///
/// ```
/// use squall::web::{Router, secure_headers};
/// let app: Router = Router::new().layer(secure_headers().hsts(31_536_000));
/// ```
pub fn secure_headers() -> SecureHeaders {
    SecureHeaders {
        fields: vec![
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static(REFERRER)),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
        ],
    }
}

/// See [`secure_headers`].
#[derive(Clone, Debug)]
pub struct SecureHeaders {
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl SecureHeaders {
    /// Another `Content-Security-Policy`. Note that `form-action 'self'` of the default also forbids what a form's
    /// answer redirects to: a page whose form leads elsewhere (OAuth consent) needs its own.
    #[must_use]
    pub fn csp(self, policy: &'static str) -> Self {
        self.set(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))
    }

    /// No `Content-Security-Policy` at all: for an API that serves no pages.
    #[must_use]
    pub fn no_csp(mut self) -> Self {
        self.fields.retain(|(name, _)| *name != CONTENT_SECURITY_POLICY);
        self
    }

    /// Another `Referrer-Policy`. With `no-referrer`, browsers send `Origin: null` with the forms of our own pages, and
    /// [`crate::xsrf`] refuses it where `Sec-Fetch-Site` is not sent: `same-origin` hides as much from others.
    #[must_use]
    pub fn referrer_policy(self, policy: &'static str) -> Self {
        self.set(REFERRER_POLICY, HeaderValue::from_static(policy))
    }

    /// `Strict-Transport-Security` for `max_age_s` seconds, without sub-domains. Only for sites that are always on TLS.
    #[must_use]
    pub fn hsts(self, max_age_s: u32) -> Self {
        let value = HeaderValue::try_from(format!("max-age={max_age_s}")).expect("digits are a field value");
        self.set(STRICT_TRANSPORT_SECURITY, value)
    }

    fn set(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.retain(|(have, _)| *have != name);
        self.fields.push((name, value));
        self
    }
}

impl<S> Layer<S> for SecureHeaders {
    type Service = SecureHeadersService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SecureHeadersService {
            inner,
            fields: self.fields.clone().into(),
        }
    }
}

/// What [`SecureHeaders`] wraps a service in.
#[derive(Clone, Debug)]
pub struct SecureHeadersService<S> {
    inner: S,
    fields: std::sync::Arc<[(HeaderName, HeaderValue)]>,
}

impl<S, B, R> Service<Request<B>> for SecureHeadersService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let fields = self.fields.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            for (name, value) in fields.iter() {
                response
                    .headers_mut()
                    .entry(name)
                    .or_insert_with(|| value.clone());
            }
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn fields(layer: SecureHeaders, path: &str) -> axum::http::HeaderMap {
        let app = Router::new()
            .route("/", get(async || "x"))
            .route(
                "/own",
                get(async || ([(CONTENT_SECURITY_POLICY, "sandbox")], "x")),
            )
            .layer(layer);
        let request = Request::get(path).body(Body::empty()).unwrap();
        app.oneshot(request).await.unwrap().headers().clone()
    }

    #[tokio::test]
    async fn defaults_are_strict_and_a_handler_may_differ() {
        let plain = fields(secure_headers(), "/").await;
        assert_eq!(plain["x-content-type-options"], "nosniff");
        assert_eq!(plain["referrer-policy"], REFERRER);
        let csp = plain["content-security-policy"].to_str().unwrap();
        assert!(csp.contains("default-src 'self'") && csp.contains("frame-ancestors 'none'"));
        assert!(!csp.contains("unsafe-inline") && !plain.contains_key("strict-transport-security"));
        let own = fields(secure_headers(), "/own").await;
        assert_eq!(own["content-security-policy"], "sandbox");
        assert_eq!(own.get_all("content-security-policy").iter().count(), 1);
    }

    #[tokio::test]
    async fn each_can_be_changed() {
        let layer = secure_headers()
            .csp("default-src 'none'")
            .referrer_policy("no-referrer")
            .hsts(60);
        let got = fields(layer, "/").await;
        assert_eq!(got["content-security-policy"], "default-src 'none'");
        assert_eq!(got["referrer-policy"], "no-referrer");
        assert_eq!(got["strict-transport-security"], "max-age=60");
        assert!(
            !fields(secure_headers().no_csp(), "/")
                .await
                .contains_key("content-security-policy")
        );
    }
}
