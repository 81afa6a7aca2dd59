//! RFC 9112, HTTP/1.1, sections 2 to 5: lines, the request line, field lines.

use super::super::answers::statuses;
use super::super::{LAST, accepted, refused, serve, talk};
use crate::common::Client;

#[test]
fn rfc9112_section_2_2_a_bare_lf_ends_no_line() {
    let server = serve();
    for request in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
    ] {
        refused(&server, 400, request);
    }
}

#[test]
fn rfc9112_section_2_2_a_bare_cr_is_refused() {
    let server = serve();
    for request in [
        "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ra\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\r\n0\r\n\r\n",
    ] {
        refused(&server, 400, request);
    }
}

#[test]
fn rfc9112_section_2_2_an_empty_line_before_the_request_line_is_skipped() {
    let server = serve();
    accepted(&server, "hello", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    // One, not any number: a peer cannot keep us busy with them.
    refused(&server, 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn rfc9112_section_2_2_white_space_before_the_first_field_is_refused() {
    let server = serve();
    for space in [" ", "\t", " \t"] {
        let request = format!("GET / HTTP/1.1\r\n{space}Host: a\r\nHost: b\r\n\r\n");
        refused(&server, 400, request);
    }
}

#[test]
fn rfc9112_section_2_2_bytes_are_not_text() {
    let server = serve();
    // 0x85 is a line's end and 0xa0 a space to programs that read Latin-1 as text.
    refused(&server, 400, b"GET / HTTP/1.1\x85Host: a\r\n\r\n");
    refused(&server, 400, b"GET\xa0/ HTTP/1.1\r\nHost: a\r\n\r\n");
    refused(&server, 400, b"GET / HTTP/1.1\r\nHost:\xa0a\r\n\r\n");
    refused(
        &server,
        400,
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\xa0chunked\r\n\r\n0\r\n\r\n",
    );
    refused(
        &server,
        400,
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\x85\r\n\r\na",
    );
    accepted(
        &server,
        "\u{fffd}b",
        b"GET /x HTTP/1.1\r\nHost: a\r\nX: \xffb\r\n\r\n",
    );
}

#[test]
fn rfc9112_section_2_3_versions() {
    let server = serve();
    accepted(&server, "hello", "GET / HTTP/1.2\r\nHost: a\r\n\r\n");
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1"] {
        refused(&server, 505, format!("GET / {version}\r\nHost: a\r\n\r\n"));
    }
    for version in [
        "http/1.1",
        "HTTP/1.1.1",
        "HTTP/01.1",
        "HTTP/1,1",
        "HTTP/ 1.1",
        "HTP/1.1",
        "HTTP/1.1;",
    ] {
        refused(&server, 400, format!("GET / {version}\r\nHost: a\r\n\r\n"));
    }
    // HTTP/0.9 had no version at all.
    refused(&server, 400, "GET /\r\n\r\n");
    let answer = talk(&server, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!(statuses(&answer), [200]);
}

#[test]
fn rfc9112_section_3_a_request_line_has_single_spaces_and_nothing_more() {
    let server = serve();
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET HTTP/1.1",
        "/ HTTP/1.1",
        "GET / HTTP/1.1 HTTP/1.1",
        "GET /\x0b HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
    ] {
        refused(&server, 400, format!("{line}\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn rfc9112_section_3_a_method_of_any_length_is_bounded() {
    let server = serve();
    let longest = "M".repeat(32);
    accepted(
        &server,
        &format!("{longest} /seen"),
        format!("{longest} /seen HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
    refused(
        &server,
        501,
        format!("M{longest} /seen HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
    // Without end: refused before the end could come.
    let mut client = Client::connect(&server);
    client.send("M".repeat(1000).as_bytes());
    assert!(client.read_head().starts_with("HTTP/1.1 501 "));
}

#[test]
fn rfc9112_section_3_a_target_of_8000_bytes_is_taken_and_a_longer_one_is_414() {
    let server = serve();
    let target = format!("/seen?{}", "q".repeat(8192 - 6));
    accepted(
        &server,
        &format!("GET {target}"),
        format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
    refused(&server, 414, format!("GET {target}q HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn rfc9112_section_3_2_one_sound_host_or_400() {
    let server = serve();
    refused(&server, 400, "GET / HTTP/1.1\r\n\r\n");
    for host in [
        "",
        "a,b",
        "a b",
        "a/b",
        "a\\b",
        "a@b",
        "user@a",
        "user:pass@a",
        "a:b",
        "a:-1",
        "a:65536",
        "a:80:80",
        "a#b",
        "a?b",
        "a%00b",
        "a%2eb",
        "a;b",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]:x",
        "[1.2.3.4]",
        "[fe80::1%25e]",
        "[v1.a]",
        "\"a\"",
        "<a>",
        "a\0",
        "\u{e9}",
        ":80",
        "[]",
    ] {
        refused(&server, 400, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for fields in [
        "Host: a\r\nHost: a",
        "Host: a\r\nX: y\r\nhOsT: b",
        "Host: a\r\nHost:",
    ] {
        refused(&server, 400, format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n"));
    }
    for host in [
        "a",
        "A.b-c_d~e",
        "1.2.3.4:80",
        "a:",
        "[::1]",
        "[2001:db8::1]:8080",
        "a:65535",
    ] {
        accepted(
            &server,
            host,
            format!("GET /host HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        );
    }
}

#[test]
fn rfc9112_section_3_2_a_target_has_a_known_form() {
    let server = serve();
    for target in [
        "index.html",
        "*",
        "a:80",
        "ftp://a/",
        "http:/a",
        "http:a",
        "http://",
        "http:///x",
        "http://user@a/",
        "http://a:b/",
        "http://a\\b/",
        "//",
        "/a#b",
        "/\u{e9}",
        "/a\tb",
        "?a",
        "\\",
        "javascript:alert(1)",
        "http://a,b/",
        "http://[::1/",
    ] {
        let expected = if target == "//" { 404 } else { 400 };
        let answers = talk(
            &server,
            format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        );
        assert_eq!(statuses(&answers), [expected], "{target}: {answers:?}");
    }
    refused(&server, 400, "POST * HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn rfc9112_section_3_2_2_an_absolute_target_replaces_host() {
    let server = serve();
    for (target, host) in [
        ("http://b/host", "b"),
        ("HTTP://b:81/host", "b:81"),
        ("https://[::1]/host", "[::1]"),
    ] {
        accepted(&server, host, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    // Host is needed all the same, and must be sound.
    refused(&server, 400, "GET http://b/host HTTP/1.1\r\n\r\n");
    refused(&server, 400, "GET http://b/host HTTP/1.1\r\nHost: a@b\r\n\r\n");
    let answer = talk(&server, "GET http://b/host HTTP/1.0\r\n\r\n");
    assert_eq!((answer[0].status, answer[0].text().as_str()), (200, "b"));
}

#[test]
fn rfc9112_section_3_2_3_connect_names_a_host_and_a_port() {
    let server = serve();
    for target in [
        "/",
        "a",
        "a:",
        ":80",
        "http://a:80",
        "*",
        "a:80/",
        "user@a:80",
        "a:65536",
    ] {
        refused(
            &server,
            400,
            format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        );
    }
}

#[test]
fn rfc9112_section_3_2_4_options_of_the_whole_server() {
    let server = serve();
    let answers = talk(&server, format!("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"));
    // Whatever it is answered, it is read as a request, and the next one is.
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[1].text(), "last");
}

#[test]
fn rfc9112_section_5_1_no_white_space_before_the_colon() {
    let server = serve();
    for name in ["X ", "X\t", "Transfer-Encoding ", "Content-Length\t", "Host "] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{name}: chunked\r\n\r\n0\r\n\r\n");
        refused(&server, 400, request);
    }
}

#[test]
fn rfc9112_section_5_1_white_space_around_a_value_is_no_part_of_it() {
    let server = serve();
    for line in ["X:v", "X: v", "X:\t \tv \t", "X:v   "] {
        accepted(
            &server,
            "v",
            format!("GET /x HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"),
        );
    }
    // Only SP and HTAB are: the rest would be stripped by one recipient and not by the other.
    for space in ["\x0b", "\x0c", "\x1c", "\0"] {
        refused(
            &server,
            400,
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {space}chunked\r\n\r\n0\r\n\r\n"),
        );
    }
}

#[test]
fn rfc9112_section_5_2_folded_lines_are_refused() {
    let server = serve();
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n \r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 5\r\n\r\n",
    ] {
        refused(&server, 400, request);
    }
}
