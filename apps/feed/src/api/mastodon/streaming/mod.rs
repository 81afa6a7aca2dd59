//! The streams: what happens, while it happens, over SSE and WebSocket.

mod control;
mod frames;
mod names;

use squall::web::Router;
use squall::web::routing::get;

use super::both;
use crate::app::App;

/// Their routes.
pub(super) fn routes(_app: &App) -> Router<App> {
    both(Router::new(), "/api/v1/streaming/health", get(async || "OK"))
}
