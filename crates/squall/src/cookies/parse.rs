//! `Cookie` fields, read as browsers mean them.
//!
//! Browsers separate by `;`, do not quote, and send whatever bytes a page once set. So a pair is read for itself:
//! what cannot be read is left out and the rest stays (a parser that gives up at the first odd cookie lets an
//! attacker on a sister domain hide all others).

use std::borrow::Cow;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, header::COOKIE, request::Parts};

/// Pairs looked at in one request; browsers keep at most 180 for a domain. Later ones are not seen.
pub const COOKIES_MAX: usize = 200;

/// Bytes of one value; browsers refuse name and value above 4,096 together. A longer one is left out.
pub const COOKIE_VALUE_BYTES_MAX: usize = 4096;

/// The cookies of one request: an extractor that never fails.
///
/// ```
/// use squall::cookies::Cookies;
/// async fn theme(cookies: Cookies) -> String {
///     cookies.get("theme").unwrap_or("light").to_owned()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    pairs: Vec<(String, String)>,
}

impl Cookies {
    /// Reads every `Cookie` field of a request: at most [`COOKIES_MAX`] pairs, in time linear in their length.
    pub fn parse(headers: &HeaderMap) -> Self {
        let chunks = headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
        Self {
            pairs: chunks.take(COOKIES_MAX).filter_map(read_pair).collect(),
        }
    }

    /// The value of the first cookie of that name. Browsers send the one with the longest path first (RFC 6265 5.4),
    /// so a cookie that a sister domain has set for `/` does not displace ours.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(have, _)| *have == name)
            .map(|(_, value)| value)
    }

    /// Every value under that name, in the order they were sent.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(have, _)| *have == name)
            .map(|(_, value)| value)
    }

    /// All pairs in the order they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many pairs were read.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(&parts.headers))
    }
}

/// One pair; a value without `=` has the empty name, as in browsers. `None`: left out.
fn read_pair(chunk: &[u8]) -> Option<(String, String)> {
    let (name, value) = match chunk.iter().position(|byte| *byte == b'=') {
        Some(at) => (&chunk[..at], &chunk[at + 1..]),
        None => (&[][..], chunk),
    };
    let (name, value) = (name.trim_ascii(), value.trim_ascii());
    if (name.is_empty() && value.is_empty()) || value.len() > COOKIE_VALUE_BYTES_MAX {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    let value = unquote(value);
    let value = std::str::from_utf8(&value).ok()?;
    Some((name.to_owned(), value.to_owned()))
}

/// Undoes the quoting of servers that quote (`"a\073b"`, `"\""`): one pass, never backwards.
fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = value else {
        return Cow::Borrowed(value);
    };
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        rest = match rest {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                tail
            }
            [escaped, tail @ ..] => {
                out.push(*escaped);
                tail
            }
            [] => {
                out.push(b'\\');
                rest
            }
        };
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(field: &[u8], expect: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_bytes(field).unwrap());
        let got = Cookies::parse(&headers);
        assert_eq!(got.iter().collect::<Vec<_>>(), expect, "{}", field.escape_ascii());
    }

    #[test]
    fn pairs_are_read_as_browsers_mean_them() {
        check(b"a=b; c=d", &[("a", "b"), ("c", "d")]);
        check(b"a=b;c=d;;  ; e = f ", &[("a", "b"), ("c", "d"), ("e", "f")]);
        check(b"a=b=c; d", &[("a", "b=c"), ("", "d")]);
        check(b"=x; a=", &[("", "x"), ("a", "")]);
        check(b"a=\"b c\"; d=\"\\073\\\"\\\\\"", &[("a", "b c"), ("d", ";\"\\")]);
        check(b"a=\"b; c=d", &[("a", "\"b"), ("c", "d")]);
        check("a=\u{e9}".as_bytes(), &[("a", "\u{e9}")]);
        check(b"a=\"\\\"", &[("a", "\\")]);
    }

    #[test]
    fn one_bad_cookie_does_not_hide_the_others() {
        check(
            b"bad=\xff; {\"json\"=[1]; _xsrf=good; a\xfe=1",
            &[("{\"json\"", "[1]"), ("_xsrf", "good")],
        );
    }

    #[test]
    fn the_first_of_a_name_counts() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("sid=mine; x=1"));
        headers.append(COOKIE, HeaderValue::from_static("sid=planted"));
        let cookies = Cookies::parse(&headers);
        assert_eq!(cookies.get("sid"), Some("mine"));
        assert_eq!(cookies.get_all("sid").count(), 2);
        assert_eq!(
            (cookies.get("none"), cookies.len(), cookies.is_empty()),
            (None, 3, false)
        );
    }

    #[test]
    fn number_and_length_are_bounded() {
        let many = |count: usize| {
            (0..count)
                .map(|n| format!("c{n}=v"))
                .collect::<Vec<_>>()
                .join(";")
        };
        for (sent, seen) in [(COOKIES_MAX, COOKIES_MAX), (COOKIES_MAX + 1, COOKIES_MAX)] {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&many(sent)).unwrap())]);
            assert_eq!(Cookies::parse(&headers).len(), seen);
        }
        for (bytes, seen) in [(COOKIE_VALUE_BYTES_MAX, 1), (COOKIE_VALUE_BYTES_MAX + 1, 0)] {
            let field = format!("a={}", "x".repeat(bytes));
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&field).unwrap())]);
            assert_eq!(Cookies::parse(&headers).len(), seen);
        }
    }

    /// CVE-2024-52804: unquoting was quadratic. Work is counted by size of output, not by the clock: one pass over
    /// a value that is bounded in the first place.
    #[test]
    fn many_escapes_are_read_in_one_pass() {
        let inner = b"\\134".repeat(100_000);
        let value = [b"\"", &inner[..], b"\""].concat();
        assert_eq!(unquote(&value), b"\\".repeat(100_000));
    }
}
