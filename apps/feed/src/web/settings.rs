//! What a person changes about themselves, who follows them, and which apps act for them.

use serde::{Deserialize, Serialize};
use squall::web::extract::{Query, State};
use squall::web::{Form, IntoResponse, Redirect, StatusCode};

use super::errors::{Answer, Failure};
use super::follow::PEOPLE_PER_PAGE;
use super::page::{SignedIn, Visitor};
use super::streams::{Older, older_link};
use super::views::{AudienceWords, PersonCard, audience_choices};
use crate::app::App;
use crate::domain::people::{BIO_CHARS_MAX, ProfileChange};
use crate::domain::{Audience, Person};

/// The form of the profile.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Profile {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    bio: String,
    #[serde(default)]
    default_audience: String,
}

impl From<&Person> for Profile {
    fn from(person: &Person) -> Self {
        // The plain name stands for "none given".
        let display_name = if person.display_name == person.name {
            ""
        } else {
            &person.display_name
        };
        Self {
            display_name: display_name.to_owned(),
            bio: person.bio.clone(),
            default_audience: person.default_audience.word().to_owned(),
        }
    }
}

#[derive(Default, Serialize)]
struct Errors {
    display_name: String,
    bio: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    max_id: Option<u64>,
    saved: Option<String>,
}

#[derive(Serialize)]
struct AppRow {
    id: String,
    name: String,
    scopes: Vec<String>,
    since: String,
}

#[derive(Serialize)]
struct Content {
    form: Profile,
    errors: Errors,
    bio_max: usize,
    audiences: Vec<AudienceWords>,
    followers: Vec<PersonCard>,
    followers_older: Option<String>,
    apps: Vec<AppRow>,
}

/// `GET /settings`.
pub(super) async fn page(
    State(app): State<App>,
    SignedIn(_): SignedIn,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Answer {
    let Some(person) = &visitor.person else {
        return Err(Failure::SignInFirst(String::new()));
    };
    let form = Profile::from(person);
    let notice = if asked.saved.is_some() { "Saved." } else { "" };
    let older = Older { max_id: asked.max_id };
    let content = content(&app, person, form, Errors::default(), older).await?;
    Ok(visitor
        .page("Settings")
        .notice(notice)
        .render("settings.html", content))
}

async fn content(app: &App, person: &Person, form: Profile, errors: Errors, older: Older) -> Answer<Content> {
    let mut followers = app
        .store()
        .followers(person.id, older.paging(PEOPLE_PER_PAGE))
        .await?;
    let followers_older = older_link(&mut followers, PEOPLE_PER_PAGE, "/settings", |(follow, _)| {
        follow.get()
    });
    Ok(Content {
        form,
        errors,
        bio_max: BIO_CHARS_MAX,
        audiences: audience_choices(),
        followers: followers
            .iter()
            .map(|(_, person)| PersonCard::from(person))
            .collect(),
        followers_older,
        apps: connected(app, person).await?,
    })
}

async fn connected(app: &App, person: &Person) -> Answer<Vec<AppRow>> {
    let apps = app.store().connected_apps(person.id).await?;
    Ok(apps
        .into_iter()
        .map(|connected| AppRow {
            id: connected.id.to_string(),
            name: connected.name,
            scopes: connected.scopes,
            since: super::text::month(connected.since_ms),
        })
        .collect())
}

/// `POST /settings`.
pub(super) async fn save(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    visitor: Visitor,
    Form(form): Form<Profile>,
) -> Answer {
    let change = ProfileChange {
        display_name: Some(form.display_name.clone()),
        bio: Some(form.bio.clone()),
        default_audience: form.default_audience.parse::<Audience>().ok(),
    };
    let error = match app.store().update_profile(viewer, change).await {
        Ok(_) => return Ok(Redirect::to("/settings?saved=1").into_response()),
        Err(error) if error.is_refused() => error.to_string(),
        Err(error) => return Err(error.into()),
    };
    let Some(person) = &visitor.person else {
        return Err(Failure::SignInFirst(String::new()));
    };
    let errors = if error.contains("display name") {
        Errors {
            display_name: error,
            ..Errors::default()
        }
    } else {
        Errors {
            bio: error,
            ..Errors::default()
        }
    };
    let content = content(&app, person, form, errors, Older::default()).await?;
    Ok(visitor
        .page("Settings")
        .status(StatusCode::UNPROCESSABLE_ENTITY)
        .render("settings.html", content))
}

/// Whom to remove.
#[derive(Debug, Deserialize)]
pub(super) struct Follower {
    name: String,
}

/// `POST /settings/followers/remove`: the other's open pages receive nothing more that is for followers.
pub(super) async fn remove_follower(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Form(follower): Form<Follower>,
) -> Answer<Redirect> {
    let person = app.store().person_by_name(&follower.name).await?;
    app.store().remove_follower(viewer, person.id).await?;
    Ok(Redirect::to("/settings?saved=1#s-followers"))
}

/// Which app to disconnect.
#[derive(Debug, Deserialize)]
pub(super) struct Connected {
    app: String,
}

/// `POST /settings/apps/revoke`: its tokens are void, and what it follows ends.
pub(super) async fn revoke_app(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Form(connected): Form<Connected>,
) -> Answer<Redirect> {
    let id = connected.app.parse().map_err(|_| Failure::Missing)?;
    app.store().disconnect_app(viewer, id).await?;
    Ok(Redirect::to("/settings?saved=1#s-apps"))
}
