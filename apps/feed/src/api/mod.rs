//! What programs talk to.
//!
//! `mastodon`: the API that clients of today speak.

pub mod mastodon;

use squall::web::Router;

use crate::app::{App, Site};
use crate::domain::{NotificationView, PostView};

/// Every route that programs use.
pub fn routes(app: &App) -> Router<App> {
    mastodon::routes(app)
}

/// A post as the streams carry it: a `Status` without the keys that depend on the viewer.
#[must_use]
pub fn status_json(site: &Site, post: &PostView) -> serde_json::Value {
    to_value(&mastodon::render::shared_status(site, post))
}

/// A notification as the streams carry it.
#[must_use]
pub fn notification_json(site: &Site, notification: &NotificationView) -> serde_json::Value {
    to_value(&mastodon::render::notification(site, notification))
}

/// Entities have string keys and no floats, so this cannot fail; were it to, the stream says `null`.
fn to_value(entity: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(entity).unwrap_or_default()
}
