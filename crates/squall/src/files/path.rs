//! From the path of a URL to the name of a file, and back.
//!
//! What is no plain name does not exist. So nothing is left to be resolved: no `.` and `..`, however encoded, no empty
//! part, no second slash or backslash that another program takes for one, no NUL at which a name ends for the system.

use std::borrow::Cow;

use axum::http::HeaderValue;

/// Bytes of a name: what the system takes for a path.
pub(crate) const NAME_BYTES_MAX: usize = 4095;
/// The one directory with a dot that is meant for everybody (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// What a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'p> {
    /// Parts joined by slashes; none at its ends. Empty: the directory itself.
    pub(crate) name: Cow<'p, str>,
    /// The URL ends in a slash: it names a directory.
    pub(crate) slash: bool,
}

/// Reads a path as it stands in the request target, behind what the files are served under. `None`: there is no such
/// file, wherever one looks.
pub(crate) fn parse(path: &str, well_known: bool) -> Option<Wanted<'_>> {
    if path.is_empty() {
        return Some(Wanted {
            name: Cow::Borrowed(""),
            slash: true,
        });
    }
    let (path, slash) = match path.strip_suffix('/') {
        Some(path) => (path, true),
        None => (path, false),
    };
    // Slashes are told apart before anything is decoded: `%2f` is part of a name, and such a name there is not.
    let count = path.split('/').count();
    let name = decode(path)?;
    let sound = name.len() <= NAME_BYTES_MAX && name.split('/').count() == count;
    let hidden = |(at, part): (usize, &str)| {
        part.is_empty() || (part.starts_with('.') && !(well_known && at == 0 && part == WELL_KNOWN))
    };
    if !sound
        || name.contains(|c: char| c == '\\' || c.is_control())
        || name.split('/').enumerate().any(hidden)
    {
        return None;
    }
    Some(Wanted { name, slash })
}

/// Whether a file of that name can be asked for at all.
pub(crate) fn is_servable(name: &str) -> bool {
    let hidden = |part: &str| part.is_empty() || part.starts_with('.');
    !name.split('/').any(hidden) && !name.contains(|c: char| c == '\\' || c.is_control())
}

/// Undoes percent-encoding, once. `None`: it is malformed, or not UTF-8.
pub(crate) fn decode(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = rest
            .get(..2)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// A name as a URL's path: everything but unreserved characters (RFC 3986 2.3) and slashes percent-encoded.
pub(crate) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Where a directory is that was asked for without its slash: relative to the URL asked for, so that it is right under
/// whatever prefix, and cannot be on another host, whatever the name is (`//evil.com/..`, CVE-2023-28370).
pub(crate) fn with_slash(name: &str, query: Option<&str>) -> HeaderValue {
    let last = name.rsplit('/').next().unwrap_or_default();
    let place = format!("./{}/", encode(last));
    query
        .and_then(|query| HeaderValue::try_from(format!("{place}?{query}")).ok())
        .unwrap_or_else(|| HeaderValue::try_from(place).expect("what is encoded is text"))
}
