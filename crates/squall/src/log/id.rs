//! The name of one request, in the logs of all time.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Bytes of an id that somebody else gave.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// Random bytes that a thread asks the system for at a time.
const RANDOM_BYTES: usize = 640;

/// Random bytes of one id.
const ID_RANDOM_BYTES: usize = 10;

/// Names one request: in the logs, in the field `X-Request-Id` of its answer, on the page of an error.
///
/// A UUID of version 7 (RFC 9562, section 5.7), so ids sort by time; or what a trusted proxy called the request. An
/// extractor: without [`crate::log::access`] it is made for the handler that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new one.
    ///
    /// # Panics
    /// When the system has no random bytes to give.
    pub fn new() -> Self {
        Self(uuid(crate::web::now_ms(), random()).into())
    }

    /// The id that somebody gave, if it is one: 1 to [`REQUEST_ID_BYTES_MAX`] letters, digits and `-_.:/+=@~`. Nothing
    /// that means something in a log, a page or a shell's word.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(&byte);
        let fits = !text.is_empty() && text.len() <= REQUEST_ID_BYTES_MAX && text.bytes().all(plain);
        fits.then(|| Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Version 7: 48 bits of time in milliseconds, 74 random bits.
fn uuid(now_ms: u64, random: [u8; ID_RANDOM_BYTES]) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

/// Random bytes, of which each thread keeps some: a call of the system for each request would cost more than the rest.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    struct Pool {
        bytes: [u8; RANDOM_BYTES],
        left: usize,
    }
    thread_local! {
        static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; RANDOM_BYTES], left: 0 }) };
    }
    POOL.with_borrow_mut(|pool| {
        if pool.left < N {
            pool.bytes = crate::random_bytes();
            pool.left = RANDOM_BYTES;
        }
        pool.left -= N;
        let mut taken = [0; N];
        taken.copy_from_slice(&pool.bytes[pool.left..pool.left + N]);
        taken
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_7() {
        assert_eq!(
            uuid(0x017F_22E2_79B0, [0xff; 10]),
            "017f22e2-79b0-7fff-bfff-ffffffffffff"
        );
        assert_eq!(uuid(0, [0; 10]), "00000000-0000-7000-8000-000000000000");
    }

    #[test]
    fn no_two_are_alike() {
        let ids: std::collections::HashSet<String> =
            (0..10_000).map(|_| RequestId::new().to_string()).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn an_id_from_outside_is_plain_and_short() {
        let at_limit = "x".repeat(REQUEST_ID_BYTES_MAX);
        for good in ["a", "018f-ab.C_d:e/f+g=@~", &at_limit] {
            assert_eq!(RequestId::parse(good).unwrap().as_str(), good);
        }
        let past = format!("{at_limit}x");
        for bad in [
            "", " a", "a b", "a\nb", "a\"", "<b>", "é", "a;b", "a'b", "$(x)", &past,
        ] {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
    }
}
