//! Errors of the API, by Centrifugo's numbers.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use serde::Serialize;

/// Why a call was refused: `{"code":102,"message":"unknown channel"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// The number.
    pub code: u32,
    /// For who reads it.
    pub message: Cow<'static, str>,
}

impl ApiError {
    /// Something is wrong here.
    pub const INTERNAL: Self = Self::fixed(100, "internal server error");
    /// There is no such channel, or no namespace for it.
    pub const UNKNOWN_CHANNEL: Self = Self::fixed(102, "unknown channel");
    /// There is no such method.
    pub const NOT_FOUND: Self = Self::fixed(104, "not found");
    /// The request makes no sense.
    pub const BAD_REQUEST: Self = Self::fixed(107, "bad request");
    /// This is not to be had here: no history, no presence.
    pub const NOT_AVAILABLE: Self = Self::fixed(108, "not available");
    /// What came after that position is not kept any more.
    pub const UNRECOVERABLE_POSITION: Self = Self::fixed(112, "unrecoverable position");
    /// Something else was there before.
    pub const CONFLICT: Self = Self::fixed(113, "conflict");

    const fn fixed(code: u32, message: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
        }
    }

    /// An application's own.
    pub fn new(code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The status that says the same, where the caller wants it so.
    pub(super) fn status_of(code: u32) -> StatusCode {
        match code {
            102 | 104 => StatusCode::NOT_FOUND,
            107 | 108 => StatusCode::BAD_REQUEST,
            112 => StatusCode::RANGE_NOT_SATISFIABLE,
            113 => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for ApiError {}
