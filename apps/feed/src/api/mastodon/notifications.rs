//! What happened to oneself.

use squall::web::Json;
use squall::web::extract::{Path, State};
use squall::web::http::{HeaderMap, Uri};

use super::auth::Auth;
use super::entities::{Marker, Notification};
use super::error::ApiError;
use super::paging;
use super::params::Params;
use super::render;
use crate::app::{App, now_ms};
use crate::domain::{NotificationId, NotificationKind};
use crate::store::NotificationFilter;

/// The most entries of a page of notifications.
const LIMIT_DEFAULT: usize = 40;
const LIMIT_MAX: usize = 80;

fn notification_id(text: &str) -> Result<NotificationId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// `GET /api/v1/notifications`, narrowed by `types[]` and `exclude_types[]`.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn list(
    State(app): State<App>,
    auth: Auth,
    uri: Uri,
    params: Params,
) -> Result<(HeaderMap, Json<Vec<Notification>>), ApiError> {
    let viewer = auth.person("read:notifications")?;
    let paging = paging::read(&params, LIMIT_DEFAULT, LIMIT_MAX)?;
    let Some(kinds) = kinds(&params) else {
        return Ok((HeaderMap::new(), Json(Vec::new())));
    };
    let found = app
        .store()
        .notifications(viewer, NotificationFilter { kinds }, paging)
        .await?
        .value;
    let ids: Vec<u64> = found.iter().map(|one| one.id.get()).collect();
    let fields = paging::fields(&app.site().origin, &uri, &paging, &ids);
    Ok((
        fields,
        Json(
            found
                .iter()
                .map(|one| render::notification(app.site(), one))
                .collect(),
        ),
    ))
}

/// The kinds that are wanted; empty: all. `None`: none of those that exist here.
fn kinds(params: &Params) -> Option<Vec<NotificationKind>> {
    let (wanted, unwanted) = (params.list("types"), params.list("exclude_types"));
    if wanted.is_empty() && unwanted.is_empty() {
        return Some(Vec::new());
    }
    let kinds: Vec<_> = NotificationKind::ALL
        .into_iter()
        .filter(|kind| wanted.is_empty() || wanted.iter().any(|word| word == kind.word()))
        .filter(|kind| !unwanted.iter().any(|word| word == kind.word()))
        .collect();
    (!kinds.is_empty()).then_some(kinds)
}

/// `GET /api/v1/notifications/{id}`.
///
/// # Errors
/// 404, also for other people's.
pub(crate) async fn show(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Notification>, ApiError> {
    let viewer = auth.person("read:notifications")?;
    let found = app.store().notification(viewer, notification_id(&id)?).await?;
    Ok(Json(render::notification(app.site(), &found)))
}

/// `POST /api/v1/notifications/clear`: all of them go.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn clear(State(app): State<App>, auth: Auth) -> Result<Json<serde_json::Value>, ApiError> {
    app.store()
        .clear_notifications(auth.person("write:notifications")?)
        .await?;
    Ok(Json(serde_json::json!({})))
}

/// `POST /api/v1/notifications/{id}/dismiss`: one goes.
///
/// # Errors
/// 404, also for other people's.
pub(crate) async fn dismiss(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let viewer = auth.person("write:notifications")?;
    app.store()
        .dismiss_notification(viewer, notification_id(&id)?)
        .await?;
    Ok(Json(serde_json::json!({})))
}

/// `GET /api/v1/notifications/unread_count`.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn unread_count(
    State(app): State<App>,
    auth: Auth,
) -> Result<Json<serde_json::Value>, ApiError> {
    let count = app
        .store()
        .unread_notifications(auth.person("read:notifications")?)
        .await?;
    Ok(Json(serde_json::json!({ "count": count })))
}

/// `GET /api/v1/markers`: how far one has read on other devices. Not kept so far, which is what `{}` says.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn markers(auth: Auth) -> Result<Json<serde_json::Value>, ApiError> {
    auth.person("read:statuses")?;
    Ok(Json(serde_json::json!({})))
}

/// `POST /api/v1/markers`: notifications up to `notifications[last_read_id]` are read.
///
/// # Errors
/// 422 for an id that is none.
pub(crate) async fn mark(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<serde_json::Value>, ApiError> {
    let viewer = auth.person("write:statuses")?;
    let mut marked = serde_json::Map::new();
    for place in ["home", "notifications"] {
        let Some(last_read_id) = params.child(place).filled("last_read_id") else {
            continue;
        };
        let id: NotificationId = last_read_id.parse().map_err(|_| ApiError::invalid_record())?;
        if place == "notifications" {
            app.store().read_notifications(viewer, id).await?;
        }
        let marker = Marker {
            last_read_id,
            version: 1,
            updated_at: squall::templates::iso8601(now_ms()),
        };
        marked.insert(
            place.into(),
            serde_json::to_value(marker).map_err(|_| ApiError::internal())?,
        );
    }
    Ok(Json(marked.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn types_are_wanted_or_unwanted() {
        let words = async |query: &str| {
            let params = Params::read(query, "", bytes::Bytes::new()).await.unwrap();
            kinds(&params).map(|kinds| kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>())
        };
        assert_eq!(words("").await, Some(vec![]));
        assert_eq!(words("types[]=follow&types[]=poll").await, Some(vec!["follow"]));
        assert_eq!(
            words("exclude_types[]=follow").await,
            Some(vec!["favourite", "mention"])
        );
        assert_eq!(words("types[]=reblog").await, None);
    }
}
