//! The envelope: `header.claims.signature`, each in base64 without padding (RFC 7515, section 3.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::TokenError;

/// Longest `kid`, in bytes. A longer one names no key of ours.
const KID_BYTES_MAX: usize = 256;

/// The algorithms there are (RFC 7518, section 3.1; RFC 8037). `none` is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            // RFC 9864 calls it by its curve; we have no other.
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

/// A token taken apart. Nothing of it is believed yet.
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// What was signed: header, point, claims, as they came.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
    /// The claims as they came, in base64.
    claims: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood. We understand none (RFC 7515, section 4.1.11).
    crit: Option<IgnoredAny>,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str, bytes_max: usize) -> Result<Self, TokenError> {
        if token.len() > bytes_max {
            return Err(TokenError::Invalid("it is too long"));
        }
        let not_three = TokenError::Invalid("it has not three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(not_three)?;
        let (header, claims) = signed.split_once('.').ok_or(not_three)?;
        if claims.contains('.') {
            return Err(not_three);
        }
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|_| TokenError::Invalid("its header is not what it should be"))?;
        if header.crit.is_some() {
            return Err(TokenError::Invalid("it has critical extensions"));
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(TokenError::Invalid("its key's name is too long"));
        }
        let algorithm =
            Algorithm::named(&header.alg).ok_or(TokenError::Invalid("its algorithm is not ours"))?;
        Ok(Self {
            algorithm,
            kid: header.kid,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            claims,
        })
    }

    /// The claims' JSON: to be asked for when the signature was found good.
    pub(super) fn claims(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.claims)
    }
}

/// Strict: no padding, no line ends, no bits left over. So one token has one spelling.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Invalid("a part of it is not base64"))
}
