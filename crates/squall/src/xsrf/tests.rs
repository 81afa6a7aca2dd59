//! The check from outside: requests as browsers, programs and attackers send them.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::any;
use tower::ServiceExt;

use super::*;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn app(xsrf: Xsrf) -> Router {
    Router::new()
        .route("/", any(async |body: String| body))
        .route("/api/x", any(async || "api"))
        .route("/token", any(async |token: XsrfToken| token.value()))
        .layer(xsrf)
}

async fn send(
    xsrf: Xsrf,
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: impl Into<Body>,
) -> Response {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "site.example:8888");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    app(xsrf)
        .oneshot(request.body(body.into()).unwrap())
        .await
        .unwrap()
}

async fn post(fields: &[(&str, &str)]) -> String {
    outcome(&send(Xsrf::new(), Method::POST, "/", fields, "").await)
}

fn outcome(response: &Response) -> String {
    match response.status() {
        StatusCode::OK => "pass".to_owned(),
        StatusCode::FORBIDDEN => response.headers()["x-xsrf"].to_str().unwrap().to_owned(),
        other => other.to_string(),
    }
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

/// A cookie and two differently masked tokens of it.
async fn visitor() -> (String, String, String) {
    let first = send(Xsrf::new(), Method::GET, "/token", &[], "").await;
    let cookie = first.headers()[SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let first = text(first).await;
    let second = send(Xsrf::new(), Method::GET, "/token", &[("cookie", &cookie)], "").await;
    assert!(
        !second.headers().contains_key(SET_COOKIE),
        "a visitor who has a token gets no other"
    );
    (cookie, first, text(second).await)
}

#[tokio::test]
async fn sec_fetch_site_decides_first() {
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await, "pass");
    assert_eq!(post(&[("sec-fetch-site", "none")]).await, "pass");
    for site in ["same-site", "cross-site", "", "Same-Origin", "?"] {
        assert_eq!(post(&[("sec-fetch-site", site)]).await, "cross-site", "{site}");
    }
    assert_eq!(
        post(&[
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://site.example:8888")
        ])
        .await,
        "cross-site"
    );
}

#[tokio::test]
async fn then_origin_against_host() {
    assert_eq!(post(&[("origin", "http://site.example:8888")]).await, "pass");
    assert_eq!(post(&[("origin", "https://SITE.example:8888")]).await, "pass");
    for origin in [
        "null",
        "",
        "http://site.example",
        "http://site.example:8889",
        "http://evil.example",
        "http://site.example:8888.evil.example",
        "http://evil.example/site.example:8888",
        "ftp://site.example:8888",
        "site.example:8888",
    ] {
        assert_eq!(post(&[("origin", origin)]).await, "cross-origin", "{origin}");
    }
}

#[test]
fn default_ports_need_not_be_said() {
    for (origin, host, own) in [
        ("https://a.example", "a.example", true),
        ("https://a.example", "a.example:443", true),
        ("https://a.example:443", "a.example", true),
        ("http://a.example", "a.example:80", true),
        ("http://a.example", "a.example:443", false),
        ("https://[::1]:8888", "[::1]:8888", true),
        ("https://", "", false),
    ] {
        let request = Request::post("/")
            .header(HOST, host)
            .header("origin", origin)
            .body(())
            .unwrap();
        let verdict = check::check_head(&Rules::default(), &request.into_parts().0);
        assert_eq!(verdict == check::Verdict::Pass, own, "{origin} {host}");
    }
}

#[tokio::test]
async fn every_method_that_changes_things_is_checked() {
    for method in [
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::from_bytes(b"LINK").unwrap(),
    ] {
        let response = send(
            Xsrf::new(),
            method,
            "/",
            &[("x-requested-with", "XMLHttpRequest")],
            "",
        )
        .await;
        assert_eq!(outcome(&response), "token-missing");
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let response = send(Xsrf::new(), method, "/", &[("sec-fetch-site", "cross-site")], "").await;
        assert_eq!(outcome(&response), "pass");
    }
}

#[tokio::test]
async fn without_both_the_token_decides() {
    let (cookie, one, two) = visitor().await;
    assert_ne!(one, two, "masked anew in every page");
    for token in [&one, &two] {
        let body = format!("text=a%26b&_xsrf={token}");
        let response = send(
            Xsrf::new(),
            Method::POST,
            "/",
            &[FORM, ("cookie", &cookie)],
            body.clone(),
        )
        .await;
        assert_eq!(text(response).await, body, "the handler gets the whole body");
        for field in ["x-xsrftoken", "x-csrftoken"] {
            assert_eq!(post(&[("cookie", &cookie), (field, token)]).await, "pass");
        }
    }
    let form = |body: &str, fields: Vec<(&'static str, String)>| {
        let body = body.to_owned();
        async move {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .chain([FORM])
                .collect();
            outcome(&send(Xsrf::new(), Method::POST, "/", &fields, body).await)
        }
    };
    assert_eq!(
        form("a=b", vec![("cookie", cookie.clone())]).await,
        "token-missing"
    );
    assert_eq!(
        form(&format!("_xsrf={one}"), vec![]).await,
        "token-wrong",
        "no cookie"
    );
    assert_eq!(
        form("_xsrf=", vec![("cookie", cookie.clone())]).await,
        "token-wrong"
    );
    assert_eq!(
        form(&format!("_xsrf={}", &one[1..]), vec![("cookie", cookie.clone())]).await,
        "token-wrong"
    );
    let zero = "0".repeat(64);
    assert_eq!(
        form(&format!("_xsrf={zero}"), vec![("cookie", cookie.clone())]).await,
        "token-wrong"
    );
    assert_eq!(
        form(&format!("_xsrf={zero}"), vec![("cookie", "_xsrf=".into())]).await,
        "token-wrong"
    );
    let (_, other, _) = visitor().await;
    assert_eq!(
        form(&format!("_xsrf={other}"), vec![("cookie", cookie.clone())]).await,
        "token-wrong"
    );
    assert_eq!(
        post(&[("cookie", &cookie), ("content-type", "application/json")]).await,
        "token-missing"
    );
}

/// A sister domain's cookie for a shorter path comes later, and counts for nothing.
#[tokio::test]
async fn a_planted_cookie_does_not_displace_ours() {
    let (cookie, token, _) = visitor().await;
    let fields = format!("bad=\"; {cookie}; _xsrf={}", "0".repeat(32));
    assert_eq!(
        post(&[("cookie", &fields), ("x-xsrftoken", &token)]).await,
        "pass"
    );
}

#[tokio::test]
async fn the_form_is_bounded() {
    let (cookie, token, _) = visitor().await;
    let start = format!("_xsrf={token}&x=");
    for (bytes, status) in [
        (FORM_BYTES_MAX, StatusCode::OK),
        (FORM_BYTES_MAX + 1, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let body = start.clone() + &"x".repeat(bytes - start.len());
        let response = send(Xsrf::new(), Method::POST, "/", &[FORM, ("cookie", &cookie)], body).await;
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn exemptions_are_said_one_by_one() {
    let xsrf = || {
        Xsrf::new()
            .exempt_path("/api/")
            .exempt(bearer_without_cookies)
            .trust_origin("https://app.example")
    };
    let out = |path: &'static str, fields: &'static [(&str, &str)]| async move {
        outcome(&send(xsrf(), Method::POST, path, fields, "").await)
    };
    assert_eq!(out("/api/x", &[("sec-fetch-site", "cross-site")]).await, "pass");
    assert_eq!(out("/", &[("authorization", "Bearer abc")]).await, "pass");
    assert_eq!(
        out("/", &[("authorization", "Bearer abc"), ("cookie", "sid=1")]).await,
        "token-missing"
    );
    assert_eq!(out("/", &[("authorization", "Basic abc")]).await, "token-missing");
    assert_eq!(
        out(
            "/",
            &[
                ("origin", "https://app.example"),
                ("sec-fetch-site", "cross-site")
            ]
        )
        .await,
        "pass"
    );
    assert_eq!(
        out("/", &[("origin", "https://app.example.evil")]).await,
        "cross-origin"
    );
}

#[tokio::test]
async fn under_tls_the_cookie_is_bound_to_the_host() {
    let response = send(Xsrf::new().secure(true), Method::GET, "/token", &[], "").await;
    let field = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(
        field.starts_with("__Host-_xsrf=") && field.contains("; HttpOnly; Secure; SameSite=Lax"),
        "{field}"
    );
    let refused = send(Xsrf::new(), Method::POST, "/", &[], "").await;
    assert_eq!(refused.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    assert!(!refused.headers().contains_key(COOKIE));
    assert!(text(refused).await.contains("reload the page"));
}

/// Each part's name and value.
fn form_with_files(parts: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--x--\r\n"
}

const MULTIPART: (&str, &str) = ("content-type", "multipart/form-data; boundary=x");

#[tokio::test]
async fn a_form_with_files_begins_with_its_token() {
    let (cookie, token, _) = visitor().await;
    let file = "f".repeat(100_000);
    let send = async |parts: &[(&str, &str)]| {
        let body = form_with_files(parts);
        let fields = [MULTIPART, ("cookie", &cookie)];
        let response = send(Xsrf::new(), Method::POST, "/", &fields, body.clone()).await;
        let out = outcome(&response);
        if out == "pass" {
            assert_eq!(text(response).await, body, "the handler gets the whole body");
        }
        out
    };
    assert_eq!(send(&[("_xsrf", &token), ("file", &file)]).await, "pass");
    assert_eq!(send(&[("_xsrf", &token)]).await, "pass");
    assert_eq!(send(&[("file", "f"), ("_xsrf", &token)]).await, "token-missing");
    assert_eq!(send(&[]).await, "token-missing");
    assert_eq!(send(&[("_xsrf", ""), ("file", "f")]).await, "token-wrong");
    assert_eq!(
        send(&[("_xsrf", &token[1..]), ("file", "f")]).await,
        "token-wrong"
    );
    assert_eq!(send(&[("_xsrf", &file)]).await, "token-missing");
    assert_eq!(send(&[("_xsrf", &"0".repeat(257))]).await, "token-missing");
}

#[tokio::test]
async fn a_form_with_files_is_not_read_far_for_its_token() {
    let (cookie, token, _) = visitor().await;
    let name = "Content-Disposition: form-data; name=_xsrf";
    for (preamble, expect) in [(0, "pass"), (1000, "pass"), (1100, "token-missing")] {
        let body = format!(
            "{}\r\n--x\r\n{name}\r\n\r\n{token}\r\n--x--",
            "p".repeat(preamble)
        );
        // In pieces, as from a socket.
        let pieces: Vec<_> = body
            .as_bytes()
            .chunks(7)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
            .collect();
        let stream = Body::from_stream(futures_util::stream::iter(pieces));
        let response = send(
            Xsrf::new(),
            Method::POST,
            "/",
            &[MULTIPART, ("cookie", &cookie)],
            stream,
        )
        .await;
        assert_eq!(outcome(&response), expect);
    }
    for content_type in ["multipart/form-data", "multipart/mixed; boundary=x"] {
        let fields = [("content-type", content_type), ("cookie", &*cookie)];
        let body = form_with_files(&[("_xsrf", &token)]);
        let response = send(Xsrf::new(), Method::POST, "/", &fields, body).await;
        assert_eq!(outcome(&response), "token-missing");
    }
}
