//! Compressed requests over real sockets: what is undone, what is refused, and what a bomb costs.

#![cfg(feature = "compression")]

use std::io::Write;

use squall::decompression::{BYTES_MAX, Decompression, RATIO_FLOOR_BYTES};
use squall::testing::{Answer, TestServer, serve};
use squall::uploads::{Multipart, Upload, UploadError};
use squall::web::body::Body;
use squall::web::http::HeaderMap;
use squall::web::routing::post;
use squall::web::{Bytes, Router};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn br(data: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 20);
    encoder.write_all(data).unwrap();
    encoder.into_inner()
}

fn zst(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 1).unwrap()
}

type Encode = fn(&[u8]) -> Vec<u8>;

const CODINGS: [(&str, Encode); 3] = [("gzip", gzip), ("br", br), ("zstd", zst)];

/// Text that becomes some ten times smaller.
fn text(bytes: usize) -> Vec<u8> {
    let lines = (0u32..)
        .flat_map(|n| format!("line {} of the log\n", n.wrapping_mul(2_654_435_761) >> 20).into_bytes());
    lines.take(bytes).collect()
}

fn router(limits: Decompression) -> Router {
    Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route(
            "/fields",
            post(async |headers: HeaderMap, body: Bytes| {
                let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                format!(
                    "{:?} {:?} {}",
                    said("content-encoding"),
                    said("content-length"),
                    body.len()
                )
            }),
        )
        .route("/deaf", post(async || "did not read"))
        .route(
            "/count",
            post(async |mut upload: Upload| {
                let (mut bytes, mut most) = (0, 0);
                while let Some(data) = upload.chunk().await? {
                    bytes += data.len();
                    most = most.max(data.len());
                }
                Ok::<_, UploadError>(format!("{bytes} in pieces of {most}"))
            }),
        )
        .route(
            "/form",
            post(async |mut form: Multipart| {
                let part = form.next_part().await?.unwrap();
                part.text().await
            }),
        )
        .layer(limits)
}

fn start() -> TestServer {
    serve(router(Decompression::new()))
}

fn send(server: &TestServer, path: &str, coding: &str, body: Vec<u8>) -> Answer {
    let client = server.client();
    let request = client.post(path).body("text/plain", body);
    request.header("content-encoding", coding).send()
}

#[test]
fn every_coding_is_undone() {
    let server = start();
    for (coding, encode) in CODINGS {
        for bytes in [0, 1, 1000, 16 * 1024, 64 * 1024 + 1, 1_000_000] {
            let data = text(bytes);
            let answer = send(&server, "/echo", coding, encode(&data)).expect(200);
            assert!(answer.body == data, "{coding} {bytes}");
        }
        let coded = encode(&text(5000));
        let answer = send(&server, "/fields", coding, coded.clone()).expect(200);
        assert_eq!(answer.text(), "None None 5000", "{coding}");
        // In drops, with the end of the body apart from that of the stream.
        let mut conn = server.raw();
        conn.write(
            format!("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n")
                .as_bytes(),
        );
        for byte in &coded {
            conn.write(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
        }
        conn.write(b"0\r\n\r\n");
        assert!(conn.read_to_end().ends_with(&text(5000)), "{coding}");
    }
    let answer = send(&server, "/echo", "x-gzip", gzip(b"old name")).expect(200);
    assert_eq!(answer.text(), "old name");
    let answer = send(&server, "/echo", "GZip", gzip(b"any case")).expect(200);
    assert_eq!(answer.text(), "any case");
    let form = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n--x--\r\n";
    let client = server.client();
    let request = client
        .post("/form")
        .body("multipart/form-data; boundary=x", gzip(form));
    assert_eq!(
        request
            .header("content-encoding", "gzip")
            .send()
            .expect(200)
            .text(),
        "hello"
    );
}

#[test]
fn what_is_not_compressed_is_passed_on() {
    let server = start();
    let answer = server.client().post("/fields").body("text/plain", "12345").send();
    assert_eq!(answer.expect(200).text(), "None Some(\"5\") 5");
    let answer = send(&server, "/fields", "identity", b"12345".to_vec());
    assert_eq!(answer.expect(200).text(), "Some(\"identity\") Some(\"5\") 5");
    let answer = send(&server, "/deaf", "gzip", b"not gzip at all".to_vec());
    assert_eq!(answer.expect(200).text(), "did not read");
    let answer = server
        .client()
        .post("/fields")
        .header("content-encoding", "gzip")
        .send();
    assert_eq!(
        answer.expect(200).text(),
        "None None 0",
        "no body is no coded body"
    );
}

#[test]
fn codings_that_are_not_taken() {
    let server = start();
    let body = gzip(&gzip(b"twice"));
    for coding in [
        "deflate",
        "compress",
        "gzip, gzip",
        "gzip,br",
        "identity, gzip, zstd",
        "nonsense",
        "\"gzip\"",
        "*",
    ] {
        let answer = send(&server, "/echo", coding, body.clone()).expect(415);
        assert_eq!(answer.header("accept-encoding"), "gzip, br, zstd", "{coding}");
    }
    let twice = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
    assert!(server.send_raw(twice.as_bytes()).starts_with(b"HTTP/1.1 415 "));
    let answer = send(&server, "/echo", "gzip, identity", gzip(b"once")).expect(200);
    assert_eq!(answer.text(), "once");
}

#[test]
fn truncated_bodies() {
    let server = start();
    for (coding, encode) in CODINGS {
        let coded = encode(&text(3000));
        for bytes in [1, 2, 5, 10, 17, coded.len() / 2, coded.len() - 1] {
            let answer = send(&server, "/echo", coding, coded[..bytes].to_vec()).expect(400);
            assert_eq!(
                answer.text(),
                "the compressed request body ends too early\n",
                "{coding} {bytes}"
            );
        }
    }
}

/// Tornado looped for ever on some of them.
#[test]
fn malformed_gzip_must_not_loop() {
    let server = start();
    for (coding, encode) in CODINGS {
        let good = encode(&text(3000));
        let behind = [&good[..], b"x"].concat();
        let twice = [&good[..], &good].concat();
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle..].iter_mut().for_each(|byte| *byte = !*byte);
        for bad in [
            b"\xff".repeat(100_000),
            b"hello, I am text".repeat(1000),
            behind,
            twice,
            flipped,
        ] {
            let answer = send(&server, "/echo", coding, bad).expect(400);
            assert!(answer.text().starts_with("the "), "{coding}: {}", answer.text());
        }
    }
    let before = server.log_lines().len();
    send(&server, "/echo", "gzip", b"\0".repeat(10)).expect(400);
    assert_eq!(server.log_lines().len() - before, 1, "one line");
    // Wrong check sum; wrong length.
    for at in [1, 5] {
        let mut bad = gzip(b"hello");
        let last = bad.len() - at;
        bad[last] ^= 1;
        send(&server, "/echo", "gzip", bad).expect(400);
    }
    // Not a byte of it is of any coding: zeros are a brotli stream of one byte, and zstd's magic number is missing.
    for (coding, _) in CODINGS {
        send(&server, "/echo", coding, vec![0; 1000]).expect(400);
    }
}

