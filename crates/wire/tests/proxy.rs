//! PROXY headers in literal bytes, and what holds for all of them.

use proptest::collection::vec;
use proptest::prelude::*;
use squall_wire::proxy::{
    Header, Limits, Origin, Parsed, Refused, Tlvs, Transport, V1_BYTES_MAX, Version, kind, parse,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// 203.0.113.9:51000 to 192.0.2.1:443.
const V4: &[u8] = &[203, 0, 113, 9, 192, 0, 2, 1, 0xc7, 0x38, 0x01, 0xbb];

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

fn read(input: &[u8]) -> Result<Parsed<'_>, Refused> {
    parse(input, &Limits::default())
}

fn complete(input: &[u8]) -> Header<'_> {
    match read(input) {
        Ok(Parsed::Complete(header)) => header,
        other => panic!("{other:?} of {input:?}"),
    }
}

fn refused(input: &[u8]) -> Refused {
    read(input).expect_err("it must be refused")
}

fn inet(source: &str, destination: &str, transport: Transport) -> Origin<'static> {
    Origin::Inet {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        transport,
    }
}

#[test]
fn version_1_in_literal_bytes() {
    let header = complete(b"PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\r\nGET / HTTP/1.1\r\n");
    assert_eq!((header.version, header.header_bytes), (Version::V1, 44));
    assert_eq!(
        header.origin,
        inet("203.0.113.9:51000", "192.0.2.1:443", Transport::Stream)
    );
    assert_eq!(
        complete(b"PROXY TCP6 2001:DB8::9 ::ffff:192.0.2.1 0 65535\r\n").origin,
        inet("[2001:db8::9]:0", "[::ffff:192.0.2.1]:65535", Transport::Stream)
    );
    for unknown in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN \xff any\tthing\r\n"] {
        let header = complete(unknown);
        assert_eq!(
            (header.origin, header.header_bytes),
            (Origin::Unknown, unknown.len())
        );
    }
}

#[test]
fn version_1_has_107_bytes_at_most() {
    let mut line = b"PROXY UNKNOWN ".to_vec();
    line.resize(V1_BYTES_MAX - 2, b'x');
    assert_eq!(
        complete(&[&line[..], b"\r\n"].concat()).header_bytes,
        V1_BYTES_MAX
    );
    line.push(b'x');
    assert!(refused(&[&line[..], b"\r\n"].concat()).is_too_long());
    assert_eq!(
        read(&line),
        Ok(Parsed::Partial),
        "106 bytes: the CRLF cannot come in time, but one byte can"
    );
    assert!(refused(&[&line[..], b"\r"].concat()).is_too_long());
}

#[test]
fn attack_version_1_without_crlf_for_ever_is_cut_at_107_bytes() {
    let endless = [&b"PROXY TCP4 "[..], &[b'1'; 10_000]].concat();
    for length in 1..V1_BYTES_MAX {
        assert_eq!(read(&endless[..length]), Ok(Parsed::Partial), "{length}");
    }
    assert!(refused(&endless[..V1_BYTES_MAX]).is_too_long());
    assert!(refused(&endless).is_too_long());
}

#[test]
fn version_1_that_can_be_read_in_two_ways_is_refused() {
    for line in [
        "PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\r \n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 51000\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 51000 443 x\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 51000 443 \r\n",
        "PROXY TCP4  203.0.113.9 192.0.2.1 51000 443\r\n",
        "PROXY TCP4 203.0.113.9\t192.0.2.1 51000 443\r\n",
        "PROXY TCP4 203.0.113.09 192.0.2.1 51000 443\r\n",
        "PROXY TCP4 203.0.113 192.0.2.1 51000 443\r\n",
        "PROXY TCP4 0xcb.0.113.9 192.0.2.1 51000 443\r\n",
        "PROXY TCP4 2001:db8::9 2001:db8::1 51000 443\r\n",
        "PROXY TCP6 203.0.113.9 192.0.2.1 51000 443\r\n",
        "PROXY TCP6 fe80::1%eth0 fe80::2 51000 443\r\n",
        "PROXY TCP6 2001:db8::9::1 2001:db8::1 51000 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 051000 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 65536 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 +1 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1 -1 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.1  443\r\n",
        "PROXY UDP4 203.0.113.9 192.0.2.1 51000 443\r\n",
        "PROXY tcp4 203.0.113.9 192.0.2.1 51000 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
    ] {
        let error = refused(line.as_bytes());
        assert!(!error.is_missing() && !error.is_too_long(), "{line:?}: {error}");
    }
}

