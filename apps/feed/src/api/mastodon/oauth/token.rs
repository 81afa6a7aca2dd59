//! Codes and secrets become tokens, and tokens end: `POST /oauth/token`, `POST /oauth/revoke`.

use squall::web::extract::State;
use squall::web::http::{HeaderMap, HeaderValue, StatusCode, header};
use squall::web::{IntoResponse, Json, Response};

use super::client;
use crate::api::mastodon::auth::Auth;
use crate::api::mastodon::entities::Token;
use crate::api::mastodon::error::ApiError;
use crate::api::mastodon::params::Params;
use crate::api::mastodon::render;
use crate::app::App;
use crate::domain::{Scopes, TokenInfo};

/// `POST /oauth/token`.
///
/// # Errors
/// RFC 6749 section 5.2: 401 `invalid_client`; 400 `invalid_request`, `invalid_grant`, `invalid_scope`,
/// `unsupported_grant_type`.
pub(crate) async fn token(
    State(app): State<App>,
    fields: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let grant = params.text("grant_type").unwrap_or_default();
    let (bearer, info) = match grant.as_str() {
        "authorization_code" => by_code(&app, &fields, &params).await?,
        "client_credentials" => by_secret(&app, &fields, &params).await?,
        "" => {
            return Err(refused(
                "invalid_request",
                "Missing required parameter: grant_type.",
            ));
        }
        // Among them `password`: a program that sees the password could do everything (RFC 9700 section 2.4).
        _ => {
            let text = "The authorization grant type is not supported by the authorization server.";
            return Err(refused("unsupported_grant_type", text));
        }
    };
    Ok(answer(bearer, &info))
}

/// A new token as the program reads it; never kept by a cache (RFC 6749 section 5.1).
pub(crate) fn answer(bearer: String, info: &TokenInfo) -> Response {
    let token = Token {
        access_token: bearer,
        token_type: "Bearer",
        scope: info.scopes.to_string(),
        created_at: info.created_at_ms / 1000,
    };
    let mut response = Json(token).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
        .headers_mut()
        .insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

async fn by_code(app: &App, fields: &HeaderMap, params: &Params) -> Result<(String, TokenInfo), ApiError> {
    let client = client::authenticate(app, fields, params).await?;
    let code = params
        .filled("code")
        .ok_or_else(|| refused("invalid_request", "Missing required parameter: code."))?;
    let redirect_uri = params
        .filled("redirect_uri")
        .ok_or_else(|| refused("invalid_request", "Missing required parameter: redirect_uri."))?;
    let verifier = params.filled("code_verifier");
    match app
        .store()
        .redeem_code(client.id, &code, &redirect_uri, verifier.as_deref())
        .await
    {
        Ok(token) => Ok(token),
        Err(error) if error.is_refused() || error.is_missing() => Err(refused(
            "invalid_grant",
            "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used \
             in the authorization request, or was issued to another client.",
        )),
        Err(error) => Err(error.into()),
    }
}

async fn by_secret(app: &App, fields: &HeaderMap, params: &Params) -> Result<(String, TokenInfo), ApiError> {
    let client = client::authenticate(app, fields, params).await?;
    let wrong = || {
        refused(
            "invalid_scope",
            "The requested scope is invalid, unknown, or malformed.",
        )
    };
    let scopes = Scopes::parse(&params.text("scope").unwrap_or_default()).map_err(|_| wrong())?;
    if !client.scopes.covers(&scopes) {
        return Err(wrong());
    }
    Ok(app.store().create_token(client.id, None, scopes).await?)
}

/// `POST /oauth/revoke` (RFC 7009): the token ends, and so do the streams that it opened. A token that is not known
/// is as good as revoked.
///
/// # Errors
/// 403 when the program is not who it says.
pub(crate) async fn revoke(
    State(app): State<App>,
    fields: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let client = client::authenticate(&app, &fields, &params)
        .await
        .map_err(|error| match error.status() {
            StatusCode::UNAUTHORIZED => ApiError::oauth(
                StatusCode::FORBIDDEN,
                "unauthorized_client",
                "You are not authorized to revoke this token",
            ),
            _ => error,
        })?;
    if let Some(token) = params.filled("token") {
        match app.store().revoke_token(client.id, &token).await {
            Err(error) if !error.is_missing() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(Json(serde_json::json!({})).into_response())
}

/// `GET /oauth/userinfo`: who the token acts for, with the names of OpenID Connect.
///
/// # Errors
/// 401 without a token, 403 outside its scopes.
pub(crate) async fn userinfo(State(app): State<App>, auth: Auth) -> Result<Response, ApiError> {
    let id = auth.person("profile").or_else(|_| auth.person("read:accounts"))?;
    let person = app.store().person(id).await?;
    let account = render::account(app.site(), &person);
    Ok(Json(serde_json::json!({
        "iss": app.site().origin,
        "sub": account.uri,
        "name": account.display_name,
        "preferred_username": account.username,
        "profile": account.url,
        "picture": account.avatar,
    }))
    .into_response())
}

fn refused(code: &str, text: &str) -> ApiError {
    ApiError::oauth(StatusCode::BAD_REQUEST, code, text)
}