#[test]
fn the_limit_is_of_what_comes_out() {
    let server = serve(router(Decompression::new().bytes_max(100_000)));
    for (coding, encode) in CODINGS {
        send(&server, "/echo", coding, encode(&text(100_000))).expect(200);
        let answer = send(&server, "/echo", coding, encode(&text(100_001))).expect(413);
        assert_eq!(
            answer.text(),
            "the request body, decompressed, is larger than its limit\n"
        );
        send(&server, "/count", coding, encode(&text(100_001))).expect(413);
    }
    let server = start();
    for (coding, encode) in CODINGS {
        send(&server, "/count", coding, encode(&text(BYTES_MAX as usize))).expect(200);
        send(&server, "/count", coding, encode(&text(BYTES_MAX as usize + 1))).expect(413);
    }
}

#[test]
fn the_limit_is_of_how_much_it_grows() {
    let server = start();
    let floor = RATIO_FLOOR_BYTES as usize;
    for (coding, encode) in CODINGS {
        let answer = send(&server, "/count", coding, encode(&vec![0; floor])).expect(200);
        assert_eq!(answer.text(), format!("{floor} in pieces of 16384"));
        let answer = send(&server, "/count", coding, encode(&vec![0; floor + 32 * 1024])).expect(413);
        assert_eq!(
            answer.text(),
            "the request body grows more than its limit when it is decompressed\n"
        );
    }
    let server = serve(router(Decompression::new().ratio_max(u64::MAX)));
    for (coding, encode) in CODINGS {
        send(&server, "/count", coding, encode(&vec![0; BYTES_MAX as usize])).expect(200);
    }
}

/// The server's own limit is of what is sent.
#[test]
fn the_servers_limit_is_of_what_is_sent() {
    let server = serve(router(Decompression::new().bytes_max(u64::MAX)));
    let sent = gzip(&noise(3 * 1024 * 1024));
    assert!(sent.len() > 3 * 1024 * 1024);
    send(&server, "/echo", "gzip", sent).expect(413);
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect()
}

/// A handler that says back what it reads while it reads: the answer has begun when the fault is found.
#[test]
fn an_answer_that_has_begun_is_cut() {
    let echo = post(async |body: Body| body);
    let server = serve(Router::new().route("/stream", echo).layer(Decompression::new()));
    server.allow_log(tracing::Level::WARN, "a response body failed on its way");
    server.allow_log(
        tracing::Level::ERROR,
        "a response body failed before its first byte",
    );
    let mut bad = gzip(&noise(300_000));
    bad.truncate(200_000);
    let mut conn = server.raw();
    let head = "POST /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 200000\r\n\r\n";
    conn.write(head.as_bytes());
    conn.write(&bad);
    let answer = conn.read_to_end();
    assert!(answer.starts_with(b"HTTP/1.1 ") && !answer.ends_with(b"0\r\n\r\n"));
}
