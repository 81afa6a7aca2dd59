//! Where session records are kept: a trait with two implementations, memory here and the application's database.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::BoxFuture;

/// SHA-256 of a session's id: what a store and a log may know. The id itself is with the browser alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

impl Key {
    pub(super) fn of_id(id: &str) -> Self {
        Self(Sha256::digest(id.as_bytes()).into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hex(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyParseError;

impl fmt::Display for KeyParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session key is 64 hexadecimal digits")
    }
}

impl Error for KeyParseError {}

impl FromStr for Key {
    type Err = KeyParseError;

    fn from_str(text: &str) -> Result<Self, KeyParseError> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyParseError);
        }
        let mut key = [0; 32];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| KeyParseError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| KeyParseError)?;
        }
        Ok(Self(key))
    }
}

/// One session, as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name in the store.
    pub key: Key,
    /// Who is signed in, if anybody.
    pub owner: Option<u64>,
    /// When it began, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was last used, within a minute.
    pub seen_ms: u64,
    /// A JSON object of at most [`super::DATA_BYTES_MAX`] bytes.
    pub data: String,
}

/// Keeps session records.
pub trait Store: Send + Sync + 'static {
    /// The record under that key, expired or not.
    fn load<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, StoreError>>;

    /// Adds a new record.
    fn insert(&self, record: Record) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Writes owner, seen time and data of a record that is still there. `false`: it is gone, and must not be made
    /// again: it was ended while a request was on its way.
    fn update(&self, record: Record) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Removes a record; one that is not there is no error.
    fn remove<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Removes all records of somebody, except one if asked; says how many.
    fn remove_owner(&self, owner: u64, except: Option<Key>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Removes what was created before the one time, or last seen before the other, both in milliseconds since the
    /// Unix epoch; says how many.
    fn remove_expired(
        &self,
        created_before_ms: u64,
        seen_before_ms: u64,
    ) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// A store that cannot answer. As a response it is a 500 that says nothing; the cause goes to the log.
#[derive(Debug)]
pub struct StoreError {
    cause: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// With its cause: an error or a message.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session store failed: {}", self.cause)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl IntoResponse for StoreError {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }
}
