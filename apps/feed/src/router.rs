//! Every route, in one list.

use squall::errors;
use squall::web::extract::State;
use squall::web::middleware::map_request_with_state;
use squall::web::{self, Request, Router};

use crate::app::App;
use crate::stream::page_of_path;
use crate::{api, web as pages};

/// The whole site.
pub fn router(app: &App) -> Router {
    Router::new()
        .merge(pages::routes(app))
        .merge(api::routes(app))
        .merge(streams(app))
        .fallback(pages::not_found)
        .layer(app.sessions().layer())
        .layer(map_request_with_state(app.clone(), moment))
        // What asks nothing of the store, and leaves no session.
        .merge(house(app))
        .layer(errors::pages().page(pages::error_page))
        .layer(web::secure_headers())
        .with_state(app.clone())
}

/// How the program is: for load balancers (`/healthz`, `/readyz`), and for Prometheus on this machine alone.
fn house(app: &App) -> Router<App> {
    Router::new()
        .merge(app.health().routes())
        .route("/metrics", app.meters().endpoint())
}

/// Before the session is looked up: who signs out while a stream opens does not keep it.
async fn moment(State(app): State<App>, mut request: Request) -> Request {
    request.extensions_mut().insert(app.live().moment());
    request
}

/// The live part of each page, by three doors that take and give the same cursor.
///
/// The rest of the path names the page (`stream::Page`), and `stream::rights` says what of it the viewer may follow.
fn streams(app: &App) -> Router<App> {
    let live = app.live();
    Router::new()
        .route("/stream/home", live.sse(page_of_path()))
        .route("/stream/public", live.sse(page_of_path()))
        .route("/stream/notifications", live.sse(page_of_path()))
        .route("/stream/profile/{id}", live.sse(page_of_path()))
        .route("/poll/home", live.poll(page_of_path()))
        .route("/poll/public", live.poll(page_of_path()))
        .route("/poll/notifications", live.poll(page_of_path()))
        .route("/poll/profile/{id}", live.poll(page_of_path()))
        .route("/ws/home", live.ws(page_of_path()))
        .route("/ws/public", live.ws(page_of_path()))
        .route("/ws/notifications", live.ws(page_of_path()))
        .route("/ws/profile/{id}", live.ws(page_of_path()))
}
