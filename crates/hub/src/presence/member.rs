//! Who is there: sessions, members, pages of them, and what changed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A session: what stays the same when a client's connection is replaced. Its text is a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Of these bytes. They should be random, and nobody else's to choose.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Of this number.
    pub const fn from_number(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Which of the [buckets](super::replica::BUCKETS) of its node it is in. Mixed, so that ids which were merely
    /// counted are spread as well as random ones.
    pub(super) fn bucket(self) -> u8 {
        let number = u128::from_be_bytes(self.0);
        let folded = (number as u64) ^ ((number >> 64) as u64);
        (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let dash = if matches!(n, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// The text is no UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionIdError(());

impl fmt::Display for SessionIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a session: expected a UUID in lower case, with dashes")
    }
}

impl std::error::Error for SessionIdError {}

impl FromStr for SessionId {
    type Err = SessionIdError;

    /// Strict, so that a session has one text only: 36 characters, lower case, dashes in their places.
    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let text = text.as_bytes();
        if text.len() != 36 {
            return Err(SessionIdError(()));
        }
        let (mut bytes, mut digits) = ([0_u8; 16], 0);
        for (place, byte) in text.iter().enumerate() {
            let digit = match byte {
                b'-' if matches!(place, 8 | 13 | 18 | 23) => continue,
                _ if matches!(place, 8 | 13 | 18 | 23) => return Err(SessionIdError(())),
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return Err(SessionIdError(())),
            };
            bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
            digits += 1;
        }
        Ok(Self(bytes))
    }
}

/// A session, and which of its connections speaks for it.
///
/// A client that is back before its old connection was noticed to be dead has two for a moment. The one that entered
/// or renewed last holds the session; that the other was lost means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// Any number that no other connection of the session has.
    pub connection: u64,
}

impl From<SessionId> for Holder {
    /// For sessions that have one connection in their life.
    fn from(session: SessionId) -> Self {
        Self {
            session,
            connection: 0,
        }
    }
}

/// What others see of somebody who is there. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Who it is; several sessions may be the same user's. May be empty: nobody in particular.
    pub user: Arc<str>,
    /// What is said of the session, the same in each topic: JSON, or bytes of the application's own.
    pub conn_info: Option<Arc<[u8]>>,
    /// What is said of the session in this topic.
    pub info: Option<Arc<[u8]>>,
}

impl Member {
    /// A user of whom nothing else is said.
    pub fn user(user: impl Into<Arc<str>>) -> Self {
        Self {
            user: user.into(),
            ..Self::default()
        }
    }

    /// The bytes of both infos.
    pub(super) fn info_bytes(&self) -> usize {
        bytes_of(self.conn_info.as_ref()) + bytes_of(self.info.as_ref())
    }
}

pub(super) fn bytes_of(info: Option<&Arc<[u8]>>) -> usize {
    info.map_or(0, |info| info.len())
}

/// A session that is there, and what others see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// The session.
    pub session: SessionId,
    /// What others see.
    pub member: Member,
}

/// Some of a topic's members, in the order of their sessions.
///
/// Whoever is there all the while is in exactly one page of a walk through all of them, whoever else comes and goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The members.
    pub members: Vec<Present>,
    /// Ask for the next page after this session; `None` if this is the last page.
    pub next: Option<SessionId>,
}

/// How many are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions (clients).
    pub sessions: usize,
    /// Distinct users among them.
    pub users: usize,
}

/// What [`Presence::enter`](super::Presence::enter) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// The session was not in the topic, on no node.
    Joined,
    /// It was already: repeated, or back within its grace. Nobody is told.
    Back,
}

/// What is different from the last time that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Each session whose presence differs, in the order of sessions. Who came and went in between is not here.
    Each(Vec<Change>),
    /// More than [`changes_max`](super::PresenceConfig::changes_max): ask for the members.
    Many(Stats),
}

/// One session that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there, and is now.
    Joined(Present),
    /// It was there, and is not any more; with what was seen of it last.
    Left(Present),
    /// It is still there, and looks different.
    Updated(Present),
}

/// How much a [`Presence`](super::Presence) holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PresenceCounts {
    /// Topics that somebody is in, or that have changes nobody took.
    pub topics: usize,
    /// Sessions that are in any topic; one that is on two nodes counts twice.
    pub sessions: usize,
    /// Pairs of a session and a topic.
    pub members: usize,
    /// Distinct users.
    pub users: usize,
    /// Other nodes that are known.
    pub nodes: usize,
    /// What it all costs.
    pub bytes: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_text() {
        let text = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let id: SessionId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(SessionId::from_bytes(id.to_bytes()), id);
        for bad in [
            "",
            "0f8fad5b",
            "0F8fad5b-d9cb-469f-a165-70867728950e",
            "0f8fad5bd9cb-469f-a165-70867728950e-",
            "0f8fad5b-d9cb-469f-a165-70867728950",
            "0f8fad5b-d9cb-469f-a165-70867728950e0",
            "0f8fad5b-d9cb-469f-a165-7086772895-e",
            "0f8fad5b+d9cb-469f-a165-70867728950e",
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn counted_ids_are_spread_over_the_buckets() {
        let mut sizes = [0_usize; 256];
        for number in 0..25_600_u128 {
            sizes[usize::from(SessionId::from_number(number).bucket())] += 1;
        }
        assert!(sizes.iter().all(|size| (50..=200).contains(size)), "{sizes:?}");
    }
}
