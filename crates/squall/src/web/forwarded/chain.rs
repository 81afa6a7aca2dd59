//! The chain of addresses that proxies have written, whatever the fields: who of them is the client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use squall_engine::Networks;

use super::{HOPS_MAX, Malformed};

/// One end of a connection, as a proxy wrote it (RFC 7239, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// An address, and perhaps a port.
    Ip(IpAddr, Option<u16>),
    /// `unknown`, or a name that says nothing to us.
    Hidden,
}

/// The client among the entries of a chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// How many entries stand to the right of the client's.
    pub(super) from_right: usize,
    pub(super) node: Node,
    /// The nearest address on the way to the client.
    pub(super) hop: Option<IpAddr>,
}

/// Goes from the right, through all that are trusted. The last is the client: the first that is not trusted, or hidden,
/// or the end of the chain. `None` for an empty chain.
///
/// # Errors
/// The chain is longer than any honest one, or has an entry that cannot be read where one must be.
pub(super) fn walk(
    entries_from_right: impl Iterator<Item = Result<Node, Malformed>>,
    trusted: &Networks,
) -> Result<Option<Found>, Malformed> {
    let mut found = None;
    let mut hop = None;
    for (from_right, node) in entries_from_right.enumerate() {
        if from_right == HOPS_MAX {
            return Err(Malformed("a chain of too many proxies"));
        }
        let node = node?;
        let client = Found {
            from_right,
            node,
            hop,
        };
        match node {
            Node::Ip(ip, _) if trusted.contains(ip) => {
                hop = Some(ip);
                found = Some(client);
            }
            Node::Ip(..) | Node::Hidden => return Ok(Some(client)),
        }
    }
    Ok(found)
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, and `2001:db8::1` if `bare_v6`.
pub(super) fn address(text: &str, bare_v6: bool) -> Option<(IpAddr, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        return Some((ip.parse::<Ipv6Addr>().ok()?.to_canonical(), after_colon(port)?));
    }
    if bare_v6 && let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some((ip.to_canonical(), None));
    }
    let colon = text.find(':').unwrap_or(text.len());
    let (ip, port) = text.split_at(colon);
    Some((ip.parse::<Ipv4Addr>().ok()?.into(), after_colon(port)?))
}

/// Nothing, or what follows a colon.
pub(super) fn after_colon(text: &str) -> Option<Option<&str>> {
    match text {
        "" => Some(None),
        _ => text.strip_prefix(':').map(Some),
    }
}

/// One to five digits, up to 65535.
pub(super) fn port(text: &str) -> Option<u16> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
