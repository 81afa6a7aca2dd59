//! Tokens: what an application signed about a client, so that nothing needs to be asked when it connects or subscribes.
//!
//! JSON Web Tokens (RFC 7519) with Centrifugo's claims. A *connection token* says who somebody is, until when, and
//! what the connection is subscribed to from the start; a *subscription token* lets one user into one channel.
//!
//! ```
//! use squall::live::token::{TokenConfig, Verifier};
//! let verifier = Verifier::new(&TokenConfig {
//!     hmac_secret: "a secret of thirty-two bytes, or more".into(),
//!     audience: "chat".into(),
//!     ..TokenConfig::default()
//! })?;
//! # Ok::<(), squall::live::token::TokenConfigError>(())
//! ```
//!
//! | key | algorithms | where it comes from |
//! |---|---|---|
//! | a secret | HS256, HS384, HS512 | [`TokenConfig::hmac_secret`], [`TokenConfig::hmac_previous_secret`] |
//! | RSA, 2048 to 8192 bits | RS256, RS384, RS512, PS256, PS384, PS512 | [`TokenConfig::public_keys`], a key set |
//! | P-256 | ES256 | the same |
//! | P-384 | ES384 | the same |
//! | Ed25519 | EdDSA | the same |
//!
//! A key verifies its own algorithms and no others, so nobody can have a public key taken for a secret (the "algorithm
//! confusion" of RFC 8725, section 2.1); `none` is no algorithm; a token with critical extensions (`crit`) is refused.
//! ES512 is not there: *ring*, which does the cryptography, has no P-521. The envelope is read here, and not by a
//! library, because those that are kept bring a second cryptography library or a registry of the process; it is
//! three parts in base64.

mod claims;
mod config;
mod der;
mod error;
mod fetch;
mod jwks;
mod jws;
mod key;
mod remote;
#[cfg(test)]
mod tests;
mod verifier;

pub use claims::{ConnectionClaims, Overrides, SubscriptionClaims, SubscriptionOptions, TOKEN_SUBS_MAX};
pub use config::{HMAC_SECRET_BYTES_MIN, JwksConfig, LEEWAY_S_MAX, TokenConfig, TokenConfigError};
pub use error::TokenError;
pub use jwks::KEYS_MAX;
pub use verifier::Verifier;
