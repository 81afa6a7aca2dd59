//! Tokens made by others, and what must not be believed.

mod claims;
mod refused;
mod remote;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{TokenConfig, Verifier};

/// What PyJWT 2.15.1 signed for these tests with keys made for them, and RFC 7515's examples.
#[derive(Deserialize)]
pub(super) struct Made {
    pub(super) secret: String,
    pub(super) public_keys: BTreeMap<String, String>,
    pub(super) jwks: serde_json::Value,
    pub(super) tokens: BTreeMap<String, String>,
    pub(super) rfc7515: BTreeMap<String, Example>,
}

#[derive(Deserialize)]
pub(super) struct Example {
    pub(super) key: serde_json::Value,
    pub(super) token: String,
}

pub(super) static MADE: LazyLock<Made> =
    LazyLock::new(|| serde_json::from_str(include_str!("tokens.json")).expect("our own file"));

/// Most tokens are good until 1,900,000,000.
pub(super) const NOW_S: u64 = 1_850_000_000;

pub(super) fn token(name: &str) -> &'static str {
    &MADE.tokens[name]
}

/// Believes the secret and all keys that we can use.
pub(super) fn all_keys() -> TokenConfig {
    let pem = |name: &str| MADE.public_keys[name].clone();
    TokenConfig {
        hmac_secret: MADE.secret.as_str().into(),
        public_keys: ["RSA", "P256", "P384", "ED"].map(pem).to_vec(),
        ..TokenConfig::default()
    }
}

pub(super) fn with_secret() -> TokenConfig {
    TokenConfig {
        hmac_secret: MADE.secret.as_str().into(),
        ..TokenConfig::default()
    }
}

pub(super) fn verifier(config: &TokenConfig) -> Verifier {
    Verifier::new(config).expect("a good configuration")
}
