//! RFC 9112, HTTP/1.1: how messages are cut out of a connection.

use super::answers::statuses;
use super::{LAST, SMUGGLED, accepted, refused, serve, talk, talk_head};
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

#[test]
fn rfc9112_section_6_1_length_and_chunked_are_refused() {
    let server = serve();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n");
        refused(&server, 400, request);
    }
}

#[test]
fn rfc9112_section_6_1_transfer_encoding_in_http_1_0_is_refused() {
    let server = serve();
    let head = "POST /echo HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked";
    refused(&server, 400, format!("{head}\r\n\r\n0\r\n\r\n"));
    refused(
        &server,
        400,
        format!("{head}\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    );
}

#[test]
fn rfc9112_section_6_1_an_unknown_coding_is_501() {
    let server = serve();
    for coding in ["gzip, chunked", "gzip,chunked", "x, y ,chunked"] {
        refused(
            &server,
            501,
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"),
        );
    }
}

#[test]
fn rfc9112_section_6_3_chunked_is_the_only_last_coding_or_400() {
    let server = serve();
    for coding in [
        "identity",
        "chunked, identity",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "xchunked",
        "chunkedx",
        "x-chunked",
        "chunk",
        "\"chunked\"",
        "chunked;q=1",
        "chunked ; x",
        "gzip",
        "chunked gzip",
        "chunked\tgzip",
        "'chunked'",
        "chu nked",
        "",
        "chunked\0",
        "gz ip, chunked",
        "gzip;a=b, chunked",
        "{chunked}",
        "0, chunked, 0",
    ] {
        refused(
            &server,
            400,
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"),
        );
    }
    for repeated in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding: x",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{repeated}\r\n\r\n0\r\n\r\n");
        refused(&server, 400, request);
    }
    for coding in ["chunked", "CHUNKED", "Chunked \t"] {
        accepted(
            &server,
            "a",
            format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n1\r\na\r\n0\r\n\r\n"
            ),
        );
    }
}

#[test]
fn rfc9112_section_6_3_a_length_is_one_number_or_400() {
    let server = serve();
    for length in [
        "",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "5,5",
        "5, 5",
        "5;",
        "5.0",
        "5e0",
        "1_0",
        "\"5\"",
        "five",
        "\u{665}",
        "5\0",
        "18446744073709551616",
        "99999999999999999999",
        "000000000000000000005",
        "-0",
        "5\x0b",
    ] {
        refused(
            &server,
            400,
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nhello"),
        );
    }
    for repeated in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
    ] {
        refused(
            &server,
            400,
            format!("POST /echo HTTP/1.1\r\nHost: a\r\n{repeated}\r\n\r\nhello"),
        );
    }
    accepted(
        &server,
        "hello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 005\r\n\r\nhello",
    );
}

#[test]
fn rfc9112_section_6_3_without_length_and_chunked_there_is_no_body() {
    let server = serve();
    let answers = talk(&server, format!("POST /echo HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"));
    assert_eq!(statuses(&answers), [200, 200]);
    assert_eq!((answers[0].text(), answers[1].text()), ("".into(), "last".into()));
}

#[test]
fn rfc9112_section_6_3_a_body_has_its_length_whatever_the_method() {
    let server = serve();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PATCH", "X"] {
        let request = format!(
            "{method} /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}{LAST}",
            SMUGGLED.len()
        );
        let answers = if method == "HEAD" {
            talk_head(&server, request)
        } else {
            talk(&server, request)
        };
        assert_eq!(answers.len(), 2, "{method}: {answers:?}");
        assert_eq!(answers[1].text(), "last", "{method}: {answers:?}");
    }
}

#[test]
fn rfc9112_section_6_3_no_length_of_204_304_and_heads() {
    let server = serve();
    for code in [204, 304] {
        let answers = talk(
            &server,
            format!("GET /status/{code} HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"),
        );
        assert_eq!(statuses(&answers), [code, 200]);
        assert!(answers[0].body.is_empty() && answers[0].field("transfer-encoding").is_none());
    }
    let answers = talk_head(&server, format!("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n{LAST}"));
    assert_eq!(statuses(&answers), [200, 200]);
    assert_eq!(answers[1].text(), "last");
}

