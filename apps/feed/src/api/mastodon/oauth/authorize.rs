//! The page on which a person lets a program act for them, and what follows from the answer.
//!
//! The page is under the site's session, and its form under the site's protection against forged requests. It may not
//! be framed: a hidden frame would make people agree by clicking something else.

use squall::web::extract::State;
use squall::web::http::{StatusCode, Uri};
use squall::web::{IntoResponse, Response};

use super::request::{AuthorizationRequest, Refusal};
use super::{OUT_OF_BAND, page, redirect};
use crate::api::mastodon::params::Params;
use crate::app::App;
use crate::domain::PersonId;
use crate::domain::oauth::NewCode;
use crate::web::Visitor;

/// The longest way back from the sign-in page, in bytes: no more than that page takes.
const BACK_BYTES_MAX: usize = 2_048;

/// `GET /oauth/authorize`: the question. Who is not signed in signs in first and comes back.
pub(crate) async fn ask(State(app): State<App>, visitor: Visitor, uri: Uri, params: Params) -> Response {
    let request = match read(&app, &params).await {
        Ok(request) => request,
        Err(refusal) => return refused(refusal),
    };
    match &visitor.person {
        Some(person) => page::consent(&visitor, person, &request),
        None => sign_in(uri.query().unwrap_or_default()),
    }
}

/// `POST /oauth/authorize`: the answer. The request is checked again, because the form has been in the browser.
pub(crate) async fn decide(State(app): State<App>, visitor: Visitor, params: Params) -> Response {
    let request = match read(&app, &params).await {
        Ok(request) => request,
        Err(refusal) => return refused(refusal),
    };
    let Some(person) = &visitor.person else {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(request.fields())
            .finish();
        return sign_in(&query);
    };
    // The page named somebody. If somebody else has signed in since, they have not been asked.
    if params.text("person") != Some(person.id.to_string()) {
        return page::consent(&visitor, person, &request);
    }
    match params.text("decision").as_deref() {
        Some("allow") => allow(&app, &visitor, person.id, request).await,
        _ => refused(request.denied()),
    }
}

async fn allow(app: &App, visitor: &Visitor, person: PersonId, request: AuthorizationRequest) -> Response {
    let new = NewCode {
        app: request.app.id,
        person,
        redirect_uri: request.redirect_uri.clone(),
        scopes: request.scopes.clone(),
        challenge: request
            .challenge
            .as_ref()
            .map(|challenge| challenge.as_str().to_string()),
    };
    let code = match app.store().create_code(new).await {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error = error.detail(), "no authorization code could be made");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    if request.redirect_uri == OUT_OF_BAND {
        return page::code(visitor, &request.app, &code);
    }
    let mut answer = vec![("code", code.as_str())];
    answer.extend(request.state.as_deref().map(|state| ("state", state)));
    redirect::to_program(&request.redirect_uri, &answer)
}

/// The request that these parameters make, if its program is known.
async fn read(app: &App, params: &Params) -> Result<AuthorizationRequest, Refusal> {
    let unknown = Refusal::Here("There is no such program here: its client_id is not known.");
    let Some(client_id) = params.filled("client_id") else {
        return Err(unknown);
    };
    match app.store().app_by_client_id(&client_id).await {
        Ok(client) => AuthorizationRequest::read(client, params),
        Err(error) if error.is_missing() => Err(unknown),
        Err(error) => {
            tracing::error!(
                error = error.detail(),
                "the store failed under an authorization request"
            );
            Err(Refusal::Here("Something went wrong here. Please try again."))
        }
    }
}

fn refused(refusal: Refusal) -> Response {
    refusal.answer().unwrap_or_else(page::refusal)
}

/// To the sign-in page, and back to this question.
fn sign_in(query: &str) -> Response {
    let back = format!("/oauth/authorize?{query}");
    if back.len() > BACK_BYTES_MAX {
        return page::refusal("This request is too long.");
    }
    let next = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", &back)
        .finish();
    redirect::see_other(&format!("/sign-in?{next}"))
}
