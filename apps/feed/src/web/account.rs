//! Signing up, in and out.

use serde::{Deserialize, Serialize};
use squall::sessions::Session;
use squall::web::extract::{ClientInfo, Query, State};
use squall::web::http::HeaderValue;
use squall::web::http::header::RETRY_AFTER;
use squall::web::{Form, IntoResponse, Redirect, Response, StatusCode};

use super::errors::{Answer, Failure};
use super::next::{encoded, local};
use super::page::{SignedIn, Visitor};
use crate::app::{App, SignInError};
use crate::domain::names::NAME_CHARS_MAX;
use crate::domain::passwords::PASSWORD_CHARS_MIN;
use crate::stream::kinds;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

/// Name, password, and where to go afterwards.
#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Default, Serialize)]
struct Errors {
    form: String,
    name: String,
    password: String,
}

#[derive(Serialize)]
struct Kept<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    form: Kept<'a>,
    errors: Errors,
    next: &'a str,
    next_encoded: String,
    name_max: usize,
    password_min: usize,
}

/// `template` is `sign_in.html` or `sign_up.html`; the password is never put back into the form.
fn form(
    visitor: &Visitor,
    template: &str,
    status: StatusCode,
    name: &str,
    next: &str,
    errors: Errors,
) -> Response {
    let next = local(next);
    let shown = if next == "/" { "" } else { next };
    let content = Content {
        form: Kept { name },
        errors,
        next: shown,
        next_encoded: encoded(shown),
        name_max: NAME_CHARS_MAX,
        password_min: PASSWORD_CHARS_MIN,
    };
    let title = if template == "sign_in.html" {
        "Sign in"
    } else {
        "Sign up"
    };
    visitor.page(title).status(status).render(template, content)
}

/// `GET /sign-up`.
pub(super) async fn sign_up_page(visitor: Visitor, Query(next): Query<Next>) -> Response {
    if visitor.person.is_some() {
        return Redirect::to(local(&next.next)).into_response();
    }
    form(
        &visitor,
        "sign_up.html",
        StatusCode::OK,
        "",
        &next.next,
        Errors::default(),
    )
}

/// `GET /sign-in`.
pub(super) async fn sign_in_page(visitor: Visitor, Query(next): Query<Next>) -> Response {
    if visitor.person.is_some() {
        return Redirect::to(local(&next.next)).into_response();
    }
    form(
        &visitor,
        "sign_in.html",
        StatusCode::OK,
        "",
        &next.next,
        Errors::default(),
    )
}

/// `POST /sign-up`: the new person is signed in at once.
pub(super) async fn sign_up(
    State(app): State<App>,
    client: ClientInfo,
    session: Session,
    visitor: Visitor,
    Form(given): Form<Credentials>,
) -> Answer {
    if let Err(wait) = app.may_sign_up(client.limit_ip()) {
        let errors = Errors {
            form: "Too many sign-ups from where you are. Try again in a moment.".to_owned(),
            ..Errors::default()
        };
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut page = form(&visitor, "sign_up.html", status, &given.name, &given.next, errors);
        retry_after(&mut page, wait.ms);
        return Ok(page);
    }
    let error = match app.sign_up(&given.name, &given.password).await {
        Ok(person) => {
            session.sign_in(person.id.get());
            return Ok(Redirect::to(local(&given.next)).into_response());
        }
        Err(error) => error,
    };
    let mut errors = Errors::default();
    if error.is_taken() {
        errors.name = error.to_string();
    } else if error.is_refused() {
        let why = error.to_string();
        if why.contains("password") {
            errors.password = why
        } else {
            errors.name = why
        }
    } else {
        return Err(error.into());
    }
    Ok(form(
        &visitor,
        "sign_up.html",
        StatusCode::UNPROCESSABLE_ENTITY,
        &given.name,
        &given.next,
        errors,
    ))
}

/// `POST /sign-in`: an unknown name and a wrong password get the same answer, after the same time.
pub(super) async fn sign_in(
    State(app): State<App>,
    client: ClientInfo,
    session: Session,
    visitor: Visitor,
    Form(given): Form<Credentials>,
) -> Answer {
    let (status, why, wait_ms) = match app.sign_in(&given.name, &given.password, client.limit_ip()).await {
        Ok(person) => {
            session.sign_in(person.id.get());
            return Ok(Redirect::to(local(&given.next)).into_response());
        }
        Err(SignInError::Refused) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "The name or the password is wrong.".to_owned(),
            None,
        ),
        Err(SignInError::TooMany { wait_ms }) => {
            let minutes = wait_ms.div_ceil(60_000);
            let why = format!("Too many attempts. Try again in {minutes} min.");
            (StatusCode::TOO_MANY_REQUESTS, why, Some(wait_ms))
        }
        Err(SignInError::Store(error)) => return Err(error.into()),
    };
    let errors = Errors {
        form: why,
        ..Errors::default()
    };
    let mut page = form(&visitor, "sign_in.html", status, &given.name, &given.next, errors);
    if let Some(wait_ms) = wait_ms {
        retry_after(&mut page, wait_ms);
    }
    Ok(page)
}

fn retry_after(page: &mut Response, wait_ms: u64) {
    let seconds = HeaderValue::from(wait_ms.div_ceil(1_000));
    page.headers_mut().insert(RETRY_AFTER, seconds);
}

/// `POST /sign-out`: other pages that are open in this browser must not go on receiving, so the person's page streams
/// end; those of other browsers come back by themselves with their cursor.
pub(super) async fn sign_out(
    State(app): State<App>,
    viewer: Option<SignedIn>,
    session: Session,
) -> Result<Redirect, Failure> {
    // The session first: a page that comes back the moment its stream ends must not find it any more.
    if let Some(key) = session.key() {
        app.sessions().revoke(&key).await.map_err(|error| {
            tracing::error!(%error, "a session could not be ended");
            Failure::Broken
        })?;
    }
    session.sign_out();
    if let Some(SignedIn(person)) = viewer {
        for kind in [kinds::HOME, kinds::PROFILE, kinds::PUBLIC, kinds::NOTIFICATIONS] {
            app.live().end(person.get(), Some(kind));
        }
    }
    Ok(Redirect::to("/"))
}
