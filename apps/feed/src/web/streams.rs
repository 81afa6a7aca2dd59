//! The front page, the home stream and the public stream.

use serde::{Deserialize, Serialize};
use squall::web::Response;
use squall::web::StatusCode;
use squall::web::extract::{Query, State};

use super::errors::Answer;
use super::page::Visitor;
use super::posts::{Compose, Draft};
use super::views::PostCard;
use crate::app::App;
use crate::domain::{Paging, Person, PostView};
use crate::store::Snapshot;

/// Posts of one page.
pub(super) const POSTS_PER_PAGE: usize = 20;

/// Which page of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Older {
    /// Only what has a smaller id.
    pub(super) max_id: Option<u64>,
}

impl Older {
    /// What to ask the store for: one more than is shown, to know whether there is more.
    pub(super) fn paging(self, shown: usize) -> Paging {
        Paging {
            max_id: self.max_id,
            ..Paging::newest(shown + 1)
        }
    }
}

/// Takes what was asked for beyond a page off again: the link to the next page, if there is one.
pub(super) fn older_link<T>(
    items: &mut Vec<T>,
    shown: usize,
    path: &str,
    id: impl Fn(&T) -> u64,
) -> Option<String> {
    if items.len() <= shown {
        return None;
    }
    items.truncate(shown);
    items.last().map(|last| format!("{path}?max_id={}", id(last)))
}

/// A page of posts as `_stream.html` reads it.
#[derive(Serialize)]
pub(super) struct StreamView {
    label: &'static str,
    live: Option<String>,
    cursor: String,
    posts: Vec<PostCard>,
    older: Option<String>,
    newest: Option<String>,
}

impl StreamView {
    /// The page at `path` whose live part is at `live`. Only the newest page is live: what is older does not change.
    pub(super) fn new(
        label: &'static str,
        path: &str,
        live: String,
        older: Older,
        snapshot: Snapshot<Vec<PostView>>,
    ) -> Self {
        let Snapshot {
            value: mut posts,
            cursor,
        } = snapshot;
        let next = older_link(&mut posts, POSTS_PER_PAGE, path, |post| post.id.get());
        let is_newest = older.max_id.is_none();
        Self {
            label,
            live: is_newest.then_some(live),
            cursor: cursor.to_string(),
            posts: PostCard::all(&posts),
            older: next,
            newest: (!is_newest).then(|| path.to_owned()),
        }
    }
}

/// `GET /`: home for those who are signed in, the front page for all others.
pub(super) async fn front(State(app): State<App>, visitor: Visitor, Query(older): Query<Older>) -> Answer {
    match &visitor.person {
        Some(person) => {
            let compose = older
                .max_id
                .is_none()
                .then(|| Compose::new("compose", person, Draft::default()));
            home(&app, &visitor, person, older, compose).await
        }
        None => index(&app, &visitor, older).await,
    }
}

/// The home stream, with what was written and refused if there is something.
pub(super) async fn home(
    app: &App,
    visitor: &Visitor,
    person: &Person,
    older: Older,
    compose: Option<Compose>,
) -> Answer {
    #[derive(Serialize)]
    struct Content {
        compose: Option<Compose>,
        stream: StreamView,
    }
    let snapshot = app.store().home(person.id, older.paging(POSTS_PER_PAGE)).await?;
    let stream = StreamView::new("Home", "/", "/stream/home".to_owned(), older, snapshot);
    let refused = compose.as_ref().is_some_and(Compose::is_refused);
    let status = if refused {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    Ok(visitor
        .page("Home")
        .status(status)
        .render("home.html", Content { compose, stream }))
}

async fn index(app: &App, visitor: &Visitor, older: Older) -> Answer {
    #[derive(Serialize)]
    struct Content {
        empty_house: bool,
        stream: StreamView,
    }
    let stream = public_stream(app, visitor, "/", older).await?;
    let empty_house = app.store().stats().await?.people == 0;
    Ok(visitor
        .page("See it happen")
        .render("index.html", Content { empty_house, stream }))
}

/// `GET /public`.
pub(super) async fn public(
    State(app): State<App>,
    visitor: Visitor,
    Query(older): Query<Older>,
) -> Answer<Response> {
    #[derive(Serialize)]
    struct Content {
        stream: StreamView,
    }
    let stream = public_stream(&app, &visitor, "/public", older).await?;
    Ok(visitor.page("Public").render("public.html", Content { stream }))
}

async fn public_stream(app: &App, visitor: &Visitor, path: &str, older: Older) -> Answer<StreamView> {
    let snapshot = app
        .store()
        .public(visitor.id(), older.paging(POSTS_PER_PAGE))
        .await?;
    Ok(StreamView::new(
        "Public posts",
        path,
        "/stream/public".to_owned(),
        older,
        snapshot,
    ))
}
