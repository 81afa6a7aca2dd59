//! Version 1: one line, `PROXY TCP4 203.0.113.9 192.0.2.1 51000 443`, of at most 107 bytes (section 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Header, Origin, Parsed, Refused, Tlvs, Transport, V1_BYTES_MAX, Version, is_on_the_way};

const PREFIX: &[u8] = b"PROXY ";

pub(super) fn parse(input: &[u8]) -> Result<Parsed<'_>, Refused> {
    if !is_on_the_way(input, PREFIX) {
        return Err(Refused::MISSING);
    }
    let seen = &input[..input.len().min(V1_BYTES_MAX)];
    let Some(end) = memchr::memchr2(b'\r', b'\n', seen) else {
        return if seen.len() == V1_BYTES_MAX {
            Err(Refused::TOO_LONG)
        } else {
            Ok(Parsed::Partial)
        };
    };
    match (seen[end], seen.get(end + 1)) {
        (b'\r', Some(b'\n')) => {}
        (b'\r', None) if seen.len() < V1_BYTES_MAX => return Ok(Parsed::Partial),
        (b'\r', None) => return Err(Refused::TOO_LONG),
        _ => return Err(Refused::malformed("its line does not end with CRLF")),
    }
    let line = seen[..end].get(PREFIX.len()..).unwrap_or_default();
    Ok(Parsed::Complete(Header {
        header_bytes: end + 2,
        version: Version::V1,
        origin: origin(line)?,
        tlvs: Tlvs::default(),
    }))
}

/// What follows `PROXY `, without the line's end.
fn origin(line: &[u8]) -> Result<Origin<'_>, Refused> {
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        // "The receiver must ignore anything presented before the CRLF."
        return Ok(Origin::Unknown);
    }
    let text = std::str::from_utf8(line).map_err(|_| Refused::malformed("it is not text"))?;
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(Refused::malformed("something is missing"));
    let ip: fn(&str) -> Option<IpAddr> = match word()? {
        "TCP4" => |text| Ipv4Addr::from_str(text).ok().map(IpAddr::V4),
        "TCP6" => |text| Ipv6Addr::from_str(text).ok().map(IpAddr::V6),
        _ => return Err(Refused::malformed("neither TCP4 nor TCP6 nor UNKNOWN")),
    };
    let mut address = || ip(word()?).ok_or(Refused::malformed("an address of its family is none"));
    let (source, destination) = (address()?, address()?);
    let mut port = || port(word()?).ok_or(Refused::malformed("a port is none"));
    let (source, destination) = (
        SocketAddr::new(source, port()?),
        SocketAddr::new(destination, port()?),
    );
    if words.next().is_some() {
        return Err(Refused::malformed("something follows the ports"));
    }
    Ok(Origin::Inet {
        source,
        destination,
        transport: Transport::Stream,
    })
}

/// "A decimal integer in the range 0 to 65535 inclusive", without leading zeros, which some read as octal.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}
