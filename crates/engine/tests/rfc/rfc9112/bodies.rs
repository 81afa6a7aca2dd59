//! RFC 9112, HTTP/1.1, sections 6 to 11: bodies, chunks, connections, smuggling.

use super::super::answers::statuses;
use super::super::{LAST, SMUGGLED, accepted, refused, serve, talk, talk_head};
use crate::common::Client;

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
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"
            .to_owned(),
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
