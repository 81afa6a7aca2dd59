//! Public keys as files have them: PEM around a `SubjectPublicKeyInfo` (RFC 5280, section 4.1) or PKCS #1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::Key;

/// `AlgorithmIdentifier` of an RSA key: rsaEncryption, NULL.
const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// id-ecPublicKey, prime256v1.
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
/// id-ecPublicKey, secp384r1.
const P384: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22,
];
/// id-Ed25519.
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The key in one PEM block: `PUBLIC KEY`, or `RSA PUBLIC KEY`.
pub(super) fn public_key(pem: &str) -> Result<Key, &'static str> {
    let pem = pem.trim();
    let (label, rest) = pem
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .ok_or("not PEM")?;
    let (text, end) = rest.split_once("-----END ").ok_or("PEM without an end")?;
    if end.strip_suffix("-----") != Some(label) {
        return Err("PEM with another end, or more than one block");
    }
    let text: String = text.split_ascii_whitespace().collect();
    let der = STANDARD.decode(text).map_err(|_| "PEM that is not base64")?;
    match label {
        "PUBLIC KEY" => spki(&der).ok_or("a public key that cannot be read")?,
        "RSA PUBLIC KEY" => pkcs1(&der).ok_or("a public key that cannot be read")?,
        _ => Err("PEM of something else: a PUBLIC KEY is wanted"),
    }
}

/// `None`: it cannot be read. `Err`: it can, and is not for us.
fn spki(der: &[u8]) -> Option<Result<Key, &'static str>> {
    let mut outer = der;
    let mut info = take(&mut outer, SEQUENCE)?;
    let algorithm = take(&mut info, SEQUENCE)?;
    // No bits of the last byte are unused.
    let key = take(&mut info, BIT_STRING)?.strip_prefix(&[0])?;
    if !outer.is_empty() || !info.is_empty() {
        return None;
    }
    match algorithm {
        RSA => pkcs1(key),
        P256 => Some(Key::p256(key.to_vec())),
        P384 => Some(Key::p384(key.to_vec())),
        ED25519 => Some(Key::ed25519(key.to_vec())),
        _ => Some(Err("a key of another kind than RSA, P-256, P-384 and Ed25519")),
    }
}

fn pkcs1(der: &[u8]) -> Option<Result<Key, &'static str>> {
    let mut outer = der;
    let mut key = take(&mut outer, SEQUENCE)?;
    let (n, e) = (take(&mut key, INTEGER)?, take(&mut key, INTEGER)?);
    (outer.is_empty() && key.is_empty()).then(|| Key::rsa(n, e))
}

/// The content of a value with this tag, off the front. Lengths of up to two bytes: no key of ours is longer.
fn take<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let rest = der.strip_prefix(&[tag])?;
    let (length, rest) = match rest {
        [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x81, long @ 0x80..=0xff, rest @ ..] => (usize::from(*long), rest),
        [0x82, high @ 1..=0xff, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *der = rest;
    Some(content)
}
