//! Which parts of a representation a `Range` field asks for (RFC 9110, section 14).

use axum::http::HeaderMap;
use axum::http::header::RANGE;

/// So many ranges may each overlap one before them; with more it is a mistake or an attack (section 14.2).
const OVERLAPS_MAX: usize = 2;

/// Bytes `from..to`. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Span {
    pub(crate) fn len(self) -> u64 {
        self.to - self.from
    }

    /// Overlaps, or is next to.
    fn touches(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: there is no such field, or one that is passed over.
    Whole,
    /// These: in the order asked for, none touching another.
    Parts(Vec<Span>),
    /// Nothing that was asked for is there: 416.
    Nothing,
}

/// One member of the list.
enum Member {
    Span(Span),
    /// Well-formed, but past the end.
    Beyond,
}

/// What a request asks for of `len_bytes` bytes.
///
/// Passed over, so answered with everything, is a field of another unit or that is malformed, of more than `ranges_max`
/// ranges, or of more than two that overlap: the last two are what a range bomb is made of. Ranges that touch are sent as one,
/// so no answer is longer than the whole but for the heads of its parts.
pub(crate) fn asked(headers: &HeaderMap, len_bytes: u64, ranges_max: usize) -> Asked {
    let mut fields = headers.get_all(RANGE).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => parse(field.as_bytes(), len_bytes, ranges_max).unwrap_or(Asked::Whole),
        _ => Asked::Whole,
    }
}

/// `None`: to be passed over.
fn parse(field: &[u8], len_bytes: u64, ranges_max: usize) -> Option<Asked> {
    let equals = field.iter().position(|byte| *byte == b'=')?;
    if !field[..equals].eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let members = field[equals + 1..]
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii);
    let (mut count, mut overlaps) = (0, 0);
    let mut spans: Vec<Span> = Vec::new();
    for text in members.filter(|text| !text.is_empty()) {
        count += 1;
        if count > ranges_max {
            return None;
        }
        let Member::Span(span) = member(text, len_bytes)? else {
            continue;
        };
        overlaps += usize::from(spans.iter().any(|other| other.overlaps(span)));
        if overlaps > OVERLAPS_MAX {
            return None;
        }
        merge(&mut spans, span);
    }
    match (count, spans.is_empty()) {
        (0, _) => None,
        (_, true) => Some(Asked::Nothing),
        (_, false) => Some(Asked::Parts(spans)),
    }
}

/// `first-`, `first-last` or `-suffix`.
fn member(text: &[u8], len_bytes: u64) -> Option<Member> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&text[..dash], &text[dash + 1..]);
    if first.is_empty() {
        let suffix = decimal(last)?;
        return match (suffix, len_bytes) {
            (0, _) => Some(Member::Beyond),
            // Satisfiable by the letter, but there is no `Content-Range` for no bytes.
            (_, 0) => None,
            _ => Some(Member::Span(Span {
                from: len_bytes.saturating_sub(suffix),
                to: len_bytes,
            })),
        };
    }
    let first = decimal(first)?;
    let last = if last.is_empty() { u64::MAX } else { decimal(last)? };
    if last < first {
        return None;
    }
    if first >= len_bytes {
        return Some(Member::Beyond);
    }
    let to = last.saturating_add(1).min(len_bytes);
    Some(Member::Span(Span { from: first, to }))
}

/// Digits; what does not fit is as large as can be, so past every end.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value: u64, digit: &u8| value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add))
}

/// Adds a span, as one with those it touches, in the place of the first of them.
fn merge(spans: &mut Vec<Span>, mut span: Span) {
    let mut place = None;
    // A span that grew may touch others that it did not touch before.
    while let Some(at) = spans.iter().position(|other| other.touches(span)) {
        let other = spans.remove(at);
        span = Span {
            from: span.from.min(other.from),
            to: span.to.max(other.to),
        };
        place = Some(place.map_or(at, |place: usize| place.min(at)));
    }
    spans.insert(place.unwrap_or(spans.len()), span);
}
