//! Compressed answers over real sockets: what is compressed, for whom, and what the fields say.

#![cfg(feature = "compression")]

use std::io::Read;
use std::sync::{Arc, Mutex};

use squall::compression::{Coding, Compression, FLOOR_BYTES, Level, Uncompressed, WHOLE_BYTES_MAX};
use squall::testing::{Answer, TestServer, serve};
use squall::web::body::{Body, Bytes};
use squall::web::extract::{Path, Request};
use squall::web::http::HeaderMap;
use squall::web::response::{IntoResponse, Response};
use squall::web::routing::get;
use squall::web::{Json, Router};
use tokio::sync::mpsc;

const KIB: usize = 1024;

/// Text of so many bytes that gains, but not without end.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 32);
    let mut number: u32 = 1;
    while text.len() < bytes {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text += &format!("{{\"post\": {}}}\n", number >> 16);
    }
    text.truncate(bytes);
    text
}

/// Bytes that no coder makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    })
    .take(bytes)
    .collect()
}

/// A page with the fields that the query says, `a=b&c=d`.
async fn fields(request: Request) -> Response {
    let mut response = text(4 * KIB).into_response();
    for pair in request.uri().query().unwrap_or_default().split('&') {
        if let Some((name, value)) = pair.split_once('=') {
            let name: squall::web::http::HeaderName = name.parse().unwrap();
            let value = value.replace("%22", "\"").replace('+', " ");
            if value.is_empty() {
                response.headers_mut().remove(name);
            } else {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
        }
    }
    response
}

async fn status(Path(code): Path<u16>) -> Response {
    let mut response = text(4 * KIB).into_response();
    *response.status_mut() = code.try_into().unwrap();
    response
}

async fn tagged(headers: HeaderMap) -> Response {
    let asked = headers
        .get("if-none-match")
        .map_or("", |value| value.to_str().unwrap());
    // Weak comparison, as for every GET.
    if asked.contains("\"v1\"") {
        return (squall::web::StatusCode::NOT_MODIFIED, [("etag", "\"v1\"")]).into_response();
    }
    ([("etag", "\"v1\"")], text(4 * KIB)).into_response()
}

fn router(compression: Compression) -> Router {
    Router::new()
        .route(
            "/text/{bytes}",
            get(|Path(bytes): Path<usize>| async move { text(bytes) }),
        )
        .route(
            "/noise",
            get(async || ([("content-type", "text/plain")], noise(4 * KIB))),
        )
        .route("/json", get(async || Json(vec![42; 4 * KIB])))
        .route(
            "/stream/{bytes}",
            get(|Path(bytes): Path<usize>| async move {
                let pieces: Vec<_> = text(bytes)
                    .into_bytes()
                    .chunks(10_000)
                    .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
                    .collect();
                (
                    [("content-type", "text/plain")],
                    Body::from_stream(futures_util::stream::iter(pieces)),
                )
            }),
        )
        .route("/fields", get(fields))
        .route("/status/{code}", get(status))
        .route("/tagged", get(tagged))
        .route("/secret", get(async || (Uncompressed, text(4 * KIB))))
        .layer(compression)
}

fn start() -> TestServer {
    serve(router(Compression::new()))
}

fn ask(server: &TestServer, path: &str, accept: &str) -> Answer {
    server.client().get(path).header("accept-encoding", accept).send()
}

/// The body as it was before it was compressed.
fn undone(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    let body = &answer.body[..];
    match answer.header("content-encoding") {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut out).unwrap(),
        "br" => brotli::Decompressor::new(body, 4096)
            .read_to_end(&mut out)
            .unwrap(),
        "zstd" => zstd::Decoder::new(body).unwrap().read_to_end(&mut out).unwrap(),
        "" => return body.to_vec(),
        other => panic!("{other}"),
    };
    out
}

fn coding(answer: &Answer) -> &str {
    answer.header("content-encoding")
}

#[test]
fn every_coding_at_every_length() {
    let server = start();
    let (floor, whole) = (FLOOR_BYTES as usize, WHOLE_BYTES_MAX as usize);
    for accept in ["gzip", "br", "zstd"] {
        for bytes in [
            floor,
            32 * KIB - 1,
            32 * KIB,
            32 * KIB + 1,
            whole,
            whole + 1,
            1024 * KIB,
        ] {
            for path in [format!("/text/{bytes}"), format!("/stream/{bytes}")] {
                let answer = ask(&server, &path, accept).expect(200);
                assert_eq!(coding(&answer), accept, "{path}");
                assert!(undone(&answer) == text(bytes).as_bytes(), "{path} {accept}");
                assert!(
                    answer.body.len() < bytes / 2,
                    "{path} {accept}: {}",
                    answer.body.len()
                );
                assert_eq!(answer.header("vary"), "accept-encoding");
                let is_sized = answer.headers.contains_key("content-length");
                if path.starts_with("/text") && bytes <= whole {
                    assert_eq!(
                        answer.header("content-length"),
                        answer.body.len().to_string(),
                        "{path}"
                    );
                } else if bytes > whole {
                    assert!(!is_sized, "{path}");
                }
                assert_eq!(
                    answer.header("transfer-encoding"),
                    if is_sized { "" } else { "chunked" }
                );
            }
        }
    }
    assert_eq!(coding(&ask(&server, "/json", "gzip, deflate, br, zstd")), "zstd");
    assert_eq!(coding(&ask(&server, "/json", "gzip, deflate, br")), "br");
}

