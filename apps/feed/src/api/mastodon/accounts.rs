//! People: finding them, making them, following them.

use squall::web::Json;
use squall::web::extract::{Path, State};
use squall::web::http::{HeaderMap, Uri};

use super::auth::Auth;
use super::entities::{Account, CredentialAccount, Preferences, Relationship, Status};
use super::error::ApiError;
use super::paging;
use super::params::Params;
use super::render;
use crate::app::App;
use crate::domain::people::ProfileChange;
use crate::domain::{Audience, Paging, Person, PersonId};
use crate::store::ProfileFilter;

/// The most people that one request may ask about.
pub(crate) const IDS_MAX: usize = 100;

/// The id in a path: what is no id is nobody.
pub(super) fn person_id(text: &str) -> Result<PersonId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found())
}

/// The ids in `id[]`, those that can be ids, at most [`IDS_MAX`].
fn ids(params: &Params) -> Vec<PersonId> {
    params
        .list("id")
        .iter()
        .filter_map(|id| id.parse().ok())
        .take(IDS_MAX)
        .collect()
}

/// `GET /api/v1/accounts/verify_credentials`.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn verify_credentials(
    State(app): State<App>,
    auth: Auth,
) -> Result<Json<CredentialAccount>, ApiError> {
    let id = auth
        .person("read:accounts")
        .or_else(|error| auth.person("profile").map_err(|_| error))?;
    let person = app.store().person(id).await?;
    Ok(Json(render::credential_account(app.site(), &person)))
}

/// `PATCH /api/v1/accounts/update_credentials`: the display name, the note and the default audience. What else
/// clients send is passed over.
///
/// # Errors
/// 422 for an audience that does not exist or a text that is too long.
pub(crate) async fn update_credentials(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<CredentialAccount>, ApiError> {
    let id = auth.person("write:accounts")?;
    let default_audience = match params.child("source").filled("privacy") {
        None => None,
        Some(word) => Some(audience(&word)?),
    };
    let change = ProfileChange {
        display_name: params.text("display_name"),
        bio: params.text("note"),
        default_audience,
    };
    let person = app.store().update_profile(id, change).await?;
    Ok(Json(render::credential_account(app.site(), &person)))
}

/// The audience that Mastodon's API calls `word`.
pub(super) fn audience(word: &str) -> Result<Audience, ApiError> {
    Audience::from_mastodon_word(word)
        .ok_or_else(|| ApiError::validation("Visibility is not included in the list"))
}

/// `GET /api/v1/preferences`.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn preferences(State(app): State<App>, auth: Auth) -> Result<Json<Preferences>, ApiError> {
    let person = app.store().person(auth.person("read:accounts")?).await?;
    Ok(Json(Preferences {
        visibility: person.default_audience.mastodon_word(),
        sensitive: false,
        language: None,
        expand_media: "default",
        expand_spoilers: false,
    }))
}

