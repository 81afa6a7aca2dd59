//! `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`: lists to which each proxy appends, or single values that each sets.
//!
//! No standard says what they are. Read so: entries are counted from the right, since a proxy appends; a field with
//! fewer entries than the chain was set, and not appended to, by the proxies on the way.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use squall_engine::Networks;

use super::chain::{Found, Node, address, port, walk};
use super::{CHAIN_BYTES_MAX, ClientInfo, HOPS_MAX, Malformed, Scheme, X_FOR, X_HOST, X_PORT, X_PROTO};

/// Says who the client is, and leaves of the fields what is true.
pub(super) fn believe(
    fields: &mut HeaderMap,
    trusted: &Networks,
    (host, port): (bool, bool),
    info: &mut ClientInfo,
) -> Result<(), Malformed> {
    let entries = list(fields, &X_FOR)?;
    let found = walk(entries.iter().rev().map(|entry| node(entry)), trusted)?;
    let from_right = found.as_ref().map_or(0, |found| found.from_right);
    let true_part = found
        .as_ref()
        .map(|found| entries[entries.len() - 1 - found.from_right..].join(", "));
    if let Some(Found { node, hop, .. }) = found {
        info.forwarded = true;
        let peer = info.ip;
        (info.ip, info.port, info.hop) = match node {
            Node::Ip(ip, port) => (Some(ip), port, None),
            Node::Hidden => (None, None, hop.or(peer)),
        };
    }
    if let Some(text) = at(fields, &X_PROTO, from_right)? {
        info.scheme = Scheme::parse(&text).ok_or(Malformed("X-Forwarded-Proto is neither http nor https"))?;
        fields.insert(X_PROTO, HeaderValue::from_static(info.scheme.as_str()));
    }
    let said_port = match port
        .then(|| at(fields, &X_PORT, from_right))
        .transpose()?
        .flatten()
    {
        Some(text) => Some(self::port(&text).ok_or(Malformed("X-Forwarded-Port is no port"))?),
        None => None,
    };
    let said_host = host
        .then(|| at(fields, &X_HOST, from_right))
        .transpose()?
        .flatten();
    if let Some(host) = &said_host
        && !squall_engine::wire::h1::is_authority(host.as_bytes())
    {
        return Err(Malformed("X-Forwarded-Host is no host"));
    }
    if let Some(host) = said_host.or_else(|| info.host.as_deref().map(str::to_owned)) {
        info.set_host(&host, said_port);
    }
    match true_part.map(HeaderValue::try_from) {
        Some(Ok(value)) => drop(fields.insert(X_FOR, value)),
        Some(Err(_)) | None => drop(fields.remove(X_FOR)),
    }
    Ok(())
}

/// The entry that stands so far from the right, or the left-most.
fn at(fields: &HeaderMap, name: &HeaderName, from_right: usize) -> Result<Option<String>, Malformed> {
    let entries = list(fields, name)?;
    let last = entries.len().saturating_sub(1);
    Ok(entries.get(last.saturating_sub(from_right)).cloned())
}

/// All entries of a field, in their order; empty ones are none (RFC 9110, section 5.6.1). Only the last
/// [`HOPS_MAX`] and one more are kept: what stands before is not looked at.
fn list(fields: &HeaderMap, name: &HeaderName) -> Result<Vec<String>, Malformed> {
    let mut bytes = 0;
    let mut entries = Vec::new();
    for value in fields.get_all(name) {
        bytes += value.len();
        if bytes > CHAIN_BYTES_MAX {
            return Err(Malformed("a chain of too many bytes"));
        }
        // Bytes that are no text cannot be an address; what they cannot be is only asked if they are reached.
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let trimmed = text.split(',').map(|entry| entry.trim_matches([' ', '\t']));
        entries.extend(trimmed.filter(|entry| !entry.is_empty()).map(str::to_owned));
    }
    let before = entries.len().saturating_sub(HOPS_MAX + 1);
    Ok(entries.split_off(before))
}

/// As the field's many writers write addresses: IPv6 with and without brackets, with and without a port.
fn node(entry: &str) -> Result<Node, Malformed> {
    const NO_ADDRESS: Malformed = Malformed("X-Forwarded-For has an entry that is no address");
    if entry.eq_ignore_ascii_case("unknown") {
        return Ok(Node::Hidden);
    }
    let (ip, port_text) = address(entry, true).ok_or(NO_ADDRESS)?;
    match port_text {
        None => Ok(Node::Ip(ip, None)),
        Some(text) => Ok(Node::Ip(ip, Some(port(text).ok_or(NO_ADDRESS)?))),
    }
}
