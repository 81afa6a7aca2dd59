//! Why a token is not believed.

use std::fmt;

/// Why a token is not believed. What it says is for logs; a client learns the kind alone, by a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It was good until `exp`. The client gets error 109, `token expired`, and asks its application for another.
    Expired,
    /// It is good from `nbf` on. As [`TokenError::Expired`] to a client, as in Centrifugo.
    NotYet,
    /// It is no token, not one of ours, or not for this. A client that connects with it is told never to come back
    /// with it (3500, `invalid token`); one that subscribes gets error 103, `permission denied`.
    Invalid(&'static str),
    /// Its key is not known and could not be asked for. The client gets error 100 and tries again.
    Unavailable(&'static str),
}

impl TokenError {
    /// Whether the client should get itself another token.
    pub fn is_expired(self) -> bool {
        matches!(self, Self::Expired | Self::NotYet)
    }

    /// Whether the same token may be good a little later.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the token has expired"),
            Self::NotYet => f.write_str("the token is not valid yet"),
            Self::Invalid(why) => write!(f, "the token is invalid: {why}"),
            Self::Unavailable(why) => write!(f, "the token cannot be verified now: {why}"),
        }
    }
}

impl std::error::Error for TokenError {}
