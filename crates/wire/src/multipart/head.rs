//! The head of one part: what it is called, and what it is.

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::params::{is_tchar, split, trim_space};
use super::{Limits, MultipartError, PART_FIELDS_MAX};

/// What stands before a part's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The name of the form's field. Not unique: a form may have it more often, and each is a part.
    pub name: String,
    /// The name of a file as its sender gave it, with whatever path; empty for a file field in which none was chosen.
    /// Never to be used as a path. `filename*` (RFC 8187) goes before `filename`, as RFC 6266, section 4.3 says.
    pub file_name: Option<String>,
    /// All fields of the part.
    pub headers: HeaderMap,
}

impl PartHead {
    /// The media type that the sender claims.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE)?.to_str().ok()
    }
}

const fn malformed<T>(how: &'static str) -> Result<T, MultipartError> {
    Err(MultipartError::Malformed(how))
}

/// Reads a head; `lines` ends with an empty line.
pub(super) fn parse(lines: &[u8], limits: &Limits) -> Result<PartHead, MultipartError> {
    let mut headers = HeaderMap::new();
    let mut fields = 0;
    let mut rest = lines;
    while !rest.starts_with(b"\r\n") {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else {
            return malformed("the head of a part has no end");
        };
        fields += 1;
        if fields > PART_FIELDS_MAX {
            return Err(MultipartError::PartHeadTooLarge);
        }
        let (name, value) = field(&rest[..end])?;
        headers.append(name, value);
        rest = &rest[end + 2..];
    }
    check_coding(&headers)?;
    let mut dispositions = headers.get_all(CONTENT_DISPOSITION).iter();
    let (Some(disposition), None) = (dispositions.next(), dispositions.next()) else {
        return malformed("a part must have one Content-Disposition");
    };
    let (name, file_name) = names(disposition.as_bytes(), limits)?;
    Ok(PartHead {
        name,
        file_name,
        headers,
    })
}

/// One line. A line that continues another one, a bare CR or LF and other control characters are refused: somebody
/// else may see two fields there.
fn field(line: &[u8]) -> Result<(HeaderName, HeaderValue), MultipartError> {
    const BROKEN: &str = "a field of a part's head is malformed";
    let Some(colon) = memchr::memchr(b':', line) else {
        return malformed(BROKEN);
    };
    let (name, value) = (&line[..colon], trim_space(&line[colon + 1..]));
    if name.is_empty() || !name.iter().all(|&byte| is_tchar(byte)) {
        return malformed(BROKEN);
    }
    match (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => malformed(BROKEN),
    }
}

/// Codings within a form are deprecated (RFC 7578, section 4.7), and nobody here undoes them.
fn check_coding(headers: &HeaderMap) -> Result<(), MultipartError> {
    let plain = |value: &HeaderValue| {
        [&b"binary"[..], b"8bit", b"7bit"]
            .iter()
            .any(|plain| value.as_bytes().eq_ignore_ascii_case(plain))
    };
    if headers.get_all("content-transfer-encoding").iter().all(plain) {
        Ok(())
    } else {
        malformed("a part has a transfer encoding, which forms do not have")
    }
}

/// The names that a `Content-Disposition` says. One that is said twice, or in two ways, is refused.
fn names(disposition: &[u8], limits: &Limits) -> Result<(String, Option<String>), MultipartError> {
    let (kind, mut params) = split(disposition);
    if !kind.eq_ignore_ascii_case(b"form-data") {
        return malformed("a part of a form must be form-data");
    }
    let (mut name, mut plain, mut extended) = (None, None, None);
    while let Some((key, value)) = params.next()? {
        let (slot, value) = if key.eq_ignore_ascii_case(b"name") {
            (&mut name, text(&value, limits.name_bytes_max)?)
        } else if key.eq_ignore_ascii_case(b"filename") {
            (&mut plain, text(&value, limits.file_name_bytes_max)?)
        } else if key.eq_ignore_ascii_case(b"filename*") {
            (&mut extended, extended_text(&value, limits.file_name_bytes_max)?)
        } else {
            continue;
        };
        if slot.replace(value).is_some() {
            return malformed("a part's name is said twice");
        }
    }
    match name {
        Some(name) => Ok((name, extended.or(plain))),
        None => malformed("a part has no name"),
    }
}

fn text(bytes: &[u8], bytes_max: usize) -> Result<String, MultipartError> {
    if bytes.len() > bytes_max {
        return Err(MultipartError::NameTooLong);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => malformed("a part's name is not UTF-8"),
    }
}

/// `UTF-8''percent%20encoded` (RFC 8187, section 3.2).
fn extended_text(value: &[u8], bytes_max: usize) -> Result<String, MultipartError> {
    const BROKEN: &str = "a part's filename* is not what RFC 8187 describes";
    let mut fields = value.splitn(3, |&byte| byte == b'\'');
    let (Some(charset), Some(_language), Some(encoded)) = (fields.next(), fields.next(), fields.next())
    else {
        return malformed(BROKEN);
    };
    if !charset.eq_ignore_ascii_case(b"utf-8") {
        return malformed(BROKEN);
    }
    let mut plain = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) else {
                    return malformed(BROKEN);
                };
                plain.push(high * 16 + low);
                rest = after;
            }
            (b'%' | b'*' | b'\'', _) => return malformed(BROKEN),
            _ if is_tchar(byte) => plain.push(byte),
            _ => return malformed(BROKEN),
        }
    }
    text(&plain, bytes_max)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}
