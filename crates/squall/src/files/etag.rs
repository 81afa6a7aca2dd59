//! Entity tags: what they are made of, and how a request's lists of them compare (RFC 9110, section 8.8.3).

use axum::http::HeaderValue;
use axum::http::header::{AsHeaderName, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::coding::Coding;

/// Bytes of a SHA-256 that stand in a tag: 128 bits.
const DIGEST_BYTES: usize = 16;

/// The entity tag of one representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// As it stands in the field.
    value: HeaderValue,
    weak: bool,
}

/// How two tags compare (RFC 9110, section 8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Both strong, and equal.
    Strong,
    /// Equal, whether strong or weak.
    Weak,
}

impl Tag {
    /// A tag from a digest. Each coding has its own, even should two of them have the same bytes.
    pub(crate) fn new(digest: &[u8], coding: Coding, weak: bool) -> Self {
        let digest = &digest[..digest.len().min(DIGEST_BYTES)];
        let text = URL_SAFE_NO_PAD.encode(digest);
        let weakness = if weak { "W/" } else { "" };
        let text = match coding {
            Coding::Identity => format!("{weakness}\"{text}\""),
            coding => format!("{weakness}\"{text}-{}\"", coding.token()),
        };
        let value = HeaderValue::try_from(text).expect("base64 and a token stand in fields");
        Self { value, weak }
    }

    /// The tag of this content.
    pub(crate) fn of(bytes: &[u8], coding: Coding) -> Self {
        Self::new(&Sha256::digest(bytes), coding, false)
    }

    /// For the `ETag` field.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.weak
    }

    /// With its quotes.
    fn opaque(&self) -> &[u8] {
        let value = self.value.as_bytes();
        if self.weak { &value[2..] } else { value }
    }

    fn is(&self, other: &Given<'_>, comparison: Comparison) -> bool {
        let may = comparison == Comparison::Weak || (!self.weak && !other.weak);
        may && self.opaque() == other.opaque
    }

    /// Whether this tag is in a list such as `If-Match`'s. `*` is any; what is no tag is passed over.
    pub(crate) fn is_in(&self, headers: &HeaderMap, name: impl AsHeaderName, comparison: Comparison) -> bool {
        headers.get_all(name).iter().any(|field| {
            let field = field.as_bytes().trim_ascii();
            field == b"*" || Tags(field).any(|given| self.is(&given, comparison))
        })
    }

    /// Whether a field of exactly one tag names this one, both being strong (`If-Range`).
    pub(crate) fn is_exactly(&self, field: &[u8]) -> bool {
        let field = field.trim_ascii();
        match take_tag(field) {
            Some((given, rest)) => rest.is_empty() && self.is(&given, Comparison::Strong),
            None => false,
        }
    }
}

/// A tag that a peer sent.
#[derive(Clone, Copy, Debug)]
struct Given<'f> {
    weak: bool,
    opaque: &'f [u8],
}

/// The tags of one field line. A comma inside of quotes belongs to the tag.
struct Tags<'f>(&'f [u8]);

impl<'f> Iterator for Tags<'f> {
    type Item = Given<'f>;

    fn next(&mut self) -> Option<Given<'f>> {
        loop {
            let start = self
                .0
                .iter()
                .position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
            let rest = &self.0[start..];
            let taken = take_tag(rest);
            let after = taken.map_or(rest, |(_, after)| after).trim_ascii_start();
            let sound = after.first().is_none_or(|byte| *byte == b',');
            let comma = after.iter().position(|byte| *byte == b',');
            self.0 = comma.map_or(&[], |at| &after[at + 1..]);
            if let Some((given, _)) = taken.filter(|_| sound) {
                return Some(given);
            }
        }
    }
}

/// `[ "W/" ] DQUOTE *etagc DQUOTE`, and what follows it.
fn take_tag(field: &[u8]) -> Option<(Given<'_>, &[u8])> {
    let (weak, rest) = match field.strip_prefix(b"W/") {
        Some(rest) => (true, rest),
        None => (false, field),
    };
    let inner = rest.strip_prefix(b"\"")?;
    let end = inner
        .iter()
        .position(|byte| !matches!(byte, 0x21 | 0x23..=0x7E | 0x80..))?;
    if inner[end] != b'"' {
        return None;
    }
    let (opaque, rest) = rest.split_at(end + 2);
    Some((Given { weak, opaque }, rest))
}
