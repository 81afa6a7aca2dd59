//! The API that clients of today speak: Mastodon's, as far as its clients need it.
//!
//! `public` is its `public`, `members` its `unlisted`, `followers` its `private`, `me` its `direct` without mentions.
//! What a viewer may not see answers as if it did not exist. Every path may end in a slash, every body may be JSON, a
//! form or multipart, because every one of these is what some client sends.
//! Not here: who may see what (`domain::audience`), what is kept (`store`), who is told (`stream`).

mod accounts;
mod auth;
mod content;
mod entities;
mod error;
mod front;
mod instance;
mod nothing;
mod notifications;
mod oauth;
mod paging;
mod params;
mod rate;
pub(super) mod render;
mod search;
mod sign_up;
mod statuses;
mod streaming;
mod timelines;

use squall::web::Router;
use squall::web::extract::DefaultBodyLimit;
use squall::web::middleware::{from_fn, from_fn_with_state};
use squall::web::routing::{MethodRouter, any, get, patch, post};
use squall::xsrf::Xsrf;

use crate::app::App;

/// Every route of the API.
pub fn routes(app: &App) -> Router<App> {
    let front = front::Front::new(app);
    let programs = Router::new()
        .merge(tokens())
        .merge(accounts_routes())
        .merge(statuses_routes())
        .merge(timelines_routes())
        .merge(instance_routes())
        .merge(nothing::routes())
        .merge(streaming::routes(app))
        .route("/api/{*rest}", any(async || error::ApiError::not_found()))
        .layer(DefaultBodyLimit::max(params::BODY_BYTES_MAX))
        .layer(from_fn_with_state(front, front::pass))
        .layer(from_fn(front::cors));
    let people = both(
        Router::new(),
        "/oauth/authorize",
        get(oauth::ask).post(oauth::decide),
    )
    .layer(DefaultBodyLimit::max(params::BODY_BYTES_MAX))
    .layer(Xsrf::new().secure(app.site().secure));
    let pictures = Router::new()
        .route(render::AVATAR_PATH, get(instance::avatar))
        .route(render::HEADER_PATH, get(instance::header_image));
    programs.merge(people).merge(pictures)
}

/// The same route with and without a slash at its end.
fn both(router: Router<App>, path: &str, methods: MethodRouter<App>) -> Router<App> {
    router
        .route(&format!("{path}/"), methods.clone())
        .route(path, methods)
}

/// Adds each route with and without a slash at its end.
fn all<const N: usize>(list: [(&str, MethodRouter<App>); N]) -> Router<App> {
    list.into_iter().fold(Router::new(), |router, (path, methods)| {
        both(router, path, methods)
    })
}

fn tokens() -> Router<App> {
    all([
        ("/api/v1/apps", post(oauth::register)),
        ("/api/v1/apps/verify_credentials", get(oauth::verify_credentials)),
        ("/oauth/token", post(oauth::token)),
        ("/oauth/revoke", post(oauth::revoke)),
        ("/oauth/userinfo", get(oauth::userinfo).post(oauth::userinfo)),
    ])
}

fn accounts_routes() -> Router<App> {
    all([
        ("/api/v1/accounts", get(accounts::several).post(sign_up::create)),
        (
            "/api/v1/accounts/verify_credentials",
            get(accounts::verify_credentials),
        ),
        (
            "/api/v1/accounts/update_credentials",
            patch(accounts::update_credentials),
        ),
        ("/api/v1/accounts/lookup", get(accounts::lookup)),
        ("/api/v1/accounts/search", get(accounts::search)),
        ("/api/v1/accounts/relationships", get(accounts::relationships)),
        (
            "/api/v1/accounts/familiar_followers",
            get(accounts::familiar_followers),
        ),
        ("/api/v1/accounts/{id}", get(accounts::show)),
        ("/api/v1/accounts/{id}/statuses", get(accounts::statuses)),
        ("/api/v1/accounts/{id}/followers", get(accounts::followers)),
        ("/api/v1/accounts/{id}/following", get(accounts::following)),
        ("/api/v1/accounts/{id}/follow", post(accounts::follow)),
        ("/api/v1/accounts/{id}/unfollow", post(accounts::unfollow)),
        (
            "/api/v1/accounts/{id}/remove_from_followers",
            post(accounts::remove_from_followers),
        ),
        ("/api/v1/preferences", get(accounts::preferences)),
        ("/api/v1/directory", get(accounts::directory)),
    ])
}

fn statuses_routes() -> Router<App> {
    all([
        ("/api/v1/statuses", get(statuses::several).post(statuses::create)),
        (
            "/api/v1/statuses/{id}",
            get(statuses::show).delete(statuses::delete),
        ),
        ("/api/v1/statuses/{id}/context", get(statuses::context)),
        ("/api/v1/statuses/{id}/source", get(statuses::source)),
        ("/api/v1/statuses/{id}/history", get(statuses::history)),
        ("/api/v1/statuses/{id}/favourite", post(statuses::favourite)),
        ("/api/v1/statuses/{id}/unfavourite", post(statuses::unfavourite)),
        (
            "/api/v1/statuses/{id}/favourited_by",
            get(statuses::favourited_by),
        ),
        ("/api/v1/statuses/{id}/reblogged_by", get(statuses::reblogged_by)),
    ])
}

fn timelines_routes() -> Router<App> {
    all([
        ("/api/v1/timelines/home", get(timelines::home)),
        ("/api/v1/timelines/public", get(timelines::public)),
        ("/api/v1/timelines/tag/{tag}", get(timelines::tag)),
        ("/api/v2/search", get(search::search)),
        ("/api/v1/notifications", get(notifications::list)),
        ("/api/v1/notifications/clear", post(notifications::clear)),
        (
            "/api/v1/notifications/unread_count",
            get(notifications::unread_count),
        ),
        ("/api/v1/notifications/{id}", get(notifications::show)),
        ("/api/v1/notifications/{id}/dismiss", post(notifications::dismiss)),
        (
            "/api/v1/markers",
            get(notifications::markers).post(notifications::mark),
        ),
    ])
}

fn instance_routes() -> Router<App> {
    all([
        ("/api/v1/instance", get(instance::v1)),
        ("/api/v2/instance", get(instance::v2)),
        ("/.well-known/nodeinfo", get(instance::nodeinfo)),
        ("/nodeinfo/2.0", get(instance::nodeinfo_2)),
    ])
}
