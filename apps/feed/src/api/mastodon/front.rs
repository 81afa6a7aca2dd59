//! What every request to the API passes before its handler: cross-origin rules, the token, the rate.

use std::net::IpAddr;
use std::sync::Arc;

use squall::web::Request;
use squall::web::extract::State;
use squall::web::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use squall::web::middleware::Next;
use squall::web::{ClientInfo, IntoResponse, Response, now_ms};

use super::auth::{self, Auth};
use super::error::ApiError;
use super::rate::{Asker, Rate};
use crate::app::App;

/// What the front knows.
#[derive(Clone)]
pub(crate) struct Front {
    app: App,
    rate: Arc<Rate>,
}

impl Front {
    /// A front that has counted nothing yet.
    #[must_use]
    pub(crate) fn new(app: &App) -> Self {
        Front {
            app: app.clone(),
            rate: Arc::new(Rate::default()),
        }
    }
}

/// Looks the token up, counts the request, and runs the handler with [`Auth`], the [`Gate`] and the moment before the
/// look-up in its extensions.
pub(crate) async fn pass(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let client = ClientInfo::of(request.extensions(), request.headers(), request.uri());
    let address = client.limit_ip();
    let streaming = request.uri().path().starts_with("/api/v1/streaming");
    let token = if streaming {
        auth::streaming_token(request.headers(), request.uri())
    } else {
        auth::bearer(request.headers()).map(str::to_string)
    };
    // Before the token is looked at: what ends it from here on ends the stream too.
    request.extensions_mut().insert(front.app.live().moment());
    let auth = match Auth::of_token(&front.app, token.as_deref()).await {
        Ok(auth) => auth,
        Err(error) => return error.into_response(),
    };
    let asker = match &auth {
        Auth::Token(token) => Asker::Token(token.id.get()),
        Auth::Anonymous | Auth::Invalid => Asker::Address(address),
    };
    let left = front.rate.take(asker, now_ms());
    let mut response = if left.within {
        request.extensions_mut().insert(auth);
        request.extensions_mut().insert(Gate {
            rate: front.rate.clone(),
            address,
        });
        next.run(request).await
    } else {
        ApiError::too_many().into_response()
    };
    left.write(response.headers_mut());
    // What one viewer may see must not be handed to another by a cache between us.
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private, no-store"));
    response
}

/// Lets pages of every origin call: a token is asked for in a field that no browser adds by itself.
/// Answers preflights by itself (Fetch standard, CORS protocol).
pub(crate) async fn cors(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    write_cors(response.headers_mut(), preflight);
    response
}

fn write_cors(fields: &mut HeaderMap, preflight: bool) {
    let mut set = |name, value| fields.insert(name, HeaderValue::from_static(value));
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "Link, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id",
    );
    if preflight {
        set(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        );
        set(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
        );
        set(header::ACCESS_CONTROL_MAX_AGE, "86400");
    }
}

/// Limits that are narrower than the front's, for the handlers that make things which last.
#[derive(Clone)]
pub(crate) struct Gate {
    rate: Arc<Rate>,
    /// Where the request comes from.
    pub(crate) address: IpAddr,
}

impl Gate {
    /// Counts a sign-up.
    ///
    /// # Errors
    /// 429 past [`super::rate::SIGN_UPS_MAX`].
    pub(crate) fn sign_up(&self) -> Result<(), ApiError> {
        self.take(Asker::SignUp(self.address))
    }

    /// Counts the registration of a program.
    ///
    /// # Errors
    /// 429 past [`super::rate::APPS_MAX`].
    pub(crate) fn register(&self) -> Result<(), ApiError> {
        self.take(Asker::Register(self.address))
    }

    fn take(&self, asker: Asker) -> Result<(), ApiError> {
        if self.rate.take(asker, now_ms()).within {
            Ok(())
        } else {
            Err(ApiError::too_many())
        }
    }
}
