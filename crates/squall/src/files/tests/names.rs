//! Attacks by name: everything that has led out of some server's directory.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::kit::{Scratch, ask, get};
use crate::files::beneath::{Root, open, walk};
use crate::files::path::{Wanted, parse, with_slash};
use crate::files::{Files, is_servable};

#[test]
fn a_path_is_a_plain_name_or_nothing() {
    let named = |name: &'static str, slash| {
        Some(Wanted {
            name: name.into(),
            slash,
        })
    };
    for (path, expect) in [
        ("", named("", true)),
        ("a", named("a", false)),
        ("a/b.txt", named("a/b.txt", false)),
        ("a/", named("a", true)),
        ("a%20b", named("a b", false)),
        ("%C3%A9", named("\u{e9}", false)),
        ("a:b", named("a:b", false)),
        ("a..b", named("a..b", false)),
        ("/", None),
        ("//", None),
        ("a//b", None),
        ("a//", None),
        ("/etc/passwd", None),
        ("..", None),
        ("../a", None),
        ("a/../b", None),
        ("a/..", None),
        ("a/../", None),
        (".", None),
        ("./a", None),
        ("%2e%2e/a", None),
        ("%2E%2e%2fa", None),
        ("..%2fa", None),
        ("a%2fb", None),
        ("a%2f", None),
        ("%2fetc/passwd", None),
        ("..\\a", None),
        ("..%5ca", None),
        ("a%5cb", None),
        ("a%00", None),
        ("a%00.txt", None),
        ("a%0d%0ax", None),
        ("a%7f", None),
        ("%", None),
        ("%4", None),
        ("%zz", None),
        ("%+2", None),
        ("%ff", None),
        ("%c0%ae%c0%ae/a", None),
        (".env", None),
        ("%2eenv", None),
        ("a/.git/config", None),
        (".well-known/x", None),
    ] {
        assert_eq!(parse(path, false), expect, "{path:?}");
    }
    // Decoded once, and no more.
    assert_eq!(parse("%252e%252e", false), named("%2e%2e", false));
    assert_eq!(parse(".well-known/x", true), named(".well-known/x", false));
    for path in [".well-knownx", "a/.well-known/x", ".well-known/.x", ".env"] {
        assert_eq!(parse(path, true), None, "{path}");
    }
    let longest = "a".repeat(4095);
    assert!(parse(&longest, false).is_some());
    assert_eq!(parse(&format!("{longest}a"), false), None);
    assert!(!is_servable("a/../b") && !is_servable("a\\b") && is_servable("a/b"));
}

#[test]
fn a_redirect_stays_where_it_is() {
    for (name, query, expect) in [
        ("guide", None, "./guide/"),
        ("a/guide", None, "./guide/"),
        ("a b", Some("x=1&y"), "./a%20b/?x=1&y"),
        ("javascript:alert(1)", None, "./javascript%3Aalert%281%29/"),
        ("evil.com", None, "./evil.com/"),
    ] {
        assert_eq!(with_slash(name, query), expect);
    }
}

#[tokio::test]
async fn directories_have_a_page_or_nothing() {
    let scratch = Scratch::new();
    scratch.write("index.html", "root");
    scratch.write("guide/index.html", "guide");
    scratch.write("bare/x.txt", "x");
    scratch.write("a%2fb/index.html", "odd");
    let files = scratch.files();
    for (path, status, location, content) in [
        ("/f/", 200, "", "root"),
        ("/f", 301, "./f/", "Moved Permanently"),
        ("/f?x", 301, "./f/?x", "Moved Permanently"),
        ("/f/guide/", 200, "", "guide"),
        ("/f/guide", 301, "./guide/", "Moved Permanently"),
        ("/f/guide?a=b", 301, "./guide/?a=b", "Moved Permanently"),
        ("/f/bare", 404, "", "Not Found"),
        ("/f/bare/", 404, "", "Not Found"),
        ("/f/bare/x.txt/", 404, "", "Not Found"),
        ("/f/index.html/", 404, "", "Not Found"),
        ("/f/a%252fb", 301, "./a%252fb/", "Moved Permanently"),
    ] {
        let answer = get(&files, path, &[]).await;
        assert_eq!(
            (answer.status, answer.field("location"), answer.text().as_str()),
            (status, location, content),
            "{path}"
        );
    }
    let none = scratch.files_with(|config| config.index = None);
    assert_eq!(get(&none, "/f/guide/", &[]).await.status, 404);
    assert_eq!(get(&none, "/f/guide", &[]).await.status, 404);
    let table: &[(&str, &[u8])] = &[("guide/index.html", b"guide"), ("x.txt", b"x")];
    let embedded = Files::embedded(table);
    assert_eq!(get(&embedded, "/f/guide/", &[]).await.text(), "guide");
    assert_eq!(
        get(&embedded, "/f/guide", &[]).await.field("location"),
        "./guide/"
    );
    assert_eq!(get(&embedded, "/f/", &[]).await.status, 404);
}

