//! One post: reading, writing, deleting, marking as a favourite.

use serde::{Deserialize, Serialize};
use squall::web::extract::{Path, State};
use squall::web::http::HeaderMap;
use squall::web::http::header::ACCEPT;
use squall::web::{Form, IntoResponse, Json, Redirect, Response, StatusCode};

use super::errors::{Answer, Failure};
use super::next::local;
use super::page::{SignedIn, Visitor};
use super::streams::{Older, home};
use super::text::beginning;
use super::views::{AudienceWords, PostCard, audience_choices, audience_words, post_html, post_path};
use crate::app::App;
use crate::domain::posts::TEXT_CHARS_MAX;
use crate::domain::{Audience, NewPost, Person, PostId, PostView};
use crate::store::StoreError;

/// Characters of a post in the title of its page, at most.
const TITLE_CHARS_MAX: usize = 60;

/// The form that a post is written in, and the state it was left in if it was refused.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Compose {
    id: &'static str,
    label: &'static str,
    button: &'static str,
    text: String,
    audience: &'static str,
    audiences: Vec<AudienceWords>,
    error: String,
    reply_to: Option<String>,
    once: String,
    chars_max: usize,
    hint: String,
}

/// What is in the form already.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) audience: Option<Audience>,
    pub(super) error: String,
}

impl Compose {
    /// An empty or half-written form. `id` names its place in the page: `compose` or `reply`.
    pub(super) fn new(id: &'static str, person: &Person, draft: Draft) -> Self {
        let audience = draft.audience.unwrap_or(person.default_audience);
        Self {
            id,
            label: if id == "reply" {
                "Write a reply"
            } else {
                "What is happening?"
            },
            button: if id == "reply" { "Reply" } else { "Post" },
            text: draft.text,
            audience: audience_words(audience).key,
            audiences: audience_choices(),
            error: draft.error,
            reply_to: None,
            once: once(),
            chars_max: TEXT_CHARS_MAX,
            hint: String::new(),
        }
    }

    /// Whether what was written could not be taken.
    pub(super) fn is_refused(&self) -> bool {
        !self.error.is_empty()
    }

    fn replying_to(self, post: &PostView, hint: String) -> Self {
        Self {
            reply_to: Some(post.id.to_string()),
            hint,
            ..self
        }
    }
}

/// A fresh key for one form, so that sending it twice makes one post.
fn once() -> String {
    let mut bytes = [0; 12];
    // Without random bytes two forms have the same key only within a page that was loaded at the same moment.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id_of(text: &str) -> Answer<PostId> {
    text.parse().map_err(|_| Failure::Missing)
}

/// `GET /@name/ID`.
pub(super) async fn page(
    State(app): State<App>,
    visitor: Visitor,
    Path((name, id)): Path<(String, String)>,
) -> Answer<Response> {
    let post = app.store().post(visitor.id(), id_of(&id)?).await?;
    if post.author.name != name {
        return Ok(Redirect::permanent(&post_path(&post)).into_response());
    }
    show(&app, &visitor, post, Draft::default()).await
}

