//! Programs and their tokens.

use serde::Serialize;

/// A registered program.
#[derive(Debug, Clone, Serialize)]
pub struct Application {
    /// Its number.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Its page.
    pub website: Option<String>,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// Where a person may be sent back to: all of them, one a line (the old key).
    pub redirect_uri: String,
    /// The same as a list.
    pub redirect_uris: Vec<String>,
    /// A Web Push key; there is no push, and clients read an empty key as that.
    pub vapid_key: String,
    /// Only in the answer to the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Only in the answer to the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// 0: it does not expire. Only in the answer to the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<u64>,
}

/// An access token; shown once, kept as a hash.
#[derive(Clone, Serialize)]
pub struct Token {
    /// The secret itself.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// What it may do, space separated.
    pub scope: String,
    /// Unix seconds.
    pub created_at: u64,
}
