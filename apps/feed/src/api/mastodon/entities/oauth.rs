//! Programs and their tokens.

use serde::Serialize;

/// A registered program.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Application {
    /// Its number.
    pub(crate) id: String,
    /// What it calls itself.
    pub(crate) name: String,
    /// Its page.
    pub(crate) website: Option<String>,
    /// What it may ask for.
    pub(crate) scopes: Vec<String>,
    /// Where a person may be sent back to: all of them, one a line (the old key).
    pub(crate) redirect_uri: String,
    /// The same as a list.
    pub(crate) redirect_uris: Vec<String>,
    /// A Web Push key; there is no push, and clients read an empty key as that.
    pub(crate) vapid_key: String,
    /// Only in the answer to the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// Only in the answer to the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
    /// 0: it does not expire. Only in the answer to the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret_expires_at: Option<u64>,
}

/// An access token; shown once, kept as a hash.
#[derive(Clone, Serialize)]
pub(crate) struct Token {
    /// The secret itself.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// What it may do, space separated.
    pub(crate) scope: String,
    /// Unix seconds.
    pub(crate) created_at: u64,
}
