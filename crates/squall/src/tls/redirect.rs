//! Who comes in clear is sent to the same address under TLS.

use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use squall_engine::tls::Tls;
use tower_layer::Layer;
use tower_service::Service;

use crate::BoxFuture;
use crate::web::ClientInfo;

/// A layer that answers every request that comes in clear with 308 to the same place under `https`. With 308 a method
/// and a body stay what they were.
///
/// Only hosts that the certificates of `tls` are for are redirected to (and those of [`RedirectToHttps::host`]): with
/// another `Host`, the answer is 400, so that nobody is sent to where a forged field says. A proxy that is believed
/// ([`crate::Server::behind`]) and says that its client uses TLS is taken at its word.
///
/// ```
/// # fn layer(tls: &squall::tls::Tls) -> squall::tls::RedirectToHttps {
/// squall::tls::redirect_to_https(tls).except("/.well-known/acme-challenge/")
/// # }
/// ```
pub fn redirect_to_https(tls: &Tls) -> RedirectToHttps {
    RedirectToHttps {
        tls: tls.clone(),
        hosts: Vec::new(),
        port: 443,
        except: Vec::new(),
    }
}

/// See [`redirect_to_https`].
#[derive(Clone, Debug)]
pub struct RedirectToHttps {
    tls: Tls,
    hosts: Vec<String>,
    port: u16,
    except: Vec<String>,
}

impl RedirectToHttps {
    /// One more host that is ours, as an address is that stands in no certificate's names.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_ascii_lowercase());
        self
    }

    /// The port of the other listener, if it is not 443.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Paths that begin so are served in clear: where an authority looks for its challenge
    /// (`/.well-known/acme-challenge/`, RFC 8555 section 8.3), or a load balancer for health.
    #[must_use]
    pub fn except(mut self, prefix: &str) -> Self {
        self.except.push(prefix.to_owned());
        self
    }

    /// What a request in clear is answered; none if it is served.
    fn answer<B>(&self, request: &Request<B>) -> Option<Result<HeaderValue, &'static str>> {
        let client = ClientInfo::of(request.extensions(), request.headers(), request.uri());
        let path = request.uri().path();
        if client.is_secure() || self.except.iter().any(|prefix| path.starts_with(prefix.as_str())) {
            return None;
        }
        let host = client.host().map(without_port).unwrap_or_default();
        if !self.is_ours(host) {
            return Some(Err("this host is not served here"));
        }
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        if !target.starts_with('/') {
            return Some(Err("this port redirects to https"));
        }
        let location = match self.port {
            443 => format!("https://{host}{target}"),
            port => format!("https://{host}:{port}{target}"),
        };
        Some(HeaderValue::try_from(location).map_err(|_| "this cannot be redirected"))
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let is_named = |name: &str| name == host || Some(name) == parent.as_deref();
        self.hosts.contains(&host) || self.tls.names().iter().any(|name| is_named(name))
    }
}

/// `[::1]:80` is `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

impl<S> Layer<S> for RedirectToHttps {
    type Service = RedirectToHttpsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RedirectToHttpsService {
            inner,
            rules: std::sync::Arc::new(self.clone()),
        }
    }
}

/// What [`RedirectToHttps`] wraps a service in.
#[derive(Clone, Debug)]
pub struct RedirectToHttpsService<S> {
    inner: S,
    rules: std::sync::Arc<RedirectToHttps>,
}

impl<S, B> Service<Request<B>> for RedirectToHttpsService<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = match self.rules.answer(&request) {
            None => return Box::pin(self.inner.call(request)),
            Some(Ok(location)) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Some(Err(reason)) => {
                let mut response = Response::new(Body::from(reason));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            }
        };
        Box::pin(async { Ok(response) })
    }
}
