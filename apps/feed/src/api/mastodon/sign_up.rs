//! `POST /api/v1/accounts`: a program makes a person, and gets a token that acts for them at once.

use squall::web::extract::State;
use squall::web::http::StatusCode;
use squall::web::{Extension, Response};

use super::auth::Auth;
use super::error::{ApiError, Validation};
use super::front::Gate;
use super::oauth;
use super::params::Params;
use crate::app::App;
use crate::domain::{names, passwords};

/// The longest mail address that is looked at, in bytes (RFC 5321 section 4.5.3.1.3).
const EMAIL_BYTES_MAX: usize = 254;

/// Makes a person: `username`, `email`, `password`, `agreement`. The mail address has to look like one and is not kept:
/// no mail is sent from here.
///
/// # Errors
/// 401 without a token, 403 with a person's token or outside its scopes, 422 with what is wrong by field, 429.
pub(crate) async fn create(
    State(app): State<App>,
    Extension(gate): Extension<Gate>,
    auth: Auth,
    params: Params,
) -> Result<Response, ApiError> {
    let token = auth.token()?;
    if !token.scopes.allows("write:accounts") {
        return Err(ApiError::out_of_scope());
    }
    if token.person.is_some() {
        let text = "This method requires an client credentials authentication";
        return Err(ApiError::new(StatusCode::FORBIDDEN, text));
    }
    let (name, password) = check(&params)?;
    gate.sign_up()?;
    let person = match app.sign_up(&name, &password).await {
        Ok(person) => person,
        Err(error) if error.is_taken() => {
            let mut wrong = Validation::default();
            wrong.add("username", "ERR_TAKEN", "has already been taken");
            return Err(wrong.check().err().unwrap_or_else(ApiError::internal));
        }
        Err(error) => return Err(error.into()),
    };
    let (bearer, info) = app
        .store()
        .create_token(token.app, Some(person.id), token.scopes.clone())
        .await?;
    Ok(oauth::answer(bearer, &info))
}

fn check(params: &Params) -> Result<(String, String), ApiError> {
    let text = |name: &str| params.filled(name).unwrap_or_default();
    let (name, password, email) = (
        text("username"),
        params.text("password").unwrap_or_default(),
        text("email"),
    );
    let mut wrong = Validation::default();
    if name.is_empty() {
        wrong.add("username", "ERR_BLANK", "can't be blank");
    } else if name.len() > names::NAME_CHARS_MAX {
        wrong.add(
            "username",
            "ERR_TOO_LONG",
            "is too long (maximum is 30 characters)",
        );
    } else if !name.bytes().all(names::is_name_byte) {
        wrong.add(
            "username",
            "ERR_INVALID",
            "must contain only letters, numbers and underscores",
        );
    } else if names::check(&name).is_err() {
        wrong.add("username", "ERR_RESERVED", "is reserved");
    }
    if email.is_empty() {
        wrong.add("email", "ERR_BLANK", "can't be blank");
    } else if !looks_like_mail(&email) {
        wrong.add("email", "ERR_INVALID", "is invalid");
    }
    if password.is_empty() {
        wrong.add("password", "ERR_BLANK", "can't be blank");
    } else if password.chars().count() < passwords::PASSWORD_CHARS_MIN {
        wrong.add(
            "password",
            "ERR_TOO_SHORT",
            "is too short (minimum is 8 characters)",
        );
    } else if passwords::check(&password).is_err() {
        wrong.add("password", "ERR_TOO_LONG", "is too long (maximum is 1024 bytes)");
    }
    if !params.flag("agreement") {
        wrong.add("agreement", "ERR_ACCEPTED", "must be accepted");
    }
    wrong.check()?;
    Ok((name, password))
}

fn looks_like_mail(text: &str) -> bool {
    text.len() <= EMAIL_BYTES_MAX
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error(query: &str) -> Option<String> {
        let params = Params::read(query, "", bytes::Bytes::new()).await.unwrap();
        check(&params).err().map(|error| error.text().to_string())
    }

    #[tokio::test]
    async fn every_field_is_looked_at() {
        let good = "username=Ada&email=a@b&password=12345678&agreement=True";
        assert_eq!(error(good).await, None);
        assert_eq!(
            error("").await.unwrap(),
            "Validation failed: Username can't be blank, Email can't be blank, Password can't be blank, \
             Agreement must be accepted"
        );
        for (change, expected) in [
            (
                "username=a-b",
                "Username must contain only letters, numbers and underscores",
            ),
            ("username=admin", "Username is reserved"),
            (
                "username=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "Username is too long (maximum is 30 characters)",
            ),
            ("email=ab", "Email is invalid"),
            (
                "password=1234567",
                "Password is too short (minimum is 8 characters)",
            ),
            ("agreement=false", "Agreement must be accepted"),
        ] {
            assert_eq!(
                error(&format!("{good}&{change}")).await.unwrap(),
                format!("Validation failed: {expected}")
            );
        }
    }
}
