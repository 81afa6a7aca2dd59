//! A person's page: who they are, and what of theirs the viewer may see.

use serde::Serialize;
use squall::web::extract::{Path, Query, State};
use squall::web::{IntoResponse, Redirect};

use super::errors::Answer;
use super::page::Visitor;
use super::streams::{Older, POSTS_PER_PAGE, StreamView};
use super::text::{month, post_text_html};
use super::views::PersonCard;
use crate::app::App;
use crate::domain::Person;
use crate::store::ProfileFilter;

/// A person, large.
#[derive(Serialize)]
pub(super) struct ProfileCard {
    #[serde(flatten)]
    person: PersonCard,
    bio_html: String,
    posts: u64,
    followers: u64,
    following: u64,
    joined: String,
}

impl From<&Person> for ProfileCard {
    fn from(person: &Person) -> Self {
        Self {
            person: PersonCard::from(person),
            bio_html: post_text_html(&person.bio, &[]),
            posts: person.posts_count,
            followers: person.followers_count,
            following: person.following_count,
            joined: month(person.created_at_ms),
        }
    }
}

#[derive(Default, Serialize)]
struct Relation {
    own: bool,
    following: bool,
    followed_by: bool,
}

#[derive(Serialize)]
struct Content {
    profile: ProfileCard,
    relation: Relation,
    stream: StreamView,
}

/// `GET /@name`.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(older): Query<Older>,
) -> Answer {
    let person = app.store().person_by_name(&name).await?;
    let path = format!("/@{}", person.name);
    if person.name != name {
        return Ok(Redirect::permanent(&path).into_response());
    }
    let relation = match visitor.id() {
        None => Relation::default(),
        Some(viewer) if viewer == person.id => Relation {
            own: true,
            ..Relation::default()
        },
        Some(viewer) => {
            let now = app.store().relationship(viewer, person.id).await?;
            Relation {
                own: false,
                following: now.following,
                followed_by: now.followed_by,
            }
        }
    };
    let all = ProfileFilter { no_replies: false };
    let snapshot = app
        .store()
        .profile(visitor.id(), person.id, all, older.paging(POSTS_PER_PAGE))
        .await?;
    let live = format!("/stream/profile/{}", person.id);
    let stream = StreamView::new("Posts", &path, live, older, snapshot);
    let title = format!("{} (@{})", person.display_name, person.name);
    let content = Content {
        profile: ProfileCard::from(&person),
        relation,
        stream,
    };
    Ok(visitor.page(title).render("profile.html", content))
}