#[test]
fn below_the_floor_nothing_is_done_or_said() {
    let server = start();
    let answer = ask(&server, &format!("/text/{}", FLOOR_BYTES - 1), "gzip").expect(200);
    assert_eq!((coding(&answer), answer.header("vary")), ("", ""));
    let server = serve(router(Compression::new().floor_bytes(10)));
    assert_eq!(coding(&ask(&server, "/text/9", "gzip")), "");
    // It is looked at, and would be longer.
    let answer = ask(&server, "/text/10", "gzip");
    assert_eq!((coding(&answer), answer.header("vary")), ("", "accept-encoding"));
}

#[test]
fn gzip_with_weight_0_really_means_no() {
    let server = start();
    for accept in [
        "gzip;q=0",
        "gzip;q=0.000",
        "*;q=0",
        "identity",
        "deflate",
        "",
        "gzip;q=0, *;q=0",
        "gzip;q=nonsense",
    ] {
        let answer = ask(&server, "/json", accept).expect(200);
        assert_eq!(
            (coding(&answer), answer.header("vary")),
            ("", "accept-encoding"),
            "{accept}"
        );
    }
    assert_eq!(coding(&ask(&server, "/json", "gzip;q=0, *")), "zstd");
    assert_eq!(coding(&ask(&server, "/json", "identity;q=0.5, gzip;q=0.4")), "");
}

#[test]
fn who_does_not_take_it_plain_gets_it_compressed() {
    let server = start();
    for path in ["/text/5", "/noise", "/stream/5"] {
        let answer = ask(&server, path, "identity;q=0, gzip").expect(200);
        assert_eq!(
            (coding(&answer), answer.header("vary")),
            ("gzip", "accept-encoding"),
            "{path}"
        );
        assert!(undone(&answer).len() >= 5);
    }
    // Nothing is possible: it is better than no answer.
    let answer = ask(&server, "/text/5000", "identity;q=0").expect(200);
    assert_eq!((coding(&answer), answer.body.len()), ("", 5000));
}

#[test]
fn what_is_not_compressed() {
    let server = start();
    for query in [
        "content-type=image/png",
        "content-type=application/octet-stream",
        "content-type=application/grpc",
        "content-type=text/event-stream",
        "content-type=",
        "content-encoding=br",
        "content-encoding=identity",
        "content-range=bytes+0-4095/9999",
        "cache-control=no-transform",
        "cache-control=public,+No-Transform",
        "content-digest=sha-256=:x:",
        "repr-digest=sha-256=:x:",
    ] {
        let plain = ask(&server, &format!("/fields?{query}"), "identity");
        let answer = ask(&server, &format!("/fields?{query}"), "gzip").expect(200);
        assert_eq!(answer.body, text(4 * KIB).as_bytes(), "{query}");
        assert_eq!(answer.header("vary"), "", "{query}");
        assert_eq!(coding(&answer), coding(&plain), "{query}");
    }
    assert_eq!(coding(&ask(&server, "/secret", "gzip")), "");
    assert_eq!(coding(&ask(&server, "/status/206", "gzip")), "");
    for code in [203, 404, 500] {
        assert_eq!(coding(&ask(&server, &format!("/status/{code}"), "gzip")), "gzip");
    }
    for code in [204, 205, 304] {
        let answer = ask(&server, &format!("/status/{code}"), "gzip");
        assert_eq!((answer.status, coding(&answer), answer.body.len()), (code, "", 0));
    }
    // It gains nothing: sent as it is, though it might have been another for this peer.
    let answer = ask(&server, "/noise", "gzip");
    assert_eq!((coding(&answer), answer.header("vary")), ("", "accept-encoding"));
    assert_eq!(answer.body, noise(4 * KIB));
}

