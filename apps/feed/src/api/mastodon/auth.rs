//! Who asks: the bearer token (RFC 6750) of a request, looked up once, before the handler runs.

use squall::web::extract::FromRequestParts;
use squall::web::http::request::Parts;
use squall::web::http::{HeaderMap, Uri, header};

use super::error::ApiError;
use crate::app::App;
use crate::domain::{PersonId, TokenInfo};

/// The longest token that is looked up, in bytes. Ours are shorter.
const TOKEN_BYTES_MAX: usize = 256;

/// What is known of who asks. In every request's extensions, put there by [`super::front`].
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    /// No token came with the request.
    Anonymous,
    /// A token came that is not one of ours, or not any more.
    Invalid,
    /// A good token.
    Token(Box<TokenInfo>),
}

impl Auth {
    /// Looks a token up.
    ///
    /// # Errors
    /// 500 or 503 when the store cannot say.
    pub(crate) async fn of_token(app: &App, token: Option<&str>) -> Result<Self, ApiError> {
        let Some(token) = token else {
            return Ok(Auth::Anonymous);
        };
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Ok(Auth::Invalid);
        }
        match app.store().token(token).await {
            Ok(info) => Ok(Auth::Token(Box::new(info))),
            Err(error) if error.is_missing() => Ok(Auth::Invalid),
            Err(error) => Err(error.into()),
        }
    }

    /// The token, whatever it may do.
    ///
    /// # Errors
    /// 401 without one.
    pub(crate) fn token(&self) -> Result<&TokenInfo, ApiError> {
        match self {
            Auth::Token(info) => Ok(info),
            Auth::Anonymous | Auth::Invalid => Err(ApiError::bad_token()),
        }
    }

    /// The person for whom a program acts, if it may do what needs `scope`.
    ///
    /// # Errors
    /// 401 without a token, 403 outside its scopes, 422 for a program that acts for nobody.
    pub(crate) fn person(&self, scope: &str) -> Result<PersonId, ApiError> {
        let token = self.token()?;
        if !token.scopes.allows(scope) {
            return Err(ApiError::out_of_scope());
        }
        token.person.ok_or_else(ApiError::no_person)
    }

    /// The same where nobody in particular may ask too: `None` is the Internet.
    ///
    /// # Errors
    /// 401 for a bad token, 403 outside its scopes.
    pub(crate) fn viewer(&self, scope: &str) -> Result<Option<PersonId>, ApiError> {
        match self {
            Auth::Anonymous => Ok(None),
            Auth::Invalid => Err(ApiError::bad_token()),
            Auth::Token(token) if !token.scopes.allows(scope) => Err(ApiError::out_of_scope()),
            Auth::Token(token) => Ok(token.person),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Auth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // A route outside of the front knows nobody: the safe side of a mistake.
        Ok(parts.extensions.get::<Auth>().cloned().unwrap_or(Auth::Anonymous))
    }
}

/// The token in `Authorization: Bearer …` (the scheme in any case, RFC 9110 section 11.1).
#[must_use]
pub(crate) fn bearer(fields: &HeaderMap) -> Option<&str> {
    let value = fields.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token of a streaming request. Browsers cannot set fields there, so it may also be `?access_token=` or the
/// WebSocket sub-protocol. Nowhere else: addresses end up in logs.
#[must_use]
pub(crate) fn streaming_token(fields: &HeaderMap, uri: &Uri) -> Option<String> {
    if let Some(token) = bearer(fields) {
        return Some(token.to_string());
    }
    let in_query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "access_token")
        .map(|(_, value)| value.into_owned());
    in_query.or_else(|| Some(offered_protocol(fields)?.to_string()))
}

/// The first WebSocket sub-protocol that the client offers.
#[must_use]
pub(crate) fn offered_protocol(fields: &HeaderMap) -> Option<&str> {
    let offered = fields.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').next()?.trim();
    (!first.is_empty()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn bearer_tokens_are_read_in_any_case_and_other_schemes_are_not() {
        assert_eq!(bearer(&fields(&[("authorization", "Bearer abc")])), Some("abc"));
        assert_eq!(bearer(&fields(&[("authorization", "bearer  abc")])), Some("abc"));
        assert_eq!(bearer(&fields(&[("authorization", "Basic abc")])), None);
        assert_eq!(bearer(&fields(&[("authorization", "abc")])), None);
        assert_eq!(bearer(&fields(&[])), None);
    }

    #[test]
    fn streaming_tokens_come_in_three_places() {
        let uri: Uri = "/api/v1/streaming?stream=user&access_token=q".parse().unwrap();
        let bare: Uri = "/api/v1/streaming".parse().unwrap();
        let protocol = fields(&[("sec-websocket-protocol", "p, other")]);
        assert_eq!(
            streaming_token(&fields(&[("authorization", "Bearer h")]), &uri).as_deref(),
            Some("h")
        );
        assert_eq!(streaming_token(&protocol, &uri).as_deref(), Some("q"));
        assert_eq!(streaming_token(&protocol, &bare).as_deref(), Some("p"));
        assert_eq!(streaming_token(&fields(&[]), &bare), None);
    }
}
