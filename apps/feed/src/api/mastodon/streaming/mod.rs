//! The streams: what happens, while it happens, over SSE and WebSocket.
//!
//! A stream is a set of topics, looked up when it is opened; following, unfollowing and revoking change or end what is
//! open. Nothing is filtered on the way out.
//! Not here: which topics a viewer may follow (`stream::topics`), who is told (`stream`).

mod control;
mod frames;
mod names;
mod rights;
mod sse;
mod styles;
mod ws;

use squall::web::Router;
use squall::web::routing::get;

use super::both;
use crate::app::App;

/// What the handlers share.
#[derive(Clone)]
struct Streams {
    app: App,
    styles: styles::Styles,
    sse: sse::Doors,
}

/// The streams that have a path of their own.
const PATHS: [&str; 9] = [
    "/api/v1/streaming/user",
    "/api/v1/streaming/user/notification",
    "/api/v1/streaming/public",
    "/api/v1/streaming/public/local",
    "/api/v1/streaming/public/remote",
    "/api/v1/streaming/hashtag",
    "/api/v1/streaming/hashtag/local",
    "/api/v1/streaming/direct",
    "/api/v1/streaming/list",
];

/// Their routes.
pub(super) fn routes(app: &App) -> Router<App> {
    let styles = styles::Styles::new(app.live());
    let streams = Streams {
        app: app.clone(),
        styles,
        sse: sse::Doors::new(&styles),
    };
    let mut router = Router::new();
    for path in PATHS {
        router = both(router, path, get(sse::open).with_state(streams.clone()));
    }
    let router = both(router, "/api/v1/streaming", get(ws::open).with_state(streams));
    both(router, "/api/v1/streaming/health", get(async || "OK"))
}
