//! Text that must not be printed.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

/// Bytes of a secret's file.
pub const SECRET_FILE_BYTES_MAX: u64 = 4096;
/// Random bytes of a generated secret.
const GENERATED_BYTES: usize = 32;

/// A password, key or token: prints as `***` whatever prints it.
///
/// ```
/// let secret = squall::config::Secret::from("hunter2");
/// assert_eq!(format!("{secret} {secret:?}"), "*** ***");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself. Every use of this name is a place to look at.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret in that file without its line end.
    ///
    /// # Errors
    /// When the file cannot be read, is empty or longer than [`SECRET_FILE_BYTES_MAX`].
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let read = || {
            let mut text = String::new();
            File::open(path)?
                .take(SECRET_FILE_BYTES_MAX + 1)
                .read_to_string(&mut text)?;
            if text.len() as u64 > SECRET_FILE_BYTES_MAX {
                return Err(io::Error::other("too long for a secret"));
            }
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                Err(io::Error::other("an empty secret"))
            } else {
                Ok(Self(text.to_owned()))
            }
        };
        read()
            .map_err(|error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// The secret in that file; a new random one, readable for this user alone, when there is no such file.
    ///
    /// # Errors
    /// As [`Secret::file`], or when the file cannot be written.
    pub fn file_or_generate(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        match Self::file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let secret = Self(crate::hex(&crate::random_bytes::<GENERATED_BYTES>()));
        let written = write_new(path, &secret.0);
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        // Another process may have been faster: what the file says now counts for both.
        Self::file(path)
    }
}

/// Whole or not at all: written beside, then given its name unless that is taken.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", crate::hex(&crate::random_bytes::<8>())));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    });
    fs::remove_file(&beside)?;
    linked
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// As it is: for [`super::Sources::args`], which carries it to the configuration. Nothing else should serialize one.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
