//! `GET /api/v2/search`: people and status updates.

use squall::web::Json;
use squall::web::extract::State;

use super::accounts::{find, offset};
use super::auth::Auth;
use super::entities::Search;
use super::error::ApiError;
use super::paging;
use super::params::Params;
use super::render;
use crate::app::App;
use crate::domain::{Paging, Person, PersonId, PostId, PostView};

/// Searches for `q`: a name, a word, or the address of a profile or a post here. `type` narrows it to `accounts`,
/// `statuses` or `hashtags`. Without a token only people and what is public is found.
///
/// # Errors
/// 401 for a bad token, 403 outside its scopes.
pub(crate) async fn search(
    State(app): State<App>,
    auth: Auth,
    params: Params,
) -> Result<Json<Search>, ApiError> {
    let viewer = auth.viewer("read:search")?;
    let query = params.text("q").unwrap_or_default().trim().to_string();
    let kind = params.filled("type");
    let wanted = |name: &str| kind.as_deref().is_none_or(|kind| kind == name);
    let limit = paging::limit(&params, paging::LIMIT_DEFAULT, paging::LIMIT_MAX);
    let offset = offset(&params);
    if query.is_empty() {
        return Ok(Json(Search::default()));
    }
    let people = if wanted("accounts") {
        people(&app, &query, limit, offset).await?
    } else {
        Vec::new()
    };
    // Posts are paged by id, not by counting.
    let posts = if wanted("statuses") && offset == 0 {
        posts(&app, viewer, &query, limit).await?
    } else {
        Vec::new()
    };
    Ok(Json(Search {
        accounts: people
            .iter()
            .map(|person| render::account(app.site(), person))
            .collect(),
        statuses: posts
            .iter()
            .map(|post| render::status(app.site(), post))
            .collect(),
        hashtags: Vec::new(),
    }))
}

async fn people(app: &App, query: &str, limit: usize, offset: usize) -> Result<Vec<Person>, ApiError> {
    match address(&app.site().origin, query) {
        Some(Address::Profile(name)) => find(app, name, 1, offset).await,
        Some(Address::Post(_)) => Ok(Vec::new()),
        None => find(app, query, limit, offset).await,
    }
}

async fn posts(
    app: &App,
    viewer: Option<PersonId>,
    query: &str,
    limit: usize,
) -> Result<Vec<PostView>, ApiError> {
    match address(&app.site().origin, query) {
        Some(Address::Post(id)) => Ok(app.store().posts(viewer, vec![id]).await?),
        Some(Address::Profile(_)) => Ok(Vec::new()),
        None => Ok(app
            .store()
            .search_posts(viewer, query, Paging::newest(limit))
            .await?),
    }
}

/// A page of this server.
#[derive(Debug, PartialEq, Eq)]
enum Address<'a> {
    Profile(&'a str),
    Post(PostId),
}

/// Reads `ORIGIN/@name` and `ORIGIN/@name/id`.
fn address<'a>(origin: &str, text: &'a str) -> Option<Address<'a>> {
    let path = text
        .strip_prefix(origin)?
        .strip_prefix("/@")?
        .trim_end_matches('/');
    match path.split_once('/') {
        None if !path.is_empty() => Some(Address::Profile(path)),
        None => None,
        Some((_, id)) => id.parse().ok().map(Address::Post),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_server_are_recognized() {
        let read = |text| address("http://h:1", text);
        assert_eq!(read("http://h:1/@ada"), Some(Address::Profile("ada")));
        assert_eq!(read("http://h:1/@ada/"), Some(Address::Profile("ada")));
        assert_eq!(
            read("http://h:1/@ada/12"),
            Some(Address::Post(PostId::new(12).unwrap()))
        );
        for other in [
            "http://h:1/@",
            "http://h:1/@ada/x",
            "http://h/@ada",
            "ada",
            "@ada",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
