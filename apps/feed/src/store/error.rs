//! What can go wrong with the store, said to people.

use std::fmt;

use crate::domain::posts::Refused;

/// Why the store did not do what was asked. Its text is a sentence for the person who asked.
#[derive(Debug)]
pub struct StoreError(Kind);

#[derive(Debug)]
enum Kind {
    Refused(Refused),
    Missing,
    Taken,
    Busy,
    Open(String),
    Database(rusqlite::Error),
    Lost,
}

impl StoreError {
    /// There is no such thing, or the one who asks may not see it: nobody can tell which.
    pub(crate) fn missing() -> Self {
        Self(Kind::Missing)
    }

    /// Somebody else has that name.
    pub(crate) fn taken() -> Self {
        Self(Kind::Taken)
    }

    /// More waits than may wait.
    pub(crate) fn busy() -> Self {
        Self(Kind::Busy)
    }

    /// The data directory cannot be used; `why` is for the operator.
    pub(crate) fn open(why: String) -> Self {
        Self(Kind::Open(why))
    }

    /// The writer stopped, or a job of ours failed: nothing is known to have been kept.
    pub(crate) fn lost() -> Self {
        Self(Kind::Lost)
    }

    /// What was given is not accepted; the text says why.
    pub fn is_refused(&self) -> bool {
        matches!(self.0, Kind::Refused(_))
    }

    /// There is no such thing, or it may not be seen.
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Kind::Missing)
    }

    /// The name belongs to somebody else.
    pub fn is_taken(&self) -> bool {
        matches!(self.0, Kind::Taken)
    }

    /// Too much to do right now: come again in a moment.
    pub fn is_busy(&self) -> bool {
        matches!(self.0, Kind::Busy)
    }

    /// It is the house's fault (a full disk, a damaged file), not that of the one who asked.
    pub fn is_internal(&self) -> bool {
        matches!(self.0, Kind::Open(_) | Kind::Database(_) | Kind::Lost)
    }

    /// What the log should say where `Display` is kept short for people.
    pub fn detail(&self) -> String {
        match &self.0 {
            Kind::Database(error) => error.to_string(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Refused(refused) => refused.fmt(f),
            Kind::Missing => f.write_str("There is no such thing here."),
            Kind::Taken => f.write_str("That name is taken."),
            Kind::Busy => {
                f.write_str("There is more to do than can be done right now. Please try again in a moment.")
            }
            Kind::Open(why) => f.write_str(why),
            Kind::Database(_) | Kind::Lost => f.write_str("Something went wrong here. It has been noted."),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        Self(Kind::Refused(refused))
    }
}

impl From<rusqlite::Error> for StoreError {
    /// A row that is not there is `missing`; all else is a fault.
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self(Kind::Missing),
            error => Self(Kind::Database(error)),
        }
    }
}
