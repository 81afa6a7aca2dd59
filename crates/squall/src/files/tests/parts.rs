//! RFC 9110, section 14: ranges.

use axum::http::{HeaderMap, HeaderValue};

use super::kit::{Scratch, ask, get};
use crate::files::ranges::{Asked, Span, asked};

const RANGES_MAX: usize = 16;

fn of(field: &str, len_bytes: u64) -> Asked {
    let headers = HeaderMap::from_iter([(axum::http::header::RANGE, HeaderValue::try_from(field).unwrap())]);
    asked(&headers, len_bytes, RANGES_MAX)
}

fn spans(spans: &[(u64, u64)]) -> Asked {
    Asked::Parts(spans.iter().map(|&(from, to)| Span { from, to }).collect())
}

#[test]
fn ranges_of_ten_bytes() {
    let last = u64::MAX.to_string();
    for (field, expect) in [
        ("bytes=0-0", spans(&[(0, 1)])),
        ("bytes=0-9", spans(&[(0, 10)])),
        ("bytes=0-", spans(&[(0, 10)])),
        ("bytes=9-", spans(&[(9, 10)])),
        ("bytes=2-5", spans(&[(2, 6)])),
        ("bytes=5-99", spans(&[(5, 10)])),
        ("bytes=-1", spans(&[(9, 10)])),
        ("bytes=-10", spans(&[(0, 10)])),
        ("bytes=-11", spans(&[(0, 10)])),
        ("BYTES=0-0", spans(&[(0, 1)])),
        ("bytes= 0-0 ", spans(&[(0, 1)])),
        ("bytes=,0-0,,", spans(&[(0, 1)])),
        // Past the end: 416, if there is nothing else.
        ("bytes=10-", Asked::Nothing),
        ("bytes=10-20", Asked::Nothing),
        ("bytes=-0", Asked::Nothing),
        ("bytes=10-,-0", Asked::Nothing),
        ("bytes=99-,3-3", spans(&[(3, 4)])),
        // What is malformed is passed over.
        ("bytes=5-2", Asked::Whole),
        ("bytes=", Asked::Whole),
        ("bytes=,", Asked::Whole),
        ("bytes", Asked::Whole),
        ("bytes=-", Asked::Whole),
        ("bytes=a-b", Asked::Whole),
        ("bytes=0-1x", Asked::Whole),
        ("bytes=--1", Asked::Whole),
        ("bytes=+1-2", Asked::Whole),
        ("bytes=0 - 1", Asked::Whole),
        ("bytes=0-0,x", Asked::Whole),
        ("bytes:0-0", Asked::Whole),
        ("items=0-0", Asked::Whole),
        ("", Asked::Whole),
        // Several: in the order asked for; what touches is one.
        ("bytes=0-0,-1", spans(&[(0, 1), (9, 10)])),
        ("bytes=8-8, 2-3", spans(&[(8, 9), (2, 4)])),
        ("bytes=0-1,2-3", spans(&[(0, 4)])),
        ("bytes=0-1,6-7,1-4", spans(&[(0, 5), (6, 8)])),
        ("bytes=0-1,4-5,2-3", spans(&[(0, 6)])),
        ("bytes=0-0,2-2,0-9", spans(&[(0, 10)])),
    ] {
        assert_eq!(of(field, 10), expect, "{field}");
    }
    for (first, to) in [
        (format!("bytes=0-{last}"), spans(&[(0, 10)])),
        (format!("bytes={last}-"), Asked::Nothing),
        (format!("bytes=0-{last}0"), spans(&[(0, 10)])),
        (format!("bytes=-{last}9"), spans(&[(0, 10)])),
    ] {
        assert_eq!(of(&first, 10), to, "{first}");
    }
    assert_eq!(of("bytes=0-", 0), Asked::Nothing);
    assert_eq!(of("bytes=-1", 0), Asked::Whole);
    assert_eq!(of("bytes=0-0", u64::MAX), spans(&[(0, 1)]));
    let mut two = HeaderMap::new();
    two.append("range", HeaderValue::from_static("bytes=0-0"));
    two.append("range", HeaderValue::from_static("bytes=1-1"));
    assert_eq!(asked(&two, 10, RANGES_MAX), Asked::Whole);
}

