//! An authorization request (RFC 6749 section 4.1.1): what a program asks a person for, checked.

use squall::web::Response;

use super::OUT_OF_BAND;
use super::pkce::Challenge;
use super::redirect;
use crate::api::mastodon::params::Params;
use crate::domain::{ClientApp, Scopes};

/// The longest `state` that is passed back, in bytes.
pub(super) const STATE_BYTES_MAX: usize = 1_000;

/// A request that may be put to a person.
#[derive(Debug)]
pub(super) struct AuthorizationRequest {
    pub(super) app: ClientApp,
    /// One of the app's own, exactly.
    pub(super) redirect_uri: String,
    /// Within the app's own.
    pub(super) scopes: Scopes,
    pub(super) state: Option<String>,
    pub(super) challenge: Option<Challenge>,
}

/// Why a request is not put to a person.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not known where to send the answer, so it stays here: never redirect to what is not registered.
    Here(&'static str),
    /// RFC 6749 section 4.1.2.1.
    ToProgram {
        redirect_uri: String,
        state: Option<String>,
        error: &'static str,
        text: &'static str,
    },
}

impl AuthorizationRequest {
    /// Checks what was asked for against what `app` registered.
    pub(super) fn read(app: ClientApp, params: &Params) -> Result<Self, Refusal> {
        let redirect_uri = params.text("redirect_uri").unwrap_or_default();
        if !app.allows_redirect(&redirect_uri) {
            return Err(Refusal::Here(
                "The redirect URI is not one that this program registered.",
            ));
        }
        let state = params.text("state").filter(|state| !state.is_empty());
        if state.as_ref().is_some_and(|state| state.len() > STATE_BYTES_MAX) {
            return Err(Refusal::Here("The state of this request is too long."));
        }
        match details(&app, params) {
            Ok((scopes, challenge)) => Ok(Self {
                app,
                redirect_uri,
                scopes,
                state,
                challenge,
            }),
            Err((_, text)) if redirect_uri == OUT_OF_BAND => Err(Refusal::Here(text)),
            Err((error, text)) => Err(Refusal::ToProgram {
                redirect_uri,
                state,
                error,
                text,
            }),
        }
    }

    /// The fields that make this request again.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("response_type", "code".to_string()),
            ("client_id", self.app.client_id.clone()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("scope", self.scopes.to_string()),
        ];
        fields.extend(self.state.clone().map(|state| ("state", state)));
        if let Some(challenge) = &self.challenge {
            fields.push(("code_challenge", challenge.as_str().to_string()));
            fields.push(("code_challenge_method", "S256".to_string()));
        }
        fields
    }

    /// The person said no.
    pub(super) fn denied(self) -> Refusal {
        let text = "The resource owner or authorization server denied the request.";
        if self.redirect_uri == OUT_OF_BAND {
            return Refusal::Here("You did not allow it. Nothing was connected.");
        }
        Refusal::ToProgram {
            redirect_uri: self.redirect_uri,
            state: self.state,
            error: "access_denied",
            text,
        }
    }
}

impl Refusal {
    /// The redirect to the program, or the text for the person.
    pub(super) fn answer(self) -> Result<Response, &'static str> {
        match self {
            Refusal::Here(text) => Err(text),
            Refusal::ToProgram {
                redirect_uri,
                state,
                error,
                text,
            } => {
                let mut answer = vec![("error", error), ("error_description", text)];
                answer.extend(state.as_deref().map(|state| ("state", state)));
                Ok(redirect::to_program(&redirect_uri, &answer))
            }
        }
    }
}

