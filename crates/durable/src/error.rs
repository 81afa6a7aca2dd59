//! Why a store was not opened.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a store was not opened. Its text is one line that says which store and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process (or this one) has it open.
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// Something in it is wrong: bytes changed, something is missing. Nothing was changed.
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// It was written by a newer version of this library, or is not a store at all.
    Unknown {
        /// The store's folder.
        path: PathBuf,
        /// What it says it is.
        found: i64,
    },
    /// The system refused something.
    Io {
        /// The store's folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl OpenError {
    /// Whether something in the store is wrong, so that it can only be put back from elsewhere or begun anew.
    pub fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether somebody else has it open.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    /// What SQLite says while a store is opened and read: trouble of the system, or of the store.
    pub(crate) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed, OutOfMemory,
            PermissionDenied, ReadOnly, SystemIoFailure,
        };
        let system = match error.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked | FileLockingProtocolFailed) => {
                return Self::InUse {
                    path: path.to_owned(),
                };
            }
            Some(CannotOpen | ReadOnly | PermissionDenied) => io::ErrorKind::PermissionDenied,
            Some(DiskFull) => io::ErrorKind::StorageFull,
            Some(OutOfMemory) => io::ErrorKind::OutOfMemory,
            // What is too short to be read is damage; SQLite calls it a failure of the system.
            Some(SystemIoFailure) if !is_short_read(error) => io::ErrorKind::Other,
            _ => return Self::damaged(path, error.to_string()),
        };
        Self::io(path, io::Error::new(system, error.to_string()))
    }
}

fn is_short_read(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path } => write!(
                f,
                "the durable log {} is open already, in another process or in this one: only one may have it",
                path.display()
            ),
            Self::Damaged { path, what } => write!(
                f,
                "the durable log {} is damaged ({what}): put it back from a copy, or begin anew with IfDamaged::BeginAnew",
                path.display()
            ),
            Self::Unknown { path, found } => write!(
                f,
                "the durable log {} is of version {found}, which this program does not know: use a newer one",
                path.display()
            ),
            Self::Io { path, error } => {
                write!(
                    f,
                    "the durable log {} could not be opened: {error}",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
