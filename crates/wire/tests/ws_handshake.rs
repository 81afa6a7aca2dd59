//! WebSocket handshakes, both ways.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};
use squall_wire::h1::{HeadLimits, Parsed, parse_head};
use squall_wire::ws::{
    Accept, PROTOCOLS_MAX, UpgradeError, check_response, check_upgrade, client_key, encode_client_request,
};

/// The request of RFC 6455, section 1.3, with some fields replaced (`None` for left out) or added.
fn check(changes: &[(&'static str, Option<&str>)]) -> Result<Accept, UpgradeError> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "server.example.com"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ] {
        if !changes.iter().any(|(changed, _)| *changed == name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    for (name, value) in changes {
        if let Some(value) = value {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
    }
    check_upgrade(&Method::GET, Version::HTTP_11, &headers)
}

#[track_caller]
fn refuse(status: u16, changes: &[(&'static str, Option<&str>)]) -> HeaderMap {
    let error = check(changes).expect_err("no handshake");
    assert_eq!(error.status().as_u16(), status, "{error}");
    assert!(!error.reason().is_empty());
    error.fields()
}

#[test]
fn the_example_of_the_rfc() {
    let accept = check(&[("sec-websocket-protocol", Some("chat, superchat"))]).unwrap();
    assert_eq!(accept.accept.as_ref(), Some(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(accept.protocols, ["chat", "superchat"]);
    assert_eq!(accept.select(&["superchat", "other"]), Some("superchat"));
    assert_eq!(
        accept.select(&["superchat", "chat"]),
        Some("chat"),
        "the client's order"
    );
    assert_eq!(accept.select(&["other"]), None);

    let fields = accept.response_fields(Some("chat"));
    assert_eq!(fields["upgrade"], "websocket");
    assert_eq!(fields["connection"], "Upgrade");
    assert_eq!(fields["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(fields["sec-websocket-protocol"], "chat");
    assert!(
        !accept
            .response_fields(Some("other"))
            .contains_key("sec-websocket-protocol"),
        "it was not offered"
    );
    assert!(
        !accept
            .response_fields(None)
            .contains_key("sec-websocket-protocol")
    );
}

#[test]
fn fields_in_other_spellings() {
    check(&[
        ("upgrade", Some("WebSocket")),
        ("connection", Some("keep-alive, UPGRADE")),
    ])
    .unwrap();
    check(&[("upgrade", Some("h2c, websocket"))]).unwrap();
    check(&[
        ("connection", Some("keep-alive")),
        ("connection", Some("upgrade")),
    ])
    .unwrap();
    check(&[("content-length", Some("0"))]).unwrap();
    check(&[(
        "sec-websocket-extensions",
        Some("permessage-deflate; client_max_window_bits"),
    )])
    .unwrap();
}

#[test]
fn requests_that_are_no_handshake() {
    assert_eq!(refuse(426, &[("upgrade", None)])["upgrade"], "websocket");
    assert_eq!(refuse(426, &[("upgrade", Some("h2c"))])["connection"], "upgrade");
    refuse(400, &[("connection", None)]);
    refuse(400, &[("connection", Some("close"))]);
    refuse(400, &[("sec-websocket-version", None)]);
    for version in ["12", "8", "013", "13, 8", "", "x"] {
        assert_eq!(
            refuse(426, &[("sec-websocket-version", Some(version))])["sec-websocket-version"],
            "13"
        );
    }
    refuse(
        400,
        &[
            ("sec-websocket-version", Some("13")),
            ("sec-websocket-version", Some("13")),
        ],
    );
    refuse(400, &[("content-length", Some("5"))]);
    refuse(400, &[("transfer-encoding", Some("chunked"))]);

    let error = check_upgrade(&Method::POST, Version::HTTP_11, &HeaderMap::new()).unwrap_err();
    assert_eq!(
        (error.status().as_u16(), &error.fields()["allow"]),
        (405, &HeaderValue::from_static("GET"))
    );
    let error = check_upgrade(&Method::GET, Version::HTTP_10, &HeaderMap::new()).unwrap_err();
    assert_eq!(error.status(), 400);
}

#[test]
fn keys() {
    refuse(400, &[("sec-websocket-key", None)]);
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    refuse(
        400,
        &[("sec-websocket-key", Some(key)), ("sec-websocket-key", Some(key))],
    );
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZXh4",
        "dGhlIHNhbXBsZSBub25j!Q==",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQAAAAAA",
    ] {
        refuse(400, &[("sec-websocket-key", Some(key))]);
    }
    // Bits set after the last byte: some clients send them.
    check(&[("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZR=="))]).unwrap();
}

#[test]
fn protocols() {
    fn protocols(value: &str) -> Result<Accept, UpgradeError> {
        check(&[("sec-websocket-protocol", Some(value))])
    }
    assert_eq!(protocols("v1.a-b ,\tC").unwrap().protocols, ["v1.a-b", "C"]);
    for value in ["", "a,", ",a", "a b", "a, a", "a/b", "\"a\"", "caf\u{e9}"] {
        refuse(400, &[("sec-websocket-protocol", Some(value))]);
    }
    refuse(
        400,
        &[
            ("sec-websocket-protocol", Some("a")),
            ("sec-websocket-protocol", Some("a")),
        ],
    );

    let offer = |count: usize| {
        (0..count)
            .map(|number| format!("p{number}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(
        protocols(&offer(PROTOCOLS_MAX)).unwrap().protocols.len(),
        PROTOCOLS_MAX
    );
    assert_eq!(protocols(&offer(PROTOCOLS_MAX + 1)).unwrap_err().status(), 400);
}

#[test]
fn a_client_and_a_server_agree() {
    let key = client_key(*b"the sample nonce");
    assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
    let mut request = Vec::new();
    let mut fields = HeaderMap::new();
    fields.insert("sec-websocket-protocol", HeaderValue::from_static("chat"));
    encode_client_request("/ws?x=1", "a.example:80", &key, &fields, &mut request);
    let parsed = parse_head(
        &Bytes::from(request),
        &HeadLimits::default(),
        &mut HeaderMap::new(),
    );
    let Ok(Parsed::Complete(head)) = parsed else {
        panic!("a head")
    };
    assert_eq!(head.uri, "/ws?x=1");
    let accept = check_upgrade(&head.method, head.version, &head.headers).unwrap();
    let answer = accept.response_fields(Some("chat"));
    assert_eq!(
        check_response(StatusCode::SWITCHING_PROTOCOLS, &answer, &key, &["chat"]),
        Ok(Some("chat"))
    );
}

#[test]
fn answers_that_open_nothing() {
    let key = client_key([7; 16]);
    let good = check(&[("sec-websocket-key", Some(std::str::from_utf8(&key).unwrap()))])
        .unwrap()
        .response_fields(None);
    let check = |status, headers: &HeaderMap| check_response(status, headers, &key, &[]).map(drop);
    let switching = StatusCode::SWITCHING_PROTOCOLS;
    check(switching, &good).unwrap();
    check(StatusCode::OK, &good).unwrap_err();
    check_response(switching, &good, &client_key([8; 16]), &[]).unwrap_err();
    for name in ["upgrade", "connection", "sec-websocket-accept"] {
        let mut headers = good.clone();
        headers.remove(name);
        check(switching, &headers).unwrap_err();
    }
    for name in ["sec-websocket-extensions", "sec-websocket-protocol"] {
        let mut headers = good.clone();
        headers.insert(name, HeaderValue::from_static("x"));
        check(switching, &headers).unwrap_err();
    }
}
