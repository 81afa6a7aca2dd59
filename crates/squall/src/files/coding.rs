//! Content codings: which a request accepts, and which one it gets (RFC 9110, section 12.5.3).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

/// How the bytes of a representation are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Not at all.
    Identity,
    Gzip,
    Zstd,
    Brotli,
}

impl Coding {
    /// Those that a file beside the file may have, the best first.
    pub(crate) const BESIDE: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// As it stands in `Content-Encoding`.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        }
    }

    /// What the name of the file ends in.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
        }
    }
}

/// What a request accepts: weights in thousandths. `None`: not named.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accepted {
    /// There is a field at all, and it is not empty.
    stated: bool,
    gzip: Option<u16>,
    zstd: Option<u16>,
    brotli: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Accepted {
    /// Reads `Accept-Encoding`. Members that are malformed are passed over.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        for field in headers.get_all(ACCEPT_ENCODING) {
            for member in field.as_bytes().split(|byte| *byte == b',') {
                let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
                let token = parts.next().unwrap_or_default();
                let Some(weight) = weight(parts) else { continue };
                if let Some(slot) = accepted.slot(token) {
                    *slot = Some(weight);
                }
                accepted.stated |= !token.is_empty();
            }
        }
        accepted
    }

    fn slot(&mut self, token: &[u8]) -> Option<&mut Option<u16>> {
        let is = |name: &[u8]| token.eq_ignore_ascii_case(name);
        Some(match token {
            _ if is(b"gzip") || is(b"x-gzip") => &mut self.gzip,
            _ if is(b"br") => &mut self.brotli,
            _ if is(b"zstd") => &mut self.zstd,
            _ if is(b"identity") => &mut self.identity,
            b"*" => &mut self.any,
            _ => return None,
        })
    }

    /// How much it is wanted; 0: not acceptable. Twice the thousandths, so that an identity which is not named, and
    /// so acceptable, stands below all that is.
    fn rank(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Identity => self.identity,
            Coding::Gzip => self.gzip,
            Coding::Zstd => self.zstd,
            Coding::Brotli => self.brotli,
        };
        match (named.or(self.any), coding) {
            (Some(weight), _) if self.stated => weight * 2,
            (_, Coding::Identity) => 1,
            _ => 0,
        }
    }

    /// The coding that is wanted most, of those that there are; among equals the one that packs best. A request that
    /// says nothing of codings gets none. `None`: nothing of it is acceptable, the bare bytes neither.
    pub(crate) fn choose(&self, there: impl Iterator<Item = Coding>) -> Option<Coding> {
        there
            .filter(|coding| self.rank(*coding) > 0)
            .max_by_key(|coding| (self.rank(*coding), *coding as u8))
    }
}

/// The weight among a member's parameters, in thousandths; 1000 if there is none (RFC 9110, section 12.4.2).
fn weight<'p>(parameters: impl Iterator<Item = &'p [u8]>) -> Option<u16> {
    let mut weight = 1000;
    for parameter in parameters {
        if let [b'q' | b'Q', b'=', value @ ..] = parameter {
            weight = thousandths(value)?;
        }
    }
    Some(weight)
}

fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, digits) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut fraction = 0;
    for at in 0..3 {
        let digit = *digits.get(at).unwrap_or(&b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        fraction = fraction * 10 + u16::from(digit - b'0');
    }
    let weight = u16::from(whole - b'0') * 1000 + fraction;
    (weight <= 1000).then_some(weight)
}
