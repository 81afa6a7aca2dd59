//! Errors as callers read them, over real sockets.

use axum::extract::{Path, Query};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Level;

use super::*;
use crate::testing::{Answer, TestServer, serve};
use crate::web::StatusCode;

const FIREFOX: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const OUT_OF_CREDIT: ProblemType = ProblemType::new(
    "https://example.com/probs/out-of-credit",
    403,
    "You do not have enough credit.",
);

#[derive(Deserialize)]
struct Person {
    #[expect(dead_code, reason = "only read from requests")]
    age: u8,
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "fine"))
        .route(
            "/credit",
            get(async || {
                let problem = Problem::of(&OUT_OF_CREDIT)
                    .detail("It costs 50, you have 30.")
                    .with("balance", 30);
                Err::<(), _>(problem.instance("/account/12345/msgs/abc").with("status", 200))
            }),
        )
        .route("/users/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route(
            "/ages",
            get(async |_: Query<Person>| "").post(async |_: Form<Person>| ""),
        )
        .route("/json", post(async |_: Json<Person>| ""))
        .route(
            "/secret",
            get(async || -> Result<String> { Ok(std::fs::read_to_string("/no/such/secret")?) }),
        )
        .route(
            "/text500",
            get(async || (StatusCode::INTERNAL_SERVER_ERROR, "password=hunter2")),
        )
        .route("/text409", get(async || (StatusCode::CONFLICT, "<b>taken</b>\n")))
        .route(
            "/own",
            get(async || (StatusCode::NOT_FOUND, Json(json!({"mine": 1})))),
        )
        .route("/panic", get(panics))
}

async fn panics() -> &'static str {
    panic!("the <secret> is out")
}

fn site() -> TestServer {
    serve(router().layer(pages()).layer(crate::log::access()))
}

fn ask(server: &TestServer, path: &str, accept: &str) -> Answer {
    server.client().get(path).header("accept", accept).send()
}

#[test]
fn problem_details_are_those_of_rfc_9457() {
    let server = serve(router());
    let answer = server.client().get("/credit").send().expect(403);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.json::<Value>(),
        json!({
            "type": "https://example.com/probs/out-of-credit",
            "title": "You do not have enough credit.",
            "status": 403,
            "detail": "It costs 50, you have 30.",
            "instance": "/account/12345/msgs/abc",
            "balance": 30,
        }),
        "a member cannot take the place of a standard one"
    );
}

#[test]
fn accept_decides_how_an_error_looks() {
    let server = site();
    let page = ask(&server, "/nowhere", FIREFOX).expect(404);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("vary"), "accept");
    assert!(page.text().contains("<h1>Not Found</h1>"));
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'; style-src 'sha256-")
    );
    let curl = ask(&server, "/nowhere", "*/*").expect(404);
    assert_eq!(curl.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(curl.text(), "404 Not Found\n");
    let json = ask(&server, "/nowhere", "application/json").expect(404);
    assert_eq!(json.header("content-type"), "application/problem+json");
    let id = json.header("x-request-id");
    assert_eq!(
        json.json::<Value>(),
        json!({"title": "Not Found", "status": 404, "request_id": id})
    );
    assert_eq!(ask(&server, "/", "application/json").expect(200).text(), "fine");

    let api = serve(router().layer(super::api()));
    let any = ask(&api, "/nowhere", "*/*").expect(404);
    assert_eq!(any.json::<Value>(), json!({"title": "Not Found", "status": 404}));
    assert!(
        ask(&api, "/nowhere", FIREFOX)
            .header("content-type")
            .starts_with("text/html")
    );
}

