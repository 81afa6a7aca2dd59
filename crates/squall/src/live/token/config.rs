//! Whose tokens are believed.

use std::fmt;

use serde::Deserialize;

use crate::config::Secret;

/// Shortest secret for HMAC, in bytes. RFC 7518, section 3.2, wants as many as the hash has (32 to 64); anybody who
/// has one token can try secrets against it for as long as they like.
pub const HMAC_SECRET_BYTES_MIN: usize = 16;
/// Longest leeway, in seconds.
pub const LEEWAY_S_MAX: u64 = 300;

/// Whose tokens are believed, and for what. The default believes none.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct TokenConfig {
    /// The secret of tokens with HS256, HS384 and HS512: at least [`HMAC_SECRET_BYTES_MIN`] bytes. Empty: none.
    pub hmac_secret: Secret,
    /// The secret before it, while tokens that it signed are about. Empty: none.
    pub hmac_previous_secret: Secret,
    /// Until when the previous secret is believed, in seconds since the Unix epoch. 0: without end.
    pub hmac_previous_until_s: u64,
    /// Public keys in PEM (`PUBLIC KEY` or `RSA PUBLIC KEY`), one in each: RSA, P-256, P-384, Ed25519. At most 64.
    pub public_keys: Vec<String>,
    /// A key set in JSON (RFC 7517). Empty: none.
    pub jwks: String,
    /// A key set that is published at a URL.
    pub jwks_remote: JwksConfig,
    /// What `aud` must have. Empty: not looked at.
    pub audience: String,
    /// What `iss` must be. Empty: not looked at.
    pub issuer: String,
    /// The claim that says who it is, a text or a number. Default: `sub`.
    pub user_claim: String,
    /// How far apart the clocks may be, in seconds: `exp` and `nbf` are looked at with so much indulgence. Default: 0,
    /// at most [`LEEWAY_S_MAX`].
    pub leeway_s: u64,
    /// Longest token, in bytes. Default: 16 KiB.
    pub token_bytes_max: usize,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            hmac_secret: Secret::default(),
            hmac_previous_secret: Secret::default(),
            hmac_previous_until_s: 0,
            public_keys: Vec::new(),
            jwks: String::new(),
            jwks_remote: JwksConfig::default(),
            audience: String::new(),
            issuer: String::new(),
            user_claim: "sub".to_owned(),
            leeway_s: 0,
            token_bytes_max: 16 << 10,
        }
    }
}

/// A key set at a URL. It is asked for when the first token comes that needs it.
///
/// One request at a time, and at most one in [`JwksConfig::refresh_s_min`], however many tokens come with keys
/// that nobody knows. While the server does not answer, keys that are known stay good for [`JwksConfig::stale_s_max`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct JwksConfig {
    /// Where it is: `https://…`, or `http://…` where the way there is trusted. Redirects are not followed. Empty:
    /// nowhere.
    pub url: String,
    /// How old it may get before it is asked for again, in seconds. Default: 1 hour.
    pub age_s_max: u64,
    /// How old it may get when it cannot be had anew, in seconds. Default: 1 day.
    pub stale_s_max: u64,
    /// Shortest time between two requests, in seconds. Default: 10; at least 1.
    pub refresh_s_min: u64,
    /// How long a request may take, in milliseconds. Default: 5,000.
    pub timeout_ms: u64,
    /// Largest set, in bytes. Default: 256 KiB.
    pub bytes_max: usize,
}

impl Default for JwksConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            age_s_max: 3_600,
            stale_s_max: 86_400,
            refresh_s_min: 10,
            timeout_ms: 5_000,
            bytes_max: 256 << 10,
        }
    }
}

/// What is wrong with a [`TokenConfig`], in one line for people. It never has a secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfigError {
    message: String,
}

impl TokenConfigError {
    pub(super) fn new(field: impl fmt::Display, what: &str) -> Self {
        Self {
            message: format!("{field}: {what}"),
        }
    }
}

impl fmt::Display for TokenConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TokenConfigError {}
