//! Runs the check before a handler, and sets the token's cookie after one that read the token.

use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::SET_COOKIE;
use axum::http::{StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_layer::Layer;
use tower_service::Service;

use super::check::{Refused, Verdict, check_head, is_urlencoded_form, token_of_head};
use super::multipart::{self, multipart_form};
use super::token::XsrfToken;
use super::{FORM_BYTES_MAX, NAME, Rules, Xsrf};
use crate::BoxFuture;
use crate::cookies::Cookies;

impl<S> Layer<S> for Xsrf {
    type Service = XsrfService<S>;

    fn layer(&self, inner: S) -> XsrfService<S> {
        XsrfService {
            inner,
            xsrf: self.clone(),
        }
    }
}

/// What [`Xsrf`] wraps a service in.
#[derive(Clone)]
pub struct XsrfService<S> {
    inner: S,
    xsrf: Xsrf,
}

impl<S> Service<Request> for XsrfService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let unready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, unready);
        let rules = self.xsrf.rules.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let token = XsrfToken::of_request(&Cookies::parse(&parts.headers), rules.secure);
            let body = match checked_body(&rules, &parts, body, &token).await {
                Ok(body) => body,
                Err(refusal) => return Ok(refusal),
            };
            parts.extensions.insert(token.clone());
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            if let Some(cookie) = token.new_cookie() {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(response)
        })
    }
}

/// The body for the handler, or the refusal.
async fn checked_body(rules: &Rules, parts: &Parts, body: Body, token: &XsrfToken) -> Result<Body, Response> {
    match check_head(rules, parts) {
        Verdict::Pass => return Ok(body),
        Verdict::Refuse(refused) => return Err(refuse(refused, parts)),
        Verdict::NeedsToken => {}
    }
    if let Some(text) = token_of_head(&parts.headers) {
        return if token.accepts(text) {
            Ok(body)
        } else {
            Err(refuse(Refused::TokenWrong, parts))
        };
    }
    if let Some(decoder) = multipart_form(&parts.headers) {
        let (text, body) = multipart::first_value(decoder, body, parts).await;
        return match text {
            Some(text) if token.accepts(&text) => Ok(body),
            Some(_) => Err(refuse(Refused::TokenWrong, parts)),
            None => Err(refuse(Refused::TokenMissing, parts)),
        };
    }
    if !is_urlencoded_form(&parts.headers) {
        return Err(refuse(Refused::TokenMissing, parts));
    }
    let bytes = match Limited::new(body, FORM_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "the form is too long\n").into_response());
        }
        Err(_) => return Err((StatusCode::BAD_REQUEST, "the form did not arrive whole\n").into_response()),
    };
    match form_field(&bytes) {
        Some(text) if token.accepts(text) => Ok(Body::from(bytes)),
        Some(_) => Err(refuse(Refused::TokenWrong, parts)),
        None => Err(refuse(Refused::TokenMissing, parts)),
    }
}

/// The token's field. Its name and value have no character that forms encode, so nothing is to be decoded.
fn form_field(form: &[u8]) -> Option<&str> {
    let pairs = form.split(|byte| *byte == b'&');
    let value = pairs
        .filter_map(|pair| pair.strip_prefix(NAME.as_bytes())?.strip_prefix(b"="))
        .next()?;
    std::str::from_utf8(value).ok()
}

fn refuse(refused: Refused, parts: &Parts) -> Response {
    // Not a warning: anybody can cause it, from anywhere.
    tracing::info!(method = %parts.method, path = parts.uri.path().escape_debug().to_string(), why = refused.code(), "XSRF check refused a request");
    refused.into_response()
}
