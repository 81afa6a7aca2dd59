//! WebSocket handshakes: a head that was read is accepted or refused, and a client takes what we answer.
#![no_main]

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use libfuzzer_sys::fuzz_target;
use squall_wire::h1::{HeadLimits, Parsed, parse_head};
use squall_wire::ws::{
    DeflateLimits, DeflateRequest, PROTOCOLS_MAX, WINDOW_BITS_MIN, check_deflate_response, check_response,
    check_upgrade,
};

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    let Ok(Parsed::Complete(head)) = parse_head(&input, &HeadLimits::default(), &mut HeaderMap::new()) else {
        return;
    };
    match check_upgrade(&head.method, head.version, &head.headers) {
        Ok(accept) => {
            assert!(accept.protocols.len() <= PROTOCOLS_MAX);
            let key: [u8; 24] = head.headers["sec-websocket-key"]
                .as_bytes()
                .try_into()
                .expect("24 characters");
            let chosen = accept.protocols.first().map(String::as_str);
            let answer = accept.response_fields(chosen);
            let offered: Vec<&str> = accept.protocols.iter().map(String::as_str).collect();
            assert_eq!(
                check_response(StatusCode::SWITCHING_PROTOCOLS, &answer, &key, &offered),
                Ok(chosen)
            );
            let limits = DeflateLimits {
                context_takeover: data.len() % 2 == 0,
                window_bits_max: (data.len() % 20) as u8,
                ..DeflateLimits::default()
            };
            if let Some((ours, field)) = accept.deflate.and_then(|offer| offer.agree(&limits)) {
                let mut answer = answer;
                answer.insert("sec-websocket-extensions", field);
                let status = StatusCode::SWITCHING_PROTOCOLS;
                let request = DeflateRequest::default();
                let checked = check_deflate_response(status, &answer, &key, &offered, &request);
                match checked {
                    Ok((_, theirs)) => {
                        let theirs = theirs.expect("agreed");
                        assert_eq!(theirs.server_takeover, ours.server_takeover);
                        assert_eq!(theirs.client_takeover, ours.client_takeover);
                        assert_eq!(theirs.server_window_bits, ours.server_window_bits);
                    }
                    // A client that said 8 must be able to; ours is not.
                    Err(_) => assert!(ours.client_window_bits < WINDOW_BITS_MIN),
                }
            }
        }
        Err(error) => {
            assert!([400, 405, 426].contains(&error.status().as_u16()));
            let _ = error.fields();
        }
    }
});