#[test]
fn what_is_no_header_is_known_at_its_first_wrong_byte() {
    for other in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"POST / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PROXYTCP4",
        b"proxy TCP4",
        b"\x16\x03\x01\x02\x00\x01",
        b"\r\n\r\nGET",
        b"\r\n\r\n\0\r\nQUIT ",
        b"\0",
    ] {
        assert!(refused(other).is_missing(), "{other:?}");
    }
    assert_eq!(read(b""), Ok(Parsed::Partial));
    assert_eq!(read(b"P"), Ok(Parsed::Partial));
    assert_eq!(read(b"\r\n\r"), Ok(Parsed::Partial));
    assert!(refused(b"PO").is_missing());
}

#[test]
fn version_2_in_literal_bytes() {
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc0\x00\x02\x01\xc7\x38\x01\xbbGET /";
    let read = complete(header);
    assert_eq!((read.version, read.header_bytes), (Version::V2, 28));
    assert_eq!(
        read.origin,
        inet("203.0.113.9:51000", "192.0.2.1:443", Transport::Stream)
    );
    assert!(read.tlvs.is_empty());
    assert_eq!(
        complete(&v2(0x21, 0x12, V4)).origin,
        inet("203.0.113.9:51000", "192.0.2.1:443", Transport::Datagram)
    );
    let mut block = [0; 36];
    (block[0], block[1], block[15]) = (0x20, 0x01, 9);
    (block[31], block[33], block[35]) = (1, 2, 3);
    assert_eq!(
        complete(&v2(0x21, 0x21, &block)).origin,
        inet("[2001::9]:2", "[::1]:3", Transport::Stream)
    );
    let mut block = [0; 216];
    block[..6].copy_from_slice(b"/run/a");
    block[108..113].copy_from_slice(b"\0name");
    assert_eq!(
        complete(&v2(0x21, 0x31, &block)).origin,
        Origin::Unix {
            source: b"/run/a",
            destination: b"\0name"
        }
    );
}

#[test]
fn local_and_unspecified_connections_name_nobody() {
    for block in [&b""[..], V4, b"\xff\xff\xff"] {
        for family in [0x00, 0x11, 0xff] {
            let input = v2(0x20, family, block);
            let header = complete(&input);
            assert_eq!((header.origin, header.header_bytes), (Origin::Local, input.len()));
            assert!(header.tlvs.is_empty(), "the block is ignored");
        }
    }
    let named = v2(0x21, 0x00, &tlv(kind::AUTHORITY, b"feed.example"));
    let header = complete(&named);
    assert_eq!(header.origin, Origin::Unknown);
    assert_eq!(header.tlvs.authority(), Some("feed.example"));
    assert_eq!(complete(&v2(0x21, 0x01, b"")).origin, Origin::Unknown);
}

#[test]
fn attack_version_2_with_lengths_that_do_not_add_up() {
    // Too short for the addresses of its family; known before they come.
    for (family, bytes) in [(0x11, 11), (0x21, 35), (0x31, 215)] {
        let short = v2(0x21, family, &vec![0; bytes]);
        assert!(!refused(&short[..16]).is_missing());
        assert!(read(&v2(0x21, family, &vec![0; bytes + 1])).is_ok());
    }
    // A field longer than what is left, and one that is cut.
    for cut in [&[0xea, 0, 2, 1][..], &[0xea, 0], &[0xea], &[0xea, 0xff, 0xff]] {
        refused(&v2(0x21, 0x11, &[V4, cut].concat()));
    }
    // The same inside of the facts about TLS.
    for inner in [&[1, 0, 0, 0][..], &[1, 0, 0, 0, 0, 0x21, 0, 9, b'x']] {
        refused(&v2(0x21, 0x11, &[V4, &tlv(kind::SSL, inner)].concat()));
    }
}