/// `GET /posts/ID`: to the post's own address, for those who know only its id.
pub(super) async fn by_id(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Answer<Redirect> {
    let post = app.store().post(visitor.id(), id_of(&id)?).await?;
    Ok(Redirect::to(&post_path(&post)))
}

async fn show(app: &App, visitor: &Visitor, post: PostView, draft: Draft) -> Answer {
    #[derive(Serialize)]
    struct Content {
        post: PostCard,
        above: Vec<PostCard>,
        replies: Vec<PostCard>,
        compose: Option<Compose>,
    }
    let context = app.store().context(visitor.id(), post.id).await?;
    // An answer is for no more people than what it answers, unless its author chooses so.
    let draft = Draft {
        audience: draft.audience.or(Some(post.audience)),
        ..draft
    };
    let status = if draft.error.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let compose = match &visitor.person {
        Some(person) => {
            let hint = out_of_reach(app, person, &post).await?;
            Some(Compose::new("reply", person, draft).replying_to(&post, hint))
        }
        None => None,
    };
    let title = format!(
        "{}: {}",
        post.author.display_name,
        beginning(&post.text, TITLE_CHARS_MAX)
    );
    // All of them together, so that each finds the names it answers.
    let above = context.ancestors.len();
    let thread: Vec<PostView> = context
        .ancestors
        .into_iter()
        .chain([post])
        .chain(context.descendants)
        .collect();
    let mut cards = PostCard::all(&thread);
    let replies = cards.split_off(above + 1);
    let Some(post) = cards.pop() else {
        return Err(Failure::Broken);
    };
    let content = Content {
        post,
        above: cards,
        replies,
        compose,
    };
    Ok(visitor.page(title).status(status).render("post.html", content))
}

/// A word of warning to somebody who answers with a post for their own followers: is the one they answer among them?
async fn out_of_reach(app: &App, viewer: &Person, post: &PostView) -> Answer<String> {
    if post.audience != Audience::Followers || viewer.id == post.author.id {
        return Ok(String::new());
    }
    let relation = app.store().relationship(viewer.id, post.author.id).await?;
    if relation.followed_by {
        return Ok(String::new());
    }
    Ok(format!(
        "@{} does not follow you, and would not see what is for your followers.",
        post.author.name
    ))
}

/// The form of a new post.
#[derive(Debug, Deserialize)]
pub(super) struct Written {
    #[serde(default)]
    text: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    in_reply_to: String,
    #[serde(default)]
    once: String,
    #[serde(default)]
    next: String,
}

/// What the script reads after writing.
#[derive(Serialize)]
struct Made {
    id: String,
    html: String,
}

#[derive(Serialize)]
struct NotMade {
    error: String,
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
}

/// `POST /posts`: the new post's fragment for the script, back to the page for all others.
pub(super) async fn create(
    State(app): State<App>,
    SignedIn(author): SignedIn,
    mut visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Written>,
) -> Answer {
    let in_reply_to = match form.in_reply_to.as_str() {
        "" => None,
        id => Some(id_of(id)?),
    };
    let made = match form.audience.parse::<Audience>() {
        Ok(audience) => {
            let new = NewPost {
                in_reply_to,
                idempotency_key: (!form.once.is_empty()).then(|| form.once.clone()),
                ..NewPost::new(author, form.text.clone(), audience)
            };
            app.store().create_post(new).await
        }
        Err(refused) => Err(StoreError::from(refused)),
    };
    match made {
        Ok(post) if wants_json(&headers) => {
            let made = Made {
                id: post.id.to_string(),
                html: post_html(app.site(), &post),
            };
            Ok((StatusCode::CREATED, Json(made)).into_response())
        }
        Ok(post) if in_reply_to.is_some() => {
            let back = local(&form.next).split('#').next().unwrap_or("/");
            Ok(Redirect::to(&format!("{back}#p-{}", post.id)).into_response())
        }
        Ok(_) => Ok(Redirect::to(local(&form.next)).into_response()),
        Err(error) if error.is_refused() && wants_json(&headers) => {
            let why = NotMade {
                error: error.to_string(),
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(why)).into_response())
        }
        Err(error) if error.is_refused() => {
            visitor.go_back_to(local(&form.next));
            refused(&app, &visitor, form, in_reply_to, error.to_string()).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The page that the form was on, with what was written still in it and why it was not taken.
async fn refused(
    app: &App,
    visitor: &Visitor,
    form: Written,
    answered: Option<PostId>,
    error: String,
) -> Answer {
    let Some(person) = &visitor.person else {
        return Err(Failure::SignInFirst(String::new()));
    };
    let draft = Draft {
        text: form.text,
        audience: form.audience.parse().ok(),
        error,
    };
    if let Some(id) = answered {
        let post = app.store().post(visitor.id(), id).await?;
        return show(app, visitor, post, draft).await;
    }
    let compose = Compose::new("compose", person, draft);
    home(app, visitor, person, Older::default(), Some(compose)).await
}

/// The forms of the buttons below a post.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    next: String,
}

/// `POST /posts/ID/delete`.
pub(super) async fn delete(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(back): Form<Back>,
) -> Answer {
    let post = app.store().delete_post(viewer, id_of(&id)?).await?;
    if wants_json(&headers) {
        return Ok(Json(serde_json::json!({ "id": post.id.to_string() })).into_response());
    }
    let next = local(&back.next);
    let was_here = next.split(['?', '#']).next() == Some(post_path(&post).as_str());
    let profile = format!("/@{}", post.author.name);
    Ok(Redirect::to(if was_here { &profile } else { next }).into_response())
}

/// `POST /@name/ID/favourite`.
pub(super) async fn favourite(
    app: State<App>,
    viewer: SignedIn,
    path: Path<(String, String)>,
    headers: HeaderMap,
    form: Form<Back>,
) -> Answer {
    mark(app, viewer, path, headers, form, true).await
}

/// `POST /@name/ID/unfavourite`.
pub(super) async fn unfavourite(
    app: State<App>,
    viewer: SignedIn,
    path: Path<(String, String)>,
    headers: HeaderMap,
    form: Form<Back>,
) -> Answer {
    mark(app, viewer, path, headers, form, false).await
}

async fn mark(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    Form(back): Form<Back>,
    favourite: bool,
) -> Answer {
    #[derive(Serialize)]
    struct Marked {
        favourited: bool,
        favourites: u64,
    }
    let post = app.store().set_favourite(viewer, id_of(&id)?, favourite).await?;
    if wants_json(&headers) {
        let marked = Marked {
            favourited: favourite,
            favourites: post.favourites_count,
        };
        return Ok(Json(marked).into_response());
    }
    Ok(Redirect::to(local(&back.next)).into_response())
}
