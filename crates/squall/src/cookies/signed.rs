//! Signed values, byte for byte in Tornado's second format.
//!
//! `2|1:0|10:1300000000|3:key|8:dmFsdWU=|<64 hex digits>`: version, key number, time in seconds, name and value in
//! base64, each but the first with its length, and an HMAC-SHA-256 over all before it, the last bar too. The lengths
//! mean that nothing can be moved from one part to the next. Tornado's first format has no lengths and is refused.
//! A signed value is not secret: anybody can read it, nobody can change it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The longest signed value that is looked at, in bytes.
pub const SIGNED_BYTES_MAX: usize = 8192;
/// How far in the future a value may say it was signed, in seconds: clocks of two machines differ a little.
pub const SIGNED_FUTURE_S_MAX: u64 = 300;
/// The shortest secret, in bytes (RFC 2104 3 advises the size of the hash; Tornado's example has 29).
const SECRET_BYTES_MIN: usize = 16;
/// Length of the signature in hex digits.
const SIGNATURE_BYTES: usize = 64;

/// A secret that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is shorter than 16 bytes.
    TooShort,
    /// The number is taken by another one.
    NumberTaken,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "a signing secret must have at least 16 bytes",
            Self::NumberTaken => "two signing secrets have the same number",
        })
    }
}

impl std::error::Error for KeyError {}

/// The secrets that sign cookies, each with a number. The highest number signs; all are believed, until they are
/// taken out: so a secret is changed by adding a new one, and removing the old one when what it signed has aged.
///
/// ```
/// use squall::cookies::Keys;
/// use std::time::Duration;
/// let keys = Keys::new(1, "an old secret of some length")?.with(2, "a newer secret of some length")?;
/// let signed = keys.sign("user", b"7", 1_300_000_000);
/// let read = keys.verify("user", &signed, Duration::from_secs(60), 1_300_000_030);
/// assert_eq!(read.as_deref(), Some(&b"7"[..]));
/// # Ok::<(), squall::cookies::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Keys {
    secrets: BTreeMap<u32, Vec<u8>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("numbers", &self.secrets.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// One secret. Tornado writes number 0 when `cookie_secret` is a single one.
    pub fn new(number: u32, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        Self {
            secrets: BTreeMap::new(),
        }
        .with(number, secret)
    }

    /// Adds another one.
    pub fn with(mut self, number: u32, secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError::TooShort);
        }
        match self.secrets.insert(number, secret.to_vec()) {
            None => Ok(self),
            Some(_) => Err(KeyError::NumberTaken),
        }
    }

    /// Signs `value` for a cookie of that name, at `now_s` seconds since the Unix epoch.
    pub fn sign(&self, name: &str, value: &[u8], now_s: u64) -> String {
        let (number, secret) = self.secrets.last_key_value().expect("there is at least one");
        let mut text = "2|".to_owned();
        for part in [
            &number.to_string(),
            &now_s.to_string(),
            name,
            &STANDARD.encode(value),
        ] {
            text.push_str(&format!("{}:{part}|", part.len()));
        }
        let signature = signature_hex(secret, text.as_bytes());
        text.push_str(&signature);
        text
    }

    /// The value, if it was signed by one of the secrets, for this name, no longer than `max_age` ago.
    ///
    /// `None` for everything else: which of it is nobody's business but an attacker's.
    pub fn verify(&self, name: &str, signed: &str, max_age: Duration, now_s: u64) -> Option<Vec<u8>> {
        if signed.len() > SIGNED_BYTES_MAX {
            return None;
        }
        let body = signed
            .len()
            .checked_sub(SIGNATURE_BYTES)
            .filter(|at| signed.is_char_boundary(*at))?;
        let (body, signature) = signed.split_at(body);
        let mut rest = body.strip_prefix("2|")?;
        let number = take_part(&mut rest)?;
        let time = take_part(&mut rest)?;
        let name_field = take_part(&mut rest)?;
        let value = take_part(&mut rest)?;
        let secret = self.secrets.get(&number.parse().ok()?)?;
        let expected = signature_hex(secret, body.as_bytes());
        let authentic = bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
        if !authentic || !rest.is_empty() || name_field != name {
            return None;
        }
        let signed_at_s: u64 = time.parse().ok()?;
        let too_old = signed_at_s.saturating_add(max_age.as_secs()) < now_s;
        let too_new = signed_at_s > now_s.saturating_add(SIGNED_FUTURE_S_MAX);
        if too_old || too_new {
            None
        } else {
            STANDARD.decode(value).ok()
        }
    }
}

