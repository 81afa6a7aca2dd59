//! What a header of version 2 says beside addresses: fields of a kind, a length and a value (section 2.2).

use super::Refused;

/// Kinds of fields. Those from `0xe0` on are the proxies' own: Amazon's `0xea`, Azure's `0xee`.
pub mod kind {
    /// The protocol that was chosen inside of TLS (`h2`, `http/1.1`).
    pub const ALPN: u8 = 0x01;
    /// The host name that the client asked for (SNI).
    pub const AUTHORITY: u8 = 0x02;
    /// The checksum of the whole header.
    pub const CRC32C: u8 = 0x03;
    /// Nothing: fills.
    pub const NOOP: u8 = 0x04;
    /// A name of this connection, of at most 128 bytes.
    pub const UNIQUE_ID: u8 = 0x05;
    /// Facts about TLS: [`super::Ssl`].
    pub const SSL: u8 = 0x20;
    /// Inside of [`SSL`]: the version, as text (`TLSv1.3`).
    pub const SSL_VERSION: u8 = 0x21;
    /// Inside of [`SSL`]: the common name of the client's certificate.
    pub const SSL_CN: u8 = 0x22;
    /// Inside of [`SSL`]: the cipher, as text.
    pub const SSL_CIPHER: u8 = 0x23;
    /// The name of the client's network namespace.
    pub const NETNS: u8 = 0x30;
}

/// Bytes of the longest [`kind::UNIQUE_ID`].
pub const UNIQUE_ID_BYTES_MAX: usize = 128;

/// The fields of a header, known to be well formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'a> {
    bytes: &'a [u8],
}

/// Where the checksum stands among the fields, and what it says.
pub(super) struct Checksum {
    pub(super) at: usize,
    pub(super) said: u32,
}

impl<'a> Tlvs<'a> {
    /// Reads fields that stand by themselves, as [`Tlvs::as_bytes`] gave them. A checksum among them is not compared.
    ///
    /// # Errors
    /// When lengths do not add up, a field that may come once comes twice, or a known field is not what it must be.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refused> {
        Self::parse_with_checksum(bytes).map(|(tlvs, _)| tlvs)
    }

    pub(super) fn parse_with_checksum(bytes: &'a [u8]) -> Result<(Self, Option<Checksum>), Refused> {
        let mut seen = 0_u64;
        let mut checksum = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((kind, value, after)) = split(rest) else {
                return Err(Refused::malformed("a field is longer than its header"));
            };
            if let known @ (kind::ALPN
            | kind::AUTHORITY
            | kind::CRC32C
            | kind::UNIQUE_ID
            | kind::SSL
            | kind::NETNS) = kind
            {
                // Two of them could be read in two ways.
                let bit = 1 << known;
                if seen & bit != 0 {
                    return Err(Refused::malformed("a field is repeated"));
                }
                seen |= bit;
                check(kind, value)?;
            }
            if kind == kind::CRC32C
                && let &[a, b, c, d] = value
            {
                checksum = Some(Checksum {
                    at: bytes.len() - after.len() - 4,
                    said: u32::from_be_bytes([a, b, c, d]),
                });
            }
            rest = after;
        }
        Ok((Tlvs { bytes }, checksum))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All of them as they came, to be kept and read again with [`Tlvs::parse`].
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Kind and value of each, in their order, fillers among them.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (kind, value, after) = split(rest)?;
            rest = after;
            Some((kind, value))
        })
    }

    /// The value of the first field of this kind.
    pub fn get(&self, kind: u8) -> Option<&'a [u8]> {
        self.iter()
            .find(|(have, _)| *have == kind)
            .map(|(_, value)| value)
    }

    /// The protocol inside of TLS.
    pub fn alpn(&self) -> Option<&'a [u8]> {
        self.get(kind::ALPN)
    }

    /// The host name that the client asked for (SNI).
    pub fn authority(&self) -> Option<&'a str> {
        self.get(kind::AUTHORITY).and_then(text)
    }

    /// The proxy's name for this connection: bytes, at most [`UNIQUE_ID_BYTES_MAX`].
    pub fn unique_id(&self) -> Option<&'a [u8]> {
        self.get(kind::UNIQUE_ID)
    }

    /// Facts about TLS between client and proxy.
    pub fn ssl(&self) -> Option<Ssl<'a>> {
        self.get(kind::SSL).and_then(Ssl::read)
    }
}

/// What the proxy says of TLS between it and the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ssl<'a> {
    client: u8,
    verify: u32,
    fields: Tlvs<'a>,
}

impl<'a> Ssl<'a> {
    fn read(value: &'a [u8]) -> Option<Self> {
        let (&[client, a, b, c, d], fields) = value.split_first_chunk::<5>()?;
        Some(Ssl {
            client,
            verify: u32::from_be_bytes([a, b, c, d]),
            fields: Tlvs { bytes: fields },
        })
    }

    /// Whether the client came over TLS at all.
    pub fn is_tls(&self) -> bool {
        self.client & 0x01 != 0
    }

    /// Whether the client showed a certificate, on this connection or on one whose session it resumed, and the proxy
    /// found it good.
    pub fn is_client_verified(&self) -> bool {
        self.client & 0x06 != 0 && self.verify == 0
    }

    /// The version of TLS: `TLSv1.3`.
    pub fn version(&self) -> Option<&'a str> {
        self.fields.get(kind::SSL_VERSION).and_then(text)
    }

    /// The common name of the client's certificate. Ask [`Ssl::is_client_verified`] before believing it.
    pub fn common_name(&self) -> Option<&'a str> {
        self.fields.get(kind::SSL_CN).and_then(text)
    }

    /// The cipher.
    pub fn cipher(&self) -> Option<&'a str> {
        self.fields.get(kind::SSL_CIPHER).and_then(text)
    }

    /// All fields about TLS.
    pub fn fields(&self) -> Tlvs<'a> {
        self.fields
    }
}

/// Kind, value, and what follows.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk::<3>()?;
    let (value, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, value, after))
}

/// Whether a known field is what it must be.
fn check(kind: u8, value: &[u8]) -> Result<(), Refused> {
    let sound = match kind {
        kind::CRC32C => value.len() == 4,
        kind::AUTHORITY | kind::NETNS => text(value).is_some(),
        kind::UNIQUE_ID => value.len() <= UNIQUE_ID_BYTES_MAX,
        kind::SSL => match Ssl::read(value) {
            Some(ssl) => ssl.fields.are_whole(),
            None => false,
        },
        _ => true,
    };
    if sound {
        Ok(())
    } else {
        Err(Refused::malformed("a field is not what it must be"))
    }
}

impl Tlvs<'_> {
    fn are_whole(&self) -> bool {
        let mut rest = self.bytes;
        while let Some((_, _, after)) = split(rest) {
            rest = after;
        }
        rest.is_empty()
    }
}

/// Text without control characters: it goes into logs.
fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}
