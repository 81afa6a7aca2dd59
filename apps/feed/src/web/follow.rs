//! Following and unfollowing, and the lists of who follows whom.

use serde::Serialize;
use squall::web::Redirect;
use squall::web::extract::{Path, Query, State};

use super::errors::Answer;
use super::page::{SignedIn, Visitor};
use super::profile::ProfileCard;
use super::streams::{Older, older_link};
use super::views::PersonCard;
use crate::app::App;

/// People on one page of a list.
pub(super) const PEOPLE_PER_PAGE: usize = 40;

/// `POST /@name/follow`.
pub(super) async fn follow(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(name): Path<String>,
) -> Answer<Redirect> {
    let person = app.store().person_by_name(&name).await?;
    app.store().follow(viewer, person.id).await?;
    Ok(Redirect::to(&format!("/@{}", person.name)))
}

/// `POST /@name/unfollow`: what the follower's open pages receive of that person ends before this answers.
pub(super) async fn unfollow(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(name): Path<String>,
) -> Answer<Redirect> {
    let person = app.store().person_by_name(&name).await?;
    app.store().unfollow(viewer, person.id).await?;
    Ok(Redirect::to(&format!("/@{}", person.name)))
}

#[derive(Clone, Copy)]
enum List {
    Followers,
    Following,
}

/// `GET /@name/followers`.
pub(super) async fn followers(
    app: State<App>,
    visitor: Visitor,
    name: Path<String>,
    older: Query<Older>,
) -> Answer {
    list(app, visitor, name, older, List::Followers).await
}

/// `GET /@name/following`.
pub(super) async fn following(
    app: State<App>,
    visitor: Visitor,
    name: Path<String>,
    older: Query<Older>,
) -> Answer {
    list(app, visitor, name, older, List::Following).await
}

async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(older): Query<Older>,
    list: List,
) -> Answer {
    #[derive(Serialize)]
    struct Content {
        profile: ProfileCard,
        what: &'static str,
        people: Vec<PersonCard>,
        older: Option<String>,
    }
    let person = app.store().person_by_name(&name).await?;
    let paging = older.paging(PEOPLE_PER_PAGE);
    let (what, word, mut people) = match list {
        List::Followers => (
            "followers",
            "followers",
            app.store().followers(person.id, paging).await?,
        ),
        List::Following => (
            "follows",
            "following",
            app.store().following(person.id, paging).await?,
        ),
    };
    let path = format!("/@{}/{word}", person.name);
    let older = older_link(&mut people, PEOPLE_PER_PAGE, &path, |(follow, _)| follow.get());
    let title = format!("{}: {what}", person.display_name);
    let people = people
        .iter()
        .map(|(_, person)| PersonCard::from(person))
        .collect();
    Ok(visitor.page(title).render(
        "people.html",
        Content {
            profile: ProfileCard::from(&person),
            what,
            people,
            older,
        },
    ))
}