#[test]
fn version_2_is_bounded_by_its_limit() {
    let limits = Limits { v2_bytes_max: 64 };
    let fill = |bytes: usize| v2(0x21, 0x11, &[V4, &tlv(kind::NOOP, &vec![0; bytes])].concat());
    let at = fill(64 - 16 - 12 - 3);
    assert_eq!(at.len(), 64);
    assert!(matches!(parse(&at, &limits), Ok(Parsed::Complete(_))));
    let past = fill(64 - 16 - 12 - 2);
    assert!(
        parse(&past[..16], &limits).unwrap_err().is_too_long(),
        "before it comes"
    );
    let most = [SIGNATURE, &[0x20, 0, 0xff, 0xff]].concat();
    assert!(refused(&most).is_too_long(), "a local one too");
    assert_eq!(
        parse(
            &most,
            &Limits {
                v2_bytes_max: usize::MAX
            }
        ),
        Ok(Parsed::Partial)
    );
}

#[test]
fn commands_families_and_versions_of_nobody_are_refused() {
    for command in [0x22, 0x2f, 0x11, 0x31, 0x00, 0xff] {
        assert!(!refused(&v2(command, 0x11, V4)).is_missing(), "{command:#x}");
    }
    for family in [0x13, 0x1f, 0x41, 0xf1, 0x10, 0x20, 0x30, 0x03] {
        assert!(!refused(&v2(0x21, family, V4)).is_missing(), "{family:#x}");
    }
}

#[test]
fn fields_are_given_out() {
    let ssl = [
        &[0x03, 0, 0, 0, 0][..],
        &tlv(kind::SSL_VERSION, b"TLSv1.3"),
        &tlv(kind::SSL_CN, b"client.example"),
        &tlv(kind::SSL_CIPHER, b"TLS_AES_128_GCM_SHA256"),
    ]
    .concat();
    let block = [
        V4,
        &tlv(kind::ALPN, b"h2"),
        &tlv(kind::AUTHORITY, b"feed.example"),
        &tlv(kind::NOOP, b"\0\0"),
        &tlv(kind::NOOP, b""),
        &tlv(kind::UNIQUE_ID, b"id-1"),
        &tlv(kind::SSL, &ssl),
        &tlv(0xea, b"\x01vpce-1"),
    ]
    .concat();
    let input = v2(0x21, 0x11, &block);
    let tlvs = complete(&input).tlvs;
    assert_eq!(tlvs.alpn(), Some(&b"h2"[..]));
    assert_eq!(tlvs.authority(), Some("feed.example"));
    assert_eq!(tlvs.unique_id(), Some(&b"id-1"[..]));
    assert_eq!(tlvs.get(0xea), Some(&b"\x01vpce-1"[..]));
    assert_eq!(tlvs.get(kind::NETNS), None);
    let facts = tlvs.ssl().unwrap();
    assert!(facts.is_tls() && facts.is_client_verified());
    assert_eq!(facts.version(), Some("TLSv1.3"));
    assert_eq!(facts.common_name(), Some("client.example"));
    assert_eq!(facts.cipher(), Some("TLS_AES_128_GCM_SHA256"));
    assert_eq!(Tlvs::parse(tlvs.as_bytes()), Ok(tlvs));
}

#[test]
fn a_certificate_that_was_not_good_verifies_nobody() {
    let facts = |client: u8, verify: u32| {
        let value = [&[client][..], &verify.to_be_bytes()].concat();
        let input = v2(0x21, 0x11, &[V4, &tlv(kind::SSL, &value)].concat());
        let facts = complete(&input).tlvs.ssl().unwrap();
        (facts.is_tls(), facts.is_client_verified())
    };
    assert_eq!(facts(0x01, 0), (true, false), "TLS without a certificate");
    assert_eq!(facts(0x03, 1), (true, false), "one that failed");
    assert_eq!(facts(0x05, 0), (true, true), "one of the resumed session");
    assert_eq!(facts(0x00, 0), (false, false));
}

#[test]
fn the_checksum_is_held_against_the_bytes() {
    let sound = v2(
        0x21,
        0x11,
        &[V4, &tlv(kind::CRC32C, &CHECKSUM.to_be_bytes())].concat(),
    );
    assert!(matches!(read(&sound), Ok(Parsed::Complete(_))));
    for at in 16..sound.len() {
        let mut broken = sound.clone();
        broken[at] ^= 1;
        assert!(read(&broken).is_err(), "byte {at}");
    }
    let mut broken = sound;
    broken[16] ^= 1;
    assert!(refused(&broken).is_checksum());
    let short = v2(0x21, 0x11, &[V4, &tlv(kind::CRC32C, &[0; 3])].concat());
    assert!(!refused(&short).is_checksum());
}

/// That of a header with [`V4`] and nothing but the checksum itself, computed by another program.
const CHECKSUM: u32 = 0xcd48_4aee;

