//! RFC 9110, section 12.5.3: compressed files beside the file.

use super::kit::{Scratch, ask, get, set_modified};
use crate::files::Files;
use crate::files::coding::{Accepted, Coding};

const ALL: [Coding; 4] = [Coding::Identity, Coding::Brotli, Coding::Zstd, Coding::Gzip];

fn chosen(field: Option<&str>, there: &[Coding]) -> Option<Coding> {
    let headers = field
        .map(|field| (axum::http::header::ACCEPT_ENCODING, field.parse().unwrap()))
        .into_iter()
        .collect();
    Accepted::of(&headers).choose(there.iter().copied())
}

#[test]
fn what_is_accepted_is_chosen_by_weight() {
    use Coding::{Brotli, Gzip, Identity, Zstd};
    for (field, expect) in [
        ("gzip, deflate, br, zstd", Some(Brotli)),
        ("gzip, zstd", Some(Zstd)),
        ("gzip", Some(Gzip)),
        ("x-gzip", Some(Gzip)),
        ("GZIP", Some(Gzip)),
        ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
        ("gzip;q=0.5, br;q=0.501", Some(Brotli)),
        ("gzip;q=0.001", Some(Gzip)),
        ("gzip ; q=0.5", Some(Gzip)),
        ("gzip;Q=0.5", Some(Gzip)),
        // Tornado looked for the word alone.
        ("gzip;q=0", Some(Identity)),
        ("gzip;q=0.000", Some(Identity)),
        ("*", Some(Brotli)),
        ("*, br;q=0", Some(Zstd)),
        ("*;q=0, gzip", Some(Gzip)),
        ("identity", Some(Identity)),
        ("identity, gzip;q=0.5", Some(Identity)),
        ("identity;q=0.5, gzip", Some(Gzip)),
        ("identity;q=0.5, gzip;q=0.5", Some(Gzip)),
        ("identity;q=0, gzip;q=0.1", Some(Gzip)),
        ("deflate", Some(Identity)),
        ("", Some(Identity)),
        (",", Some(Identity)),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("identity;q=0, *;q=0", None),
        ("deflate, identity;q=0", None),
        // Malformed members are passed over.
        ("gzip;q=2", Some(Identity)),
        ("gzip;q=0.1234", Some(Identity)),
        ("gzip;q=-1", Some(Identity)),
        ("gzip;q=", Some(Identity)),
        ("br;q=x, gzip", Some(Gzip)),
    ] {
        assert_eq!(chosen(Some(field), &ALL), expect, "{field}");
    }
    assert_eq!(chosen(None, &ALL), Some(Identity));
    assert_eq!(chosen(Some("br, gzip;q=0.1"), &[Identity, Gzip]), Some(Gzip));
    assert_eq!(chosen(Some("br"), &[Identity, Gzip]), Some(Identity));
    assert_eq!(chosen(Some("br, identity;q=0"), &[Identity, Gzip]), None);
}

fn four() -> (Scratch, Files) {
    let scratch = Scratch::new();
    for (name, content) in [
        ("a.js", "plain"),
        ("a.js.br", "brotli"),
        ("a.js.zst", "zstd"),
        ("a.js.gz", "gzip"),
    ] {
        set_modified(&scratch.write(name, content), 1_000_000_000);
    }
    let files = scratch.files();
    (scratch, files)
}

