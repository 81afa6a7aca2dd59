//! One status update: posting it, reading it, liking it, deleting it.

use squall::web::Json;
use squall::web::extract::{Path, State};
use squall::web::http::{HeaderMap, StatusCode};

use super::accounts::{IDS_MAX, audience};
use super::auth::Auth;
use super::entities::{Account, Context, Status, StatusSource};
use super::error::ApiError;
use super::paging;
use super::params::Params;
use super::render;
use crate::app::App;
use crate::domain::{NewPost, PersonId, PostId};

/// The id in a path: what is no id is nothing.
fn post_id(text: &str) -> Result<PostId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// `POST /api/v1/statuses`: `status`, `visibility`, `in_reply_to_id`, and `spoiler_text`, which becomes the first
/// paragraph. With `Idempotency-Key`, the same key within an hour answers with the first post again.
///
/// # Errors
/// 422 for a text, a visibility or a key that is not accepted, and for media, polls and schedules, which are not here;
/// 404 when it answers what the author may not see.
pub(crate) async fn create(
    State(app): State<App>,
    auth: Auth,
    fields: HeaderMap,
    params: Params,
) -> Result<Json<Status>, ApiError> {
    let author = auth.person("write:statuses")?;
    refuse_what_is_not_here(&params)?;
    let audience = match params.filled("visibility") {
        Some(word) => audience(&word)?,
        None => app.store().person(author).await?.default_audience,
    };
    let in_reply_to = match params.filled("in_reply_to_id") {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| no_such_answered())?),
    };
    let idempotency_key = fields
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .map(str::to_string);
    let new = NewPost {
        in_reply_to,
        idempotency_key,
        app: Some(auth.token()?.app),
        ..NewPost::new(author, text(&params), audience)
    };
    match app.store().create_post(new).await {
        Ok(post) => Ok(Json(render::status(app.site(), &post))),
        Err(error) if error.is_missing() => Err(no_such_answered()),
        Err(error) => Err(error.into()),
    }
}

fn no_such_answered() -> ApiError {
    let text = "The post you are trying to reply to does not appear to exist.";
    ApiError::new(StatusCode::NOT_FOUND, text)
}

/// What was typed, with the warning (if any) in front: nothing that somebody wrote is lost.
fn text(params: &Params) -> String {
    let text = params.text("status").unwrap_or_default();
    match params.filled("spoiler_text") {
        Some(warning) if text.trim().is_empty() => warning,
        Some(warning) => format!("{warning}\n\n{text}"),
        None => text,
    }
}

/// Better said than done by half: a post without its picture is not what was meant.
fn refuse_what_is_not_here(params: &Params) -> Result<(), ApiError> {
    if !params.list("media_ids").is_empty() {
        return Err(ApiError::validation(
            "Media attachments are not available on this server",
        ));
    }
    if params.has("poll") {
        return Err(ApiError::validation("Polls are not available on this server"));
    }
    match params.filled("scheduled_at") {
        None => Ok(()),
        Some(at) if looks_like_a_date(&at) => Err(ApiError::validation(
            "Scheduled posts are not available on this server",
        )),
        Some(_) => Err(ApiError::invalid_record()),
    }
}

fn looks_like_a_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[7] == b'-'
}

/// `GET /api/v1/statuses/{id}`.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn show(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Status>, ApiError> {
    let viewer = auth.viewer("read:statuses")?;
    let post = app.store().post(viewer, post_id(&id)?).await?;
    Ok(Json(render::status(app.site(), &post)))
}

/// `GET /api/v1/statuses?id[]=…`: several; those that do not exist for the viewer are left out.
///
/// # Errors
/// 401 for a bad token, 403 outside its scopes.
pub(crate) async fn several(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<Vec<Status>>, ApiError> {
    let viewer = auth.viewer("read:statuses")?;
    let ids = params
        .list("id")
        .iter()
        .filter_map(|id| id.parse().ok())
        .take(IDS_MAX)
        .collect();
    let posts = app.store().posts(viewer, ids).await?;
    Ok(Json(
        posts
            .iter()
            .map(|post| render::status(app.site(), post))
            .collect(),
    ))
}

/// `DELETE /api/v1/statuses/{id}`: one's own. The answer has what was typed in `text`, so that it can be written anew.
///
/// # Errors
/// 404, also for what is not one's own.
pub(crate) async fn delete(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Status>, ApiError> {
    let author = auth.person("write:statuses")?;
    let post = app.store().delete_post(author, post_id(&id)?).await?;
    let status = render::status(app.site(), &post);
    Ok(Json(Status {
        text: Some(post.text),
        ..status
    }))
}

/// `GET /api/v1/statuses/{id}/context`.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn context(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Context>, ApiError> {
    let viewer = auth.viewer("read:statuses")?;
    let context = app.store().context(viewer, post_id(&id)?).await?;
    let render = |posts: &[crate::domain::PostView]| {
        posts
            .iter()
            .map(|post| render::status(app.site(), post))
            .collect()
    };
    Ok(Json(Context {
        ancestors: render(&context.ancestors),
        descendants: render(&context.descendants),
    }))
}

/// `GET /api/v1/statuses/{id}/source`: one's own, as it was typed.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn source(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<StatusSource>, ApiError> {
    let viewer = auth.person("read:statuses")?;
    let post = app.store().post(Some(viewer), post_id(&id)?).await?;
    Ok(Json(StatusSource {
        id: post.id.to_string(),
        text: post.text,
        spoiler_text: String::new(),
    }))
}

/// `GET /api/v1/statuses/{id}/history`: how it was said before; nothing is edited here, so it has one entry.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn history(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let viewer = auth.viewer("read:statuses")?;
    let status = render::status(app.site(), &app.store().post(viewer, post_id(&id)?).await?);
    Ok(Json(serde_json::json!([{
        "content": status.content, "spoiler_text": "", "sensitive": false, "created_at": status.created_at,
        "account": status.account, "media_attachments": [], "emojis": [], "poll": null,
    }])))
}

/// `POST /api/v1/statuses/{id}/favourite`.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn favourite(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Status>, ApiError> {
    set_favourite(&app, auth.person("write:favourites")?, &id, true).await
}

/// `POST /api/v1/statuses/{id}/unfavourite`.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn unfavourite(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Status>, ApiError> {
    set_favourite(&app, auth.person("write:favourites")?, &id, false).await
}

async fn set_favourite(app: &App, viewer: PersonId, id: &str, on: bool) -> Result<Json<Status>, ApiError> {
    let post = app.store().set_favourite(viewer, post_id(id)?, on).await?;
    Ok(Json(render::status(app.site(), &post)))
}

/// `GET /api/v1/statuses/{id}/favourited_by`.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn favourited_by(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Vec<Account>>, ApiError> {
    let viewer = auth.viewer("read:accounts")?;
    let people = app
        .store()
        .favourited_by(viewer, post_id(&id)?, paging::of_people(&params)?)
        .await?;
    Ok(Json(
        people
            .iter()
            .map(|person| render::account(app.site(), person))
            .collect(),
    ))
}

/// `GET /api/v1/statuses/{id}/reblogged_by`: nobody, nothing is shared here.
///
/// # Errors
/// 404, also for what the viewer may not see.
pub(crate) async fn reblogged_by(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Vec<Account>>, ApiError> {
    let viewer = auth.viewer("read:accounts")?;
    app.store().post(viewer, post_id(&id)?).await?;
    Ok(Json(Vec::new()))
}
