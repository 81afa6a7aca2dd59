//! Request targets, with each method that gives them another form: what is taken is what was sent.
#![no_main]

use bytes::Bytes;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use squall_wire::h1::{HeadLimits, Parsed, parse_head};

fuzz_target!(|data: &[u8]| {
    let Some((method, target)) = data.split_first() else {
        return;
    };
    let method = ["GET", "OPTIONS", "CONNECT", "POST"][usize::from(method % 4)];
    let head = [
        method.as_bytes(),
        b" ",
        target,
        b" HTTP/1.1\r\nHost: other.example\r\n\r\n",
    ]
    .concat();
    let parsed = parse_head(
        &Bytes::from(head.clone()),
        &HeadLimits::default(),
        &mut HeaderMap::new(),
    );
    let Ok(Parsed::Complete(read)) = parsed else { return };
    // A target with a line's end in it is another head.
    if read.head_bytes != head.len() || read.headers.len() != 1 {
        return;
    }
    assert_eq!(read.method, method);
    assert!(target.iter().all(|byte| matches!(byte, b'!'..=b'~') && *byte != b'#'));
    let text = std::str::from_utf8(target).expect("visible ASCII");
    let host = read.headers["host"].to_str().expect("visible ASCII");
    match (method, target[0]) {
        ("CONNECT", _) => {
            assert_eq!(read.uri.authority().map(|authority| authority.as_str()), Some(text));
            assert!(read.uri.port_u16().is_some() && !text.contains('@'));
        }
        ("OPTIONS", b'*') => assert_eq!(text, "*"),
        (_, b'/') => {
            // Byte for byte: whoever compares paths sees what the peer sent.
            assert_eq!(read.uri.path_and_query().map(|path| path.as_str()), Some(text));
            assert_eq!((read.uri.authority(), host), (None, "other.example"));
        }
        _ => {
            let authority = read.uri.authority().expect("absolute-form").as_str();
            assert_eq!(authority, host);
            assert!(!authority.contains(['@', ',', '\\', '%']));
            assert!(matches!(read.uri.scheme_str(), Some("http" | "https")));
            assert!(read.uri.path().starts_with('/'));
        }
    }
});
