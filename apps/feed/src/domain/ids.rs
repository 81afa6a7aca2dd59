//! Identifiers: 64-bit numbers that sort by time, written in decimal.
//!
//! Why: clients compare ids as numbers or by length and then text, and turn dates into ids, so an id is
//! `milliseconds << 16 | sequence`. Ids are drawn by the store's one writer and never come from a client's clock.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Bits of an id that count within one millisecond.
const SEQUENCE_BITS: u32 = 16;

/// The text is not a positive decimal number that fits an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("that is not an id")
    }
}

impl std::error::Error for NotAnId {}

/// Parses an id strictly: 1 to 19 ASCII digits, no sign, not zero, and within SQLite's signed 64-bit integers.
fn parse(text: &str) -> Result<NonZeroU64, NotAnId> {
    if text.is_empty() || text.len() > 19 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotAnId);
    }
    let value: u64 = text.parse().map_err(|_| NotAnId)?;
    if value > i64::MAX as u64 {
        return Err(NotAnId);
    }
    NonZeroU64::new(value).ok_or(NotAnId)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The id with this number; `None` for zero and for what SQLite's integers cannot hold.
            pub fn new(value: u64) -> Option<Self> {
                if value > i64::MAX as u64 { None } else { NonZeroU64::new(value).map(Self) }
            }

            /// The number itself.
            pub fn get(self) -> u64 {
                self.0.get()
            }

            /// When it was made, in milliseconds since 1970.
            pub fn made_at_ms(self) -> u64 {
                self.0.get() >> SEQUENCE_BITS
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            /// As a decimal string: JavaScript's numbers cannot hold it.
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok((self.0.get() as i64).into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                let number = value.as_i64()?;
                u64::try_from(number)
                    .ok()
                    .and_then(Self::new)
                    .ok_or(rusqlite::types::FromSqlError::OutOfRange(number))
            }
        }
    };
}

id!(
    /// A person.
    PersonId
);
id!(
    /// A status update.
    PostId
);
id!(
    /// One person following another: what lists of followers are paged by.
    FollowId
);
id!(
    /// A notification.
    NotificationId
);
id!(
    /// A third-party program.
    AppId
);
id!(
    /// An access token (not the secret itself).
    TokenId
);

/// Draws ids: later draws are greater, whatever the clock does.
#[derive(Clone, Copy, Debug)]
pub struct IdSource {
    last: u64,
}

impl IdSource {
    /// A source whose next id is greater than `last`.
    pub fn after(last: u64) -> Self {
        Self { last }
    }

    /// The next id at `now_ms`; a clock that stands still or goes back is out-counted, not believed.
    pub fn draw(&mut self, now_ms: u64) -> u64 {
        self.last = (now_ms << SEQUENCE_BITS).max(self.last + 1);
        self.last
    }

    /// The id drawn last.
    pub fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strict_decimal_text() {
        let id: PostId = "113500000000000001".parse().unwrap();
        assert_eq!(id.to_string(), "113500000000000001");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"113500000000000001\"");
        assert_eq!(
            serde_json::from_str::<PostId>("\"113500000000000001\"").unwrap(),
            id
        );
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1x",
            "٣",
            "9223372036854775808",
            "99999999999999999999",
        ] {
            assert_eq!(bad.parse::<PostId>(), Err(NotAnId), "{bad:?}");
        }
        assert!("9223372036854775807".parse::<PostId>().is_ok());
    }

    #[test]
    fn draws_only_grow_even_when_the_clock_goes_back() {
        let mut source = IdSource::after(0);
        let mut last = 0;
        for now_ms in [1_000, 1_000, 999, 0, 1_001, 1_001] {
            let drawn = source.draw(now_ms);
            assert!(drawn > last);
            last = drawn;
        }
        assert_eq!(PostId::new(last).unwrap().made_at_ms(), 1_001);
    }
}
