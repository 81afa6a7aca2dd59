//! What it serves.

use serde::Serialize;
use squall::decompression::Decompression;
use squall::live::session::{
    ConnectAsk, Connected, Deny, PublishAsk, PublishOptions, SessionConfig, SessionPolicy, Sessions,
    SubscribeAsk, SubscribeOptions,
};
use squall::live::{Incoming, Live, WsDoor};
use squall::web::extract::{Path, State};
use squall::web::routing::{get, post};
use squall::web::ws::{Message, Socket, WebSocketUpgrade};
use squall::web::{Body, Bytes, Json, Router, StatusCode};

use crate::large::Large;

/// The topic of the room.
const ROOM: &str = "room";
const HELLO: &str = "Hello, World!";

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

/// All routes.
pub(crate) fn routes(live: &Live) -> Router {
    let publisher = live.clone();
    let room = WsDoor::new()
        .bare()
        .on_message(move |incoming| speak(&publisher, incoming));
    Router::new()
        .route("/", get(async || HELLO))
        .route("/json", get(async || Json(Greeting { message: HELLO })))
        .route("/echo", post(async |body: Bytes| body))
        .route(
            "/inflate",
            post(async |body: Bytes| body.len().to_string()).layer(Decompression::new()),
        )
        .route("/large", get(async || Body::new(Large::default())))
        .route(
            "/ws/echo",
            get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
        )
        .route("/ws/room", live.ws_with(room, [ROOM]))
        .route("/sse/room", live.sse([ROOM]))
        .route("/pub/room", post(publish))
        .route("/pub/{room}", post(publish_to))
        .route("/poll/room", live.poll([ROOM]))
        .with_state(live.clone())
        .merge(Sessions::with_config(live, as_fast_as_they_like(), Anyone).router())
}

/// Whoever speaks in a bench speaks a lot.
fn as_fast_as_they_like() -> SessionConfig {
    SessionConfig {
        publish_rate_max: u32::MAX,
        publish_burst_max: u32::MAX,
        ..SessionConfig::default()
    }
}

/// Everybody may follow and say everything.
struct Anyone;

impl SessionPolicy for Anyone {
    async fn connect(&self, _: ConnectAsk) -> Result<Connected, Deny> {
        Ok(Connected::anonymous())
    }

    async fn subscribe(&self, _: SubscribeAsk) -> Result<SubscribeOptions, Deny> {
        Ok(SubscribeOptions::recoverable())
    }

    async fn publish(&self, _: PublishAsk) -> Result<PublishOptions, Deny> {
        Ok(PublishOptions::default())
    }
}

async fn echo(mut socket: Socket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

/// A follower says something: all who follow receive it. A message past the hub's limits is dropped. In memory, publishing is
/// done when the call returns.
fn speak(live: &Live, incoming: Incoming<'_>) {
    if let Message::Text(text) = incoming.message {
        let _ = live.publish(ROOM, text).ready();
    }
}

async fn publish_to(State(live): State<Live>, Path(room): Path<String>, text: String) -> StatusCode {
    match live.publish(&room, text).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

async fn publish(State(live): State<Live>, text: String) -> StatusCode {
    match live.publish(ROOM, text).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
    }
}