/// `GET /api/v1/accounts/{id}`.
///
/// # Errors
/// 404.
pub(crate) async fn show(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Account>, ApiError> {
    auth.viewer("read:accounts")?;
    let person = app.store().person(person_id(&id)?).await?;
    Ok(Json(render::account(app.site(), &person)))
}

/// `GET /api/v1/accounts?id[]=…`: several people; those who do not exist are left out.
///
/// # Errors
/// 401 for a bad token, 403 outside its scopes.
pub(crate) async fn several(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<Vec<Account>>, ApiError> {
    auth.viewer("read:accounts")?;
    let people = app.store().people_by_id(ids(&params)).await?;
    Ok(Json(
        people
            .iter()
            .map(|person| render::account(app.site(), person))
            .collect(),
    ))
}

/// `GET /api/v1/accounts/lookup?acct=name`: exactly that person.
///
/// # Errors
/// 404.
pub(crate) async fn lookup(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<Account>, ApiError> {
    auth.viewer("read:accounts")?;
    let acct = params.filled("acct").ok_or_else(ApiError::not_found)?;
    let name = local_name(&app, &acct).ok_or_else(ApiError::not_found)?;
    let person = app.store().person_by_name(&name).await?;
    Ok(Json(render::account(app.site(), &person)))
}

/// The name in `name`, `@name`, `name@here` and `@name@here`; `None` for people elsewhere.
pub(super) fn local_name(app: &App, acct: &str) -> Option<String> {
    let acct = acct.trim().trim_start_matches('@');
    match acct.split_once('@') {
        None => Some(acct.to_string()),
        Some((name, host)) => host
            .eq_ignore_ascii_case(&app.site().host)
            .then(|| name.to_string()),
    }
}

/// `GET /api/v1/accounts/search?q=…&limit=…`.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn search(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<Vec<Account>>, ApiError> {
    auth.person("read:accounts")?;
    let (limit, offset) = (paging::limit(&params, 40, 80), offset(&params));
    let people = find(&app, &params.text("q").unwrap_or_default(), limit, offset).await?;
    Ok(Json(
        people
            .iter()
            .map(|person| render::account(app.site(), person))
            .collect(),
    ))
}

/// The parameter `offset`.
pub(super) fn offset(params: &Params) -> usize {
    params
        .number("offset")
        .and_then(|offset| usize::try_from(offset).ok())
        .unwrap_or(0)
}

/// The people whom `query` names or whose names begin with it. Nobody for an empty query or a name from elsewhere.
pub(super) async fn find(
    app: &App,
    query: &str,
    limit: usize,
    offset: usize,
) -> Result<Vec<Person>, ApiError> {
    let Some(name) = local_name(app, query).filter(|name| !name.is_empty()) else {
        return Ok(Vec::new());
    };
    Ok(app.store().search_people(&name, limit, offset).await?)
}

/// `GET /api/v1/accounts/relationships?id[]=…`.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn relationships(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<Vec<Relationship>>, ApiError> {
    let viewer = auth.person("read:follows")?;
    let found = app.store().relationships(viewer, ids(&params)).await?;
    Ok(Json(found.iter().map(render::relationship).collect()))
}

/// `GET /api/v1/accounts/familiar_followers?id[]=…`: who of those you follow follows them. Nobody so far.
///
/// # Errors
/// 401, 403, 422 without a person's token.
pub(crate) async fn familiar_followers(
    auth: Auth,
    params: Params,
) -> Result<Json<serde_json::Value>, ApiError> {
    auth.person("read:follows")?;
    let entry = |id: &PersonId| serde_json::json!({ "id": id.to_string(), "accounts": [] });
    Ok(Json(ids(&params).iter().map(entry).collect()))
}

/// `GET /api/v1/accounts/{id}/statuses`, with `exclude_replies`; what nobody here has (`only_media`, `pinned`,
/// `tagged`) is an empty page.
///
/// # Errors
/// 404 for nobody.
pub(crate) async fn statuses(
    State(app): State<App>,
    auth: Auth,
    uri: Uri,
    Path(id): Path<String>,
    params: Params,
) -> Result<(HeaderMap, Json<Vec<Status>>), ApiError> {
    let viewer = auth.viewer("read:statuses")?;
    let author = app.store().person(person_id(&id)?).await?.id;
    let paging = paging::of_statuses(&params)?;
    if params.flag("only_media") || params.flag("pinned") || params.filled("tagged").is_some() {
        return Ok((HeaderMap::new(), Json(Vec::new())));
    }
    let filter = ProfileFilter {
        no_replies: params.flag("exclude_replies"),
    };
    let posts = app.store().profile(viewer, author, filter, paging).await?.value;
    Ok(super::timelines::answer(&app, &uri, &paging, &posts))
}

/// `GET /api/v1/accounts/{id}/followers`.
///
/// # Errors
/// 404 for nobody.
pub(crate) async fn followers(
    State(app): State<App>,
    auth: Auth,
    uri: Uri,
    Path(id): Path<String>,
    params: Params,
) -> Result<(HeaderMap, Json<Vec<Account>>), ApiError> {
    auth.viewer("read:accounts")?;
    let person = app.store().person(person_id(&id)?).await?.id;
    let paging = paging::of_people(&params)?;
    let list = app.store().followers(person, paging).await?;
    Ok(people_page(&app, &uri, &paging, list))
}

/// `GET /api/v1/accounts/{id}/following`.
///
/// # Errors
/// 404 for nobody.
pub(crate) async fn following(
    State(app): State<App>,
    auth: Auth,
    uri: Uri,
    Path(id): Path<String>,
    params: Params,
) -> Result<(HeaderMap, Json<Vec<Account>>), ApiError> {
    auth.viewer("read:accounts")?;
    let person = app.store().person(person_id(&id)?).await?.id;
    let paging = paging::of_people(&params)?;
    let list = app.store().following(person, paging).await?;
    Ok(people_page(&app, &uri, &paging, list))
}

/// A page of people, paged by when they began to follow: that order does not shift.
fn people_page(
    app: &App,
    uri: &Uri,
    paging: &Paging,
    list: Vec<(crate::domain::FollowId, Person)>,
) -> (HeaderMap, Json<Vec<Account>>) {
    let ids: Vec<u64> = list.iter().map(|(follow, _)| follow.get()).collect();
    let fields = paging::fields(&app.site().origin, uri, paging, &ids);
    (
        fields,
        Json(
            list.iter()
                .map(|(_, person)| render::account(app.site(), person))
                .collect(),
        ),
    )
}

/// `POST /api/v1/accounts/{id}/follow`.
///
/// # Errors
/// 404 for nobody, 422 for oneself.
pub(crate) async fn follow(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Relationship>, ApiError> {
    let viewer = auth.person("write:follows")?;
    Ok(Json(render::relationship(
        &app.store().follow(viewer, person_id(&id)?).await?,
    )))
}

/// `POST /api/v1/accounts/{id}/unfollow`.
///
/// # Errors
/// 404 for nobody.
pub(crate) async fn unfollow(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Relationship>, ApiError> {
    let viewer = auth.person("write:follows")?;
    Ok(Json(render::relationship(
        &app.store().unfollow(viewer, person_id(&id)?).await?,
    )))
}

/// `POST /api/v1/accounts/{id}/remove_from_followers`: they do not follow you any more.
///
/// # Errors
/// 404 for nobody.
pub(crate) async fn remove_from_followers(
    State(app): State<App>,
    auth: Auth,
    Path(id): Path<String>,
) -> Result<Json<Relationship>, ApiError> {
    let viewer = auth.person("write:follows")?;
    Ok(Json(render::relationship(
        &app.store().remove_follower(viewer, person_id(&id)?).await?,
    )))
}

/// `GET /api/v1/directory`: people, the newest first.
///
/// # Errors
/// 401 for a bad token.
pub(crate) async fn directory(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<Vec<Account>>, ApiError> {
    auth.viewer("read:accounts")?;
    if offset(&params) > 0 {
        return Ok(Json(Vec::new()));
    }
    let people = app
        .store()
        .directory(Paging::newest(paging::limit(&params, 40, 80)))
        .await?;
    Ok(Json(
        people
            .iter()
            .map(|person| render::account(app.site(), person))
            .collect(),
    ))
}
