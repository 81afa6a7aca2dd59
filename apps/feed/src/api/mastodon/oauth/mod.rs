//! How a program gets to act for a person: OAuth 2.0 (RFC 6749) with authorization codes, PKCE (RFC 7636), client
//! credentials and revocation (RFC 7009). No passwords (RFC 9700 section 2.4), no implicit grant, no refresh.

mod apps;
mod authorize;
mod client;
mod page;
mod pkce;
mod redirect;
mod request;
mod token;

pub(crate) use apps::{register, verify_credentials};
pub(crate) use authorize::{ask, decide};
pub(super) use token::answer;
pub(crate) use token::{revoke, token, userinfo};

/// The redirect URI of programs that cannot be redirected to: the person copies the code by hand.
pub(crate) const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
