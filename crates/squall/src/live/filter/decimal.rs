//! Decimal numbers compared as text: exact, whatever their size, without a number type.

use std::cmp::Ordering;

/// Longest number that is looked at, in bytes. A longer one is none.
pub(super) const DECIMAL_BYTES_MAX: usize = 200;

/// How `a` stands to `b`; `None` if one of them is no number: a sign or none, digits, and perhaps a point and digits.
/// No exponent, as in Centrifugo.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Decimal::parse(a)?, Decimal::parse(b)?);
    Some(match (a.negative, b.negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => a.magnitude(&b),
        (true, true) => b.magnitude(&a),
    })
}

/// A number in parts: no zeros in front, none behind.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > DECIMAL_BYTES_MAX {
            return None;
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        Some(Self {
            // Zero has no sign.
            negative: text.starts_with('-') && !(whole.is_empty() && fraction.is_empty()),
            whole,
            fraction,
        })
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        let wholes = (self.whole.len(), self.whole).cmp(&(other.whole.len(), other.whole));
        wholes.then_with(|| self.fraction.cmp(other.fraction))
    }
}
