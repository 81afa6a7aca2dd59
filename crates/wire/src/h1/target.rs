//! Request targets (RFC 9112, section 3.2) and the authorities in them and in `Host` (RFC 3986, section 3.2).

use std::net::Ipv6Addr;

use bytes::Bytes;
use http::uri::Uri;
use http::{Method, StatusCode};

use super::reject::Reject;

pub(super) const TARGET_TOO_LONG: Reject = Reject::new(StatusCode::URI_TOO_LONG, "the target is too long");

/// What a request is for.
pub(super) struct Target {
    pub(super) uri: Uri,
    /// For the absolute-form: the authority, which replaces what `Host` says.
    pub(super) authority: Option<Bytes>,
}

/// Reads the target `input[from..to]` of a request with this method.
pub(super) fn parse_target(method: &Method, input: &Bytes, from: usize, to: usize) -> Result<Target, Reject> {
    let target = &input[from..to];
    if *method == Method::CONNECT {
        let (_, port) = split_port(target);
        if port.len() < 2 || !is_authority(target) {
            return Err(Reject::bad("CONNECT without host and port"));
        }
        return Ok(Target {
            uri: parse_uri(input.slice(from..to))?,
            authority: None,
        });
    }
    match target.first() {
        None => Err(Reject::bad("no target")),
        // What is asked for most needs no look: it is what a `Uri` is by default.
        Some(b'/') if target.len() == 1 => Ok(Target {
            uri: Uri::default(),
            authority: None,
        }),
        Some(b'/') => {
            check_bytes(target)?;
            Ok(Target {
                uri: parse_uri(input.slice(from..to))?,
                authority: None,
            })
        }
        Some(b'*') if target.len() == 1 => {
            if *method != Method::OPTIONS {
                return Err(Reject::bad("asterisk-form without OPTIONS"));
            }
            Ok(Target {
                uri: parse_uri(input.slice(from..to))?,
                authority: None,
            })
        }
        Some(_) => absolute_form(input, from, to),
    }
}

fn absolute_form(input: &Bytes, from: usize, to: usize) -> Result<Target, Reject> {
    let target = &input[from..to];
    check_bytes(target)?;
    let scheme_bytes = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.len() >= scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme))
        .map(<[u8]>::len)
        .ok_or(Reject::bad("the target has no known form"))?;
    let rest = &target[scheme_bytes..];
    let authority_bytes = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    if !is_authority(&rest[..authority_bytes]) {
        return Err(Reject::bad("the target's authority is malformed"));
    }
    let start = from + scheme_bytes;
    Ok(Target {
        uri: parse_uri(input.slice(from..to))?,
        authority: Some(input.slice(start..start + authority_bytes)),
    })
}

/// Only visible ASCII, and no fragment, which `Uri` would drop in silence. What `Uri` itself then refuses are `<`,
/// `>`, and the quote characters where RFC 3986 has no room for them and browsers do not write them.
fn check_bytes(target: &[u8]) -> Result<(), Reject> {
    let sound = target
        .iter()
        .all(|&byte| matches!(byte, b'!'..=b'~') && byte != b'#');
    if sound {
        Ok(())
    } else {
        Err(Reject::bad("the target holds a byte that it must not hold"))
    }
}

fn parse_uri(target: Bytes) -> Result<Uri, Reject> {
    Uri::from_maybe_shared(target).map_err(|_| Reject::bad("the target is malformed"))
}

/// Is this a host and perhaps a port, as `Host` and absolute-form carry it?
///
/// Stricter than RFC 3986: no userinfo, no IPvFuture, no zone, no percent-encoding (`Uri` takes none either), and
/// none of the sub-delims in names, the comma above all, at which some recipients split. An empty host is refused
/// (RFC 9110, section 4.2.1), an empty port is not.
pub fn is_authority(text: &[u8]) -> bool {
    if text.first() == Some(&b'[') {
        let (host, port) = split_port(text);
        let address = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
        return address.is_some_and(is_ipv6) && is_port(port);
    }
    // One look at each byte: every request has a `Host`.
    let mut host_bytes = 0;
    while host_bytes < text.len() && UNRESERVED[usize::from(text[host_bytes])] {
        host_bytes += 1;
    }
    host_bytes > 0 && is_port(&text[host_bytes..])
}

/// Host and the rest from the colon on, unchecked.
fn split_port(text: &[u8]) -> (&[u8], &[u8]) {
    let host_end = match text.first() {
        Some(b'[') => text.iter().position(|&byte| byte == b']').map(|end| end + 1),
        _ => text.iter().position(|&byte| byte == b':'),
    };
    text.split_at(host_end.unwrap_or(text.len()))
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Which bytes are unreserved characters (RFC 3986, section 2.3): all that a registered name may have here.
static UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

/// Nothing, or a colon and a number up to 65535, or a colon alone.
fn is_port(text: &[u8]) -> bool {
    let Some((colon, digits)) = text.split_first() else {
        return true;
    };
    if *colon != b':' || digits.len() > 5 {
        return false;
    }
    let mut port = 0u32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return false;
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    port <= 65_535
}
