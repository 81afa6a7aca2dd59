//! What goes wrong, as clients read it: a status and `{"error": …}`.

use serde_json::{Value, json};
use squall::web::http::{HeaderValue, StatusCode, header};
use squall::web::{IntoResponse, Response};

use crate::store::StoreError;

/// An answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: Value,
    /// For 401: tells the client how to sign in (RFC 6750 section 3).
    challenge: bool,
}

impl ApiError {
    /// `{"error": text}` with this status.
    #[must_use]
    pub(crate) fn new(status: StatusCode, text: &str) -> Self {
        ApiError {
            status,
            body: json!({ "error": text }),
            challenge: status == StatusCode::UNAUTHORIZED,
        }
    }

    /// 404. Also for everything that exists and is not for this viewer: the two must not be told apart.
    #[must_use]
    pub(crate) fn not_found() -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "Record not found")
    }

    /// 401: there is no token, or it is not one of ours (any more).
    #[must_use]
    pub(crate) fn bad_token() -> Self {
        ApiError::new(StatusCode::UNAUTHORIZED, "The access token is invalid")
    }

    /// 422: a token of a program where one of a person is needed.
    #[must_use]
    pub(crate) fn no_person() -> Self {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "This method requires an authenticated user",
        )
    }

    /// 403: the token is good, and was not given for this.
    #[must_use]
    pub(crate) fn out_of_scope() -> Self {
        ApiError::new(
            StatusCode::FORBIDDEN,
            "This action is outside the authorized scopes",
        )
    }

    /// 429.
    #[must_use]
    pub(crate) fn too_many() -> Self {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests")
    }

    /// 422 with one sentence after `Validation failed:`.
    #[must_use]
    pub(crate) fn validation(text: &str) -> Self {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            &format!("Validation failed: {text}"),
        )
    }

    /// 422: a value that no record can have (a bad date, a bad number).
    #[must_use]
    pub(crate) fn invalid_record() -> Self {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Record invalid")
    }

    /// 500. Says nothing; the cause is in the log.
    #[must_use]
    pub(crate) fn internal() -> Self {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    }

    /// An OAuth refusal (RFC 6749 section 5.2): `{"error": code, "error_description": text}`.
    #[must_use]
    pub(crate) fn oauth(status: StatusCode, code: &str, text: &str) -> Self {
        ApiError {
            status,
            body: json!({ "error": code, "error_description": text }),
            challenge: status == StatusCode::UNAUTHORIZED,
        }
    }

    /// The status of the answer.
    #[must_use]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The sentence in `error`.
    #[must_use]
    pub(crate) fn text(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

impl From<StoreError> for ApiError {
    /// What was refused is 422, what is missing (or hidden) 404, a crowd 503; all else is our fault, and is logged here.
    fn from(error: StoreError) -> Self {
        if error.is_missing() {
            ApiError::not_found()
        } else if error.is_refused() || error.is_taken() {
            ApiError::validation(&error.to_string())
        } else if error.is_busy() {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        } else {
            tracing::error!(error = error.detail(), "the store failed under the API");
            ApiError::internal()
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, squall::web::Json(self.body)).into_response();
        if self.challenge {
            let value = HeaderValue::from_static("Bearer realm=\"Squall Feed\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

/// Several things wrong with what was sent, by field: Mastodon's `details`.
#[derive(Debug, Default)]
pub(crate) struct Validation {
    sentences: Vec<String>,
    details: serde_json::Map<String, Value>,
}

impl Validation {
    /// Notes that `field` is wrong: `code` (`ERR_BLANK`, `ERR_TAKEN`, …) for programs, `text` for people.
    pub(crate) fn add(&mut self, field: &str, code: &str, text: &str) {
        let mut label = field.to_string();
        if let Some(first) = label.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        self.sentences.push(format!("{label} {text}"));
        let entry = json!({ "error": code, "description": text });
        match self.details.get_mut(field) {
            Some(Value::Array(list)) => list.push(entry),
            _ => {
                self.details.insert(field.to_string(), json!([entry]));
            }
        }
    }

    /// Nothing when nothing was noted.
    ///
    /// # Errors
    /// 422 with every note.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        if self.sentences.is_empty() {
            return Ok(());
        }
        let text = format!("Validation failed: {}", self.sentences.join(", "));
        Err(ApiError {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            body: json!({ "error": text, "details": self.details }),
            challenge: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validation_names_every_field_once() {
        let mut wrong = Validation::default();
        wrong.add("username", "ERR_BLANK", "can't be blank");
        wrong.add(
            "username",
            "ERR_INVALID",
            "must contain only letters, numbers and underscores",
        );
        wrong.add("agreement", "ERR_ACCEPTED", "must be accepted");
        let error = wrong.check().unwrap_err();
        assert_eq!(error.status, 422);
        assert_eq!(
            error.text(),
            "Validation failed: Username can't be blank, \
             Username must contain only letters, numbers and underscores, Agreement must be accepted"
        );
        assert_eq!(error.body["details"]["username"][1]["error"], "ERR_INVALID");
        assert_eq!(
            error.body["details"]["agreement"][0]["description"],
            "must be accepted"
        );
        assert!(Validation::default().check().is_ok());
    }
}