#[test]
fn known_fields_are_checked_and_come_once() {
    for (kind, value) in [
        (kind::AUTHORITY, &b"\xff"[..]),
        (kind::AUTHORITY, b"a\nb"),
        (kind::NETNS, b"\0"),
        (kind::UNIQUE_ID, &[0; 129]),
        (kind::CRC32C, b""),
    ] {
        refused(&v2(0x21, 0x11, &[V4, &tlv(kind, value)].concat()));
    }
    assert!(read(&v2(0x21, 0x11, &[V4, &tlv(kind::UNIQUE_ID, &[0; 128])].concat())).is_ok());
    for kind in [kind::ALPN, kind::AUTHORITY, kind::UNIQUE_ID, kind::NETNS] {
        refused(&v2(
            0x21,
            0x11,
            &[V4, &tlv(kind, b"a"), &tlv(kind, b"b")].concat(),
        ));
    }
    let own = [V4, &tlv(0xee, b"a"), &tlv(0xee, b"b")].concat();
    assert_eq!(complete(&v2(0x21, 0x11, &own)).tlvs.get(0xee), Some(&b"a"[..]));
}

#[test]
fn errors_say_what_is_wrong_and_nothing_of_the_input() {
    assert_eq!(
        refused(b"GET /secret").to_string(),
        "no PROXY header where one must be"
    );
    assert_eq!(
        refused(b"PROXY TCP4 secret 192.0.2.1 1 2\r\n").to_string(),
        "a malformed PROXY header: an address of its family is none"
    );
}

/// Bytes that begin like a header and go on as an attacker may like.
fn nearly_a_header() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop::sample::select(vec![
        b"PROXY TCP4 203.0.113.9 192.0.2.1 51000 443\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        v2(
            0x21,
            0x11,
            &[V4, &tlv(0x01, b"h2"), &tlv(0x20, &[1, 0, 0, 0, 0])].concat(),
        ),
        v2(0x21, 0x21, &[7; 60]),
        v2(0x20, 0, b"abc"),
    ]);
    (
        begin,
        any::<prop::sample::Index>(),
        0..3_usize,
        vec(any::<u8>(), 0..4),
    )
        .prop_map(|(begin, at, cut, put)| {
            let at = at.index(begin.len());
            let end = (at + cut).min(begin.len());
            [&begin[..at], &put, &begin[end..]].concat()
        })
}

proptest! {
    /// However few bytes are there, they are read as the whole will be, or more are asked for.
    #[test]
    fn a_beginning_never_says_another_thing_than_the_whole(input in nearly_a_header()) {
        let whole = read(&input);
        for length in 0..input.len() {
            match (read(&input[..length]), &whole) {
                (Ok(Parsed::Partial), _) | (Err(_), Err(_)) => {}
                (beginning, whole) => prop_assert_eq!(&beginning, whole),
            }
        }
        if let Ok(Parsed::Complete(header)) = whole {
            prop_assert!(header.header_bytes <= input.len());
            prop_assert_eq!(Tlvs::parse(header.tlvs.as_bytes()), Ok(header.tlvs));
        }
    }

    #[test]
    fn every_address_is_read_as_it_was_written(source: std::net::SocketAddr, port: u16) {
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {} {} {} {port}\r\n", source.ip(), source.ip(), source.port());
        let want = Origin::Inet {
            source: std::net::SocketAddr::new(source.ip(), source.port()),
            destination: std::net::SocketAddr::new(source.ip(), port),
            transport: Transport::Stream,
        };
        prop_assert!(line.len() <= V1_BYTES_MAX);
        prop_assert_eq!(complete(line.as_bytes()).origin, want);
        let (code, octets) = match source.ip() {
            std::net::IpAddr::V4(ip) => (0x11, ip.octets().to_vec()),
            std::net::IpAddr::V6(ip) => (0x21, ip.octets().to_vec()),
        };
        let block = [&octets[..], &octets, &source.port().to_be_bytes(), &port.to_be_bytes()].concat();
        let binary = v2(0x21, code, &block);
        prop_assert_eq!(complete(&binary).origin, want);
    }

    #[test]
    fn no_bytes_make_it_panic(input in vec(any::<u8>(), 0..300)) {
        let _ = read(&input);
        let _ = read(&[SIGNATURE, &input].concat());
        let _ = Tlvs::parse(&input);
    }
}
