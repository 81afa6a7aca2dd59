//! Who may call.

use std::fmt;

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::config::Secret;

/// Shortest key, in bytes.
pub const API_KEY_BYTES_MIN: usize = 16;

/// The keys' hashes: of equal length, so that comparing them tells nothing of the keys', and not the keys themselves.
pub(super) struct Keys {
    hashes: Vec<[u8; 32]>,
}

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiConfigError;

impl fmt::Display for ApiConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key of the API has at least {API_KEY_BYTES_MIN} bytes")
    }
}

impl std::error::Error for ApiConfigError {}

impl Keys {
    pub(super) fn new(keys: &[Secret]) -> Result<Self, ApiConfigError> {
        let long = |key: &&Secret| key.expose().len() >= API_KEY_BYTES_MIN;
        if !keys.iter().all(|key| long(&key)) {
            return Err(ApiConfigError);
        }
        let hashes = keys
            .iter()
            .map(|key| Sha256::digest(key.expose()).into())
            .collect();
        Ok(Self { hashes })
    }

    /// Whether the request brings one: `X-API-Key: KEY`, or `Authorization: apikey KEY`. Not in the URL, where
    /// Centrifugo takes it too: URLs are written to logs.
    pub(super) fn let_in(&self, headers: &HeaderMap) -> bool {
        let given = match headers.get("x-api-key") {
            Some(key) => key.as_bytes(),
            None => match headers
                .get(header::AUTHORIZATION)
                .and_then(|value| after_scheme(value.as_bytes()))
            {
                Some(key) => key,
                None => return false,
            },
        };
        let given: [u8; 32] = Sha256::digest(given).into();
        let equal = self.hashes.iter().map(|hash| hash.ct_eq(&given));
        // All are compared, whichever it was.
        equal.fold(Choice::from(0), |any, one| any | one).into()
    }
}

fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked("apikey ".len())?;
    scheme.eq_ignore_ascii_case(b"apikey ").then(|| key.trim_ascii())
}
