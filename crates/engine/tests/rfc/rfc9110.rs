//! RFC 9110, HTTP semantics: what methods, statuses and fields oblige a server to.

use super::answers::statuses;
use super::{LAST, SMUGGLED, accepted, read_answers, refused, serve, talk, talk_head};
use crate::common::Client;

#[test]
fn rfc9110_section_5_1_a_field_name_is_a_token() {
    let server = serve();
    for name in [
        "", "X(", "X)", "X/", "X@", "X[", "\"X\"", "X{", "X=", "X;", "X\\", "X\x7f", "X\0", "\u{e9}", "X Y",
    ] {
        refused(
            &server,
            400,
            format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: y\r\n\r\n"),
        );
    }
}

#[test]
fn rfc9110_section_5_3_repeated_fields_keep_their_order() {
    let server = serve();
    accepted(
        &server,
        "1|2, 3|4",
        "GET /x HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: z\r\nx: 2, 3\r\nX: 4\r\n\r\n",
    );
    let answers = talk(
        &server,
        "GET /fields/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    let numbers: Vec<_> = answers[0]
        .fields
        .iter()
        .filter(|(name, _)| name == "x-number")
        .collect();
    let values: Vec<_> = numbers.iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(values, [b"0", b"1", b"2"]);
}

#[test]
fn rfc9110_section_5_5_control_characters_in_values_are_refused() {
    let server = serve();
    for byte in (0..0x20)
        .filter(|byte| *byte != b'\t' && *byte != b'\r' && *byte != b'\n')
        .chain([0x7f])
    {
        let byte = char::from(byte);
        refused(
            &server,
            400,
            format!("GET /x HTTP/1.1\r\nHost: a\r\nX: b{byte}c\r\n\r\n"),
        );
    }
    accepted(&server, "b\tc", "GET /x HTTP/1.1\r\nHost: a\r\nX: b\tc\r\n\r\n");
}

#[test]
fn rfc9110_section_5_4_too_many_and_too_long_fields_are_431() {
    let server = serve();
    let fields = |count: usize| {
        format!(
            "GET /last HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count - 1)
        )
    };
    accepted(&server, "last", fields(100));
    refused(&server, 431, fields(101));
    refused(
        &server,
        431,
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "y".repeat(64 * 1024)
        ),
    );
}

#[test]
fn rfc9110_section_6_5_trailers_are_sent_behind_their_body() {
    let server = serve();
    for te in ["", "TE: trailers\r\nConnection: TE\r\n"] {
        let answers = talk(
            &server,
            format!("GET /trailers HTTP/1.1\r\nHost: a\r\n{te}\r\n{LAST}"),
        );
        assert_eq!(statuses(&answers), [200, 200]);
        assert_eq!(answers[0].text(), "ab");
        assert_eq!(answers[0].trailers, [("x-sum".to_owned(), b"7".to_vec())]);
    }
}

#[test]
fn rfc9110_section_6_6_1_every_answer_has_one_date() {
    let server = serve();
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /status/304 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /status/204 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /status/503 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "BAD\r\n\r\n",
    ] {
        let answers = talk(&server, request);
        let date = answers[0].field("date").expect("a date");
        // IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
        let shape: String = date
            .chars()
            .map(|c| match c {
                'A'..='Z' => 'A',
                'a'..='z' => 'a',
                '0'..='9' => '0',
                other => other,
            })
            .collect();
        assert_eq!(shape, "Aaa, 00 Aaa 0000 00:00:00 AAA", "{request:?}: {date}");
    }
}

