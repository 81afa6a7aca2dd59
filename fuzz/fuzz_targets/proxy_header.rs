//! PROXY headers: nothing panics, prefixes agree with the whole, no limit is passed, what is kept reads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_wire::proxy::{Limits, Origin, Parsed, Tlvs, V1_BYTES_MAX, Version, parse};

const LIMITS: Limits = Limits { v2_bytes_max: 1024 };

fuzz_target!(|data: &[u8]| {
    let whole = parse(data, &LIMITS);
    if let Ok(Parsed::Complete(header)) = &whole {
        assert!(header.header_bytes <= data.len());
        match header.version {
            Version::V1 => {
                assert!(header.header_bytes <= V1_BYTES_MAX && data[..header.header_bytes].ends_with(b"\r\n"));
                assert!(header.tlvs.is_empty());
            }
            Version::V2 => assert!(header.header_bytes <= LIMITS.v2_bytes_max),
        }
        if let Origin::Unix { source, destination } = header.origin {
            assert!(source.len() <= 108 && destination.len() <= 108);
        }
        let kept = Tlvs::parse(header.tlvs.as_bytes()).expect("what was read reads again");
        assert_eq!(kept, header.tlvs);
        let bytes: usize = kept.iter().map(|(_, value)| 3 + value.len()).sum();
        assert_eq!(bytes, kept.as_bytes().len());
        let _ = (kept.alpn(), kept.authority(), kept.unique_id());
        if let Some(ssl) = kept.ssl() {
            let _ = (ssl.is_client_verified(), ssl.version(), ssl.common_name(), ssl.cipher());
        }
    }
    for length in 0..data.len().min(1100) {
        match (parse(&data[..length], &LIMITS), &whole) {
            (Ok(Parsed::Partial), _) | (Err(_), Err(_)) => {}
            (Ok(Parsed::Complete(prefix)), Ok(Parsed::Complete(whole))) => assert_eq!(&prefix, whole),
            (prefix, whole) => panic!("{length} bytes gave {prefix:?}, all gave {whole:?}"),
        }
    }
});
