//! Parameters of a field's value: `; name=value; name="quoted value"` (RFC 9110, section 5.6.6), in one pass.

use std::borrow::Cow;

use super::{BOUNDARY_BYTES_MAX, MultipartError};

/// What follows the first word of a value.
pub(super) struct Params<'a> {
    rest: &'a [u8],
}

/// A parameter's name as it was sent, and its value without quotes.
pub(super) type Param<'a> = (&'a [u8], Cow<'a, [u8]>);

const BROKEN: MultipartError = MultipartError::Malformed("a parameter of a part's field is malformed");

/// The first word of a value, and its parameters.
pub(super) fn split(value: &[u8]) -> (&[u8], Params<'_>) {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    (trim_space(&value[..end]), Params { rest: &value[end..] })
}

impl<'a> Params<'a> {
    /// The next parameter; empty ones (`;;`) are passed over, as RFC 9110 says.
    ///
    /// Every byte is looked at once, whatever stands in quotes (CVE-2025-67726 was a reader that began anew at each
    /// `;` in them).
    pub(super) fn next(&mut self) -> Result<Option<Param<'a>>, MultipartError> {
        loop {
            self.skip_space();
            match self.rest.first() {
                None => return Ok(None),
                Some(b';') => self.rest = &self.rest[1..],
                Some(_) => return Err(BROKEN),
            }
            self.skip_space();
            if !matches!(self.rest.first(), None | Some(b';')) {
                return self.param().map(Some);
            }
        }
    }

    fn param(&mut self) -> Result<Param<'a>, MultipartError> {
        let end = self.rest.iter().position(|&byte| !is_tchar(byte));
        let end = end
            .filter(|&end| end > 0 && self.rest[end] == b'=')
            .ok_or(BROKEN)?;
        let name = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        let value = match self.rest.first() {
            Some(b'"') => self.quoted()?,
            _ => self.bare()?,
        };
        Ok((name, value))
    }

    /// A value without quotes. More than a token is taken: programs forget the quotes around boundaries with `/` or `=`.
    fn bare(&mut self) -> Result<Cow<'a, [u8]>, MultipartError> {
        let end = self.rest.iter().position(|byte| b"; \t".contains(byte));
        let (value, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if value.is_empty() || value.iter().any(|byte| b"\"\\,".contains(byte)) {
            return Err(BROKEN);
        }
        self.rest = rest;
        Ok(Cow::Borrowed(value))
    }

    /// A value in quotes. Only `\"` and `\\` are taken for what they quote: browsers do not escape backslashes, and old
    /// ones send whole paths (`C:\photos\cat.png`).
    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, MultipartError> {
        let text = &self.rest[1..];
        let mut plain: Option<Vec<u8>> = None;
        let mut at = 0;
        loop {
            match (text.get(at), text.get(at + 1)) {
                (None, _) => return Err(BROKEN),
                (Some(b'"'), _) => break,
                (Some(b'\\'), Some(&quoted @ (b'"' | b'\\'))) => {
                    plain.get_or_insert_with(|| text[..at].to_vec()).push(quoted);
                    at += 2;
                }
                (Some(&byte), _) => {
                    if let Some(plain) = &mut plain {
                        plain.push(byte);
                    }
                    at += 1;
                }
            }
        }
        self.rest = &text[at + 1..];
        Ok(plain.map_or(Cow::Borrowed(&text[..at]), Cow::Owned))
    }

    fn skip_space(&mut self) {
        let space = self.rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        self.rest = &self.rest[space..];
    }
}

/// Without the spaces and tabs around it, and nothing else: other white space is no white space here.
pub(super) fn trim_space(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The boundary that a `Content-Type` of `multipart/form-data` names.
///
/// # Errors
///
/// [`MultipartError::NotAForm`] for another media type; [`MultipartError::Boundary`] if there is not exactly one, of 1
/// to [`BOUNDARY_BYTES_MAX`] characters that RFC 2046, section 5.1.1 allows.
pub fn boundary_of(content_type: &[u8]) -> Result<Vec<u8>, MultipartError> {
    let (kind, mut params) = split(content_type);
    if !kind.eq_ignore_ascii_case(b"multipart/form-data") {
        return Err(MultipartError::NotAForm);
    }
    let mut boundary = None;
    while let Some((name, value)) = params.next().map_err(|_| MultipartError::Boundary)? {
        if name.eq_ignore_ascii_case(b"boundary") && boundary.replace(value.into_owned()).is_some() {
            return Err(MultipartError::Boundary);
        }
    }
    boundary
        .filter(|boundary| is_boundary(boundary))
        .ok_or(MultipartError::Boundary)
}

fn is_boundary(boundary: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
        && boundary.iter().all(allowed)
        && boundary.last() != Some(&b' ')
}