/// `<length>:<that many bytes>|` off the front.
fn take_part<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let (length, after) = rest.split_once(':')?;
    if length.len() > 5 || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: usize = length.parse().ok()?;
    let part = after.get(..length)?;
    *rest = after.get(length..)?.strip_prefix('|')?;
    Some(part)
}

fn signature_hex(secret: &[u8], text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(text);
    crate::hex(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "It's a secret to everybody";
    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: u64 = 1_300_000_000;
    const GOLDEN: &str = "2|1:0|10:1300000000|3:key|8:dmFsdWU=|\
                          3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152";

    fn tornado() -> Keys {
        Keys::new(0, SECRET).unwrap()
    }

    #[test]
    fn the_bytes_are_tornados() {
        assert_eq!(tornado().sign("key", b"value", NOW), GOLDEN);
        assert_eq!(
            tornado().verify("key", GOLDEN, DAY, NOW).as_deref(),
            Some(&b"value"[..])
        );
    }

    #[test]
    fn age_is_checked_both_ways() {
        let read = |now| tornado().verify("key", GOLDEN, DAY, now).is_some();
        assert!(read(NOW + 86_400) && !read(NOW + 86_401));
        assert!(read(NOW - SIGNED_FUTURE_S_MAX) && !read(NOW - SIGNED_FUTURE_S_MAX - 1));
    }

    #[test]
    fn it_is_bound_to_its_name() {
        for other in ["ke", "key2", "", "other"] {
            assert_eq!(tornado().verify(other, GOLDEN, DAY, NOW), None, "{other}");
        }
    }

    #[test]
    fn no_byte_can_be_changed_or_moved() {
        for at in 0..GOLDEN.len() {
            let mut bytes = GOLDEN.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(tornado().verify("key", &changed, DAY, NOW), None, "byte {at}");
            assert_eq!(
                tornado().verify("key", &GOLDEN[..at], DAY, NOW),
                None,
                "cut at {at}"
            );
        }
        for bad in [
            "",
            "|",
            "2|",
            "1|1:0|",
            "dmFsdWU=|1300000000|sig",
            "\u{e9}",
            &"\u{20ac}".repeat(40),
        ] {
            assert_eq!(tornado().verify("key", bad, DAY, NOW), None, "{bad}");
        }
        let moved = GOLDEN.replace("10:1300000000|3:key", "9:130000000|4:0key");
        assert_eq!(tornado().verify("key", &moved, DAY, NOW), None);
    }

    #[test]
    fn secrets_rotate() {
        let old = Keys::new(1, "the old secret, long").unwrap();
        let both = old.clone().with(2, "the new secret, long").unwrap();
        let new = Keys::new(2, "the new secret, long").unwrap();
        let by_old = old.sign("n", b"v", NOW);
        let by_both = both.sign("n", b"v", NOW);
        assert!(by_both.starts_with("2|1:2|"));
        assert!(
            both.verify("n", &by_old, DAY, NOW).is_some() && new.verify("n", &by_old, DAY, NOW).is_none()
        );
        assert!(
            new.verify("n", &by_both, DAY, NOW).is_some() && old.verify("n", &by_both, DAY, NOW).is_none()
        );
        assert_eq!(Keys::new(1, "short").unwrap_err(), KeyError::TooShort);
        assert_eq!(
            both.with(2, "the new secret, long").unwrap_err(),
            KeyError::NumberTaken
        );
    }

    #[test]
    fn length_is_bounded() {
        let keys = tornado();
        let fits = (0..SIGNED_BYTES_MAX)
            .rev()
            .map(|n| keys.sign("n", &vec![0; n], NOW))
            .find(|s| s.len() <= SIGNED_BYTES_MAX);
        let fits = fits.unwrap();
        assert!(keys.verify("n", &fits, DAY, NOW).is_some());
        let over = keys.sign("n", &[0; SIGNED_BYTES_MAX], NOW);
        assert!(over.len() > SIGNED_BYTES_MAX && keys.verify("n", &over, DAY, NOW).is_none());
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", tornado()), "Keys { numbers: [0], .. }");
    }
}
