//! One key, and the algorithms that it verifies.

use std::fmt;

use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use ring::{error::Unspecified, hmac};

use super::jws::Algorithm;

/// Smallest RSA key, in bits (RFC 7518, section 3.3). *ring* takes none that is smaller either.
const RSA_BITS_MIN: usize = 2048;
/// Largest RSA key, in bits: *ring*'s limit.
const RSA_BITS_MAX: usize = 8192;

/// A key with the one algorithm or the family of algorithms that it may verify.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    /// The only algorithm, where the key set says one.
    only: Option<Algorithm>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Neither the secret nor anything made of it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.material {
            Material::Secret(_) => "Secret",
            Material::Rsa { .. } => "Rsa",
            Material::P256(_) => "P256",
            Material::P384(_) => "P384",
            Material::Ed25519(_) => "Ed25519",
        };
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("kind", &kind)
            .field("only", &self.only)
            .finish()
    }
}

impl Key {
    fn of(material: Material) -> Self {
        Self {
            kid: None,
            only: None,
            material,
        }
    }

    pub(super) fn secret(secret: &[u8]) -> Self {
        Self::of(Material::Secret(secret.to_vec()))
    }

    /// Modulus and exponent, big-endian. Zeros in front are taken off: some libraries put one there.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, &'static str> {
        let strip = |bytes: &[u8]| {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes[zeros..].to_vec()
        };
        let (n, e) = (strip(n), strip(e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) || e.is_empty() {
            return Err("an RSA key has 2048 to 8192 bits");
        }
        Ok(Self::of(Material::Rsa { n, e }))
    }

    /// A point of P-256, uncompressed: 4, then 32 bytes each of x and y.
    pub(super) fn p256(point: Vec<u8>) -> Result<Self, &'static str> {
        Self::point(point, 65, 4, Material::P256)
    }

    /// A point of P-384, uncompressed: 4, then 48 bytes each of x and y.
    pub(super) fn p384(point: Vec<u8>) -> Result<Self, &'static str> {
        Self::point(point, 97, 4, Material::P384)
    }

    /// The 32 bytes of an Ed25519 key.
    pub(super) fn ed25519(key: Vec<u8>) -> Result<Self, &'static str> {
        if key.len() == 32 {
            Ok(Self::of(Material::Ed25519(key)))
        } else {
            Err("an Ed25519 key has 32 bytes")
        }
    }

    fn point(
        point: Vec<u8>,
        bytes: usize,
        first: u8,
        material: fn(Vec<u8>) -> Material,
    ) -> Result<Self, &'static str> {
        if point.len() == bytes && point[0] == first {
            Ok(Self::of(material(point)))
        } else {
            Err("not a point of the key's curve")
        }
    }

    pub(super) fn named(self, kid: Option<String>) -> Self {
        Self { kid, ..self }
    }

    pub(super) fn only(self, only: Option<Algorithm>) -> Self {
        Self { only, ..self }
    }

    /// Whether this key verifies that algorithm: its kind decides, never the token.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        let of_kind = match self.material {
            Material::Secret(_) => matches!(algorithm, A::Hs256 | A::Hs384 | A::Hs512),
            Material::Rsa { .. } => {
                matches!(
                    algorithm,
                    A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512
                )
            }
            Material::P256(_) => algorithm == A::Es256,
            Material::P384(_) => algorithm == A::Es384,
            Material::Ed25519(_) => algorithm == A::EdDsa,
        };
        of_kind && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature` is this key's for `signed`. In constant time where the key is a secret.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.accepts(algorithm) {
            return false;
        }
        let verified = match &self.material {
            Material::Secret(secret) => verify_hmac(algorithm, secret, signed, signature),
            Material::Rsa { n, e } => match rsa_parameters(algorithm) {
                Some(parameters) => RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature),
                None => Err(Unspecified),
            },
            Material::P256(point) => {
                verify_with(&signature::ECDSA_P256_SHA256_FIXED, point, signed, signature)
            }
            Material::P384(point) => {
                verify_with(&signature::ECDSA_P384_SHA384_FIXED, point, signed, signature)
            }
            Material::Ed25519(key) => verify_with(&signature::ED25519, key, signed, signature),
        };
        verified.is_ok()
    }
}

fn verify_hmac(algorithm: Algorithm, secret: &[u8], signed: &[u8], tag: &[u8]) -> Result<(), Unspecified> {
    let hash = match algorithm {
        Algorithm::Hs256 => hmac::HMAC_SHA256,
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => return Err(Unspecified),
    };
    hmac::verify(&hmac::Key::new(hash, secret), signed, tag)
}

fn verify_with(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> Result<(), Unspecified> {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature)
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}
