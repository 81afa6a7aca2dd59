//! Version 2: a signature, a command, a family, a length, addresses and fields (section 2.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::tlv::Checksum;
use super::{
    Header, Limits, Origin, Parsed, Refused, Tlvs, Transport, V2_FIXED_BYTES, Version, crc32c, is_on_the_way,
};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of one `sun_path`.
const UNIX_BYTES: usize = 108;

/// The family byte of a connection without addresses.
const UNSPECIFIED: u8 = 0x00;

/// Which addresses stand in the block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Unspecified,
    V4,
    V6,
    Unix,
}

impl Family {
    fn address_bytes(self) -> usize {
        match self {
            Family::Unspecified => 0,
            Family::V4 => 2 * (4 + 2),
            Family::V6 => 2 * (16 + 2),
            Family::Unix => 2 * UNIX_BYTES,
        }
    }
}

pub(super) fn parse<'a>(input: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, Refused> {
    if !is_on_the_way(input, SIGNATURE) {
        return Err(Refused::MISSING);
    }
    // Each is looked at as soon as it is there.
    let is_local = match input.get(12) {
        None => return Ok(Parsed::Partial),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(0x20..=0x2f) => return Err(Refused::malformed("a command that is not in the specification")),
        Some(_) => return Err(Refused::malformed("a version other than 2 in a binary header")),
    };
    let Some(&family) = input.get(13) else {
        return Ok(Parsed::Partial);
    };
    // "The receiver must accept this connection as valid and must use the real connection endpoints and discard the
    // protocol block including the family which is ignored."
    let family = if is_local { UNSPECIFIED } else { family };
    let Some((family, transport)) = read_family(family) else {
        return Err(Refused::malformed(
            "a family or transport that is not in the specification",
        ));
    };
    let &[high, low] = input.get(14..V2_FIXED_BYTES).unwrap_or_default() else {
        return Ok(Parsed::Partial);
    };
    let header_bytes = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if header_bytes > limits.v2_bytes_max {
        return Err(Refused::TOO_LONG);
    }
    if header_bytes < V2_FIXED_BYTES + family.address_bytes() {
        return Err(Refused::malformed("its length is too short for its addresses"));
    }
    let Some(header) = input.get(..header_bytes) else {
        return Ok(Parsed::Partial);
    };
    let (origin, tlvs) = if is_local {
        (Origin::Local, Tlvs::default())
    } else {
        read_block(header, family, transport)?
    };
    Ok(Parsed::Complete(Header {
        header_bytes,
        version: Version::V2,
        origin,
        tlvs,
    }))
}

/// "Other values are unspecified and must not be emitted [...] must be rejected as invalid by receivers."
fn read_family(byte: u8) -> Option<(Family, Transport)> {
    let family = match byte >> 4 {
        0 => Family::Unspecified,
        1 => Family::V4,
        2 => Family::V6,
        3 => Family::Unix,
        _ => return None,
    };
    match byte & 15 {
        // Addresses of an unspecified transport say as little as no addresses.
        0 => Some((Family::Unspecified, Transport::Stream)).filter(|_| family == Family::Unspecified),
        1 => Some((family, Transport::Stream)),
        2 => Some((family, Transport::Datagram)),
        _ => None,
    }
}

/// Addresses and fields of a header that is there whole.
fn read_block(
    header: &[u8],
    family: Family,
    transport: Transport,
) -> Result<(Origin<'_>, Tlvs<'_>), Refused> {
    let (fixed_and_addresses, fields) = header.split_at(V2_FIXED_BYTES + family.address_bytes());
    let (tlvs, checksum) = Tlvs::parse_with_checksum(fields)?;
    if let Some(Checksum { at, said }) = checksum
        && crc32c::with_zeros_at(header, fixed_and_addresses.len() + at) != said
    {
        return Err(Refused::CHECKSUM);
    }
    let block = &fixed_and_addresses[V2_FIXED_BYTES..];
    let origin = match family {
        Family::Unspecified => Origin::Unknown,
        Family::V4 => inet(block, transport, |octets: [u8; 4]| Ipv4Addr::from(octets).into()),
        Family::V6 => inet(block, transport, |octets: [u8; 16]| Ipv6Addr::from(octets).into()),
        Family::Unix => {
            let (source, destination) = block.split_at(UNIX_BYTES);
            Origin::Unix {
                source: without_zeros(source),
                destination: without_zeros(destination),
            }
        }
    };
    Ok((origin, tlvs))
}

/// Source, destination, source port, destination port; the caller has seen that they are all there.
fn inet<const N: usize>(
    block: &[u8],
    transport: Transport,
    ip: fn([u8; N]) -> std::net::IpAddr,
) -> Origin<'static> {
    let address = |which: usize| {
        let mut octets = [0; N];
        octets.copy_from_slice(&block[which * N..][..N]);
        let port = &block[2 * N + 2 * which..][..2];
        SocketAddr::new(ip(octets), u16::from_be_bytes([port[0], port[1]]))
    };
    Origin::Inet {
        source: address(0),
        destination: address(1),
        transport,
    }
}

/// Zeros at the end of a `sun_path` are no part of it; one at the beginning marks an abstract name.
fn without_zeros(path: &[u8]) -> &[u8] {
    let end = path
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    &path[..end]
}
