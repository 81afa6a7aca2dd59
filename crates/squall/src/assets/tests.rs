//! Files as browsers and attackers ask for them.

use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Response};
use tower::ServiceExt;

use super::*;

const TABLE: &[(&str, &[u8])] = &[
    ("app.css", b"body {}"),
    ("js/live.min.js", b"let x = 1;"),
    ("LICENSE", b"free"),
    (".secret", b"x"),
    ("a \"b\u{e9}.txt", b"odd"),
    ("logo.SVG", b"<svg/>"),
];

async fn ask(assets: &Assets, method: Method, path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(etag) = known {
        request = request.header("if-none-match", etag);
    }
    let app: Router = Router::new()
        .merge(assets.router())
        .route("/favicon.ico", assets.route("app.css"));
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn status(assets: &Assets, path: &str) -> u16 {
    ask(assets, Method::GET, path, None).await.status().as_u16()
}

fn field<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
        .unwrap_or_default()
}

async fn body(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), 1000).await.unwrap().to_vec()
}

#[tokio::test]
async fn a_hashed_url_is_kept_for_ever_and_a_plain_one_is_asked_again() {
    let assets = Assets::embedded(TABLE);
    let url = assets.url("app.css");
    let digits = url
        .strip_prefix("/static/app.")
        .unwrap()
        .strip_suffix(".css")
        .unwrap();
    assert_eq!(digits.len(), 20);
    let response = ask(&assets, Method::GET, &url, None).await;
    assert_eq!(
        (
            field(&response, "cache-control"),
            field(&response, "content-type")
        ),
        (serve_for_ever(), "text/css; charset=utf-8")
    );
    assert_eq!(body(response).await, b"body {}");
    let plain = ask(&assets, Method::GET, "/static/app.css", None).await;
    assert_eq!(field(&plain, "cache-control"), "no-cache");
    let other = ask(&assets, Method::GET, &url.replace(digits, &"0".repeat(20)), None).await;
    assert_eq!(
        (other.status().as_u16(), field(&other, "cache-control")),
        (200, "no-cache")
    );
    assert_eq!(status(&assets, &assets.url("js/live.min.js")).await, 200);
    assert_eq!(status(&assets, &assets.url("LICENSE")).await, 200);
    assert_eq!(status(&assets, "/favicon.ico").await, 200);
    let odd = assets.url("a \"b\u{e9}.txt");
    assert!(odd.starts_with("/static/a%20%22b%C3%A9."), "{odd}");
    assert_eq!(status(&assets, &odd).await, 200);
}

