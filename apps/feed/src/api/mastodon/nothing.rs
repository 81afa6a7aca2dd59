//! What clients ask for at their start and this server has none of: the honest answer is an empty list.

use serde_json::{Value, json};
use squall::web::Json;
use squall::web::Router;
use squall::web::routing::get;

use super::auth::Auth;
use super::both;
use super::error::ApiError;
use crate::app::App;

/// Lists that anybody may read.
const PUBLIC: &[&str] = &[
    "/api/v1/custom_emojis",
    "/api/v1/trends",
    "/api/v1/trends/tags",
    "/api/v1/trends/statuses",
    "/api/v1/trends/links",
    "/api/v1/instance/rules",
    "/api/v1/instance/peers",
    "/api/v1/instance/activity",
    "/api/v1/instance/domain_blocks",
    "/api/v1/instance/translation_languages",
    "/api/v1/accounts/{id}/featured_tags",
];

/// Lists of one's own, and the scope that they need.
const OWN: &[(&str, &str)] = &[
    ("/api/v1/announcements", "read"),
    ("/api/v1/lists", "read:lists"),
    ("/api/v1/accounts/{id}/lists", "read:lists"),
    ("/api/v1/filters", "read:filters"),
    ("/api/v2/filters", "read:filters"),
    ("/api/v1/conversations", "read:statuses"),
    ("/api/v1/follow_requests", "read:follows"),
    ("/api/v1/bookmarks", "read:bookmarks"),
    ("/api/v1/mutes", "read:mutes"),
    ("/api/v1/blocks", "read:blocks"),
    ("/api/v1/domain_blocks", "read:blocks"),
    ("/api/v1/endorsements", "read:accounts"),
    ("/api/v1/featured_tags", "read:accounts"),
    ("/api/v1/featured_tags/suggestions", "read:accounts"),
    ("/api/v1/followed_tags", "read:follows"),
    ("/api/v1/scheduled_statuses", "read:statuses"),
    ("/api/v1/suggestions", "read"),
    ("/api/v2/suggestions", "read"),
];

/// What would be changed by these is not here, and that is said rather than pretended.
const NOT_HERE: &[&str] = &[
    "/api/v1/statuses/{id}/reblog",
    "/api/v1/statuses/{id}/unreblog",
    "/api/v1/statuses/{id}/bookmark",
    "/api/v1/statuses/{id}/unbookmark",
    "/api/v1/statuses/{id}/pin",
    "/api/v1/statuses/{id}/unpin",
    "/api/v1/statuses/{id}/mute",
    "/api/v1/statuses/{id}/unmute",
    "/api/v1/accounts/{id}/block",
    "/api/v1/accounts/{id}/unblock",
    "/api/v1/accounts/{id}/mute",
    "/api/v1/accounts/{id}/unmute",
    "/api/v1/media",
    "/api/v2/media",
];

/// Their routes.
pub(super) fn routes() -> Router<App> {
    let mut router = Router::new();
    for path in PUBLIC {
        router = both(router, path, get(async || Json(json!([]))));
    }
    for (path, scope) in OWN {
        router = both(router, path, get(async |auth: Auth| own(&auth, scope)));
    }
    for path in NOT_HERE {
        router = both(
            router,
            path,
            squall::web::routing::post(async |auth: Auth| not_here(&auth)),
        );
    }
    both(
        router,
        "/api/v1/instance/extended_description",
        get(async || Json(json!({ "updated_at": null, "content": "" }))),
    )
}

fn own(auth: &Auth, scope: &str) -> Result<Json<Value>, ApiError> {
    auth.person(scope)?;
    Ok(Json(json!([])))
}

fn not_here(auth: &Auth) -> Result<Json<Value>, ApiError> {
    auth.token()?;
    Err(ApiError::validation("This is not available on this server"))
}