#[test]
fn rfc9112_section_7_1_sizes_of_chunks_that_are_no_numbers_or_overflow() {
    let server = serve();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for size in [
        "",
        "x",
        "+1",
        "-1",
        "0x1",
        " 1",
        "1 ",
        "\t1",
        "1_0",
        "1.0",
        "\"1\"",
        "1,1",
        "1g",
        "\u{661}",
        "1\0",
        // 17 digits: 2^64 and more, and with leading zeros.
        "10000000000000000",
        "00000000000000001",
        "fffffffffffffffff",
    ] {
        refused(&server, 400, format!("{head}{size}\r\na\r\n0\r\n\r\n"));
    }
    for size in [
        "ffffffffffffffff",
        "8000000000000000",
        "7fffffffffffffff",
        "ffffffff",
        "200001",
    ] {
        refused(&server, 413, format!("{head}{size}\r\na\r\n0\r\n\r\n"));
        // Two of them, so that their sum overflows.
        refused(&server, 413, format!("{head}1\r\na\r\n{size}\r\na\r\n0\r\n\r\n"));
    }
    for size in ["1", "01", "0000000000000001"] {
        accepted(&server, "a", format!("{head}{size}\r\na\r\n0\r\n\r\n"));
    }
    accepted(
        &server,
        "0123456789",
        format!("{head}A\r\n0123456789\r\n00\r\n\r\n"),
    );
}

#[test]
fn rfc9112_section_7_1_a_chunk_ends_where_its_size_says() {
    let server = serve();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "1\r\nab\r\n0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na\rX0\r\n\r\n",
        // Two bytes of anything in place of CRLF were skipped by some servers.
        "1\r\naXX0\r\n\r\n",
        "1\r\na\r\n\r\n0\r\n\r\n",
    ] {
        refused(&server, 400, format!("{head}{chunks}"));
    }
}

#[test]
fn rfc9112_section_7_1_1_extensions_are_ignored_and_end_with_their_line() {
    let server = serve();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for extension in [";a", ";a=b", ";a=\"b;c\"", " ; a = b", ";", "\t;x", ";a=\"\\\"\""] {
        accepted(
            &server,
            "a",
            format!("{head}1{extension}\r\na\r\n0{extension}\r\n\r\n"),
        );
    }
    // A quoted string that is not closed swallows no line, and no line ends in it but by CRLF.
    accepted(&server, "a", format!("{head}1;a=\"b\r\na\r\n0\r\n\r\n"));
    for extension in [
        ";\n",
        ";a\nb",
        ";a\rb",
        ";a=\"\r\r\n",
        "\n",
        " a",
        ";a\0",
        ";\x7f",
        "=a",
    ] {
        refused(&server, 400, format!("{head}1{extension}\r\na\r\n0\r\n\r\n"));
    }
}

#[test]
fn rfc9112_section_7_1_1_extensions_are_bounded() {
    let server = serve();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused(
        &server,
        400,
        format!("{head}1;{}\r\na\r\n0\r\n\r\n", "x".repeat(256)),
    );
    // CVE-2023-39326: a byte in each chunk, and the bandwidth in the extensions.
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(250));
    refused(&server, 400, format!("{head}{}0\r\n\r\n", chunk.repeat(80)));
}

#[test]
fn rfc9112_section_7_1_2_trailers_are_not_header_fields() {
    let server = serve();
    let head = "POST /trailing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
    accepted(&server, "7", format!("{head}X-Sum: 7\r\n\r\n"));
    // What frames, routes, authenticates or describes cannot be said afterwards (RFC 9110, section 6.5.1).
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Connection",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Cache-Control",
        "Expect",
        "TE",
        "Trailer",
        "Range",
        "If-Match",
        "Upgrade",
        "Max-Forwards",
        "Proxy-Authorization",
    ] {
        refused(&server, 400, format!("{head}{name}: 0\r\n\r\n"));
    }
    for lines in [
        "X : y\r\n",
        "X: y\r\n folded\r\n",
        "no colon\r\n",
        ": y\r\n",
        "X: a\0\r\n",
    ] {
        refused(&server, 400, format!("{head}{lines}\r\n"));
    }
    refused(&server, 431, format!("{head}{}\r\n", "X: y\r\n".repeat(33)));
    refused(&server, 431, format!("{head}X: {}\r\n\r\n", "y".repeat(8 * 1024)));
}