#[test]
fn fields_follow_the_bytes() {
    let server = start();
    let query = "/fields?etag=%22v1%22&accept-ranges=bytes&vary=cookie&content-length=4096";
    let plain = ask(&server, query, "identity").expect(200);
    assert_eq!(plain.header("etag"), "\"v1\"");
    assert_eq!(plain.header("accept-ranges"), "bytes");
    let answer = ask(&server, query, "gzip").expect(200);
    assert_eq!(answer.header("etag"), "W/\"v1\"");
    assert_eq!(answer.header("accept-ranges"), "");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    for answer in [&plain, &answer] {
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["cookie", "accept-encoding"]);
    }
    for vary in ["Accept-Encoding", "*", "cookie,+accept-encoding"] {
        let answer = ask(&server, &format!("/fields?vary={vary}"), "gzip");
        assert_eq!(answer.headers.get_all("vary").iter().count(), 1, "{vary}");
        assert_eq!(coding(&answer), "gzip");
    }
}

#[test]
fn a_validator_is_the_same_in_200_and_304() {
    let server = start();
    let client = server.client();
    for (accept, tag) in [("gzip", "W/\"v1\""), ("identity", "\"v1\"")] {
        let asked = |tag: &str| {
            client
                .get("/tagged")
                .header("accept-encoding", accept)
                .header("if-none-match", tag)
                .send()
        };
        let answer = asked("\"v0\"").expect(200);
        assert_eq!(answer.header("etag"), tag);
        let again = asked(tag).expect(304);
        assert_eq!(
            (again.header("etag"), again.header("vary")),
            (tag, "accept-encoding")
        );
    }
}

#[test]
fn head_says_what_get_says() {
    let server = start();
    for path in [
        "/text/10",
        "/text/100000",
        "/text/1000000",
        "/stream/100000",
        "/json",
        "/noise",
        "/tagged",
        "/secret",
    ] {
        for accept in ["gzip", "br", "zstd", "identity", "identity;q=0, gzip"] {
            let get = ask(&server, path, accept);
            let head = server
                .client()
                .head(path)
                .header("accept-encoding", accept)
                .send();
            assert_eq!((head.status, head.body.len()), (get.status, 0));
            let said = |answer: &Answer| {
                let mut headers = answer.headers.clone();
                for name in ["date", "transfer-encoding"] {
                    headers.remove(name);
                }
                headers
            };
            assert_eq!(said(&head), said(&get), "{path} {accept}");
        }
    }
}

/// The layer around a service that has answered `HEAD` itself: the length is in the field alone.
#[test]
fn head_with_its_body_gone() {
    let router = Router::new().route(
        "/",
        get(async || "never asked").head(async || {
            (
                [
                    ("content-type", "text/plain"),
                    ("content-length", "5000"),
                    ("etag", "\"v1\""),
                ],
                Body::empty(),
            )
        }),
    );
    let server = serve(router.layer(Compression::new()));
    let head = server
        .client()
        .head("/")
        .header("accept-encoding", "gzip")
        .send()
        .expect(200);
    assert_eq!(
        (coding(&head), head.header("etag"), head.header("content-length")),
        ("gzip", "W/\"v1\"", "")
    );
    let head = server.client().head("/").send().expect(200);
    assert_eq!(
        (coding(&head), head.header("etag"), head.header("content-length")),
        ("", "\"v1\"", "5000")
    );
}

/// Reads chunks until so much text has come out.
fn comes_through(conn: &mut squall::testing::RawConn, accept: &str, coded: &mut Vec<u8>, expect: &str) {
    loop {
        let line = conn.read_until(b"\r\n");
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        coded.extend(&conn.read_exact(size));
        conn.read_exact(2);
        let mut out = Vec::new();
        // The stream goes on: an early end is no error here.
        let _ = match accept {
            "gzip" => flate2::read::GzDecoder::new(&coded[..]).read_to_end(&mut out),
            "br" => brotli::Decompressor::new(&coded[..], 4096).read_to_end(&mut out),
            _ => zstd::Decoder::new(&coded[..]).unwrap().read_to_end(&mut out),
        };
        if out == expect.as_bytes() {
            return;
        }
        assert!(out.len() < expect.len());
    }
}

#[test]
fn what_a_stream_has_said_is_there_before_it_says_more() {
    let (sender, receiver) = mpsc::unbounded_channel::<String>();
    let receiver = Arc::new(Mutex::new(receiver));
    let stream = move || {
        let receiver = receiver.clone();
        async move {
            let next = futures_util::stream::poll_fn(move |cx| {
                let polled = receiver.lock().unwrap().poll_recv(cx);
                polled.map(|said| {
                    said.filter(|said| !said.is_empty())
                        .map(|said| Ok::<_, std::io::Error>(Bytes::from(said)))
                })
            });
            (
                [("content-type", "application/x-ndjson")],
                Body::from_stream(next),
            )
        }
    };
    let server = serve(Router::new().route("/", get(stream)).layer(Compression::new()));
    for accept in ["gzip", "br", "zstd"] {
        let mut conn = server.client().get("/").header("accept-encoding", accept).start();
        let head = String::from_utf8(conn.read_until(b"\r\n\r\n")).unwrap();
        assert!(
            head.contains(&format!("content-encoding: {accept}\r\n")),
            "{head}"
        );
        let (mut coded, mut said) = (Vec::new(), String::new());
        for line in ["{\"one\": 1}\n", "{\"two\": 2}\n", &text(100_000)] {
            sender.send(line.to_owned()).unwrap();
            said += line;
            comes_through(&mut conn, accept, &mut coded, &said);
        }
        sender.send(String::new()).unwrap();
        let rest = conn.read_to_end();
        assert!(rest.ends_with(b"0\r\n\r\n"));
    }
}

