//! What this server is: the first thing that a client asks, before anybody signs in.

use squall::web::extract::State;
use squall::web::http::{HeaderValue, header};
use squall::web::{IntoResponse, Json, Response};

use super::entities::{InstanceFacts, instance_v1, instance_v2, nodeinfo_2_0, nodeinfo_links};
use super::error::ApiError;
use super::render;
use crate::app::App;
use crate::domain::posts::TEXT_CHARS_MAX;

async fn facts(app: &App) -> Result<InstanceFacts, ApiError> {
    let stats = app.store().stats().await?;
    let origin = app.site().origin.clone();
    Ok(InstanceFacts {
        thumbnail: format!("{origin}{}", render::HEADER_PATH),
        origin,
        status_chars_max: TEXT_CHARS_MAX,
        people: stats.people,
        posts: stats.posts,
        active_month: stats.active_month,
    })
}

/// `GET /api/v1/instance`.
///
/// # Errors
/// 500 when the store cannot say.
pub(crate) async fn v1(State(app): State<App>) -> Result<Json<serde_json::Value>, ApiError> {
    Ok(Json(instance_v1(&facts(&app).await?)))
}

/// `GET /api/v2/instance`.
///
/// # Errors
/// 500 when the store cannot say.
pub(crate) async fn v2(State(app): State<App>) -> Result<Json<serde_json::Value>, ApiError> {
    Ok(Json(instance_v2(&facts(&app).await?)))
}

/// `GET /.well-known/nodeinfo`.
///
/// # Errors
/// 500 when the store cannot say.
pub(crate) async fn nodeinfo(State(app): State<App>) -> Result<Json<serde_json::Value>, ApiError> {
    Ok(Json(nodeinfo_links(&facts(&app).await?)))
}

/// `GET /nodeinfo/2.0`.
///
/// # Errors
/// 500 when the store cannot say.
pub(crate) async fn nodeinfo_2(State(app): State<App>) -> Result<Json<serde_json::Value>, ApiError> {
    Ok(Json(nodeinfo_2_0(&facts(&app).await?)))
}

/// `GET /avatars/missing.svg`: everybody's picture so far.
pub(crate) async fn avatar() -> Response {
    svg(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><rect width=\"64\" height=\"64\" \
         fill=\"#8899a6\"/><circle cx=\"32\" cy=\"24\" r=\"12\" fill=\"#fff\"/>\
         <path d=\"M8 64a24 20 0 0 1 48 0z\" fill=\"#fff\"/></svg>",
    )
}

/// `GET /headers/missing.svg`: everybody's wide picture so far.
pub(crate) async fn header_image() -> Response {
    svg(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 200\"><rect width=\"600\" height=\"200\" \
         fill=\"#8899a6\"/></svg>",
    )
}

fn svg(text: &'static str) -> Response {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=86400"),
        ),
    ];
    (fields, text).into_response()
}
