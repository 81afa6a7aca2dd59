//! Files that change, and how they are told apart.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use super::kit::{Scratch, get, set_modified};
use crate::files::cache::Cache;
use crate::files::entry::{Entry, Stamp, Variant};
use crate::files::{Files, FilesConfig};

/// Tornado kept the first hash of a file until it was restarted, and answered 304 for other content.
#[tokio::test]
async fn a_changed_file_has_another_tag_at_once() {
    let scratch = Scratch::new();
    for memory_file_bytes_max in [64 * 1024, 0] {
        let files = scratch.files_with(|config| config.memory_file_bytes_max = memory_file_bytes_max);
        let path = scratch.write("a.txt", "one");
        set_modified(&path, 1_000_000_000);
        let before = get(&files, "/f/a.txt", &[]).await;
        let tag = before.field("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() == 24, "{tag}");
        // As long as before, and with its old time: only the inode says that it changed.
        scratch.write("a.txt", "two");
        set_modified(&path, 1_000_000_000);
        let after = get(&files, "/f/a.txt", &[("if-none-match", &tag)]).await;
        assert_eq!((after.status, after.text().as_str()), (200, "two"));
        assert_eq!(
            after.field("last-modified"),
            before.field("last-modified"),
            "a date cannot tell"
        );
        let other = scratch.write("b.txt", "three");
        fs::rename(other, &path).unwrap();
        assert_eq!(get(&files, "/f/a.txt", &[]).await.text(), "three");
        fs::remove_file(&path).unwrap();
        assert_eq!(get(&files, "/f/a.txt", &[]).await.status, 404);
        scratch.write("a.txt", "one");
        assert_eq!(
            get(&files, "/f/a.txt", &[]).await.field("etag"),
            tag,
            "the tag is of the content"
        );
    }
}

#[tokio::test]
async fn what_was_just_seen_is_not_looked_at_again() {
    let scratch = Scratch::new();
    scratch.write("a.txt", "one");
    scratch.write("large.txt", "one");
    let files = scratch.files_with(|config| config.fresh_ms = u64::MAX);
    assert_eq!(get(&files, "/f/a.txt", &[]).await.text(), "one");
    scratch.write("a.txt", "other");
    assert_eq!(get(&files, "/f/a.txt", &[]).await.text(), "one");
    // What is sent from the disk is looked at whenever it is sent.
    let on_disk = scratch.files_with(|config| {
        config.fresh_ms = u64::MAX;
        config.memory_file_bytes_max = 0;
    });
    assert_eq!(get(&on_disk, "/f/large.txt", &[]).await.text(), "one");
    // The second time it is kept open. Written to, replaced, removed: its inode tells.
    assert_eq!(get(&on_disk, "/f/large.txt", &[]).await.text(), "one");
    scratch.write("large.txt", "two");
    for _ in 0..2 {
        assert_eq!(get(&on_disk, "/f/large.txt", &[]).await.text(), "two");
    }
    fs::rename(scratch.write("new.txt", "six"), scratch.path("large.txt")).unwrap();
    for _ in 0..2 {
        assert_eq!(get(&on_disk, "/f/large.txt", &[]).await.text(), "six");
    }
    fs::remove_file(scratch.path("large.txt")).unwrap();
    assert_eq!(get(&on_disk, "/f/large.txt", &[]).await.status, 404);
    assert_eq!(
        get(&files, "/f/none", &[]).await.status,
        404,
        "what is missing is not remembered"
    );
    scratch.write("none", "there");
    assert_eq!(get(&files, "/f/none", &[]).await.text(), "there");
}

/// A site whose new version is put in place by switching a link.
#[tokio::test]
async fn the_directory_may_be_switched() {
    let scratch = Scratch::new();
    scratch.write("v1/a.txt", "one");
    scratch.write("v2/a.txt", "two");
    symlink("v1", scratch.path("current")).unwrap();
    let config = FilesConfig {
        fresh_ms: 0,
        ..FilesConfig::default()
    };
    let files = Files::directory_with(scratch.path("current"), config).unwrap();
    assert_eq!(get(&files, "/f/a.txt", &[]).await.text(), "one");
    symlink("v2", scratch.path("next")).unwrap();
    fs::rename(scratch.path("next"), scratch.path("current")).unwrap();
    assert_eq!(get(&files, "/f/a.txt", &[]).await.text(), "two");
}

/// Clocks of file systems are coarse: two changes in one tick look the same.
#[tokio::test]
async fn a_file_that_may_still_change_unseen_has_a_weak_tag() {
    let scratch = Scratch::new();
    scratch.write("a.txt", "content");
    for (hash_bytes_max, what) in [(100, "of the content"), (0, "of the times")] {
        let files = scratch.files_with(|config| {
            config.memory_file_bytes_max = 0;
            config.hash_bytes_max = hash_bytes_max;
            config.settled_after_ms = u64::MAX;
        });
        let answer = get(&files, "/f/a.txt", &[]).await;
        let tag = answer.field("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{what}: {tag}");
        let part = get(&files, "/f/a.txt", &[("range", "bytes=0-1"), ("if-range", &tag)]).await;
        assert_eq!(part.status, 200, "{what}");
        let known = get(&files, "/f/a.txt", &[("if-none-match", &tag)]).await;
        assert_eq!(known.status, 304, "{what}");
    }
    let in_memory = scratch.files_with(|config| config.settled_after_ms = u64::MAX);
    let answer = get(&in_memory, "/f/a.txt", &[]).await;
    assert!(
        answer.field("etag").starts_with('"'),
        "what is sent is what was hashed"
    );
}

#[test]
fn a_stamp_settles_when_its_clock_has_moved_on() {
    let scratch = Scratch::new();
    let path = scratch.write("a.txt", "x");
    let stamp = Stamp::of(&fs::File::open(&path).unwrap()).unwrap();
    let after = Duration::from_secs(2);
    let at = |seconds| stamp.modified() + Duration::from_secs(seconds);
    assert!(!stamp.is_settled(at(1), after));
    assert!(stamp.is_settled(at(3), after));
    assert!(
        !stamp.is_settled(stamp.modified() - after, after),
        "a clock that went back"
    );
    // A time of the change that somebody set does not make the last change older.
    set_modified(&path, 1_000_000_000);
    let set = Stamp::of(&fs::File::open(&path).unwrap()).unwrap();
    assert!(!set.is_settled(SystemTime::now() - Duration::from_secs(1), after));
}

#[tokio::test]
async fn tags_above_the_hash_limit_are_of_the_times() {
    let scratch = Scratch::new();
    let path = scratch.write("a.bin", "content");
    scratch.write("b.bin", "content");
    let tag = async |hash_bytes_max, name: &str| {
        let files = scratch.files_with(|config| {
            config.memory_file_bytes_max = 0;
            config.hash_bytes_max = hash_bytes_max;
        });
        get(&files, name, &[]).await.field("etag").to_owned()
    };
    assert_eq!(tag(7, "/f/a.bin").await, tag(7, "/f/b.bin").await, "at the limit");
    let past = tag(6, "/f/a.bin").await;
    assert_ne!(past, tag(6, "/f/b.bin").await, "one past it");
    assert_eq!(past, tag(6, "/f/a.bin").await);
    set_modified(&path, 1_000_000_000);
    assert_ne!(past, tag(6, "/f/a.bin").await);
}

#[tokio::test]
async fn how_files_are_served_can_be_chosen() {
    let scratch = Scratch::new();
    scratch.write("a.html", "<script>");
    scratch.write("caf\u{e9} \"x\".txt", "x");
    scratch.write("m.glb", "x");
    scratch.write(".well-known/security.txt", "x");
    let plain = scratch.files();
    let html = get(&plain, "/f/a.html", &[]).await;
    let fields = [
        "content-type",
        "x-content-type-options",
        "cache-control",
        "content-disposition",
    ];
    assert_eq!(
        fields.map(|name| html.field(name)),
        ["text/html; charset=utf-8", "nosniff", "no-cache", ""]
    );
    assert_eq!(
        get(&plain, "/f/m.glb", &[]).await.field("content-type"),
        "application/octet-stream"
    );
    assert_eq!(get(&plain, "/f/.well-known/security.txt", &[]).await.status, 404);
    let chosen = scratch.files_with(|config| {
        config.attachment = true;
        config.cache_control = "private, max-age=60".into();
        config.content_types = vec![(".GLB".into(), "model/gltf-binary".into())];
        config.well_known = true;
    });
    let html = get(&chosen, "/f/a.html", &[]).await;
    assert_eq!(
        fields.map(|name| html.field(name)),
        [
            "text/html; charset=utf-8",
            "nosniff",
            "private, max-age=60",
            "attachment; filename=\"a.html\""
        ]
    );
    assert_eq!(html.field("content-security-policy"), "sandbox");
    let odd = get(&chosen, "/f/caf%C3%A9%20%22x%22.txt", &[]).await;
    assert_eq!(
        odd.field("content-disposition"),
        "attachment; filename=\"caf_ _x_.txt\"; filename*=UTF-8''caf%C3%A9%20%22x%22.txt"
    );
    assert_eq!(
        get(&chosen, "/f/m.glb", &[]).await.field("content-type"),
        "model/gltf-binary"
    );
    assert_eq!(get(&chosen, "/f/.well-known/security.txt", &[]).await.status, 200);
    let bad = FilesConfig {
        cache_control: "a\r\nb".into(),
        ..FilesConfig::default()
    };
    let error = Files::directory_with(scratch.path("."), bad).unwrap_err();
    assert!(error.to_string().contains("cache_control"), "{error}");
    let error = Files::directory(scratch.path("none")).unwrap_err();
    assert!(error.to_string().contains("none: "), "{error}");
}

#[test]
fn the_cache_holds_no_more_than_it_may() {
    let entry = |bytes: usize| {
        let content = vec![b'x'; bytes].into();
        let variant = Variant::in_memory(crate::files::coding::Coding::Identity, content, None, None);
        std::sync::Arc::new(Entry::new("text/plain".parse().unwrap(), None, vec![variant]))
    };
    let by_number = Cache::new(10, 1 << 20);
    for at in 0..100 {
        by_number.put(&at.to_string(), entry(1));
        assert!(by_number.get("0").is_some(), "what is asked for stays");
        assert!(by_number.holds().0 <= 10);
    }
    assert!(by_number.get("50").is_none());
    let by_bytes = Cache::new(1000, 100_000);
    for at in 0..100 {
        by_bytes.put(&at.to_string(), entry(5000));
        assert!(by_bytes.holds().1 <= 100_000);
    }
    by_bytes.put("large", entry(50_000));
    assert!(by_bytes.get("large").is_none());
    by_bytes.put("99", entry(1));
    by_bytes.remove("99");
    assert!(by_bytes.get("99").is_none());
    by_bytes.holds();
}

#[tokio::test]
async fn embedded_files_are_served_alike() {
    let files = Files::embedded(&crate::embedded_files!("$CARGO_MANIFEST_DIR/src/files/tests"));
    let answer = get(&files, "/f/mod.rs", &[]).await;
    assert_eq!(answer.body, include_bytes!("mod.rs"));
    let tag = answer.field("etag").to_owned();
    assert_eq!(
        get(&files, "/f/mod.rs", &[("if-none-match", &tag)]).await.status,
        304
    );
    assert_eq!(
        get(&files, "/f/mod.rs", &[("range", "bytes=0-2"), ("if-range", &tag)])
            .await
            .text(),
        "//!"
    );
    assert_eq!(get(&files, "/f/none.rs", &[]).await.status, 404);
    let table: &[(&str, &[u8])] = &[("a.js", b"plain"), ("a.js.br", b"packed"), (".env", b"x")];
    let files = Files::embedded(table);
    let packed = get(&files, "/f/a.js", &[("accept-encoding", "br")]).await;
    assert_eq!(
        (packed.text().as_str(), packed.field("content-encoding")),
        ("packed", "br")
    );
    assert_eq!(get(&files, "/f/.env", &[]).await.status, 404);
}