/// What is answered to the program when it is wrong: an error code and its description.
fn details(
    app: &ClientApp,
    params: &Params,
) -> Result<(Scopes, Option<Challenge>), (&'static str, &'static str)> {
    if params.text("response_type").as_deref() != Some("code") {
        return Err(("unsupported_response_type", "The response_type must be code."));
    }
    let scopes = Scopes::parse(&params.text("scope").unwrap_or_default()).map_err(|_| {
        (
            "invalid_scope",
            "The requested scope is invalid, unknown, or malformed.",
        )
    })?;
    if !app.scopes.covers(&scopes) {
        return Err((
            "invalid_scope",
            "The requested scope exceeds what the program registered.",
        ));
    }
    let (challenge, method) = (
        params.filled("code_challenge"),
        params.filled("code_challenge_method"),
    );
    let challenge =
        Challenge::read(challenge.as_deref(), method.as_deref()).map_err(|text| ("invalid_request", text))?;
    Ok((scopes, challenge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AppId;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn app() -> ClientApp {
        ClientApp {
            id: AppId::new(1).unwrap(),
            client_id: "id".into(),
            name: "App".into(),
            website: None,
            redirect_uris: vec!["https://a/cb".into(), OUT_OF_BAND.into()],
            scopes: Scopes::parse("read write:statuses").unwrap(),
            created_at_ms: 0,
        }
    }

    async fn read(query: &str) -> Result<AuthorizationRequest, Refusal> {
        AuthorizationRequest::read(
            app(),
            &Params::read(query, "", bytes::Bytes::new()).await.unwrap(),
        )
    }

    async fn error(query: &str) -> (bool, String) {
        match read(query).await.unwrap_err() {
            Refusal::Here(text) => (false, text.to_string()),
            Refusal::ToProgram { error, .. } => (true, error.to_string()),
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_to_what_is_not_registered() {
        for query in [
            "response_type=code",
            "response_type=code&redirect_uri=https://a/cb/",
            "response_type=code&redirect_uri=https://a/cb%3Fx=1",
            "response_type=code&redirect_uri=https://a",
            "response_type=code&redirect_uri=HTTPS://a/cb",
            "response_type=code&redirect_uri=https://evil/cb",
        ] {
            assert!(!error(query).await.0, "{query}");
        }
    }

    #[tokio::test]
    async fn the_program_is_told_what_is_wrong() {
        for (rest, expected) in [
            ("response_type=token", "unsupported_response_type"),
            ("", "unsupported_response_type"),
            ("response_type=code&scope=admin", "invalid_scope"),
            ("response_type=code&scope=write", "invalid_scope"),
            (
                "response_type=code&code_challenge=x&code_challenge_method=S256",
                "invalid_request",
            ),
            (
                &format!("response_type=code&code_challenge={CHALLENGE}"),
                "invalid_request",
            ),
            (
                &format!("response_type=code&code_challenge={CHALLENGE}&code_challenge_method=plain"),
                "invalid_request",
            ),
        ] {
            assert_eq!(
                error(&format!("redirect_uri=https://a/cb&{rest}")).await,
                (true, expected.into()),
                "{rest}"
            );
        }
        let oob = format!("redirect_uri={OUT_OF_BAND}&response_type=token");
        assert!(!error(&oob).await.0, "there is nobody to tell");
    }

    #[tokio::test]
    async fn a_request_can_be_made_again_from_its_fields() {
        let query = format!(
            "response_type=code&client_id=id&redirect_uri=https://a/cb&scope=read+write:statuses&state=s%20t\
             &code_challenge={CHALLENGE}&code_challenge_method=S256"
        );
        let request = read(&query).await.unwrap();
        let fields = request.fields();
        let again = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let again = read(&again).await.unwrap();
        assert_eq!(again.fields(), fields);
        assert_eq!(fields.len(), 7);
        let refused = again.denied().answer().unwrap();
        let location = refused.headers()["location"].to_str().unwrap();
        assert!(
            location.starts_with("https://a/cb?error=access_denied&error_description="),
            "{location}"
        );
        assert!(location.ends_with("&state=s+t"), "{location}");
    }

    #[tokio::test]
    async fn state_is_bounded() {
        let query = |len: usize| {
            format!(
                "response_type=code&redirect_uri=https://a/cb&state={}",
                "s".repeat(len)
            )
        };
        assert!(read(&query(STATE_BYTES_MAX)).await.is_ok());
        assert!(read(&query(STATE_BYTES_MAX + 1)).await.is_err());
    }
}