#[test]
fn what_extractors_refuse_becomes_problem_details() {
    let server = site();
    let client = server.client().with_header("accept", "application/json");
    let path = client.get("/users/x").send().expect(400).json::<Value>();
    assert_eq!(path["title"], "Bad Request");
    assert!(path["detail"].as_str().unwrap().contains("u32"), "{path}");
    let query = client.get("/ages?age=300").send().expect(400).json::<Value>();
    assert!(
        query["detail"].as_str().unwrap().contains("query string"),
        "{query}"
    );
    let form = client
        .post("/ages")
        .form(&[("age", "old")])
        .send()
        .expect(422)
        .json::<Value>();
    assert_eq!(form["status"], 422);
    let json = client.post("/json").json(&json!({"age": "x"})).send().expect(422);
    assert_eq!(json.header("content-type"), "application/problem+json");
    let broken = client
        .post("/json")
        .body("application/json", "{")
        .send()
        .expect(400);
    assert_eq!(broken.header("content-type"), "application/problem+json");
    let kind = client.post("/json").body("text/plain", "{}").send().expect(415);
    assert_eq!(kind.json::<Value>()["title"], "Unsupported Media Type");
}

#[test]
fn a_500_says_its_id_and_the_log_says_its_cause_once() {
    let server = site();
    server.expect_log(Level::ERROR, "a request failed");
    for accept in [FIREFOX, "*/*", "application/json"] {
        let answer = ask(&server, "/secret", accept).expect(500);
        let (text, id) = (answer.text(), answer.header("x-request-id"));
        assert!(id.len() == 36 && text.contains(id), "{text}");
        assert!(!text.contains("secret") && !text.contains("os error"), "{text}");
        let lines = server.log_lines();
        let said: Vec<_> = lines
            .iter()
            .filter(|line| line.level == Level::ERROR && line.text.contains(id))
            .collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].text.contains("No such file or directory"),
            "{}",
            said[0].text
        );
    }
}

#[test]
fn the_text_of_a_500_is_not_shown_and_logged_once() {
    let server = site();
    server.expect_log(Level::ERROR, "password=hunter2");
    for accept in [FIREFOX, "*/*", "application/json"] {
        assert!(
            !ask(&server, "/text500", accept)
                .expect(500)
                .text()
                .contains("hunter2")
        );
    }
    let said = server
        .log_lines()
        .into_iter()
        .filter(|line| line.text.contains("hunter2"));
    assert_eq!(said.count(), 3, "once each");
}

#[test]
fn without_the_layer_a_cause_is_logged_all_the_same() {
    let server = serve(router());
    server.expect_log(Level::ERROR, "No such file or directory");
    let answer = server.client().get("/secret").send().expect(500);
    assert_eq!(
        answer.json::<Value>(),
        json!({"title": "Internal Server Error", "status": 500})
    );
    let said = server
        .log_lines()
        .into_iter()
        .filter(|line| line.level == Level::ERROR);
    assert_eq!(said.count(), 1);
}

#[test]
fn a_panic_is_a_500_and_the_connection_goes_on() {
    let server = site();
    server.expect_log(Level::ERROR, "a handler panicked: the <secret> is out");
    let mut raw = server.raw();
    raw.write(b"GET /panic HTTP/1.1\r\nhost: a\r\naccept: text/html\r\n\r\n");
    let head = String::from_utf8(raw.read_until(b"</html>\n")).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 500 ") && head.contains("If you report it"),
        "{head}"
    );
    assert!(!head.contains("secret"));
    raw.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(raw.read_to_end().ends_with(b"fine"));
}

#[test]
fn html_injection_by_an_error_is_escaped() {
    let server = site();
    let page = ask(&server, "/text409", FIREFOX).expect(409);
    assert!(
        page.text().contains("<p>&lt;b&gt;taken&lt;&#x2f;b&gt;</p>")
            || page.text().contains("<p>&lt;b&gt;taken&lt;/b&gt;</p>")
    );
    let path = ask(&server, "/users/%3Cscript%3E", FIREFOX).expect(400);
    assert!(!path.text().contains("<script"), "{}", path.text());
    let text = ask(&server, "/text409", "*/*");
    assert_eq!(
        (text.text().as_str(), text.header("x-content-type-options")),
        ("<b>taken</b>\n", "nosniff")
    );
}

#[test]
fn errors_with_a_form_of_their_own_are_left_alone() {
    let server = site();
    let answer = ask(&server, "/own", FIREFOX).expect(404);
    assert_eq!(answer.json::<Value>(), json!({"mine": 1}));
}