fn serve_for_ever() -> &'static str {
    "public, max-age=31536000, immutable"
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let assets = Assets::embedded(TABLE);
    let etag = field(&ask(&assets, Method::GET, "/static/app.css", None).await, "etag").to_owned();
    for known in [
        etag.as_str(),
        &format!("W/{etag}"),
        &format!("\"x\", {etag}"),
        "*",
    ] {
        let response = ask(&assets, Method::GET, "/static/app.css", Some(known)).await;
        assert_eq!(
            (response.status().as_u16(), field(&response, "etag")),
            (304, etag.as_str()),
            "{known}"
        );
        assert!(body(response).await.is_empty());
    }
    for unknown in ["", "\"x\"", etag.trim_matches('"')] {
        assert_eq!(
            ask(&assets, Method::GET, "/static/app.css", Some(unknown))
                .await
                .status(),
            200,
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn head_says_what_get_would_and_others_are_refused() {
    let assets = Assets::embedded(TABLE);
    let head = ask(&assets, Method::HEAD, "/static/app.css", None).await;
    assert_eq!(
        (head.status().as_u16(), field(&head, "content-length")),
        (200, "7")
    );
    assert!(body(head).await.is_empty());
    assert_eq!(
        ask(&assets, Method::POST, "/static/app.css", None).await.status(),
        405
    );
}

#[tokio::test]
async fn nothing_outside_the_table_exists() {
    let root = scratch("outside");
    std::fs::create_dir_all(root.join("static")).unwrap();
    std::fs::create_dir_all(root.join("static_secret")).unwrap();
    std::fs::write(root.join("static/ok.txt"), "ok").unwrap();
    std::fs::write(root.join("static/.env"), "x").unwrap();
    std::fs::write(root.join("secret.txt"), "x").unwrap();
    std::fs::write(root.join("static_secret/x.txt"), "x").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.join("secret.txt"), root.join("static/link.txt")).unwrap();
    for reload in [false, true] {
        let assets = Assets::directory(root.join("static")).unwrap().reload(reload);
        assert_eq!(status(&assets, "/static/ok.txt").await, 200);
        for path in [
            "/static/../secret.txt",
            "/static/%2e%2e/secret.txt",
            "/static/..%2fsecret.txt",
            "/static/..%5csecret.txt",
            "/static/../static_secret/x.txt",
            "/static//etc/passwd",
            "/static/%2fetc/passwd",
            "/static/.env",
            "/static/%2eenv",
            "/static/link.txt",
            "/static/ok.txt%00",
            "/static/ok.txt/",
            "/static/%ff",
            "/static/%",
            "/static/%+2",
            "/static/",
            "/static",
        ] {
            assert_eq!(status(&assets, path).await, 404, "{path} reload {reload}");
        }
    }
    assert_eq!(status(&Assets::embedded(TABLE), "/static/.secret").await, 404);
    std::fs::remove_dir_all(root).unwrap();
}

/// Tornado kept the first hash of a file until it was restarted.
#[tokio::test]
async fn a_changed_file_is_seen_while_developing() {
    let root = scratch("reload");
    std::fs::create_dir_all(root.join("deep")).unwrap();
    std::fs::write(root.join("deep/a.css"), "one").unwrap();
    let fixed = Assets::directory(&root).unwrap();
    let live = fixed.clone().reload(true);
    let before = live.url("deep/a.css");
    assert_eq!(before, fixed.url("deep/a.css"));
    std::fs::write(root.join("deep/a.css"), "other").unwrap();
    assert_ne!(live.url("deep/a.css"), before);
    assert_eq!(fixed.url("deep/a.css"), before);
    assert_eq!(
        body(ask(&live, Method::GET, "/static/deep/a.css", None).await).await,
        b"other"
    );
    std::fs::write(root.join("new.txt"), "new").unwrap();
    assert_eq!(
        (
            status(&live, "/static/new.txt").await,
            status(&fixed, "/static/new.txt").await
        ),
        (200, 404)
    );
    std::fs::remove_file(root.join("new.txt")).unwrap();
    assert_eq!(status(&live, "/static/new.txt").await, 404);
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn names_and_types() {
    let assets = Assets::embedded(TABLE).prefix("/s/");
    assert_eq!(assets.url("none.css"), "/s/none.css");
    assert_eq!(assets.try_url("none.css"), None);
    assert!(assets.url("logo.SVG").starts_with("/s/logo."));
    let kinds = crate::files::Kinds::default();
    assert_eq!(kinds.of("logo.SVG"), "image/svg+xml");
    assert_eq!(kinds.of("x"), "application/octet-stream");
    let hash = "0123456789abcdef0123";
    for name in ["a.css", "a", "d.x/a", "a.tar.gz", "d/a.b"] {
        assert_eq!(
            files::split_hash(&files::hashed_name(name, hash)),
            Some((name.to_owned(), hash))
        );
    }
    let error = Assets::directory("/nonexistent/here").unwrap_err();
    assert!(error.to_string().contains("/nonexistent/here"));
}

#[test]
fn a_file_that_is_too_long_is_an_error() {
    let root = scratch("long");
    std::fs::create_dir_all(&root).unwrap();
    let file = std::fs::File::create(root.join("big.bin")).unwrap();
    file.set_len(FILE_BYTES_MAX + 1).unwrap();
    let error = Assets::directory(&root).unwrap_err().to_string();
    assert!(error.contains("big.bin: longer than"), "{error}");
    file.set_len(FILE_BYTES_MAX).unwrap();
    assert!(Assets::directory(&root).is_ok());
    std::fs::remove_dir_all(root).unwrap();
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("squall-assets-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}