#[test]
fn rfc9112_section_8_a_request_that_is_not_whole_is_never_handled_as_if_it_were() {
    let server = serve();
    for request in [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HT",
    ] {
        let mut client = Client::connect(&server);
        client.send(request.as_bytes());
        client.socket.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = client.read_to_end();
        assert!(!answer.starts_with("HTTP/1.1 2"), "{request:?}: {answer}");
    }
}

#[test]
fn rfc9112_section_9_3_connections_persist_as_they_say() {
    let server = serve();
    let cases = [
        ("HTTP/1.1\r\nHost: a", true),
        ("HTTP/1.1\r\nHost: a\r\nConnection: keep-alive", true),
        ("HTTP/1.1\r\nHost: a\r\nConnection: x, close", false),
        ("HTTP/1.1\r\nHost: a\r\nConnection: CLOSE , x", false),
        ("HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close", false),
        ("HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close", false),
        ("HTTP/1.1\r\nHost: a\r\nConnection: closed", true),
        ("HTTP/1.0", false),
        ("HTTP/1.0\r\nConnection: Keep-Alive", true),
        ("HTTP/1.0\r\nConnection: keep-alive, close", false),
    ];
    for (rest, persists) in cases {
        let answers = talk(&server, format!("GET / {rest}\r\n\r\n{LAST}"));
        assert_eq!(answers.len(), 1 + usize::from(persists), "{rest:?}: {answers:?}");
        assert_eq!(answers[0].closes(), !persists, "{rest:?}: {answers:?}");
        let says = answers[0].has_token("connection", "keep-alive");
        assert_eq!(
            says,
            persists && rest.starts_with("HTTP/1.0"),
            "{rest:?}: {answers:?}"
        );
    }
    // A body that only the close can end, since 1.0 knows no chunks.
    let answers = talk(
        &server,
        format!("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n{LAST}"),
    );
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].text(), "onetwo");
}

#[test]
fn rfc9112_section_9_3_2_pipelined_answers_come_in_order() {
    let server = serve();
    let requests: String = (0..100)
        .map(|n| format!("GET /seen?{n} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .collect();
    let answers = talk(&server, format!("{requests}{LAST}"));
    assert_eq!(answers.len(), 101);
    for (number, answer) in answers[..100].iter().enumerate() {
        assert_eq!(answer.text(), format!("GET /seen?{number}"));
    }
}

#[test]
fn rfc9112_section_9_6_nothing_is_read_after_a_close() {
    let server = serve();
    for close in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n",
        "BAD\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answers = talk(&server, format!("{close}{SMUGGLED}{SMUGGLED}"));
        assert_eq!(answers.len(), 1, "{close:?}: {answers:?}");
        assert!(answers[0].closes(), "{close:?}: {answers:?}");
    }
}

#[test]
fn rfc9112_section_11_1_what_a_client_sends_splits_no_answer() {
    let server = serve();
    // What comes back in a field or a body is bytes of that field or body.
    let target = "/seen?%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0aHTTP/1.1%20200%20OK";
    accepted(
        &server,
        &format!("GET {target}"),
        format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
}

#[test]
fn rfc9112_section_11_2_what_cannot_be_read_in_one_way_is_read_in_none() {
    let server = serve();
    // The classics: CL.TE, TE.CL, TE.TE, CL.0, and a body that is a request.
    for request in [
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
        ),
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5c\r\n{SMUGGLED}\r\n0\r\n\r\n"
        ),
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer_Encoding : x\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: x\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: x\r\n\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
    ] {
        refused(&server, 400, request);
    }
    // A handler that reads nothing: its body is still no request.
    let answers = talk(
        &server,
        format!(
            "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}{LAST}",
            SMUGGLED.len()
        ),
    );
    assert_eq!(statuses(&answers), [200, 200]);
    assert_eq!(
        (answers[0].text(), answers[1].text()),
        ("ignored".into(), "last".into())
    );
}
