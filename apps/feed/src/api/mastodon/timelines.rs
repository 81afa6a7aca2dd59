//! Lists of status updates, newest first, in pages.

use squall::web::Json;
use squall::web::extract::State;
use squall::web::http::{HeaderMap, Uri};

use super::auth::Auth;
use super::entities::Status;
use super::error::ApiError;
use super::paging;
use super::params::Params;
use super::render;
use crate::app::App;
use crate::domain::{Paging, PostView};

/// `GET /api/v1/timelines/home`: oneself and whom one follows.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn home(
    State(app): State<App>,
    auth: Auth,
    uri: Uri,
    params: Params,
) -> Result<(HeaderMap, Json<Vec<Status>>), ApiError> {
    let viewer = auth.person("read:statuses")?;
    let paging = paging::of_statuses(&params)?;
    let posts = app.store().home(viewer, paging).await?.value;
    Ok(answer(&app, &uri, &paging, &posts))
}

/// `GET /api/v1/timelines/public`: what is for the whole Internet. Everybody is local, so `remote` is an empty page,
/// and so is `only_media`.
///
/// # Errors
/// 401 for a bad token, 403 outside its scopes.
pub(crate) async fn public(
    State(app): State<App>,
    auth: Auth,
    uri: Uri,
    params: Params,
) -> Result<(HeaderMap, Json<Vec<Status>>), ApiError> {
    let viewer = auth.viewer("read:statuses")?;
    let paging = paging::of_statuses(&params)?;
    if params.flag("remote") || params.flag("only_media") {
        return Ok((HeaderMap::new(), Json(Vec::new())));
    }
    let posts = app.store().public(viewer, paging).await?.value;
    Ok(answer(&app, &uri, &paging, &posts))
}

/// `GET /api/v1/timelines/tag/{tag}`: there are no hashtags yet, so it is empty for whoever may ask.
///
/// # Errors
/// 401 for a bad token, 403 outside its scopes.
pub(crate) async fn tag(auth: Auth) -> Result<Json<Vec<Status>>, ApiError> {
    auth.viewer("read:statuses")?;
    Ok(Json(Vec::new()))
}

/// A page of status updates with its `Link`.
pub(super) fn answer(
    app: &App,
    uri: &Uri,
    paging: &Paging,
    posts: &[PostView],
) -> (HeaderMap, Json<Vec<Status>>) {
    let ids: Vec<u64> = posts.iter().map(|post| post.id.get()).collect();
    let fields = paging::fields(&app.site().origin, uri, paging, &ids);
    (
        fields,
        Json(
            posts
                .iter()
                .map(|post| render::status(app.site(), post))
                .collect(),
        ),
    )
}
