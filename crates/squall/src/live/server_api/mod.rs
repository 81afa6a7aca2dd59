//! The API over HTTP by which an application's other programs speak to the sessions: Centrifugo's (its "HTTP API" of
//! versions 5 and 6), so that its client libraries (`pycent`, `gocent`, `phpcent` …) work as they are.
//!
//! `POST /api/publish` with `X-API-Key` and `{"channel":"chat:1","data":{"text":"hi"}}` answers
//! `{"result":{"offset":1,"epoch":"…"}}`, or `{"error":{"code":102,"message":"unknown channel"}}` with status 200 as
//! Centrifugo has it; with `X-Centrifugo-Error-Mode: transport` the status tells, too.
//!
//! ```no_run
//! use squall::live::server_api::{self, ApiConfig, ApiError, PublishRequest, PublishResult, ServerApi};
//!
//! struct Sessions;
//!
//! impl ServerApi for Sessions {
//!     async fn publish(&self, ask: PublishRequest) -> Result<PublishResult, ApiError> {
//!         let data = ask.payload.data()?;
//!         println!("{} bytes for {}", data.len(), ask.channel);
//!         Ok(PublishResult::default())
//!     }
//! }
//!
//! let config = ApiConfig { keys: vec!["a key of sixteen bytes or more".into()], ..ApiConfig::default() };
//! let router: squall::web::Router =
//!     squall::web::Router::new().nest("/api", server_api::router(Sessions, &config)?);
//! # Ok::<(), server_api::ApiConfigError>(())
//! ```
//!
//! A key may do everything. Give it to servers alone, and keep the API away from where everybody can reach it.

mod call;
mod error;
mod keys;
mod requests;
mod results;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

pub use error::ApiError;
use keys::Keys;
pub use keys::{API_KEY_BYTES_MIN, ApiConfigError};
pub use requests::{
    BroadcastRequest, ChannelsRequest, DisconnectReason, DisconnectRequest, HistoryRequest, Payload,
    Position, PublishOptions, PublishRequest, RefreshRequest, RpcRequest, SubscribeRequest,
    UnsubscribeRequest,
};
pub use results::{
    BroadcastResult, ChannelInfo, ChannelsResult, ClientInfo, HistoryResult, InfoResult, NodeResult, Outcome,
    PresenceResult, PresenceStatsResult, Publication, PublishResult, RpcResult,
};

use crate::config::Secret;

/// Most commands of one batch.
pub const BATCH_COMMANDS_MAX: usize = 1_000;
/// Most channels of one broadcast.
pub const BROADCAST_CHANNELS_MAX: usize = 10_000;

/// Who may call, and how much they may say.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ApiConfig {
    /// Each of them lets in: one, or two while the first is being changed. At least [`API_KEY_BYTES_MIN`] bytes each.
    /// Without any nobody may call.
    pub keys: Vec<Secret>,
    /// Largest body of a request, in bytes; 413 beyond it. Default: 2 MiB.
    pub body_bytes_max: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            body_bytes_max: 2 << 20,
        }
    }
}

/// What the API does, each method once it has been checked who calls and whether the request makes sense.
///
/// Whatever is not implemented answers error 108, `not available`.
pub trait ServerApi: Send + Sync + 'static {
    /// Publishes to a channel.
    fn publish(&self, ask: PublishRequest) -> impl Future<Output = Result<PublishResult, ApiError>> + Send {
        not_available(ask)
    }

    /// Subscribes a user's sessions, or one of them.
    fn subscribe(&self, ask: SubscribeRequest) -> impl Future<Output = Result<(), ApiError>> + Send {
        not_available(ask)
    }

    /// Ends subscriptions of a user's sessions, or of one of them.
    fn unsubscribe(&self, ask: UnsubscribeRequest) -> impl Future<Output = Result<(), ApiError>> + Send {
        not_available(ask)
    }

    /// Closes a user's sessions, or one of them.
    fn disconnect(&self, ask: DisconnectRequest) -> impl Future<Output = Result<(), ApiError>> + Send {
        not_available(ask)
    }

    /// Lets a user's sessions, or one of them, go on for longer; or ends them.
    fn refresh(&self, ask: RefreshRequest) -> impl Future<Output = Result<(), ApiError>> + Send {
        not_available(ask)
    }

    /// Who is in a channel.
    fn presence(&self, channel: String) -> impl Future<Output = Result<PresenceResult, ApiError>> + Send {
        not_available(channel)
    }

    /// How many are in a channel.
    fn presence_stats(
        &self,
        channel: String,
    ) -> impl Future<Output = Result<PresenceStatsResult, ApiError>> + Send {
        not_available(channel)
    }

    /// What was published to a channel.
    fn history(&self, ask: HistoryRequest) -> impl Future<Output = Result<HistoryResult, ApiError>> + Send {
        not_available(ask)
    }

    /// Forgets what was published to a channel.
    fn history_remove(&self, channel: String) -> impl Future<Output = Result<(), ApiError>> + Send {
        not_available(channel)
    }

    /// Which channels somebody is subscribed to.
    fn channels(
        &self,
        ask: ChannelsRequest,
    ) -> impl Future<Output = Result<ChannelsResult, ApiError>> + Send {
        not_available(ask)
    }

    /// The processes that serve.
    fn info(&self) -> impl Future<Output = Result<InfoResult, ApiError>> + Send {
        not_available(())
    }

    /// Calls the application.
    fn rpc(&self, ask: RpcRequest) -> impl Future<Output = Result<RpcResult, ApiError>> + Send {
        not_available(ask)
    }
}

fn not_available<A, R: Send>(ask: A) -> impl Future<Output = Result<R, ApiError>> + Send {
    drop(ask);
    std::future::ready(Err(ApiError::NOT_AVAILABLE))
}

/// `POST /publish` and the others, to be nested where they belong (`/api`).
///
/// # Errors
/// When a key is too short.
pub fn router<A: ServerApi, S: Clone + Send + Sync + 'static>(
    api: A,
    config: &ApiConfig,
) -> Result<Router<S>, ApiConfigError> {
    let served = Arc::new(Served {
        api,
        keys: Keys::new(&config.keys)?,
        body_bytes_max: config.body_bytes_max,
    });
    Ok(Router::new()
        .route("/{method}", post(serve::<A>))
        .with_state(served))
}

struct Served<A> {
    api: A,
    keys: Keys,
    body_bytes_max: usize,
}

async fn serve<A: ServerApi>(
    State(served): State<Arc<Served<A>>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    // Nothing is read from whoever has no key.
    if !served.keys.let_in(request.headers()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let by_status = request
        .headers()
        .get("x-centrifugo-error-mode")
        .is_some_and(|mode| mode == "transport");
    let body = match axum::body::to_bytes(request.into_body(), served.body_bytes_max).await {
        Ok(body) => body,
        Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };
    let Some(outcome) = call::call(&served.api, &method, &body).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match outcome {
        Ok(called) => {
            let status = match called.error.filter(|_| by_status) {
                Some(code) => ApiError::status_of(code),
                None => StatusCode::OK,
            };
            let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (status, [json], Body::from(called.json)).into_response()
        }
        Err(call::NotJson) => (StatusCode::BAD_REQUEST, "Bad Request\n").into_response(),
    }
}