/// BREACH: a stranger's page cannot make our visitor's browser fetch compressed pages with cookies.
#[test]
fn breach_what_another_site_caused_is_not_compressed() {
    let server = start();
    let client = server.client();
    let asked = |fields: &[(&str, &str)]| {
        let mut request = client.get("/json").header("accept-encoding", "gzip");
        for (name, value) in fields {
            request = request.header(name, value);
        }
        coding(&request.send().expect(200)).to_owned()
    };
    let cookie = ("cookie", "sid=1");
    for site in ["cross-site", "same-site", "nonsense"] {
        let site = ("sec-fetch-site", site);
        assert_eq!(asked(&[site, cookie]), "");
        assert_eq!(asked(&[site, cookie, ("sec-fetch-user", "?0")]), "");
        assert_eq!(
            asked(&[site, cookie, ("sec-fetch-user", "?1")]),
            "gzip",
            "a click"
        );
        assert_eq!(asked(&[site]), "gzip", "nobody's page");
    }
    for site in ["same-origin", "none"] {
        assert_eq!(asked(&[("sec-fetch-site", site), cookie]), "gzip");
    }
    assert_eq!(asked(&[cookie]), "gzip");
    let server = serve(router(Compression::new().cross_site(true)));
    let client = server.client();
    let request = client
        .get("/json")
        .header("accept-encoding", "gzip")
        .header("cookie", "sid=1");
    assert_eq!(
        coding(&request.header("sec-fetch-site", "cross-site").send()),
        "gzip"
    );
}

#[test]
fn levels_and_codings_are_to_choose() {
    for level in [Level::Fast, Level::Balanced, Level::Small] {
        let server = serve(router(
            Compression::new()
                .level(level)
                .codings(&[Coding::Gzip, Coding::Brotli]),
        ));
        for (accept, expect) in [("zstd, br, gzip", "gzip"), ("zstd, br", "br"), ("zstd", "")] {
            let answer = ask(&server, "/text/300000", accept);
            assert_eq!(coding(&answer), expect);
            assert!(undone(&answer) == text(300_000).as_bytes());
        }
    }
}

#[test]
fn a_body_that_fails_is_cut_and_never_looks_whole() {
    let fails = |after: usize| {
        move || async move {
            let pieces = (0..after).map(|_| Ok(Bytes::from(text(50_000))));
            let stream = futures_util::stream::iter(pieces.chain([Err(std::io::Error::other("on purpose"))]));
            ([("content-type", "text/plain")], Body::from_stream(stream))
        }
    };
    let router = Router::new()
        .route("/late", get(fails(3)))
        .layer(Compression::new());
    let server = serve(router);
    server.expect_log(tracing::Level::WARN, "on purpose");
    for accept in ["gzip", "br", "zstd"] {
        let mut conn = server
            .client()
            .get("/late")
            .header("accept-encoding", accept)
            .start();
        let answer = conn.read_to_end();
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && !answer.ends_with(b"0\r\n\r\n"));
    }
}

/// The socket may take a file's bytes from the file itself, where nobody changes them on the way.
#[test]
fn files_behind_the_layer() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [2 * KIB, 100 * KIB, 400 * KIB];
    for bytes in sizes {
        std::fs::write(dir.path().join(format!("{bytes}.txt")), text(bytes)).unwrap();
    }
    let files = squall::files::Files::directory(dir.path()).unwrap();
    let server = serve(files.router("/").layer(Compression::new()));
    for bytes in sizes {
        for accept in ["identity", "gzip", "br", "zstd"] {
            let path = format!("/{bytes}.txt");
            let answer = ask(&server, &path, accept).expect(200);
            assert_eq!(coding(&answer), if accept == "identity" { "" } else { accept });
            assert!(undone(&answer) == text(bytes).as_bytes(), "{path} {accept}");
            assert!(accept == "identity" || answer.header("etag").starts_with("W/"));
            let client = server.client();
            let part = client
                .get(&path)
                .header("accept-encoding", accept)
                .header("range", "bytes=0-99");
            assert_eq!(part.send().expect(206).body, &text(bytes).as_bytes()[..100]);
        }
    }
}
