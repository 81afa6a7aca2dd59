//! Request heads: nothing panics, prefixes agree with the whole, and another parser reads the same.
#![no_main]

use bytes::Bytes;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use squall_wire::h1::{HeadLimits, Parsed, parse_head};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 2048,
    target_bytes_max: 512,
    fields_max: 64,
};

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    let whole = parse_head(&input, &LIMITS, &mut HeaderMap::new());
    if let Ok(Parsed::Complete(head)) = &whole {
        let text = &data[..head.head_bytes];
        assert!(head.head_bytes <= LIMITS.head_bytes_max);
        assert!(head.headers.len() <= LIMITS.fields_max + 1);
        assert!(text.ends_with(b"\r\n\r\n"));
        for (at, byte) in text.iter().enumerate() {
            assert_eq!(*byte == b'\n', at > 0 && text[at - 1] == b'\r');
            assert_ne!(*byte, 0);
        }
        assert!(
            !(head.headers.contains_key("content-length") && head.headers.contains_key("transfer-encoding"))
        );
        assert!(head.headers.get_all("host").iter().count() <= 1);

        // httparse knows no other minor versions.
        let line = text
            .strip_prefix(b"\r\n")
            .unwrap_or(text)
            .split(|&byte| byte == b'\r')
            .next()
            .unwrap_or_default();
        if !line.ends_with(b"HTTP/1.1") && !line.ends_with(b"HTTP/1.0") {
            return;
        }
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        assert_eq!(
            request.parse(data),
            Ok(httparse::Status::Complete(head.head_bytes))
        );
        assert_eq!(request.method, Some(head.method.as_str()));
        for field in request.headers {
            let mut values = head.headers.get_all(field.name).iter();
            let replaced = field.name.eq_ignore_ascii_case("host") && head.uri.authority().is_some();
            assert!(replaced || values.any(|value| value.as_bytes() == field.value));
        }
    }
    for length in 0..data.len().min(300) {
        match (
            parse_head(&input.slice(..length), &LIMITS, &mut HeaderMap::new()),
            &whole,
        ) {
            (Ok(Parsed::Partial), _) | (Err(_), Err(_)) => {}
            (Ok(Parsed::Complete(prefix)), Ok(Parsed::Complete(whole))) => {
                assert_eq!(prefix.head_bytes, whole.head_bytes);
            }
            (prefix, whole) => panic!("{length} bytes gave {prefix:?}, all gave {whole:?}"),
        }
    }
});
