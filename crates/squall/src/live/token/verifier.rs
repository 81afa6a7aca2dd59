//! Tokens in, claims out.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::claims::Claims;
use super::config::{HMAC_SECRET_BYTES_MIN, LEEWAY_S_MAX, TokenConfig, TokenConfigError};
use super::jwks::{KEYS_MAX, KeySet};
use super::jws::Jws;
use super::key::Key;
use super::remote::Remote;
use super::{ConnectionClaims, SubscriptionClaims, TokenError, der};
use crate::tcp::ClientTls;

/// Verifies tokens. Cheap to clone; clones share what was fetched.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Vec<Key>,
    previous: Option<Previous>,
    set: KeySet,
    remote: Option<Remote>,
    audience: String,
    issuer: String,
    /// `None`: `sub`.
    user_claim: Option<String>,
    leeway_s: u64,
    token_bytes_max: usize,
}

/// The secret before the present one.
struct Previous {
    key: Key,
    until_s: Option<u64>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.inner.keys)
            .field("set", &self.inner.set)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// As the configuration says.
    ///
    /// # Errors
    /// [`TokenConfigError`] names the field: a secret that is too short, a key that cannot be read or used, a set
    /// without one, a URL that is none.
    pub fn new(config: &TokenConfig) -> Result<Self, TokenConfigError> {
        Self::with_tls(config, ClientTls::new())
    }

    /// As [`Verifier::new`]; the server of `jwks_remote` is trusted by `tls`: for a house's own authority.
    ///
    /// # Errors
    /// As [`Verifier::new`].
    pub fn with_tls(config: &TokenConfig, tls: ClientTls) -> Result<Self, TokenConfigError> {
        let mut keys = Vec::new();
        keys.extend(secret("hmac_secret", config.hmac_secret.expose())?);
        let previous = secret("hmac_previous_secret", config.hmac_previous_secret.expose())?;
        if config.public_keys.len() > KEYS_MAX {
            return Err(TokenConfigError::new("public_keys", "more than 64 keys"));
        }
        for (number, pem) in config.public_keys.iter().enumerate() {
            let key = der::public_key(pem);
            keys.push(
                key.map_err(|what| TokenConfigError::new(format_args!("public_keys[{number}]"), what))?,
            );
        }
        let set = if config.jwks.is_empty() {
            KeySet::default()
        } else {
            KeySet::parse(config.jwks.as_bytes()).map_err(|what| TokenConfigError::new("jwks", what))?
        };
        let remote = Remote::new(&config.jwks_remote, tls);
        let remote = remote.map_err(|what| TokenConfigError::new("jwks_remote.url", what))?;
        if config.leeway_s > LEEWAY_S_MAX {
            return Err(TokenConfigError::new("leeway_s", "more than 300 seconds"));
        }
        let user_claim =
            Some(config.user_claim.clone()).filter(|claim| !matches!(claim.as_str(), "" | "sub"));
        let inner = Inner {
            keys,
            previous: previous.map(|key| Previous {
                key,
                until_s: Some(config.hmac_previous_until_s).filter(|until_s| *until_s > 0),
            }),
            set,
            remote,
            audience: config.audience.clone(),
            issuer: config.issuer.clone(),
            user_claim,
            leeway_s: config.leeway_s,
            token_bytes_max: config.token_bytes_max,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What a connection token says. Waits only if its key must be fetched.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn connection(&self, token: &str) -> Result<ConnectionClaims, TokenError> {
        self.connection_at(token, now_s()).await
    }

    /// As [`Verifier::connection`], at `now_s` seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn connection_at(&self, token: &str, now_s: u64) -> Result<ConnectionClaims, TokenError> {
        let json = self.verified(token, now_s).await?;
        let claims = self.checked(&json, now_s)?.into_connection()?;
        let user = self.user(&json)?.unwrap_or(claims.user);
        Ok(ConnectionClaims { user, ..claims })
    }

    /// What a subscription token says; see [`SubscriptionClaims::permits`]. Waits only if its key must be fetched.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn subscription(&self, token: &str) -> Result<SubscriptionClaims, TokenError> {
        self.subscription_at(token, now_s()).await
    }

    /// As [`Verifier::subscription`], at `now_s` seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn subscription_at(&self, token: &str, now_s: u64) -> Result<SubscriptionClaims, TokenError> {
        let json = self.verified(token, now_s).await?;
        let claims = self.checked(&json, now_s)?.into_subscription()?;
        let user = self.user(&json)?.unwrap_or(claims.user);
        Ok(SubscriptionClaims { user, ..claims })
    }

    /// The claims' JSON, if one of the keys signed it.
    async fn verified(&self, token: &str, now_s: u64) -> Result<Vec<u8>, TokenError> {
        let inner = &*self.inner;
        let jws = Jws::parse(token, inner.token_bytes_max)?;
        let signed_by = |key: &Key| key.verifies(jws.algorithm, jws.signed, &jws.signature);
        let previous = inner
            .previous
            .as_ref()
            .filter(|previous| previous.until_s.is_none_or(|until_s| now_s <= until_s))
            .map(|previous| &previous.key);
        let known = inner.keys.iter().chain(previous).chain(inner.set.find(&jws));
        let mut tried = false;
        for key in known.filter(|key| key.accepts(jws.algorithm)) {
            tried = true;
            if signed_by(key) {
                return jws.claims();
            }
        }
        if let Some(remote) = &inner.remote
            && remote.may_have(jws.algorithm)
        {
            let set = remote.set_with(&jws).await?;
            if set.find(&jws).is_some_and(signed_by) {
                return jws.claims();
            }
            tried = true;
        }
        Err(TokenError::Invalid(if tried {
            "its signature is not ours"
        } else {
            "there is no key for its algorithm"
        }))
    }

    fn checked<'a>(&self, json: &'a [u8], now_s: u64) -> Result<Claims<'a>, TokenError> {
        let claims = Claims::parse(json)?;
        claims.check_parties(&self.inner.issuer, &self.inner.audience)?;
        claims.check_times(now_s, self.inner.leeway_s)?;
        Ok(claims)
    }

    /// Who it is, where another claim than `sub` says it.
    fn user(&self, json: &[u8]) -> Result<Option<String>, TokenError> {
        let Some(name) = &self.inner.user_claim else {
            return Ok(None);
        };
        let all: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(json).map_err(|_| TokenError::Invalid("its claims are no object"))?;
        match all.get(name) {
            Some(serde_json::Value::String(user)) => Ok(Some(user.clone())),
            Some(serde_json::Value::Number(user)) => Ok(Some(user.to_string())),
            None | Some(serde_json::Value::Null) => Ok(Some(String::new())),
            Some(_) => Err(TokenError::Invalid(
                "the claim that says who it is is neither text nor number",
            )),
        }
    }
}

fn secret(field: &str, secret: &str) -> Result<Option<Key>, TokenConfigError> {
    match secret.len() {
        0 => Ok(None),
        HMAC_SECRET_BYTES_MIN.. => Ok(Some(Key::secret(secret.as_bytes()))),
        _ => Err(TokenConfigError::new(field, "shorter than 16 bytes")),
    }
}

/// Seconds since the Unix epoch. A clock before it counts as its first second.
fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