#[tokio::test]
async fn each_coding_has_its_own_tag_and_its_own_ranges() {
    let (_scratch, files) = four();
    let mut tags = Vec::new();
    for (accept, coding, content) in [
        ("identity", "", "plain"),
        ("br", "br", "brotli"),
        ("zstd", "zstd", "zstd"),
        ("gzip", "gzip", "gzip"),
    ] {
        let answer = get(&files, "/f/a.js", &[("accept-encoding", accept)]).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, content));
        assert_eq!(answer.field("content-encoding"), coding);
        assert_eq!(answer.field("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(answer.field("vary"), "accept-encoding");
        let tag = answer.field("etag").to_owned();
        let part = get(
            &files,
            "/f/a.js",
            &[
                ("accept-encoding", accept),
                ("range", "bytes=1-2"),
                ("if-range", &tag),
            ],
        )
        .await;
        assert_eq!((part.status, part.text().as_str()), (206, &content[1..3]));
        assert_eq!(part.field("content-encoding"), coding);
        assert_eq!(
            part.field("content-range"),
            format!("bytes 1-2/{}", content.len())
        );
        let known = get(
            &files,
            "/f/a.js",
            &[("accept-encoding", accept), ("if-none-match", &tag)],
        )
        .await;
        assert_eq!((known.status, known.field("vary")), (304, "accept-encoding"));
        let head = ask(&files, "HEAD", "/f/a.js", &[("accept-encoding", accept)]).await;
        assert_eq!(
            (
                head.field("content-length"),
                head.field("content-encoding"),
                head.field("etag")
            ),
            (content.len().to_string().as_str(), coding, tag.as_str())
        );
        tags.push(tag);
    }
    // The part of one coding must not be put to the rest of another.
    let mixed = [
        ("accept-encoding", "br"),
        ("range", "bytes=1-2"),
        ("if-range", tags[3].as_str()),
    ];
    assert_eq!(get(&files, "/f/a.js", &mixed).await.text(), "brotli");
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

/// Two codings of the same bytes are two representations all the same.
#[tokio::test]
async fn the_same_bytes_in_two_codings_have_two_tags() {
    let scratch = Scratch::new();
    scratch.write("a.js", "same");
    scratch.write("a.js.gz", "same");
    let files = scratch.files();
    let tag = async |accept| {
        let answer = get(&files, "/f/a.js", &[("accept-encoding", accept)]).await;
        answer.field("etag").to_owned()
    };
    assert_ne!(tag("identity").await, tag("gzip").await);
}

#[tokio::test]
async fn nothing_acceptable_is_406_and_a_file_without_siblings_does_not_vary() {
    let (scratch, files) = four();
    let refused = get(&files, "/f/a.js", &[("accept-encoding", "identity;q=0, deflate")]).await;
    assert_eq!((refused.status, refused.field("vary")), (406, "accept-encoding"));
    scratch.write("alone.js", "x");
    let alone = get(&files, "/f/alone.js", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(
        (alone.status, alone.field("vary"), alone.field("content-encoding")),
        (200, "", "")
    );
    let packed = get(&files, "/f/a.js.gz", &[("accept-encoding", "gzip")]).await;
    assert_eq!(
        (packed.text().as_str(), packed.field("content-encoding")),
        ("gzip", ""),
        "asked for by its own name it is what it is"
    );
    assert_eq!(packed.field("content-type"), "application/gzip");
    let off = scratch.files_with(|config| config.precompressed = false);
    assert_eq!(
        get(&off, "/f/a.js", &[("accept-encoding", "br")]).await.text(),
        "plain"
    );
}

#[tokio::test]
async fn a_sibling_that_is_older_than_its_file_is_not_used() {
    let (scratch, files) = four();
    set_modified(&scratch.write("a.js", "newer"), 1_000_000_001);
    set_modified(&scratch.path("a.js.gz"), 1_000_000_001);
    let answer = get(&files, "/f/a.js", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(answer.field("content-encoding"), "gzip");
    set_modified(&scratch.path("a.js"), 1_000_000_002);
    let answer = get(&files, "/f/a.js", &[("accept-encoding", "br, gzip")]).await;
    assert_eq!((answer.field("vary"), answer.text().as_str()), ("", "newer"));
    std::fs::remove_file(scratch.path("a.js")).unwrap();
    let gone = get(&files, "/f/a.js", &[("accept-encoding", "gzip")]).await;
    assert_eq!(gone.status, 404, "what was made of it is not it");
}
