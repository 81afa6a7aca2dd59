//! Proof Key for Code Exchange (RFC 7636), `S256` alone: `plain` proves nothing against who can read the request.
//! Not here: the comparison with the verifier, which is part of redeeming the code (`store`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A challenge: the hash of a verifier, 43 characters of unpadded base64url (RFC 7636 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge(String);

/// Characters of a challenge: 32 bytes.
const CHALLENGE_CHARS: usize = 43;

impl Challenge {
    /// Reads what came with the authorization request. `Ok(None)`: the client does not use PKCE.
    ///
    /// # Errors
    /// The text for `error_description` of an `invalid_request`.
    pub(crate) fn read(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>, &'static str> {
        let (challenge, method) = match (challenge, method) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err("code_challenge is missing"),
            // RFC 7636 section 4.3: no method means plain.
            (Some(challenge), method) => (challenge, method.unwrap_or("plain")),
        };
        if method != "S256" {
            return Err("code_challenge_method must be S256");
        }
        if challenge.len() != CHALLENGE_CHARS || URL_SAFE_NO_PAD.decode(challenge).is_err() {
            return Err("code_challenge must be 43 characters of unpadded base64url");
        }
        Ok(Some(Challenge(challenge.into())))
    }

    /// What is kept with the code, until the verifier comes.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B.
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn plain_and_half_requests_are_refused() {
        assert_eq!(Challenge::read(None, None), Ok(None));
        let read = Challenge::read(Some(CHALLENGE), Some("S256")).unwrap().unwrap();
        assert_eq!(read.as_str(), CHALLENGE);
        assert!(Challenge::read(Some(CHALLENGE), None).is_err());
        assert!(Challenge::read(Some(CHALLENGE), Some("plain")).is_err());
        assert!(Challenge::read(None, Some("S256")).is_err());
        assert!(Challenge::read(Some(&CHALLENGE[1..]), Some("S256")).is_err());
        assert!(Challenge::read(Some(&format!("{CHALLENGE}A")), Some("S256")).is_err());
    }
}
