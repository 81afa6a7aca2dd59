//! What a person reads when a program asks to act for them.

use serde::Serialize;
use squall::web::http::{HeaderValue, StatusCode, header};
use squall::web::{IntoResponse, Response};

use super::redirect;
use super::request::AuthorizationRequest;
use crate::domain::{ClientApp, Person, Scopes};
use crate::web::{Visitor, refusal_page};

/// What `oauth_authorize.html` reads.
#[derive(Serialize)]
struct Consent<'a> {
    app_name: &'a str,
    app_website: Option<&'a str>,
    scopes: Vec<ScopeInWords<'a>>,
    redirect_host: Option<String>,
    hidden: Vec<Hidden>,
}

#[derive(Serialize)]
struct Hidden {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct ScopeInWords<'a> {
    name: &'a str,
    words: String,
}

/// What `oauth_code.html` reads.
#[derive(Serialize)]
struct Code<'a> {
    app_name: &'a str,
    code: &'a str,
}

/// The question: who asks, for what, and where the answer goes.
pub(super) fn consent(visitor: &Visitor, person: &Person, request: &AuthorizationRequest) -> Response {
    let mut hidden: Vec<_> = request
        .fields()
        .into_iter()
        .map(|(name, value)| Hidden { name, value })
        .collect();
    // Whom the page names; see `decide`.
    hidden.push(Hidden {
        name: "person",
        value: person.id.to_string(),
    });
    let content = Consent {
        app_name: &request.app.name,
        app_website: request.app.website.as_deref(),
        scopes: in_words(&request.scopes),
        redirect_host: redirect::place(&request.redirect_uri),
        hidden,
    };
    guarded(
        visitor
            .page(format!("Connect {}", request.app.name))
            .render("oauth_authorize.html", content),
    )
}

/// The code, for a person who carries it to the program by hand.
pub(super) fn code(visitor: &Visitor, app: &ClientApp, code: &str) -> Response {
    let page = visitor.page("Almost connected");
    guarded(page.render(
        "oauth_code.html",
        Code {
            app_name: &app.name,
            code,
        },
    ))
}

/// Why there is nothing to decide.
pub(super) fn refusal(text: &str) -> Response {
    guarded(refusal_page(StatusCode::BAD_REQUEST, Some(text)))
}

/// These pages hold codes and lead to them: no frame, no cache, no trace in the next site's log. (Not `no-referrer`:
/// then browsers send the form with `Origin: null`, which is taken for another site's where they say nothing better.)
///
/// `form-action` is left open: the answer to the form sends the browser on to the program, and browsers apply the rule
/// to that redirect too.
fn guarded(response: Response) -> Response {
    let mut response = response.into_response();
    let mut set = |name, value| {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value))
    };
    set(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
    );
    set(header::CACHE_CONTROL, "no-store");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    response
}

/// Each scope with what it lets a program do.
fn in_words(scopes: &Scopes) -> Vec<ScopeInWords<'_>> {
    scopes
        .iter()
        .map(|scope| {
            let (verb, what) = match scope.split_once(':') {
                None => (scope, None),
                Some((verb, what)) => (verb, Some(what)),
            };
            let words = match (verb, what) {
                ("read", None) => "read everything that you may read".to_string(),
                ("write", None) => "post, like, follow and change your profile for you".to_string(),
                ("follow", _) => "follow and unfollow people for you".to_string(),
                ("push", _) => "be notified of what happens to you".to_string(),
                ("profile", _) => "know who you are".to_string(),
                ("read", Some(what)) => format!("read your {what}"),
                (_, Some(what)) => format!("change your {what}"),
                _ => scope.to_string(),
            };
            ScopeInWords { name: scope, words }
        })
        .collect()
}