#[test]
fn rfc9110_section_7_2_host_is_needed() {
    let server = serve();
    refused(&server, 400, "GET / HTTP/1.1\r\nX: y\r\n\r\n");
    refused(&server, 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n");
}

#[test]
fn rfc9110_section_7_6_1_what_connection_names_changes_no_framing() {
    let server = serve();
    // A proxy drops what Connection names; here the fields count, or the body would become a request.
    for named in [
        "Content-Length",
        "Transfer-Encoding",
        "Host, close",
        "Authorization",
    ] {
        let answers = talk(
            &server,
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: {named}\r\nContent-Length: {}\r\n\r\n{SMUGGLED}{LAST}",
                SMUGGLED.len()
            ),
        );
        assert_eq!(answers[0].text(), SMUGGLED, "{named}");
    }
}

#[test]
fn rfc9110_section_7_8_an_upgrade_that_nobody_offers_is_ignored() {
    let server = serve();
    for upgrade in ["h2c", "TLS/1.0", "websocket", "h2c, websocket", "HTTP/2.0"] {
        accepted(
            &server,
            "hello",
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
                 HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
            ),
        );
    }
}

#[test]
fn rfc9110_section_8_6_no_length_with_1xx_and_204() {
    let server = serve();
    for method in ["GET", "POST", "X"] {
        let answers = talk(
            &server,
            format!("{method} /status/204 HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"),
        );
        assert_eq!(statuses(&answers), [204, 200]);
        assert_eq!(answers[0].field("content-length"), None);
    }
}

#[test]
fn rfc9110_section_9_1_methods_are_case_sensitive_tokens() {
    let server = serve();
    accepted(&server, "get /seen", "get /seen HTTP/1.1\r\nHost: a\r\n\r\n");
    for method in [
        "G@T", "G(T", "\"GET\"", "G\0T", "G\u{e9}T", "<GET>", "GET:", "G\x7fT",
    ] {
        refused(&server, 400, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn rfc9110_section_9_3_1_a_body_of_a_get_is_no_request() {
    let server = serve();
    let body = SMUGGLED.len();
    accepted(
        &server,
        "hello",
        format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {body}\r\n\r\n{SMUGGLED}"),
    );
    accepted(
        &server,
        "hello",
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"
        ),
    );
}

#[test]
fn rfc9110_section_9_3_2_a_head_is_answered_without_content_whatever_happens() {
    let server = serve();
    for (target, status) in [
        ("/", 200),
        ("/stream", 200),
        ("/trailers", 200),
        ("/nowhere", 404),
        ("/echo", 200),
        ("/status/500", 500),
        ("/status/304", 304),
    ] {
        let answers = talk_head(
            &server,
            format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"),
        );
        assert_eq!(statuses(&answers), [status, 200], "{target}: {answers:?}");
    }
    let get = talk(&server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let head = talk_head(&server, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let but_date = |fields: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        fields
            .iter()
            .filter(|(name, _)| name != "date")
            .cloned()
            .collect()
    };
    assert_eq!(but_date(&get[0].fields), but_date(&head[0].fields));
}

#[test]
fn rfc9110_section_9_3_2_a_head_that_is_refused_or_fails_is_answered_without_content() {
    let server = serve();
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("\r\nHEAD / HTTP/2.0\r\n\r\n", 505),
        (
            "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
        ),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417),
        ("HEAD /panic HTTP/1.1\r\nHost: a\r\n\r\n", 500),
        ("HEAD /status/101 HTTP/1.1\r\nHost: a\r\n\r\n", 500),
        (
            "HEAD /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            413,
        ),
        (
            "HEAD /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            400,
        ),
    ] {
        // As a client that knows its request was a HEAD: any content would be bytes of another answer.
        let answers = talk_head(&server, request);
        assert_eq!(statuses(&answers), [status], "{request:?}: {answers:?}");
        assert!(answers[0].closes(), "{request:?}: {answers:?}");
    }
}

#[test]
fn rfc9110_section_9_3_6_no_tunnel_is_made() {
    let server = serve();
    // 2xx would mean that what follows is a tunnel, which this server does not make: no handler can say so.
    for target in ["a:80", "[::1]:443"] {
        let answers = talk(
            &server,
            format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"),
        );
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert!(answers[0].status >= 400 && answers[0].closes(), "{answers:?}");
    }
    let says_yes = crate::common::serve(axum::Router::new().fallback(async || "yes"));
    let answers = talk(
        &says_yes,
        format!("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"),
    );
    assert_eq!(statuses(&answers), [501], "{answers:?}");
    assert!(answers[0].closes(), "{answers:?}");
}

#[test]
fn rfc9110_section_9_3_8_trace_echoes_nothing_of_itself() {
    let server = serve();
    let answers = talk(
        &server,
        format!("TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret=1\r\nAuthorization: x\r\n\r\n{LAST}"),
    );
    assert_eq!(statuses(&answers), [405, 200]);
    assert!(!answers[0].text().contains("secret"));
}

#[test]
fn rfc9110_section_10_1_1_expectations() {
    let server = serve();
    for expect in [
        "x",
        "100-continue, x",
        "100-continue;q=1",
        "",
        "\"100-continue\"",
        "200-ok",
    ] {
        refused(
            &server,
            417,
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: 2\r\n\r\nhi"),
        );
    }
    for expect in ["100-continue", "100-CONTINUE", "100-Continue \t"] {
        let mut client = Client::connect(&server);
        client.send(
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
            )
            .as_bytes(),
        );
        client.expect("HTTP/1.1 100 Continue\r\n\r\n");
        client.send(b"hi");
        let answers = read_answers(&mut client, false);
        assert_eq!(
            (statuses(&answers), answers[0].text().as_str()),
            (vec![200], "hi")
        );
    }
    // Not in HTTP/1.0, and not without a body to come.
    let old = "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(statuses(&talk(&server, old)), [200]);
    let none = "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&talk(&server, none)), [200]);
}

