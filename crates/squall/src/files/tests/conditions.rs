//! RFC 9110, section 13, as tables.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::kit::{Scratch, ask, get, set_modified};
use crate::files::coding::Coding;
use crate::files::conditions::{Modified, Verdict, check, range_counts};
use crate::files::etag::Tag;

/// Sun, 06 Nov 1994 08:49:37 GMT.
const THEN: u64 = 784_111_777;
const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::try_from(*value).unwrap(),
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

fn then() -> Modified {
    let time = UNIX_EPOCH + Duration::from_millis(THEN * 1000 + 700);
    Modified::new(time, SystemTime::now())
}

/// `TAG` stands for the file's own tag.
fn verdict(fields: &[(&str, &str)]) -> Verdict {
    let tag = Tag::of(b"content", Coding::Identity);
    let own = tag.value().to_str().unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.replace("TAG", own)))
        .collect();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    check(&headers(&fields), &tag, Some(&then()))
}

#[test]
fn if_match_compares_strongly_and_if_none_match_weakly() {
    for (value, is_match, is_none_match) in [
        ("TAG", Verdict::Go, Verdict::NotModified),
        ("W/TAG", Verdict::Failed, Verdict::NotModified),
        ("*", Verdict::Go, Verdict::NotModified),
        (" * ", Verdict::Go, Verdict::NotModified),
        ("\"x\", TAG", Verdict::Go, Verdict::NotModified),
        ("\"x\",,W/\"y\",TAG ,", Verdict::Go, Verdict::NotModified),
        // A comma inside of quotes separates nothing.
        ("\"a,TAG\", TAG", Verdict::Go, Verdict::NotModified),
        ("\"x\"", Verdict::Failed, Verdict::Go),
        ("", Verdict::Failed, Verdict::Go),
        ("\"", Verdict::Failed, Verdict::Go),
        ("\"x\", *", Verdict::Failed, Verdict::Go),
        ("w/TAG", Verdict::Failed, Verdict::Go),
        ("TAG-gzip", Verdict::Failed, Verdict::Go),
        ("xTAG", Verdict::Failed, Verdict::Go),
    ] {
        assert_eq!(verdict(&[("if-match", value)]), is_match, "If-Match: {value}");
        assert_eq!(
            verdict(&[("if-none-match", value)]),
            is_none_match,
            "If-None-Match: {value}"
        );
    }
    let two_lines = [("if-none-match", "\"x\""), ("if-none-match", "TAG")];
    assert_eq!(verdict(&two_lines), Verdict::NotModified);
}

#[test]
fn dates_compare_to_the_second_and_what_is_no_date_does_not_count() {
    for (date, unmodified_since, modified_since) in [
        (SAME, Verdict::Go, Verdict::NotModified),
        (BEFORE, Verdict::Failed, Verdict::Go),
        (AFTER, Verdict::Go, Verdict::NotModified),
        // The obsolete forms are read, too (section 5.6.7).
        (
            "Sunday, 06-Nov-94 08:49:37 GMT",
            Verdict::Go,
            Verdict::NotModified,
        ),
        ("Sun Nov  6 08:49:36 1994", Verdict::Failed, Verdict::Go),
        ("yesterday", Verdict::Go, Verdict::Go),
        ("784111777", Verdict::Go, Verdict::Go),
        ("", Verdict::Go, Verdict::Go),
    ] {
        assert_eq!(
            verdict(&[("if-unmodified-since", date)]),
            unmodified_since,
            "{date}"
        );
        assert_eq!(verdict(&[("if-modified-since", date)]), modified_since, "{date}");
    }
    let two = [("if-modified-since", SAME), ("if-modified-since", SAME)];
    assert_eq!(verdict(&two), Verdict::Go);
}

#[test]
fn tags_count_before_dates() {
    for (fields, expect) in [
        (
            [("if-match", "TAG"), ("if-unmodified-since", BEFORE)],
            Verdict::Go,
        ),
        (
            [("if-match", "\"x\""), ("if-unmodified-since", SAME)],
            Verdict::Failed,
        ),
        (
            [("if-none-match", "\"x\""), ("if-modified-since", AFTER)],
            Verdict::Go,
        ),
        (
            [("if-none-match", "TAG"), ("if-modified-since", BEFORE)],
            Verdict::NotModified,
        ),
        // First what must be so, then what may be spared.
        ([("if-match", "\"x\""), ("if-none-match", "TAG")], Verdict::Failed),
        (
            [("if-match", "TAG"), ("if-none-match", "TAG")],
            Verdict::NotModified,
        ),
        (
            [("if-unmodified-since", BEFORE), ("if-none-match", "TAG")],
            Verdict::Failed,
        ),
        (
            [("if-unmodified-since", SAME), ("if-modified-since", SAME)],
            Verdict::NotModified,
        ),
    ] {
        assert_eq!(verdict(&fields), expect, "{fields:?}");
    }
}

