//! What clients are told by numbers: errors, disconnects, ends of subscriptions. The numbers and what they make a client
//! do are Centrifugo's (centrifugal.dev, "Error and disconnect codes").

use std::borrow::Cow;

use super::protocol;

/// Why a command was refused. Applications use codes of their own from 400 to 1999.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionError {
    /// The number.
    pub code: u32,
    /// For who reads it.
    pub message: Cow<'static, str>,
    /// The client may try the same again later, and does so by itself when it subscribes.
    pub temporary: bool,
}

impl SessionError {
    /// Something is wrong here, not with the client.
    pub const INTERNAL: Self = Self::temporary(100, "internal server error");
    /// Nobody is signed in.
    pub const UNAUTHORIZED: Self = Self::fixed(101, "unauthorized");
    /// There is no such channel.
    pub const UNKNOWN_CHANNEL: Self = Self::fixed(102, "unknown channel");
    /// It may not.
    pub const PERMISSION_DENIED: Self = Self::fixed(103, "permission denied");
    /// There is no such command or method.
    pub const METHOD_NOT_FOUND: Self = Self::fixed(104, "method not found");
    /// It is subscribed to that already.
    pub const ALREADY_SUBSCRIBED: Self = Self::fixed(105, "already subscribed");
    /// More than a session may have.
    pub const LIMIT_EXCEEDED: Self = Self::fixed(106, "limit exceeded");
    /// The command makes no sense.
    pub const BAD_REQUEST: Self = Self::fixed(107, "bad request");
    /// This is not to be had here.
    pub const NOT_AVAILABLE: Self = Self::fixed(108, "not available");
    /// The token has expired; the client asks for a new one and comes back.
    pub const TOKEN_EXPIRED: Self = Self::fixed(109, "token expired");
    /// What was granted has expired already.
    pub const EXPIRED: Self = Self::fixed(110, "expired");
    /// Too often; later.
    pub const TOO_MANY_REQUESTS: Self = Self::temporary(111, "too many requests");
    /// What came after that position is not kept any more.
    pub const UNRECOVERABLE_POSITION: Self = Self::fixed(112, "unrecoverable position");

    const fn fixed(code: u32, message: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
            temporary: false,
        }
    }

    const fn temporary(code: u32, message: &'static str) -> Self {
        Self {
            code,
            message: Cow::Borrowed(message),
            temporary: true,
        }
    }

    /// An application's own.
    pub fn new(code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            temporary: false,
        }
    }
}

impl From<&SessionError> for protocol::Error {
    fn from(error: &SessionError) -> Self {
        Self {
            code: error.code,
            message: error.message.to_string(),
            temporary: error.temporary,
        }
    }
}

/// Why a session's connection is closed.
///
/// With codes 3000 to 3499 and 4000 to 4499 clients come back by themselves, with 3500 to 3999 and 4500 to 4999 they do
/// not. Applications use 4000 to 4999.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// The number; on a WebSocket it is the close code.
    pub code: u16,
    /// For who reads it; at most 123 bytes of it are sent.
    pub reason: Cow<'static, str>,
}

impl Disconnect {
    /// Nobody closed it on purpose. Never sent.
    pub const CONNECTION_CLOSED: Self = Self::fixed(3000, "connection closed");
    /// The server goes away.
    pub const SHUTDOWN: Self = Self::fixed(3001, "shutdown");
    /// Something is wrong here.
    pub const SERVER_ERROR: Self = Self::fixed(3004, "internal server error");
    /// What the token granted has expired.
    pub const EXPIRED: Self = Self::fixed(3005, "connection expired");
    /// What a subscription's token granted has expired.
    pub const SUBSCRIPTION_EXPIRED: Self = Self::fixed(3006, "subscription expired");
    /// The peer does not read, and too much is owed to it.
    pub const SLOW: Self = Self::fixed(3008, "slow");
    /// Messages may be lost: come back and recover.
    pub const INSUFFICIENT_STATE: Self = Self::fixed(3010, "insufficient state");
    /// Come back.
    pub const FORCE_RECONNECT: Self = Self::fixed(3011, "force reconnect");
    /// A ping was not answered in time.
    pub const NO_PONG: Self = Self::fixed(3012, "no pong");
    /// Too many commands.
    pub const TOO_MANY_REQUESTS: Self = Self::fixed(3013, "too many requests");
    /// The token is none of ours.
    pub const INVALID_TOKEN: Self = Self::fixed(3500, "invalid token");
    /// What came is not the protocol.
    pub const BAD_REQUEST: Self = Self::fixed(3501, "bad request");
    /// The session did not begin in time.
    pub const STALE: Self = Self::fixed(3502, "stale");
    /// Go, and do not come back.
    pub const FORCE_NO_RECONNECT: Self = Self::fixed(3503, "force disconnect");
    /// Too many connections of one person.
    pub const CONNECTION_LIMIT: Self = Self::fixed(3504, "connection limit");
    /// Too many channels.
    pub const CHANNEL_LIMIT: Self = Self::fixed(3505, "channel limit");
    /// It may not be here.
    pub const PERMISSION_DENIED: Self = Self::fixed(3507, "permission denied");
    /// What is not answered, and not to be had here.
    pub const NOT_AVAILABLE: Self = Self::fixed(3508, "not available");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(reason),
        }
    }

    /// An application's own.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// Whether clients come back by themselves.
    pub fn reconnects(&self) -> bool {
        matches!(self.code, 3000..=3499 | 4000..=4499)
    }
}

/// Why the server ended a subscription. From 2500 on clients subscribe again by themselves, with their position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribed {
    /// The number, from 2000 to 2999.
    pub code: u32,
    /// For who reads it.
    pub reason: Cow<'static, str>,
}

impl Unsubscribed {
    /// The server wants it so.
    pub const SERVER: Self = Self::fixed(2000, "server unsubscribe");
    /// Messages may be lost: subscribe again and recover.
    pub const INSUFFICIENT: Self = Self::fixed(2500, "insufficient state");
    /// What the subscription's token granted has expired.
    pub const EXPIRED: Self = Self::fixed(2501, "subscription expired");

    const fn fixed(code: u32, reason: &'static str) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(reason),
        }
    }
}
