//! Why an upload was not taken.

use std::error::Error;
use std::{fmt, io};

use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use squall_engine::BodyError;
use squall_engine::wire::multipart::MultipartError;

/// Seconds after which a peer may come again when there was no room for its file.
const RETRY_AFTER_S: &str = "10";

/// Why an upload was not taken. As a response: the status, a sentence, and one line in the log.
#[derive(Debug)]
pub struct UploadError {
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Form(MultipartError),
    /// A part that should be text is not UTF-8.
    NotText,
    TooLarge,
    PartTooLarge,
    TimedOut,
    Gone,
    /// The body ended with an error that is none of the engine's.
    Broken(axum::Error),
    NoRoom,
    DiskFull,
    Io(io::Error),
}

impl From<Kind> for UploadError {
    fn from(kind: Kind) -> Self {
        UploadError { kind }
    }
}

impl From<MultipartError> for UploadError {
    fn from(error: MultipartError) -> Self {
        Kind::Form(error).into()
    }
}

impl From<io::Error> for UploadError {
    /// A full disk is told from other failures.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::DiskFull.into(),
            _ => Kind::Io(error).into(),
        }
    }
}

impl UploadError {
    /// What the body's error says, however deep it is wrapped.
    pub(super) fn of_body(error: axum::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<BodyError>() {
                return match error {
                    error if error.is_too_large() => Kind::TooLarge,
                    error if error.is_timed_out() => Kind::TimedOut,
                    _ => Kind::Gone,
                }
                .into();
            }
            if error.is::<http_body_util::LengthLimitError>() {
                return Kind::TooLarge.into();
            }
            cause = error.source();
        }
        Kind::Broken(error).into()
    }

    /// The body, a part, or the number of parts is past its limit: 413.
    pub fn is_too_large(&self) -> bool {
        self.status() == StatusCode::PAYLOAD_TOO_LARGE
    }

    /// The body is not what it says it is: 400, or 415 for another media type.
    pub fn is_malformed(&self) -> bool {
        match &self.kind {
            Kind::Form(error) => !matches!(
                error,
                MultipartError::TooManyParts | MultipartError::PartHeadTooLarge
            ),
            Kind::NotText | Kind::Broken(_) => true,
            _ => false,
        }
    }

    /// The peer closed before the end of the body. Nobody hears the answer.
    pub fn is_gone(&self) -> bool {
        matches!(self.kind, Kind::Gone)
    }

    /// The disk (or the quota on it) has no room: 507.
    pub fn is_disk_full(&self) -> bool {
        matches!(self.kind, Kind::DiskFull)
    }

    /// All temporary files together are at their limit: 503.
    pub fn is_no_room(&self) -> bool {
        matches!(self.kind, Kind::NoRoom)
    }

    /// The status that says it.
    pub fn status(&self) -> StatusCode {
        match &self.kind {
            Kind::Form(MultipartError::NotAForm) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Form(MultipartError::TooManyParts | MultipartError::PartHeadTooLarge)
            | Kind::TooLarge
            | Kind::PartTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Form(_) | Kind::NotText | Kind::Gone | Kind::Broken(_) => StatusCode::BAD_REQUEST,
            Kind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Kind::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Kind::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Kind::Io(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for UploadError {
    /// For the peer too: nothing of ours is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Form(error) => error.fmt(f),
            Kind::NotText => f.write_str("a value of the form is not UTF-8"),
            Kind::TooLarge => f.write_str("the upload is larger than its limit"),
            Kind::PartTooLarge => f.write_str("a part of the form is larger than its limit"),
            Kind::TimedOut => f.write_str("the upload did not arrive in time"),
            Kind::Gone => f.write_str("the peer closed before the end of the upload"),
            Kind::Broken(_) => f.write_str("the upload's body is broken"),
            Kind::NoRoom => f.write_str("too much is being uploaded at once: try again later"),
            Kind::DiskFull => f.write_str("there is no room for the upload"),
            Kind::Io(_) => f.write_str("the upload could not be stored"),
        }
    }
}

impl Error for UploadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Form(error) => Some(error),
            Kind::Broken(error) => Some(error),
            Kind::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl IntoResponse for UploadError {
    fn into_response(self) -> Response {
        let status = self.status();
        match &self.kind {
            Kind::DiskFull | Kind::Io(_) => {
                let cause = self.source().map(ToString::to_string);
                tracing::error!(%status, cause, "{self}");
            }
            Kind::NoRoom => tracing::warn!(%status, "{self}"),
            // Not a warning: anybody can cause it, from anywhere.
            _ => tracing::info!(%status, why = %self, "an upload was refused"),
        }
        let mut response = (status, format!("{self}\n")).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let after = axum::http::HeaderValue::from_static(RETRY_AFTER_S);
            response.headers_mut().insert(RETRY_AFTER, after);
        }
        response
    }
}
