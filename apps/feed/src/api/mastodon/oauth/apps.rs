//! Programs introduce themselves: `POST /api/v1/apps`.

use squall::web::extract::State;
use squall::web::{Extension, Json};

use super::redirect;
use crate::api::mastodon::auth::Auth;
use crate::api::mastodon::entities::Application;
use crate::api::mastodon::error::{ApiError, Validation};
use crate::api::mastodon::front::Gate;
use crate::api::mastodon::params::Params;
use crate::app::App;
use crate::domain::oauth::NewApp;
use crate::domain::{ClientApp, Scopes};

/// `POST /api/v1/apps`: anybody may; the answer holds the secret, which is shown only here.
///
/// # Errors
/// 422 for a name, a redirect URI or scopes that are not accepted; 429.
pub(crate) async fn register(
    State(app): State<App>,
    Extension(gate): Extension<Gate>,
    params: Params,
) -> Result<Json<Application>, ApiError> {
    let new = read(&params)?;
    gate.register()?;
    let (client, secret) = app.store().create_app(new).await?;
    let client_id = client.client_id.clone();
    Ok(Json(Application {
        client_id: Some(client_id),
        client_secret: Some(secret),
        client_secret_expires_at: Some(0),
        ..application(&client)
    }))
}

/// `GET /api/v1/apps/verify_credentials`: which program holds this token.
///
/// # Errors
/// 401 without a good token.
pub(crate) async fn verify_credentials(
    State(app): State<App>,
    auth: Auth,
) -> Result<Json<Application>, ApiError> {
    let client = app.store().app_by_id(auth.token()?.app).await?;
    Ok(Json(application(&client)))
}

fn application(client: &ClientApp) -> Application {
    Application {
        id: client.id.to_string(),
        name: client.name.clone(),
        website: client.website.clone(),
        scopes: client.scopes.iter().map(str::to_string).collect(),
        redirect_uri: client.redirect_uris.join("\n"),
        redirect_uris: client.redirect_uris.clone(),
        vapid_key: String::new(),
        client_id: None,
        client_secret: None,
        client_secret_expires_at: None,
    }
}

fn read(params: &Params) -> Result<NewApp, ApiError> {
    let mut wrong = Validation::default();
    let name = params.filled("client_name").unwrap_or_default();
    if name.is_empty() {
        wrong.add("name", "ERR_BLANK", "can't be blank");
    }
    // One text with a URI on each line, or a list.
    let redirect_uris: Vec<String> = params
        .list("redirect_uris")
        .iter()
        .flat_map(|text| text.split_whitespace())
        .map(str::to_string)
        .collect();
    if redirect_uris.is_empty() {
        wrong.add("redirect_uri", "ERR_BLANK", "can't be blank");
    } else if !redirect_uris.iter().all(|uri| redirect::may_be_registered(uri)) {
        wrong.add("redirect_uri", "ERR_INVALID", "must be an absolute URI");
    }
    let scopes = Scopes::parse(&params.list("scopes").join(" "));
    if scopes.is_err() {
        wrong.add("scopes", "ERR_INVALID", "doesn't match configured on the server.");
    }
    wrong.check()?;
    let website = params
        .filled("website")
        .filter(|uri| uri.starts_with("https://") || uri.starts_with("http://"));
    Ok(NewApp {
        name,
        website,
        redirect_uris,
        scopes: scopes.map_err(|_| ApiError::internal())?,
    })
}
