//! Who looks at a page, and the frame that every page has.

use std::convert::Infallible;

use serde::Serialize;
use squall::sessions::Session;
use squall::web::extract::{FromRequestParts, OptionalFromRequestParts};
use squall::web::http::header::CACHE_CONTROL;
use squall::web::http::request::Parts;
use squall::web::{Html, IntoResponse, Response, StatusCode};
use squall::xsrf::XsrfToken;

use super::errors::{Failure, refusal_page};
use super::house;
use super::next;
use super::views::PersonCard;
use crate::app::App;
use crate::domain::{Person, PersonId};

/// The person who is signed in; a request without one is sent to `/sign-in` (and back again, if it was for a page).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn(pub PersonId);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Response> {
        let owner = parts.extensions.get::<Session>().and_then(Session::owner);
        owner.and_then(PersonId::new).map(SignedIn).ok_or_else(|| {
            let back = if parts.method.is_safe() {
                here(parts)
            } else {
                String::new()
            };
            Failure::SignInFirst(back).into_response()
        })
    }
}

impl OptionalFromRequestParts<App> for SignedIn {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Infallible> {
        Ok(<Self as FromRequestParts<App>>::from_request_parts(parts, app)
            .await
            .ok())
    }
}

/// Who looks: nobody in particular, or a person, with what the frame of a page shows of them.
pub struct Visitor {
    /// The person who is signed in.
    pub person: Option<Person>,
    /// Notifications that the person has not seen.
    unread: u64,
    xsrf: XsrfToken,
    path: String,
    here: String,
}

fn here(parts: &Parts) -> String {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    next::local(path).to_owned()
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let xsrf = XsrfToken::from_request_parts(parts, app)
            .await
            .map_err(IntoResponse::into_response)?;
        let session = parts.extensions.get::<Session>().cloned();
        let mut person = None;
        let mut unread = 0;
        if let Some(id) = session.as_ref().and_then(Session::owner).and_then(PersonId::new) {
            match app.store().person(id).await {
                Ok(found) => {
                    unread = app.store().unread_notifications(id).await.map_err(refuse)?;
                    person = Some(found);
                }
                // A session of somebody who is no more.
                Err(error) if error.is_missing() => session.iter().for_each(Session::sign_out),
                Err(error) => return Err(refuse(error)),
            }
        }
        Ok(Self {
            person,
            unread,
            xsrf,
            path: parts.uri.path().to_owned(),
            here: here(parts),
        })
    }
}

fn refuse(error: crate::store::StoreError) -> Response {
    Failure::from(error).into_response()
}

#[derive(Serialize)]
struct ViewerCard {
    #[serde(flatten)]
    person: PersonCard,
    unread: u64,
}

/// What `base.html` needs, besides what the page itself has.
#[derive(Serialize)]
struct Frame<'a, T> {
    viewer: Option<ViewerCard>,
    xsrf: String,
    path: &'a str,
    here: &'a str,
    title: &'a str,
    notice: &'a str,
    bare: bool,
    #[serde(flatten)]
    content: T,
}

/// A page to be rendered for a visitor.
pub struct Page<'a> {
    visitor: &'a Visitor,
    title: String,
    notice: &'a str,
    status: StatusCode,
}

impl Visitor {
    /// The id of the person who is signed in.
    pub fn id(&self) -> Option<PersonId> {
        self.person.as_ref().map(|person| person.id)
    }

    /// Notifications that the person has not seen.
    pub(super) fn unread(&self) -> u64 {
        self.unread
    }

    /// The person has seen them now.
    pub(super) fn has_read(&mut self) {
        self.unread = 0;
    }

    /// Path and query of this page, for forms that come back here.
    pub(super) fn go_back_to(&mut self, path: &str) {
        path.clone_into(&mut self.here);
        self.path = path.split(['?', '#']).next().unwrap_or("/").to_owned();
    }

    /// Starts a page with this title.
    pub fn page(&self, title: impl Into<String>) -> Page<'_> {
        Page {
            visitor: self,
            title: title.into(),
            notice: "",
            status: StatusCode::OK,
        }
    }
}

impl<'a> Page<'a> {
    /// Says one sentence on top of the page.
    pub fn notice(self, notice: &'a str) -> Self {
        Self { notice, ..self }
    }

    /// With another status than 200.
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Renders `template` with the fields of `content` and those of the frame (`viewer`, `xsrf`, `title` ...).
    pub fn render(self, template: &str, content: impl Serialize) -> Response {
        let visitor = self.visitor;
        let viewer = visitor.person.as_ref().map(|person| ViewerCard {
            person: PersonCard::from(person),
            unread: visitor.unread,
        });
        let frame = Frame {
            viewer,
            xsrf: visitor.xsrf.value(),
            path: &visitor.path,
            here: &visitor.here,
            title: &self.title,
            notice: self.notice,
            bare: false,
            content,
        };
        match house::render(template, &frame) {
            // The page is one person's and has a token in it: no cache may keep it.
            Some(html) => (self.status, [(CACHE_CONTROL, "private, no-cache")], Html(html)).into_response(),
            None => refusal_page(StatusCode::INTERNAL_SERVER_ERROR, None),
        }
    }
}