#[test]
fn rfc9110_section_10_1_1_a_final_answer_instead_of_100_ends_the_connection() {
    let server = serve();
    // The peer may send its body or not: no byte after this can be understood.
    for (path, status) in [("/ignore", 200), ("/nowhere", 404), ("/", 405)] {
        let answers = talk(
            &server,
            format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n{SMUGGLED}"
            ),
        );
        assert_eq!(statuses(&answers), [status], "{path}: {answers:?}");
        assert!(answers[0].closes(), "{path}: {answers:?}");
    }
}

#[test]
fn rfc9110_section_15_a_status_that_is_none_is_a_500() {
    let server = serve();
    // 1xx is no final answer; 600 and more mean nothing.
    for code in [100, 101, 102, 103, 199, 600, 999] {
        let answers = talk(
            &server,
            format!("GET /status/{code} HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}"),
        );
        assert_eq!(statuses(&answers), [500], "{code}: {answers:?}");
    }
    for code in [299, 599] {
        let answers = talk(
            &server,
            format!("GET /status/{code} HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"),
        );
        assert_eq!(statuses(&answers), [code, 200]);
        assert_eq!(
            (answers[0].reason.as_str(), answers[0].text().as_str()),
            ("", "a body")
        );
    }
}

#[test]
fn rfc9110_section_15_3_6_a_205_has_no_content() {
    let server = serve();
    let answers = talk(
        &server,
        format!("GET /status/205 HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"),
    );
    assert_eq!(statuses(&answers), [205, 200]);
    assert_eq!(answers[0].field("content-length"), Some("0"));
}

#[test]
fn rfc9110_section_15_5_6_a_405_names_what_is_allowed() {
    let server = serve();
    let answers = talk(&server, format!("POST / HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"));
    assert_eq!(statuses(&answers), [405, 200]);
    assert!(answers[0].has_token("allow", "get"), "{answers:?}");
}

#[test]
fn rfc9110_section_15_5_14_a_body_that_is_too_large_is_413_without_being_read() {
    let server = serve();
    let length = 2 * 1024 * 1024 + 1;
    let answers = talk(
        &server,
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"),
    );
    assert_eq!(statuses(&answers), [413]);
    assert!(answers[0].closes());
}