/// CVE-2011-3192 and its kin: many ranges, overlapping, each the whole file.
#[test]
fn a_range_bomb_is_answered_with_the_file_once() {
    let many = |count: u64| {
        let one = |at: u64| format!("{}-{}", at * 2, at * 2);
        format!("bytes={}", (0..count).map(one).collect::<Vec<_>>().join(","))
    };
    assert!(matches!(of(&many(16), 1000), Asked::Parts(parts) if parts.len() == 16));
    assert_eq!(of(&many(17), 1000), Asked::Whole, "one past the limit");
    assert!(
        matches!(of("bytes=0-,0-,0-", 1000), Asked::Parts(parts) if parts.len() == 1),
        "two that overlap"
    );
    assert_eq!(of("bytes=0-,0-,0-,0-", 1000), Asked::Whole, "three");
    let past_the_end = format!("bytes={}", vec!["99-"; 17].join(","));
    assert_eq!(of(&past_the_end, 10), Asked::Whole);
}

#[tokio::test]
async fn one_range_is_206_and_none_is_416() {
    let scratch = Scratch::new();
    scratch.write("a.txt", "0123456789");
    for files in [
        scratch.files(),
        scratch.files_with(|config| config.memory_file_bytes_max = 0),
    ] {
        let part = get(&files, "/f/a.txt", &[("range", "bytes=2-4")]).await;
        assert_eq!(
            (part.status, part.field("content-range"), part.text().as_str()),
            (206, "bytes 2-4/10", "234")
        );
        assert_eq!(part.field("content-type"), "text/plain; charset=utf-8");
        let all = get(&files, "/f/a.txt", &[("range", "bytes=0-")]).await;
        assert_eq!(
            (all.status, all.field("content-range"), all.body.len()),
            (206, "bytes 0-9/10", 10)
        );
        let none = get(&files, "/f/a.txt", &[("range", "bytes=10-")]).await;
        assert_eq!((none.status, none.field("content-range")), (416, "bytes */10"));
        // Ranges are defined for GET (section 14.2).
        let head = ask(&files, "HEAD", "/f/a.txt", &[("range", "bytes=2-4")]).await;
        assert_eq!(
            (head.status, head.field("content-length"), head.body.len()),
            (200, "10", 0)
        );
        assert_eq!(head.field("content-range"), "");
    }
}

#[tokio::test]
async fn several_ranges_are_parts_of_one_answer() {
    let scratch = Scratch::new();
    scratch.write("a.txt", "0123456789");
    for files in [
        scratch.files(),
        scratch.files_with(|config| config.memory_file_bytes_max = 0),
    ] {
        let answer = get(&files, "/f/a.txt", &[("range", "bytes=-2,1-3")]).await;
        let boundary = answer
            .field("content-type")
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        assert_eq!(boundary.len(), 32);
        let expect = format!(
            "--{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes 8-9/10\r\n\r\n89\r\n\
             --{boundary}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-range: bytes 1-3/10\r\n\r\n123\r\n\
             --{boundary}--\r\n"
        );
        assert_eq!((answer.status, answer.text()), (206, expect.clone()));
        assert_eq!(answer.field("content-range"), "");
    }
}

#[tokio::test]
async fn an_empty_file_has_no_parts() {
    let scratch = Scratch::new();
    scratch.write("empty", "");
    let files = scratch.files();
    let whole = get(&files, "/f/empty", &[]).await;
    assert_eq!((whole.status, whole.body.len()), (200, 0));
    assert_eq!(
        get(&files, "/f/empty", &[("range", "bytes=-1")]).await.status,
        200
    );
    let none = get(&files, "/f/empty", &[("range", "bytes=0-")]).await;
    assert_eq!((none.status, none.field("content-range")), (416, "bytes */0"));
}
