//! Request heads as literal bytes, and what comes of them.

use bytes::Bytes;
use http::{HeaderMap, Version};
use squall_wire::h1::{BodyLength, Head, HeadLimits, Parsed, Reject, parse_head};

fn parse(input: &[u8]) -> Result<Parsed, Reject> {
    parse_within(input, &HeadLimits::default())
}

fn parse_within(input: &[u8], limits: &HeadLimits) -> Result<Parsed, Reject> {
    let mut spare = HeaderMap::new();
    let result = parse_head(&Bytes::copy_from_slice(input), limits, &mut spare);
    assert!(spare.is_empty(), "the spare map is given back empty or taken");
    result
}

#[track_caller]
fn accept(input: &str) -> Head {
    match parse(input.as_bytes()) {
        Ok(Parsed::Complete(head)) => head,
        other => panic!("{input:?} gave {other:?}"),
    }
}

/// Every prefix of an accepted head is partial; a refused one must be refused when it is whole.
#[track_caller]
fn refuse(status: u16, input: impl AsRef<[u8]>) {
    let input = input.as_ref();
    match parse(input) {
        Err(reject) => assert_eq!(
            reject.status.as_u16(),
            status,
            "{:?}: {reject}",
            input.escape_ascii().to_string()
        ),
        other => panic!("{:?} gave {other:?}", input.escape_ascii().to_string()),
    }
}

/// A GET of HTTP/1.1 with a Host and these field lines.
fn with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}

#[test]
fn a_plain_get() {
    let input =
        "GET /a/b?c=d HTTP/1.1\r\nHost: a.example:8080\r\nAccept:*/*\r\nX-Thing: \t one  two\t \r\n\r\nrest";
    let head = accept(input);
    assert_eq!(head.method, "GET");
    assert_eq!(head.uri.path(), "/a/b");
    assert_eq!(head.uri.query(), Some("c=d"));
    assert_eq!(head.version, Version::HTTP_11);
    assert_eq!(head.headers.len(), 3);
    assert_eq!(head.headers["host"], "a.example:8080");
    assert_eq!(head.headers["accept"], "*/*");
    assert_eq!(head.headers["x-thing"], "one  two", "white space inside stays");
    assert_eq!(head.body, BodyLength::None);
    assert!(head.keep_alive);
    assert!(!head.expect_continue);
    assert_eq!(head.head_bytes, input.len() - "rest".len());
}

#[test]
fn every_prefix_of_a_head_is_partial() {
    let input = "\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
    for length in 0..input.len() {
        match parse(&input.as_bytes()[..length]) {
            Ok(Parsed::Partial) => {}
            other => panic!("{length} bytes gave {other:?}"),
        }
    }
    assert_eq!(accept(input).head_bytes, input.len());
}

