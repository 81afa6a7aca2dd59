//! What can be wrong with a message.

use std::fmt;

/// Why [`Hub::append`](crate::Hub::append) refused a message. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// The offset is not beyond the head: the order that was made elsewhere is broken.
    NotIncreasing {
        /// What was given.
        offset: u64,
        /// The last offset of the log.
        head: u64,
    },
    /// The offset is beyond [`OFFSET_MAX`](crate::OFFSET_MAX).
    OffsetTooLarge,
    /// The topic's name is empty or longer than `topic_bytes_max`.
    BadTopic,
    /// The data is larger than `message_bytes_max`, or its meta than [`META_BYTES_MAX`](crate::META_BYTES_MAX).
    TooBig,
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotIncreasing { offset, head } => {
                write!(f, "offset {offset} is not beyond the head, {head}")
            }
            Self::OffsetTooLarge => f.write_str("the offset is too large"),
            Self::BadTopic => f.write_str("the topic's name is empty or too long"),
            Self::TooBig => f.write_str("the message is too big"),
        }
    }
}

impl std::error::Error for AppendError {}

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The hub refused it; the same again will be refused again.
    Refused(AppendError),
    /// The idempotency key is empty or longer than `key_bytes_max`.
    BadKey,
    /// The broker could not be reached or could not store it; the same again, with the same key, may succeed.
    Unavailable(String),
    /// Too many messages are on their way to the broker already; this one was not sent.
    Busy,
    /// The broker did not say in time whether it has the message: it may have. Only with an idempotency key is the same
    /// again no second message.
    TimedOut,
}

impl PublishError {
    /// Whether it is worth trying again.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Busy | Self::TimedOut)
    }
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::BadKey => f.write_str("the idempotency key is empty or too long"),
            Self::Unavailable(why) => write!(f, "the broker is not available: {why}"),
            Self::Busy => f.write_str("too many messages are on their way to the broker already"),
            Self::TimedOut => f.write_str("the broker did not say in time whether it has the message"),
        }
    }
}

impl std::error::Error for PublishError {}
