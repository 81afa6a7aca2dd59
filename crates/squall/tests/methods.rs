//! Methods as HTTP means them, whatever a router says of them: HEAD, OPTIONS, 404, 405, 501; and slashes at the end.

use squall::errors;
use squall::testing::{TestServer, serve};
use squall::web::routing::{any, get, post};
use squall::web::{Router, StatusCode, redirect_slashes};

fn router() -> Router {
    Router::new()
        .route("/", get(async || "Hello"))
        .route("/form", get(async || "form").post(async || "sent"))
        .route("/drop", post(async || "gone"))
        .route(
            "/dav",
            any(async |method: squall::web::http::Method| method.to_string()),
        )
        .route("/own", get(async || "").options(async || "mine"))
        .route("/mine", any(async || StatusCode::METHOD_NOT_ALLOWED))
        .route("/stream", get(async || squall::web::Body::from("12345")))
}

/// The whole answer to a request of that method and target, less its `Date`.
fn exchange(server: &TestServer, method: &str, target: &str) -> String {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(server.send_raw(request.as_bytes())).unwrap();
    let lines: Vec<&str> = answer
        .split("\r\n")
        .filter(|line| !line.starts_with("date: "))
        .collect();
    lines.join("\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    // A bare 404 has no length that HEAD could tell; one with a text has.
    let server = serve(router().layer(errors::pages()));
    for target in ["/", "/form", "/stream", "/nowhere"] {
        let (get, head) = (
            exchange(&server, "GET", target),
            exchange(&server, "HEAD", target),
        );
        let (get_head, _) = get.split_once("\r\n\r\n").unwrap();
        assert_eq!(head, format!("{get_head}\r\n\r\n"), "{target}");
    }
    assert!(exchange(&server, "HEAD", "/").contains("content-length: 5\r\n"));
    assert!(
        exchange(&server, "HEAD", "/drop").starts_with("HTTP/1.1 405 "),
        "there is no GET whose head it could be"
    );
}

#[test]
fn options_says_what_a_resource_takes() {
    let server = serve(router());
    for (target, allow) in [
        ("/", "GET, HEAD, OPTIONS"),
        ("/form", "GET, HEAD, POST, OPTIONS"),
        ("/drop", "POST, OPTIONS"),
    ] {
        let answer = exchange(&server, "OPTIONS", target);
        assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
        assert!(answer.contains(&format!("allow: {allow}\r\n")), "{answer}");
        assert!(
            answer.ends_with("\r\n\r\n") && !answer.contains("content-"),
            "{answer}"
        );
    }
    assert!(
        exchange(&server, "OPTIONS", "/own").ends_with("\r\n\r\nmine"),
        "a route may answer itself"
    );
    assert_eq!(status(&exchange(&server, "OPTIONS", "/nowhere")), "404");
}

#[test]
fn options_of_the_server() {
    let layered = router()
        .layer(errors::pages())
        .fallback(async || (StatusCode::NOT_FOUND, "nothing"));
    for router in [router(), layered] {
        let answer = exchange(&serve(router), "OPTIONS", "*");
        assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
        assert!(
            answer.contains("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn a_405_always_says_what_is_allowed() {
    for router in [
        router(),
        router().layer(errors::pages()),
        router().layer(errors::api()),
    ] {
        let server = serve(router);
        for (method, target, allow) in [
            ("DELETE", "/", "GET, HEAD, OPTIONS"),
            ("GET", "/drop", "POST, OPTIONS"),
            ("TRACE", "/", "GET, HEAD, OPTIONS"),
            ("PUT", "/mine", "OPTIONS"),
        ] {
            let answer = exchange(&server, method, target);
            assert!(
                answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
                "{answer}"
            );
            assert!(answer.contains(&format!("allow: {allow}\r\n")), "{answer}");
        }
    }
}

/// RFC 9110, section 15.6.2: 501 is for a method that the server does not know for any resource.
#[test]
fn a_method_that_no_route_could_know_is_501() {
    for router in [router(), router().layer(errors::pages())] {
        let server = serve(router);
        for method in ["PROPFIND", "get", "X"] {
            let answer = exchange(&server, method, "/");
            assert!(answer.starts_with("HTTP/1.1 501 Not Implemented\r\n"), "{answer}");
            assert!(!answer.contains("allow:"), "{answer}");
        }
        assert!(
            exchange(&server, "PROPFIND", "/dav").ends_with("\r\n\r\nPROPFIND"),
            "a route for any method takes it"
        );
        assert_eq!(status(&exchange(&server, "PROPFIND", "/nowhere")), "404");
    }
}

#[test]
fn slashes_at_the_end_lead_to_the_route_and_nowhere_else() {
    let app = Router::new()
        .route("/people", get(async || "all"))
        .route("/{a}/{b}", get(async || "two"));
    let server = serve(redirect_slashes(app.route("/dir/", get(async || "dir"))).layer(errors::pages()));
    let location = |target: &str| server.client().get(target).send().location().to_owned();
    assert_eq!(location("/people/?page=2"), "/people?page=2");
    assert_eq!(location("/dir"), "/dir/");
    assert_eq!(location("/people"), "");
    assert_eq!(
        server.client().post("/people/").send().status,
        404,
        "what is sent is not sent elsewhere"
    );
    assert_eq!(server.client().get("/people/").send().status, 308);
    assert_eq!(server.client().head("/people/").send().status, 308);
}

/// Tornado's `removeslash` answered `//evil.com/` with `Location: //evil.com`.
#[test]
fn an_open_redirect_by_a_double_slash() {
    let app = Router::new()
        .route("/{a}", get(async || "one"))
        .route("//evil.com", get(async || "two"))
        .route("/{a}/{b}", get(async || "three"));
    let server = serve(redirect_slashes(app));
    for target in [
        "//evil.com/",
        "//evil.com/%2e%2e/",
        "/%5cevil.com//",
        "/\\evil.com/",
        "//evil.com//",
        "http://a//evil.com/",
    ] {
        let answer = exchange(&server, "GET", target);
        assert!(
            !answer.contains("location: //") && !answer.contains("location: /\\"),
            "{target}: {answer}"
        );
        assert!(!answer.contains("location: http"), "{target}: {answer}");
    }
    assert!(
        exchange(&server, "GET", "http://evil.com/x/").contains("location: /x\r\n"),
        "a path alone"
    );
}