#[test]
fn head_of_an_error_has_the_fields_of_get() {
    let server = site();
    for path in ["/nowhere", "/credit", "/text409"] {
        let strip = |mut answer: Answer| {
            for name in ["date", "x-request-id"] {
                answer.headers.remove(name);
            }
            (answer.status, answer.headers)
        };
        let get = server.client().get(path).header("accept", "text/plain").send();
        let head = server.client().head(path).header("accept", "text/plain").send();
        assert!(head.body.is_empty() && !get.body.is_empty());
        assert_eq!(strip(head), strip(get), "{path}");
    }
}

#[test]
fn fields_of_an_error_stay() {
    let limited = async || Err::<(), Problem>(crate::limits::Wait { ms: 2500 }.into());
    let denied = async || Err::<(), _>(Problem::unauthorized().challenge("Bearer realm=\"api\""));
    let app = Router::new()
        .route("/limited", get(limited))
        .route("/denied", get(denied));
    let app = app.route("/wait", get(async || crate::limits::Wait { ms: 1500 }));
    let server = serve(app.layer(pages()));
    let said = ask(&server, "/limited", FIREFOX);
    assert_eq!(said.headers.get_all("vary").iter().count(), 1, "{said:?}");
    assert_eq!(
        ask(&server, "/limited", FIREFOX)
            .expect(429)
            .header("retry-after"),
        "3"
    );
    assert_eq!(
        ask(&server, "/wait", "*/*").expect(429).header("retry-after"),
        "2"
    );
    assert_eq!(
        ask(&server, "/denied", "*/*")
            .expect(401)
            .header("www-authenticate"),
        "Bearer realm=\"api\""
    );
}

#[test]
fn pages_by_a_template_and_what_happens_when_it_fails() {
    let texts = [
        ("error.html", "<h1>{{ status }}: {{ title }}</h1>{{ detail }}"),
        ("bad.html", "{{ 1 / 0 }}"),
    ];
    let templates = crate::templates::Templates::embedded(&texts).build().unwrap();
    let server = serve(router().layer(pages().template(&templates, "error.html")));
    assert_eq!(
        ask(&server, "/credit", FIREFOX).text(),
        "<h1>403: You do not have enough credit.</h1>It costs 50, you have 30."
    );
    let server = serve(router().layer(pages().template(&templates, "bad.html")));
    server.expect_log(Level::ERROR, "the template of error pages failed");
    assert!(
        ask(&server, "/credit", FIREFOX)
            .expect(403)
            .text()
            .contains("<p>It costs 50, you have 30.</p>")
    );
}

#[test]
fn invalid_parts_are_listed_and_bounded() {
    let mut problem = Problem::unprocessable().title("Your request is not valid.");
    for n in 0..problem::INVALID_MAX + 1 {
        problem = problem.invalid(format!("#/{n}"), "must be green");
    }
    for n in 0..problem::MEMBERS_MAX + 1 {
        problem = problem.with(&format!("m{n}"), n);
    }
    let inner = problem.into_inner();
    let value: Value = serde_json::from_slice(&render::json(&inner, None)).unwrap();
    assert_eq!(value["errors"].as_array().unwrap().len(), problem::INVALID_MAX);
    assert_eq!(
        value["errors"][0],
        json!({"pointer": "#/0", "detail": "must be green"})
    );
    assert_eq!(value.as_object().unwrap().len(), problem::MEMBERS_MAX + 3);
}

#[test]
fn question_mark_keeps_what_is_the_callers_fault() {
    let io: Problem = std::io::Error::other("disk").into();
    assert!(io.is_internal() && io.is_server_error() && io.to_string() == "500 Internal Server Error");
    let wait: Problem = crate::limits::Wait { ms: 1 }.into();
    assert!(wait.is_too_many_requests() && wait.is_client_error());
    assert!(
        Problem::new(StatusCode::OK).is_internal(),
        "a success is no problem"
    );
    assert!(Problem::of(&OUT_OF_CREDIT).is(&OUT_OF_CREDIT) && !Problem::forbidden().is(&OUT_OF_CREDIT));
}