#[test]
fn the_spare_map_is_used() {
    let mut spare = HeaderMap::with_capacity(64);
    let input = Bytes::from_static(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let Ok(Parsed::Complete(head)) = parse_head(&input, &HeadLimits::default(), &mut spare) else {
        panic!("complete")
    };
    assert!(head.headers.capacity() >= 64);
    assert_eq!(spare.capacity(), 0);
}

#[test]
fn empty_lines_before_the_request_line() {
    assert_eq!(accept("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").method, "GET");
    refuse(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn request_lines_that_are_malformed() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / a HTTP/1.1",
        "GET HTTP/1.1",
        "GET  HTTP/1.1",
        "/ HTTP/1.1",
        " / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.1x",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET / HTTP/1.",
        "GET / HTTP/ 1.1",
        "GET / HTTP/a.1",
        "GET / HTTP/1,1",
        "GET / HTTPS/1.1",
        "GET / HTTP/+1.1",
        "G(T / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "GET: / HTTP/1.1",
        "\"GET\" / HTTP/1.1",
        "G\0T / HTTP/1.1",
    ] {
        refuse(400, format!("{line}\r\nHost: a\r\n\r\n"));
    }
}

#[test]
fn another_protocol_is_refused_at_its_first_bytes() {
    refuse(400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    refuse(400, b"\x80\x2e\x01");
    refuse(400, b"\0\0\0\0");
}

#[test]
fn versions() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/9.9"] {
        refuse(505, format!("GET / {version}\r\nHost: a\r\n\r\n"));
    }
    refuse(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    // RFC 9110, section 2.5: a later minor version is read as the latest known.
    assert_eq!(
        accept("GET / HTTP/1.2\r\nHost: a\r\n\r\n").version,
        Version::HTTP_11
    );
    assert_eq!(
        accept("GET / HTTP/1.9\r\nHost: a\r\n\r\n").version,
        Version::HTTP_11
    );
    assert_eq!(accept("GET / HTTP/1.0\r\n\r\n").version, Version::HTTP_10);
}

#[test]
fn methods() {
    for method in ["GET", "get", "PROPFIND", "M-SEARCH", "!#$%&'*+-.^_`|~09"] {
        assert_eq!(
            accept(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).method,
            method
        );
    }
    let longest = "M".repeat(32);
    assert_eq!(
        accept(&format!("{longest} / HTTP/1.1\r\nHost: a\r\n\r\n")).method,
        longest.as_str()
    );
    refuse(501, format!("{longest}M / HTTP/1.1\r\nHost: a\r\n\r\n"));
    refuse(501, format!("{longest}M"));
}

#[test]
fn targets() {
    let uri = |line: &str| accept(&format!("{line} HTTP/1.1\r\nHost: a.example\r\n\r\n")).uri;
    assert_eq!(uri("GET /").path(), "/");
    assert_eq!(uri("GET //b.example/c").path(), "//b.example/c");
    assert_eq!(uri("GET //b.example/c").authority(), None);
    assert_eq!(uri("GET /?").query(), Some(""));
    assert_eq!(uri("GET /%zz/../a;b=c,d@e:f|g").path(), "/%zz/../a;b=c,d@e:f|g");
    assert_eq!(uri("OPTIONS *").path(), "*");
    assert_eq!(uri("CONNECT b.example:443").authority().unwrap(), "b.example:443");
    assert_eq!(uri("CONNECT [::1]:443").authority().unwrap(), "[::1]:443");

    for line in [
        "GET *",
        "OPTIONS **",
        "GET a",
        "GET a/b",
        "GET ?a",
        "GET b.example:443",
        "GET /a#b",
        "GET /a b",
        "GET /\u{e9}",
        "GET /\u{7f}",
        "GET /\u{1}",
        "GET /a\0",
        "GET /a\rb",
        "GET /<a>",
        "GET mailto:a@b.example",
        "GET ftp://b.example/",
        "GET http:/b",
        "GET http:///b",
        "GET http://",
        "GET http://u@b.example/",
        "GET http://u:p@b.example/",
        "GET http://b.example:x/",
        "GET http://b.example:65536/",
        "GET http://b.example#c",
        "GET http://b,c/",
        "CONNECT b.example",
        "CONNECT b.example:",
        "CONNECT [::1]",
        "CONNECT /",
        "CONNECT *",
        "CONNECT http://b.example:443/",
        "CONNECT u@b.example:443",
        "CONNECT :443",
    ] {
        refuse(400, format!("{line} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    }
}

#[test]
fn the_authority_of_an_absolute_target_replaces_host() {
    let head = accept("GET http://b.example:81/c?d HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(head.uri, "http://b.example:81/c?d");
    assert_eq!(head.headers["host"], "b.example:81");
    assert_eq!(head.headers.get_all("host").iter().count(), 1);
    let head = accept("GET HTTPS://b.example HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_eq!(head.uri.path(), "/");
    let head = accept("GET http://b.example?x HTTP/1.0\r\n\r\n");
    assert_eq!((head.uri.path(), head.uri.query()), ("/", Some("x")));
    assert_eq!(head.headers["host"], "b.example");
    refuse(400, "GET http://b.example/ HTTP/1.1\r\n\r\n");
}

#[test]
fn lines_end_with_crlf_and_nothing_else() {
    for input in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n",
    ] {
        refuse(400, input);
    }
}

#[test]
fn a_control_character_is_refused_before_its_line_is_whole() {
    refuse(400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb");
    refuse(400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0");
    refuse(400, "GET / HTTP/1.1\r\nHost: a\r\n ");
}

#[test]
fn field_lines_that_are_malformed() {
    for line in [
        " X: a",
        "\tX: a",
        "X : a",
        "X\t: a",
        ": a",
        "X",
        "X a",
        "X(: a",
        "X\u{e9}: a",
        "X\0: a",
        "\"X\": a",
        "X,Y: a",
        "X@: a",
        "X/: a",
        "X: a\0b",
        "X: a\u{1}b",
        "X: a\u{b}b",
        "X: a\u{c}b",
        "X: a\u{1b}b",
        "X: a\u{7f}b",
    ] {
        refuse(400, with(&format!("{line}\r\n")));
        refuse(400, format!("GET / HTTP/1.1\r\n{line}\r\nHost: a\r\n\r\n"));
    }
    refuse(400, with("X: a\r\n b\r\n"));
    refuse(400, with("X: a\r\n\tb\r\n"));
    refuse(400, with("X: a\r\n \r\n"));
}

#[test]
fn field_values_may_be_empty_or_not_ascii() {
    let head = accept(&with("X:\r\nY: \t \r\nZ: caf\u{e9}\r\nZ: a\tb\r\n"));
    assert_eq!(head.headers["x"], "");
    assert_eq!(head.headers["y"], "");
    let values: Vec<&[u8]> = head
        .headers
        .get_all("z")
        .iter()
        .map(|value| value.as_bytes())
        .collect();
    assert_eq!(values, ["caf\u{e9}".as_bytes(), b"a\tb"]);
}

#[test]
fn host() {
    for host in [
        "a",
        "A.b-c_d~e",
        "127.0.0.1",
        "127.0.0.1:80",
        "a:",
        "a:0",
        "a:65535",
        "[::1]",
        "[2001:db8::1]:8080",
    ] {
        let head = accept(&format!("GET / HTTP/1.1\r\nhOsT: {host}\r\n\r\n"));
        assert_eq!(head.headers["host"], host);
    }
    for host in [
        "",
        " ",
        ":80",
        "a,b",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "u@a",
        "u:p@a",
        "a:b",
        "a:1:2",
        "a:-1",
        "a:+1",
        "a:65536",
        "a:000080",
        "a\\b",
        "a%00",
        "a%",
        "[::1",
        "::1",
        "[]",
        "[a]",
        "[::1]a",
        "[::1]:x",
        "[v1.a]",
        "[fe80::1%25eth0]",
        "caf\u{e9}",
        "a\"b",
        "a<b",
        "a'b",
        "http://a",
        "*",
    ] {
        refuse(400, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        if !host.trim().is_empty() {
            refuse(400, format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"));
        }
    }
    refuse(400, "GET / HTTP/1.1\r\n\r\n");
    refuse(400, "GET / HTTP/1.1\r\nX: a\r\n\r\n");
    refuse(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    refuse(400, "GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n");
    refuse(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
    assert!(accept("GET / HTTP/1.0\r\n\r\n").headers.is_empty());
}

#[test]
fn content_length() {
    let body = |value: &str| accept(&with(&format!("Content-Length: {value}\r\n"))).body;
    assert_eq!(body("0"), BodyLength::None);
    assert_eq!(body("1"), BodyLength::Exact(1));
    assert_eq!(body("  7\t"), BodyLength::Exact(7));
    assert_eq!(body("007"), BodyLength::Exact(7));
    assert_eq!(body("18446744073709551615"), BodyLength::Exact(u64::MAX));
    assert_eq!(body("00000000000000000007"), BodyLength::Exact(7));
    for value in [
        "",
        "+10",
        "-1",
        "1_0",
        "0x10",
        "1 0",
        "1,0",
        "5, 5",
        "5,5",
        "5,",
        ",5",
        "1.0",
        "1e1",
        "\u{661}",
        "a",
        "18446744073709551616",
        "99999999999999999999",
        "000000000000000000007",
        "1;a",
        "\"1\"",
    ] {
        refuse(400, with(&format!("Content-Length: {value}\r\n")));
    }
    refuse(400, with("Content-Length: 5\r\nContent-Length: 6\r\n"));
    refuse(400, with("Content-Length: 5\r\nContent-Length: 5\r\n"));
    refuse(400, with("Content-Length: 0\r\ncontent-length: 0\r\n"));
}

#[test]
fn transfer_encoding() {
    for value in ["chunked", "Chunked", "CHUNKED", "\tchunked "] {
        assert_eq!(
            accept(&with(&format!("Transfer-Encoding: {value}\r\n"))).body,
            BodyLength::Chunked
        );
    }
    for value in [
        "",
        "identity",
        "gzip",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,chunked",
        "chunked, identity",
        "xchunked",
        "chunkedx",
        "chunked;a=b",
        "chunked,",
        ",chunked",
        "chunked chunked",
        "gzip chunked",
        "\"chunked\"",
        "'chunked'",
        "chunked, gzip, chunked",
        "gzip;q=1, chunked",
        ", , chunked",
        "g(zip, chunked",
    ] {
        refuse(400, with(&format!("Transfer-Encoding: {value}\r\n")));
    }
    for value in [
        "gzip, chunked",
        "gzip,chunked",
        "deflate , gzip , chunked",
        "identity, chunked",
        "xchunked, Chunked",
    ] {
        refuse(501, with(&format!("Transfer-Encoding: {value}\r\n")));
    }
    for fields in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    ] {
        refuse(400, with(fields));
    }
    refuse(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    refuse(
        400,
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n",
    );
}

#[test]
fn keep_alive() {
    let keep_alive = |version: &str, fields: &str| {
        accept(&format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n")).keep_alive
    };
    assert!(keep_alive("1.1", ""));
    assert!(keep_alive("1.1", "Connection: upgrade\r\n"));
    assert!(keep_alive("1.1", "Connection: xclose, close-x\r\n"));
    assert!(!keep_alive("1.1", "Connection: close\r\n"));
    assert!(!keep_alive("1.1", "connection: CLOSE , x\r\n"));
    assert!(!keep_alive("1.1", "Connection: x,\tclose\r\n"));
    assert!(!keep_alive(
        "1.1",
        "Connection: keep-alive\r\nConnection: close\r\n"
    ));
    assert!(!keep_alive("1.1", "Connection: keep-alive, close\r\n"));
    assert!(!keep_alive("1.0", ""));
    assert!(keep_alive("1.0", "Connection: Keep-Alive\r\n"));
    assert!(keep_alive("1.0", "Connection: x, keep-alive\r\n"));
    assert!(!keep_alive("1.0", "Connection: keep-alive, close\r\n"));
}

#[test]
fn expect() {
    let post = |version: &str, fields: &str| format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
    assert!(accept(&post("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n")).expect_continue);
    assert!(
        accept(&post(
            "1.1",
            "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
        ))
        .expect_continue
    );
    assert!(
        !accept(&post("1.1", "Expect: 100-continue\r\n")).expect_continue,
        "there is no body to wait for"
    );
    assert!(!accept(&post("1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n")).expect_continue);
    for value in ["", "200-ok", "100-continue, x", "100-continue; a=b", "100"] {
        refuse(
            417,
            post("1.1", &format!("Expect: {value}\r\nContent-Length: 1\r\n")),
        );
    }
}

#[test]
fn the_target_at_its_limit_and_one_past() {
    let limits = HeadLimits {
        target_bytes_max: 16,
        ..HeadLimits::default()
    };
    let request = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(bytes - 1));
    assert!(matches!(
        parse_within(request(16).as_bytes(), &limits),
        Ok(Parsed::Complete(_))
    ));
    assert_eq!(
        parse_within(request(17).as_bytes(), &limits).unwrap_err().status,
        414
    );

    let line = |bytes: usize| format!("GET /{}", "a".repeat(bytes - 1));
    for length in 0..request(16).len() {
        assert!(
            matches!(
                parse_within(&request(16).as_bytes()[..length], &limits),
                Ok(Parsed::Partial)
            ),
            "{length}"
        );
    }
    assert_eq!(
        parse_within(line(16 + 11).as_bytes(), &limits)
            .unwrap_err()
            .status,
        414,
        "without end"
    );
}

#[test]
fn the_head_at_its_limit_and_one_past() {
    let limits = HeadLimits {
        head_bytes_max: 100,
        ..HeadLimits::default()
    };
    let request = |bytes: usize| {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{head}{}\r\n\r\n", "a".repeat(bytes - head.len() - 4))
    };
    let at = request(100);
    assert_eq!(at.len(), 100);
    assert!(matches!(
        parse_within(at.as_bytes(), &limits),
        Ok(Parsed::Complete(_))
    ));
    assert!(
        matches!(
            parse_within(format!("{at}{at}").as_bytes(), &limits),
            Ok(Parsed::Complete(_))
        ),
        "pipelined"
    );
    for length in 0..100 {
        assert!(matches!(
            parse_within(&at.as_bytes()[..length], &limits),
            Ok(Parsed::Partial)
        ));
    }
    let past = request(101);
    assert_eq!(parse_within(past.as_bytes(), &limits).unwrap_err().status, 431);
    assert_eq!(
        parse_within(&past.as_bytes()[..100], &limits).unwrap_err().status,
        431,
        "no room for its end"
    );
}

#[test]
fn a_large_head_at_its_limit_and_one_past() {
    let request = |bytes: usize| {
        let mut head = "GET / HTTP/1.1\r\nHost: a\r\nX: ".to_owned();
        head.push_str(&"a".repeat(bytes - head.len() - 4));
        head + "\r\n\r\n"
    };
    let max = HeadLimits::default().head_bytes_max;
    assert_eq!(accept(&request(max)).head_bytes, max);
    refuse(431, request(max + 1));
    refuse(431, &request(max + 1)[..max]);
    assert!(matches!(
        parse(&request(max).as_bytes()[..max - 1]),
        Ok(Parsed::Partial)
    ));
}

#[test]
fn fields_at_their_limit_and_one_past() {
    let request = |fields: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: a\r\n".repeat(fields - 1)
        )
    };
    assert_eq!(accept(&request(100)).headers.len(), 100);
    refuse(431, request(101));
}

#[test]
fn many_different_names_are_no_trouble() {
    let limits = HeadLimits {
        fields_max: usize::MAX,
        head_bytes_max: usize::MAX,
        ..HeadLimits::default()
    };
    let mut request = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for field in 0..40_000 {
        request.push_str(&format!("x{field}: a\r\n"));
    }
    request.push_str("\r\n");
    // More names than a map can hold: refused, not a panic.
    assert_eq!(parse_within(request.as_bytes(), &limits).unwrap_err().status, 431);
}
