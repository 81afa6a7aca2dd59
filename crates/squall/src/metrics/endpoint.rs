//! Who may read the numbers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use subtle::ConstantTimeEq;

use super::{Meters, Syntax};
use crate::web::forwarded::sender;

/// Who may read the numbers. They tell how many people are there, which addresses exist and when the program is weak, so
/// nobody may who is not named here.
#[derive(Clone)]
pub struct Endpoint {
    peers: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    token: Option<Arc<str>>,
}

/// What proxies add. A request with any of it comes from elsewhere, even if its connection comes from this machine.
const FORWARDED: [&str; 5] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "via",
];

/// An extension of a request that had any of these fields: they are removed where they are not believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed;

impl Relayed {
    pub(crate) fn note(fields: &HeaderMap, extensions: &mut Extensions) {
        if FORWARDED.iter().any(|name| fields.contains_key(*name)) {
            extensions.insert(Relayed);
        }
    }
}

impl Endpoint {
    /// Programs on this machine, over a loopback address. Not what a proxy on this machine passes on, as far as it says that
    /// it does (`Forwarded`, `X-Forwarded-For`, `X-Real-IP`, `Via`): behind a proxy that adds none of these, let it refuse
    /// the path, or use a token.
    pub fn local() -> Self {
        Self::peers(|peer| peer.is_loopback())
    }

    /// Programs whose connection comes from these addresses, and is no proxy's.
    pub fn peers(may: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self {
            peers: Arc::new(may),
            token: None,
        }
    }

    /// Also whoever brings this token (`Authorization: Bearer …`), from anywhere. An empty one lets nobody in.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.into()).filter(|_| !token.is_empty());
        self
    }

    pub(super) fn route<S>(self, meters: Meters) -> MethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        get(move |request: Request| {
            let response = if self.lets_in(&request) {
                answer(&meters, request.headers())
            } else {
                nothing()
            };
            std::future::ready(response)
        })
    }

    fn lets_in(&self, request: &Request) -> bool {
        let sender = sender(request.extensions()).and_then(|peer| peer.addr());
        let near = sender.is_some_and(|peer| (self.peers)(peer.ip().to_canonical()));
        let relayed = request.extensions().get::<Relayed>().is_some();
        let direct = !relayed && !FORWARDED.iter().any(|name| request.headers().contains_key(*name));
        (near && direct)
            || self
                .token
                .as_deref()
                .is_some_and(|token| brings(request.headers(), token))
    }
}

fn brings(fields: &HeaderMap, token: &str) -> bool {
    let given = fields.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("bearer") && bool::from(given.trim().as_bytes().ct_eq(token.as_bytes()))
    })
}

fn nothing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

fn answer(meters: &Meters, fields: &HeaderMap) -> Response {
    let accept = fields
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let syntax = Syntax::of_accept(accept);
    let fields = [
        (CONTENT_TYPE, syntax.content_type()),
        (CACHE_CONTROL, "no-store"),
        (VARY, "accept"),
    ];
    (fields, meters.render(syntax)).into_response()
}
