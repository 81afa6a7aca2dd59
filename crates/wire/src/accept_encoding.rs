//! `Accept-Encoding`: what a peer says of each content coding (RFC 9110, section 12.5.3).

use http::header::{ACCEPT_ENCODING, HeaderMap};

/// A weight in thousandths: 0 is "no", 1000 is what stands for itself when nothing is said (RFC 9110, section 12.4.2).
pub type Weight = u16;

/// The weight of a coding that is named without one.
pub const WEIGHT_WHOLE: Weight = 1000;

/// What was said of each coding that there is a use for; `None`: it was not named.
///
/// Of a coding that is named twice the least weight counts, and a weight that is none counts as 0: who asked for "no" in
/// some way gets what everybody can read. Other parameters than `q` mean nothing.
///
/// ```
/// use squall_wire::accept_encoding::AcceptEncoding;
/// let mut headers = http::HeaderMap::new();
/// headers.insert("accept-encoding", "gzip;q=0, br;q=0.5, *".parse().unwrap());
/// let said = AcceptEncoding::read(&headers);
/// assert_eq!((said.gzip, said.brotli, said.zstd, said.any), (Some(0), Some(500), None, Some(1000)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptEncoding {
    /// At least one coding was named, be it one of which there is no use. Otherwise the field says nothing.
    pub is_stated: bool,
    /// `gzip`, also by its old name `x-gzip`.
    pub gzip: Option<Weight>,
    /// `br`.
    pub brotli: Option<Weight>,
    /// `zstd`.
    pub zstd: Option<Weight>,
    /// `identity`: the bytes as they are.
    pub identity: Option<Weight>,
    /// `*`: every coding that is not named.
    pub any: Option<Weight>,
}

impl AcceptEncoding {
    /// Reads all fields of the name. Never fails: what is malformed is passed over, or a "no".
    pub fn read(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for field in headers.get_all(ACCEPT_ENCODING) {
            for item in field.as_bytes().split(|&byte| byte == b',') {
                said.note(item);
            }
        }
        said
    }

    fn note(&mut self, item: &[u8]) {
        let mut words = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = words.next().unwrap_or_default();
        self.is_stated |= !name.is_empty();
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        let slot = match name {
            _ if is(b"gzip") || is(b"x-gzip") => &mut self.gzip,
            _ if is(b"br") => &mut self.brotli,
            _ if is(b"zstd") => &mut self.zstd,
            _ if is(b"identity") => &mut self.identity,
            b"*" => &mut self.any,
            _ => return,
        };
        let weight = words.filter_map(weight).min().unwrap_or(WEIGHT_WHOLE);
        *slot = Some(slot.map_or(weight, |before| before.min(weight)));
    }
}

/// The weight that a parameter says; `None` if it is another parameter.
fn weight(parameter: &[u8]) -> Option<Weight> {
    match parameter {
        [b'q' | b'Q', b'=', value @ ..] => Some(thousandths(value)),
        b"q" | b"Q" => Some(0),
        _ => None,
    }
}

fn thousandths(value: &[u8]) -> Weight {
    let (whole, fraction) = match value {
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        [whole] => (whole, &[][..]),
        _ => return 0,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |at: usize| fraction.get(at).map_or(0, |byte| Weight::from(byte - b'0'));
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    match (whole, thousandths) {
        (b'0', _) => thousandths,
        (b'1', 0) => WEIGHT_WHOLE,
        _ => 0,
    }
}