#[test]
fn if_range_is_strong_and_its_date_exact() {
    let strong = Tag::of(b"content", Coding::Identity);
    let own = strong.value().to_str().unwrap();
    let weak = Tag::new(b"0123456789abcdef", Coding::Identity, true);
    let counts = |tag: &Tag, value: &str| range_counts(&headers(&[("if-range", value)]), tag, Some(&then()));
    for (value, expect) in [
        (own.to_owned(), true),
        (format!(" {own} "), true),
        (format!("W/{own}"), false),
        (format!("\"x\", {own}"), false),
        (format!("{own}, {own}"), false),
        ("\"x\"".to_owned(), false),
        ("*".to_owned(), false),
        (SAME.to_owned(), true),
        ("Sun Nov  6 08:49:37 1994".to_owned(), true),
        (BEFORE.to_owned(), false),
        (AFTER.to_owned(), false),
        ("tomorrow".to_owned(), false),
    ] {
        assert_eq!(counts(&strong, &value), expect, "{value}");
    }
    assert!(!counts(&weak, weak.value().to_str().unwrap()));
    assert!(!counts(&weak, SAME), "what may have changed twice in a second");
    assert!(range_counts(&HeaderMap::new(), &weak, None));
    let two = headers(&[("if-range", own), ("if-range", own)]);
    assert!(!range_counts(&two, &strong, None));
    // A date in the future is told as now; it is not the file's, and proves nothing.
    let now = UNIX_EPOCH + Duration::from_secs(THEN);
    let future = Modified::new(now + Duration::from_secs(60), now);
    assert_eq!(future.value(), SAME);
    assert!(!range_counts(
        &headers(&[("if-range", SAME)]),
        &strong,
        Some(&future)
    ));
}

#[tokio::test]
async fn a_304_has_its_fields_and_a_412_says_so() {
    let scratch = Scratch::new();
    let path = scratch.write("a.txt", "content");
    set_modified(&path, THEN);
    let files = scratch.files();
    let first = get(&files, "/f/a.txt", &[]).await;
    assert_eq!((first.status, first.text().as_str()), (200, "content"));
    assert_eq!(first.field("last-modified"), SAME);
    assert_eq!(first.field("accept-ranges"), "bytes");
    let tag = first.field("etag").to_owned();
    for method in ["GET", "HEAD"] {
        let known = ask(&files, method, "/f/a.txt", &[("if-none-match", &tag)]).await;
        assert_eq!((known.status, known.body.len()), (304, 0));
        let fields: Vec<_> = ["etag", "last-modified", "cache-control", "content-type"]
            .map(|name| known.field(name).to_owned())
            .into();
        assert_eq!(fields, [tag.as_str(), SAME, "no-cache", ""]);
        let failed = ask(&files, method, "/f/a.txt", &[("if-match", "\"x\"")]).await;
        assert_eq!((failed.status, failed.field("etag")), (412, ""));
    }
}

/// A range that is asked for in vain is still a condition that comes first.
#[tokio::test]
async fn preconditions_come_before_ranges() {
    let scratch = Scratch::new();
    scratch.write("a.txt", "content");
    let files = scratch.files();
    let tag = get(&files, "/f/a.txt", &[]).await.field("etag").to_owned();
    for (fields, status) in [
        ([("range", "bytes=0-1"), ("if-none-match", tag.as_str())], 304),
        ([("range", "bytes=99-"), ("if-none-match", tag.as_str())], 304),
        ([("range", "bytes=0-1"), ("if-match", "\"x\"")], 412),
        ([("range", "bytes=0-1"), ("if-range", tag.as_str())], 206),
        ([("range", "bytes=0-1"), ("if-range", "\"x\"")], 200),
        // What it is a part of has changed: no 416 for an end that may be there by now.
        ([("range", "bytes=99-"), ("if-range", "\"x\"")], 200),
        ([("range", "bytes=99-"), ("if-range", tag.as_str())], 416),
    ] {
        assert_eq!(
            get(&files, "/f/a.txt", &fields).await.status,
            status,
            "{fields:?}"
        );
    }
}