/// CVE-2023-28370 (Tornado): `//evil.com/..` became a redirect to another host.
#[tokio::test]
async fn a_double_slash_is_no_redirect_to_another_host() {
    let scratch = Scratch::new();
    scratch.write("evil.com/index.html", "x");
    let files = scratch.files();
    for path in [
        "/f//evil.com",
        "/f//evil.com/..",
        "/f//evil.com/%2e%2e",
        "/f/%2fevil.com",
        "/f/\\evil.com",
        "//evil.com/f/..",
        "//evil.com/..",
    ] {
        let Ok(uri) = path.parse::<axum::http::Uri>() else {
            continue;
        };
        let answer = get(&files, &uri.to_string(), &[]).await;
        assert_eq!((answer.status, answer.field("location")), (404, ""), "{path}");
    }
    assert_eq!(
        get(&files, "/f/evil.com", &[]).await.field("location"),
        "./evil.com/"
    );
}

/// Tornado 4.2.1: `/static/../static_foo.txt` passed a check of the prefix alone.
#[tokio::test]
async fn a_sibling_with_the_same_prefix_is_not_served() {
    let scratch = Scratch::new();
    scratch.write("static/ok.txt", "ok");
    scratch.write("static_foo.txt", "secret");
    let files = Files::directory(scratch.path("static")).unwrap();
    assert_eq!(get(&files, "/f/ok.txt", &[]).await.text(), "ok");
    for path in [
        "/f/../static_foo.txt",
        "/f/%2e%2e/static_foo.txt",
        "/f/..%2fstatic_foo.txt",
    ] {
        assert_eq!(get(&files, path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_link_is_followed_inside_and_never_out() {
    let scratch = Scratch::new();
    scratch.write("out/secret.txt", "secret");
    scratch.write("in/real.txt", "real");
    symlink("real.txt", scratch.path("in/link.txt")).unwrap();
    symlink("../out/secret.txt", scratch.path("in/relative.txt")).unwrap();
    symlink(scratch.path("out/secret.txt"), scratch.path("in/absolute.txt")).unwrap();
    symlink(scratch.path("out"), scratch.path("in/directory")).unwrap();
    symlink("..", scratch.path("in/up")).unwrap();
    symlink("loop", scratch.path("in/loop")).unwrap();
    symlink("/proc/self/root", scratch.path("in/magic")).unwrap();
    scratch.write("in/packed.js", "plain");
    symlink("../out/secret.txt", scratch.path("in/packed.js.gz")).unwrap();
    let files = Files::directory(scratch.path("in")).unwrap();
    assert_eq!(get(&files, "/f/link.txt", &[]).await.text(), "real");
    for path in [
        "relative.txt",
        "absolute.txt",
        "directory/secret.txt",
        "up/out/secret.txt",
        "loop",
        "magic/etc/passwd",
    ] {
        assert_eq!(
            get(&files, &format!("/f/{path}"), &[]).await.status,
            404,
            "{path}"
        );
    }
    let packed = get(&files, "/f/packed.js", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.text(), "plain");
}

/// Where the kernel cannot resolve beneath, no link is followed.
#[test]
fn a_walk_part_by_part_follows_no_link() {
    let scratch = Scratch::new();
    scratch.write("in/deep/real.txt", "real");
    scratch.write("out.txt", "secret");
    symlink("deep", scratch.path("in/alias")).unwrap();
    symlink("deep/real.txt", scratch.path("in/link.txt")).unwrap();
    symlink("../out.txt", scratch.path("in/out.txt")).unwrap();
    let root = Root::new(&scratch.path("in")).unwrap().refresh();
    assert!(walk(&root, "deep/real.txt").unwrap().is_some());
    for name in ["link.txt", "alias/real.txt", "out.txt", "deep/none", "none/x"] {
        assert!(walk(&root, name).unwrap().is_none(), "{name}");
    }
    for name in ["link.txt", "alias/real.txt"] {
        assert!(open(&root, name).unwrap().is_some(), "{name}");
    }
}

/// A FIFO would make its opener wait for ever; a device might never end.
#[tokio::test]
async fn what_is_no_regular_file_does_not_exist() {
    let scratch = Scratch::new();
    let made = Command::new("mkfifo").arg(scratch.path("fifo")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(scratch.path("socket")).unwrap();
    let files = scratch.files();
    for name in ["fifo", "socket"] {
        assert_eq!(
            get(&files, &format!("/f/{name}"), &[]).await.status,
            404,
            "{name}"
        );
    }
    let devices = Files::directory("/dev").unwrap();
    for name in ["null", "zero", "tty"] {
        assert_eq!(
            get(&devices, &format!("/f/{name}"), &[]).await.status,
            404,
            "{name}"
        );
    }
}

#[tokio::test]
async fn files_are_only_asked_for() {
    let scratch = Scratch::new();
    scratch.write("a.txt", "x");
    let files = scratch.files();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let answer = ask(&files, method, "/f/a.txt", &[]).await;
        assert_eq!(
            (answer.status, answer.field("allow")),
            (405, "GET, HEAD"),
            "{method}"
        );
    }
    assert_eq!(ask(&files, "POST", "/f/none", &[]).await.status, 405);
}
