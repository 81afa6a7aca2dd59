//! Which program asks (RFC 6749 section 2.3): by `Authorization: Basic`, or by id and secret among the parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use squall::web::http::{HeaderMap, StatusCode, header};

use crate::api::mastodon::error::ApiError;
use crate::api::mastodon::params::Params;
use crate::app::App;
use crate::domain::ClientApp;

/// The program whose id and secret came with the request.
///
/// # Errors
/// 401 `invalid_client` for anything else.
pub(super) async fn authenticate(
    app: &App,
    fields: &HeaderMap,
    params: &Params,
) -> Result<ClientApp, ApiError> {
    let named =
        basic(fields).or_else(|| Some((params.filled("client_id")?, params.filled("client_secret")?)));
    let Some((id, secret)) = named else {
        return Err(unknown());
    };
    match app.store().authenticate_app(&id, &secret).await {
        Ok(client) => Ok(client),
        Err(error) if error.is_missing() => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

fn unknown() -> ApiError {
    ApiError::oauth(
        StatusCode::UNAUTHORIZED,
        "invalid_client",
        "Client authentication failed due to unknown client, no client authentication included, \
         or unsupported authentication method.",
    )
}

/// Id and secret of `Authorization: Basic`, each of them form-encoded before base64 (RFC 6749 section 2.3.1).
fn basic(fields: &HeaderMap) -> Option<(String, String)> {
    let (scheme, value) = fields
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id), decode(secret)))
}

fn decode(text: &str) -> String {
    // A name without a value is one decoded text.
    let encoded = text.replace('=', "%3D").replace('&', "%26");
    form_urlencoded::parse(encoded.as_bytes())
        .next()
        .map(|(text, _)| text.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let mut fields = HeaderMap::new();
        fields.insert(header::AUTHORIZATION, value.parse().unwrap());
        basic(&fields)
    }

    #[test]
    fn basic_credentials_are_form_encoded() {
        let encode = |text: &str| format!("basic {}", STANDARD.encode(text));
        assert_eq!(read(&encode("id:se:cret")), Some(("id".into(), "se:cret".into())));
        assert_eq!(read(&encode("a%3Ab:c=d%26")), Some(("a:b".into(), "c=d&".into())));
        assert_eq!(read(&encode("id")), None);
        assert_eq!(read("Basic %%%"), None);
        assert_eq!(read("Bearer abc"), None);
    }
}
