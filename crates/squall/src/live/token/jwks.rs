//! Key sets (RFC 7517, section 5).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::jws::{Algorithm, Jws};
use super::key::Key;

/// Most keys of one set.
pub const KEYS_MAX: usize = 64;

/// Public keys by name.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

/// A key as sets have it (RFC 7518, section 6; RFC 8037, section 2).
#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. Keys of other kinds and for other uses are passed over (RFC 7517, section 5), and so are secrets:
    /// a set is published.
    ///
    /// # Errors
    /// When it is no set, has more than [`KEYS_MAX`] keys, or none that we can use.
    pub(super) fn parse(json: &[u8]) -> Result<Self, &'static str> {
        let set: RawSet = serde_json::from_slice(json).map_err(|_| "not a set of keys in JSON")?;
        if set.keys.len() > KEYS_MAX {
            return Err("a key set with more than 64 keys");
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            Err("a key set without a key for signatures of RSA, P-256, P-384 or Ed25519")
        } else {
            Ok(Self { keys })
        }
    }

    /// The key that the token names; the only one of its kind if it names none.
    pub(super) fn find(&self, jws: &Jws<'_>) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| key.accepts(jws.algorithm));
        match &jws.kid {
            Some(kid) => fitting.find(|key| key.kid.as_ref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

fn usable(value: serde_json::Value) -> Option<Key> {
    let raw: RawKey = serde_json::from_value(value).ok()?;
    let for_signatures = raw.usage.as_deref().is_none_or(|usage| usage == "sig");
    let verifies = raw
        .key_ops
        .as_ref()
        .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    let only = raw.alg.as_deref().map(Algorithm::named);
    if !for_signatures || !verifies || only == Some(None) {
        return None;
    }
    let part = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?).ok();
    let key = match (raw.kty.as_str(), raw.crv.as_deref()) {
        ("RSA", _) => Key::rsa(&part(&raw.n)?, &part(&raw.e)?),
        ("EC", Some("P-256")) => Key::p256([vec![4], part(&raw.x)?, part(&raw.y)?].concat()),
        ("EC", Some("P-384")) => Key::p384([vec![4], part(&raw.x)?, part(&raw.y)?].concat()),
        ("OKP", Some("Ed25519")) => Key::ed25519(part(&raw.x)?),
        _ => return None,
    };
    Some(key.ok()?.named(raw.kid).only(only.flatten()))
}
