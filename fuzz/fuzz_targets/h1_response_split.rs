//! Response heads: whatever the fields hold, a reader sees one head with the fields that were set.
#![no_main]

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use libfuzzer_sys::fuzz_target;
use squall_wire::h1::{BodyFraming, ResponseHead, ResponseLength, encode_head};

fuzz_target!(|data: &[u8]| {
    let [status_high, status_low, flags, fields @ ..] = data else {
        return;
    };
    let Ok(status) = StatusCode::from_u16(u16::from_be_bytes([*status_high, *status_low])) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for field in fields.split(|&byte| byte == 0).take(50) {
        let (name, value) =
            field.split_at(field.iter().position(|&byte| byte == b':').unwrap_or(field.len()));
        let value = HeaderValue::from_bytes(value.strip_prefix(b":").unwrap_or(value));
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    let head = ResponseHead {
        status,
        headers: &headers,
        length: match flags & 3 {
            0 => ResponseLength::Exact(0),
            1 => ResponseLength::Exact(u64::from(*flags)),
            2 => ResponseLength::Unknown,
            _ => ResponseLength::UntilClose,
        },
        request_version: if flags & 4 == 0 {
            Version::HTTP_11
        } else {
            Version::HTTP_10
        },
        head_request: flags & 8 == 0,
        keep_alive: flags & 16 == 0,
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
    };
    let mut out = Vec::new();
    let framing = encode_head(&head, &mut out)
        .expect("values that HeaderValue takes can be sent")
        .framing;

    let mut parsed = [httparse::EMPTY_HEADER; 60];
    let mut response = httparse::Response::new(&mut parsed);
    assert_eq!(response.parse(&out), Ok(httparse::Status::Complete(out.len())));
    assert_eq!(response.code, Some(status.as_u16()));
    let has = |name: &str| response.headers.iter().filter(|field| field.name == name).count();
    assert!(has("date") >= 1);
    if status != StatusCode::SWITCHING_PROTOCOLS {
        assert!(has("connection") <= 1);
    }
    let lengths = (has("content-length"), has("transfer-encoding"));
    match framing {
        BodyFraming::None => assert!(lengths.0 <= 1 && lengths.1 == 0),
        BodyFraming::Exact(_) => assert_eq!(lengths, (1, 0)),
        BodyFraming::Chunked => assert_eq!(lengths, (0, 1)),
        BodyFraming::UntilClose => assert_eq!((lengths, has("connection")), ((0, 0), 1)),
    }
    for field in response.headers.iter() {
        let ours = ["date", "connection", "content-length", "transfer-encoding"].contains(&field.name);
        let mut values = headers.get_all(field.name).iter();
        assert!(ours || values.any(|value| value.as_bytes().trim_ascii() == field.value.trim_ascii()));
    }
});
