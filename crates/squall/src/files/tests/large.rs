//! Files that are larger than any buffer.

use std::fs::{self, File};
use std::sync::Arc;

use http_body_util::BodyExt as _;
use tracing::Level;

use super::kit::{Scratch, set_modified};
use crate::files::body::{Buffers, PIECE_BYTES, Piece, Pieces, Reader};
use crate::files::entry::Stamp;
use crate::files::ranges::Span;
use crate::testing::serve;

/// Bytes that are not the same anywhere.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn pieces(file: &Arc<File>, stamp: Option<Stamp>, to: u64) -> Pieces {
    let reader = Reader::new(file.clone(), stamp, Arc::new(Buffers::default()));
    Pieces::new([Piece::Span(Span { from: 0, to })].into(), Some(reader))
}

#[tokio::test]
async fn a_file_comes_a_piece_at_a_time() {
    let scratch = Scratch::new();
    let content = content(3 * PIECE_BYTES + 7);
    let path = scratch.write("a.bin", &content);
    let file = Arc::new(File::open(path).unwrap());
    let mut body = pieces(&file, None, content.len() as u64);
    let mut got = Vec::new();
    while let Some(frame) = body.frame().await {
        let bytes = frame.unwrap().into_data().unwrap();
        assert!(bytes.len() <= PIECE_BYTES);
        got.extend_from_slice(&bytes);
    }
    assert!(got == content);
}

/// The length is told already: only an error, so the end of the connection, can say that the rest does not come.
#[tokio::test]
async fn a_file_cut_or_changed_while_it_is_sent_is_an_error() {
    let scratch = Scratch::new();
    let content = content(2 * PIECE_BYTES);
    let path = scratch.write("a.bin", &content);
    let file = Arc::new(File::open(&path).unwrap());
    let stamp = Stamp::of(&file).unwrap();
    let mut promised = pieces(&file, Some(stamp), content.len() as u64);
    let mut unpromised = pieces(&file, None, content.len() as u64);
    promised.frame().await.unwrap().unwrap();
    unpromised.frame().await.unwrap().unwrap();
    // Renaming leaves the bytes as they are.
    fs::rename(&path, scratch.path("b.bin")).unwrap();
    let path = scratch.path("b.bin");
    let mut renamed = pieces(&file, Some(stamp), content.len() as u64);
    assert!(renamed.frame().await.unwrap().is_ok());
    set_modified(&path, 1_000_000_000);
    let error = promised.frame().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("changed while it was sent"), "{error}");
    assert!(promised.frame().await.is_none());
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(PIECE_BYTES as u64)
        .unwrap();
    let error = unpromised.frame().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("shorter while it was sent"), "{error}");
}

#[test]
fn a_file_cut_while_it_is_sent_ends_its_connection() {
    const BYTES: u64 = 64 << 20;
    let scratch = Scratch::new();
    let path = scratch.write("a.bin", "");
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(BYTES).unwrap();
    let server = serve(scratch.files().router("/f/"));
    // Which of them it is depends on who sees it first: the body, or the socket that takes from the file.
    server.allow_log(Level::WARN, "a response body failed on its way");
    server.allow_log(Level::WARN, "a file became shorter while it was sent");
    let mut conn = server.raw();
    conn.write(b"GET /f/a.bin HTTP/1.1\r\nhost: x\r\n\r\n");
    let head = String::from_utf8(conn.read_until(b"\r\n\r\n")).unwrap();
    assert!(head.contains(&format!("content-length: {BYTES}\r\n")), "{head}");
    conn.read_exact(1 << 20);
    file.set_len(1 << 20).unwrap();
    assert!((conn.read_to_end().len() as u64) < BYTES - (1 << 20));
}

/// Tornado hashed the whole file before the first byte, on its loop: 70 seconds (issue 1046). This one would take an hour.
#[test]
fn the_first_request_for_a_huge_file_is_answered_at_once() {
    const BYTES: u64 = 1 << 40;
    let scratch = Scratch::new();
    let path = scratch.write("huge.bin", "");
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(BYTES)
        .unwrap();
    let server = serve(scratch.files().router("/f/"));
    let client = server.client();
    let head = client.head("/f/huge.bin").send().expect(200);
    assert_eq!(head.header("content-length"), BYTES.to_string());
    let tag = head.header("etag").to_owned();
    assert!(tag.starts_with('"'));
    let mut conn = server.raw();
    conn.write(b"GET /f/huge.bin HTTP/1.1\r\nhost: x\r\n\r\n");
    conn.read_until(b"\r\n\r\n");
    assert!(conn.read_exact(300_000).iter().all(|byte| *byte == 0));
    let end = client
        .get("/f/huge.bin")
        .header("range", "bytes=-5")
        .header("if-range", &tag)
        .send()
        .expect(206);
    assert_eq!(
        (end.header("content-range"), end.body.as_slice()),
        (
            format!("bytes {}-{}/{BYTES}", BYTES - 5, BYTES - 1).as_str(),
            &[0; 5][..]
        )
    );
}

#[test]
fn a_large_file_arrives_whole_and_in_parts() {
    let scratch = Scratch::new();
    let content = content(3 << 20);
    scratch.write("a.bin", &content);
    let server = serve(scratch.files().router("/f/"));
    let client = server.client();
    assert!(client.get("/f/a.bin").send().expect(200).body == content);
    let part = client
        .get("/f/a.bin")
        .header("range", "bytes=1000000-2999999")
        .send()
        .expect(206);
    assert!(part.body == content[1_000_000..3_000_000]);
    let parts = client
        .get("/f/a.bin")
        .header("range", "bytes=0-299999,1000000-1299999")
        .send()
        .expect(206);
    let boundary = parts
        .header("content-type")
        .split_once("boundary=")
        .unwrap()
        .1
        .to_owned();
    let part = |from: usize, to: usize| {
        let range = format!("bytes {from}-{}/{}", to - 1, content.len());
        let head = format!(
            "--{boundary}\r\ncontent-type: application/octet-stream\r\ncontent-range: {range}\r\n\r\n"
        );
        [head.as_bytes(), &content[from..to]].concat()
    };
    let end = format!("\r\n--{boundary}--\r\n");
    let expect = [
        &part(0, 300_000),
        &b"\r\n"[..],
        &part(1_000_000, 1_300_000),
        end.as_bytes(),
    ]
    .concat();
    assert!(parts.body == expect);
}

/// The peer's pace is ours: what it does not read is not read from the disk either.
#[test]
fn a_slow_reader_costs_a_piece() {
    let scratch = Scratch::new();
    let path = scratch.write("a.bin", "");
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let files = scratch.files();
    let server = serve(files.router("/f/"));
    let mut slow: Vec<_> = (0..20)
        .map(|_| {
            let mut conn = server.raw();
            conn.write(b"GET /f/a.bin HTTP/1.1\r\nhost: x\r\n\r\n");
            conn.read_until(b"\r\n\r\n");
            conn
        })
        .collect();
    // They read nothing, and somebody beside them is served.
    let part = server
        .client()
        .get("/f/a.bin")
        .header("range", "bytes=0-9")
        .send();
    assert_eq!(part.status, 206);
    for conn in &mut slow {
        conn.read_exact(1 << 20);
    }
}
