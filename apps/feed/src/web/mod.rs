//! The pages: server-rendered, complete without script, live with it.
//!
//! Why: a person needs nothing but a browser, and the browser nothing but HTML.
//! Not here: who may see what (`domain::audience`), how it is kept (`store`), how it travels (`stream`), other programs
//! (`api`). A handler reads a form or a path, asks the store, and renders a template of `apps/feed/templates`.

mod account;
mod errors;
mod follow;
mod house;
mod next;
mod notifications;
mod page;
mod posts;
mod profile;
mod settings;
mod streams;
mod text;
mod views;

use squall::web::Router;
use squall::web::extract::DefaultBodyLimit;
use squall::web::routing::{get, post};
use squall::xsrf::Xsrf;

use crate::app::App;

pub use errors::{not_found, page as error_page, refusal_page};
pub use page::{Page, SignedIn, Visitor};
pub use views::{notification_html, post_html};

/// Bytes of a form, at most. The longest text of a post is 3,000 characters of four bytes, three characters each when
/// encoded: 36,000.
pub const FORM_BYTES_MAX: usize = 64 * 1024;

/// Everything that a browser asks for, but for the streams.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(streams::front))
        .route("/public", get(streams::public))
        .route("/sign-up", get(account::sign_up_page).post(account::sign_up))
        .route("/sign-in", get(account::sign_in_page).post(account::sign_in))
        .route("/sign-out", post(account::sign_out))
        .route("/posts", post(posts::create))
        .route("/posts/{id}", get(posts::by_id))
        .route("/posts/{id}/delete", post(posts::delete))
        .route("/notifications", get(notifications::page))
        .route("/settings", get(settings::page).post(settings::save))
        .route("/settings/followers/remove", post(settings::remove_follower))
        .route("/settings/apps/revoke", post(settings::revoke_app))
        .route("/@{name}", get(profile::page))
        .route("/@{name}/follow", post(follow::follow))
        .route("/@{name}/unfollow", post(follow::unfollow))
        .route("/@{name}/followers", get(follow::followers))
        .route("/@{name}/following", get(follow::following))
        .route("/@{name}/{id}", get(posts::page))
        .route("/@{name}/{id}/favourite", post(posts::favourite))
        .route("/@{name}/{id}/unfavourite", post(posts::unfavourite))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(Xsrf::new().secure(app.site().secure))
        .merge(house::assets().router())
}
