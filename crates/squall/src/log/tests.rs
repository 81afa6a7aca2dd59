//! The access log as an operator reads it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tracing::Level;

use super::*;
use crate::testing::{LogLine, PATIENCE, TestServer, serve, serve_with};
use crate::trace::TraceContext;
use crate::web::{Body, StatusCode};

/// Lines as they are written; whoever reads them waits for them.
#[derive(Clone, Default)]
struct Written(Arc<(Mutex<String>, std::sync::Condvar)>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.0.lock().unwrap().push_str(str::from_utf8(bytes).unwrap());
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// The lines, when there are so many.
    fn lines(&self, count: usize) -> Vec<String> {
        let text = self.0.0.lock().unwrap();
        let few = |text: &mut String| text.lines().count() < count;
        let (text, timeout) = self.0.1.wait_timeout_while(text, PATIENCE, few).unwrap();
        assert!(!timeout.timed_out(), "waited for {count} lines: {text}");
        text.lines().map(str::to_owned).collect()
    }
}

fn router() -> Router {
    Router::new()
        .route("/a", get(async || "Hello, World"))
        .route("/users/{id}", get(async || "somebody"))
        .route(
            "/id",
            get(async |id: RequestId, trace: TraceContext| format!("{id} {}", trace.traceparent())),
        )
        .route(
            "/user",
            get(async || axum::Extension(LogUser("al ice\n".to_owned()))),
        )
        .route("/says", get(async || tracing::info!(target: "app", "said")))
}

fn written(access: Access, router: Router) -> (TestServer, Written) {
    let lines = Written::default();
    let access = access.to(Output::writer(lines.clone()));
    (serve_with(router, |server| server.access_log(access)), lines)
}

/// The lines of the access log among those of a server.
fn traced(server: &TestServer) -> Vec<LogLine> {
    server.stop();
    server
        .log_lines()
        .into_iter()
        .filter(|line| line.target == "squall::access")
        .collect()
}

#[test]
fn one_line_says_what_happened_and_keeps_secrets() {
    let secret = |server: &TestServer| {
        let client = server.client();
        let request = client.get("/users/7?access_token=hunter2").bearer("hunter2");
        request
            .header("cookie", "sid=hunter2")
            .header("referer", "http://a/?t=hunter2")
            .send()
            .expect(200)
    };
    let server = serve_with(router(), |server| server.access_log(access()));
    let id = secret(&server).header("x-request-id").to_owned();
    let lines = traced(&server);
    let begin = format!("peer=127.0.0.1 id={id} method=GET path=/users/7 status=200 bytes=8 micros=");
    assert!(lines.len() == 1 && lines[0].text.starts_with(&begin), "{lines:?}");
    assert!(
        lines[0]
            .text
            .contains(" route=/users/{id} protocol=HTTP/1.1 aborted=false trace_id="),
        "{lines:?}"
    );
    for form in [Lines::Common, Lines::Combined, Lines::Json] {
        for queries in [Queries::Hidden, Queries::Names, Queries::Shown] {
            let (server, lines) = written(access().lines(form).queries(queries), router());
            secret(&server);
            assert!(!lines.lines(1)[0].contains("hunter2"), "{form:?} {queries:?}");
        }
    }
}

#[test]
fn lines_of_every_form() {
    let (server, lines) = written(access().queries(Queries::Shown), router());
    server.client().get("/a?page=2&code=x").send();
    server.client().head("/a").send();
    server.client().get("/user").send();
    let lines = lines.lines(3);
    let time = time::macros::format_description!(
        "[[[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000]"
    );
    let (before, rest) = lines[0].split_once(" [").unwrap();
    let (at, after) = rest.split_once("] ").unwrap();
    assert_eq!(
        (before, after),
        ("127.0.0.1 - -", "\"GET /a?page=2&code=* HTTP/1.1\" 200 12")
    );
    time::PrimitiveDateTime::parse(&format!("[{at}]"), &time).unwrap();
    assert!(lines[1].ends_with("\"HEAD /a HTTP/1.1\" 200 0"), "{}", lines[1]);
    assert!(
        lines[2].starts_with("127.0.0.1 - al\\x20ice\\x0a ["),
        "{}",
        lines[2]
    );

    let (server, lines) = written(access().lines(Lines::Combined), router());
    server
        .client()
        .get("/a")
        .header("user-agent", "curl \"8\"")
        .header("referer", "http://b/c?q=1")
        .send();
    assert!(
        lines.lines(1)[0].ends_with(" 200 12 \"http://b/c\" \"curl \\\"8\\\"\""),
        "{}",
        lines.lines(1)[0]
    );

    let (server, lines) = written(access().lines(Lines::Json), router());
    let answer = server
        .client()
        .get("/users/7")
        .header("user-agent", "curl")
        .send();
    let line: Value = serde_json::from_str(&lines.lines(1)[0]).unwrap();
    assert_eq!(line["id"], answer.header("x-request-id"));
    for (name, value) in [
        ("client", Value::from("127.0.0.1")),
        ("method", "GET".into()),
        ("target", "/users/7".into()),
        ("route", "/users/{id}".into()),
        ("protocol", "HTTP/1.1".into()),
        ("status", 200.into()),
        ("bytes", 8.into()),
        ("aborted", false.into()),
        ("user_agent", "curl".into()),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(
        line["duration_us"].is_u64() && line["trace_id"].as_str().unwrap().len() == 32,
        "{line}"
    );
}

#[test]
fn log_injection_by_what_a_peer_sends() {
    let evil: [&[u8]; 3] = [
        b"GET /%0aERROR%1b[31m HTTP/1.1\r\nhost: a\r\nconnection: close\r\nuser-agent: a\" 200 1 \"b\\\x80\xe2\x80\xae\t\r\n\r\n",
        b"GET /a\" HTTP/1.1\r\nhost: a\r\nconnection: close\r\nreferer: http://a/\" \"b\r\n\r\n",
        b"GET /a?x=%0a HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-request-id: evil\r\ntraceparent: x\r\n\r\n",
    ];
    for form in [Lines::Common, Lines::Combined, Lines::Json] {
        let (server, lines) = written(access().lines(form).queries(Queries::Shown), router());
        for request in evil {
            server.send_raw(request);
        }
        let lines = lines.lines(3);
        assert_eq!(lines.len(), 3, "{lines:?}");
        for line in lines {
            assert!(
                line.chars().all(|c| !c.is_control() && c != '\u{202e}') && !line.contains("evil"),
                "{line:?}"
            );
            match form {
                Lines::Json => assert!(serde_json::from_str::<Value>(&line).unwrap().is_object()),
                // As many quotes that are not escaped as the form has.
                _ => {
                    let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
                    assert_eq!(quotes, if form == Lines::Common { 2 } else { 6 }, "{line}");
                }
            }
        }
    }
}

/// A body of unknown length; the last part comes first, and without an end it never ends.
struct Parts(Vec<&'static str>, bool);

impl http_body::Body for Parts {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        match self.0.pop() {
            Some(text) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(text.into())))),
            None if self.1 => std::task::Poll::Ready(None),
            None => std::task::Poll::Pending,
        }
    }
}

#[test]
fn a_body_is_counted_to_its_end_and_one_that_is_given_up_says_so() {
    let app = Router::new()
        .route("/whole", get(async || Body::new(Parts(vec!["cde", "ab"], true))))
        .route(
            "/endless",
            get(async || Body::new(Parts(vec!["cde", "ab"], false))),
        )
        .route("/never", get(async || std::future::pending::<()>().await));
    let (server, lines) = written(access().lines(Lines::Json), app);
    let line = |at: usize| -> Value { serde_json::from_str(&lines.lines(at + 1)[at]).unwrap() };
    assert_eq!(server.client().get("/whole").send().text(), "abcde");
    assert_eq!(
        (&line(0)["bytes"], &line(0)["aborted"]),
        (&5.into(), &false.into())
    );
    let mut conn = server.client().get("/endless").start();
    conn.read_until(b"cde");
    drop(conn);
    let gone = line(1);
    assert_eq!(
        (&gone["status"], &gone["bytes"], &gone["aborted"]),
        (&200.into(), &5.into(), &true.into())
    );
    // The handler is cancelled when its peer goes: there is no answer whose status could be told.
    let mut conn = server.raw();
    conn.write(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n");
    conn.finish();
    let gone = line(2);
    assert_eq!(
        (&gone["status"], &gone["bytes"], &gone["aborted"]),
        (&499.into(), &0.into(), &true.into())
    );
}

#[test]
fn ids_and_traces_are_believed_from_those_who_are_trusted() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let ask = |server: &TestServer, id: &str| {
        let client = server.client().with_header("traceparent", PARENT);
        let answer = client.get("/id").header("x-request-id", id).send();
        (answer.header("x-request-id").to_owned(), answer.text())
    };
    let stranger = serve_with(router(), |server| server.access_log(access()));
    let (id, text) = ask(&stranger, "given");
    assert!(id.len() == 36 && text.starts_with(&format!("{id} 00-")), "{text}");
    assert!(!text.contains("4bf92f3577b34da6a3ce929d0e0e4736"), "{text}");
    let trusted = serve_with(router(), |server| {
        server.access_log(access().trust(|peer| peer.is_loopback()))
    });
    let (id, text) = ask(&trusted, "given");
    assert!(
        id == "given" && text.starts_with("given 00-4bf92f3577b34da6a3ce929d0e0e4736-"),
        "{text}"
    );
    assert!(!text.contains("00f067aa0ba902b7"), "the span is ours: {text}");
    let (id, _) = ask(&trusted, "<script>");
    assert_eq!(id.len(), 36, "even a proxy passes on what a stranger made up");
    let lines = traced(&trusted);
    assert!(
        lines[0]
            .text
            .contains("trace_id=4bf92f3577b34da6a3ce929d0e0e4736"),
        "{lines:?}"
    );
}

#[test]
fn slow_requests_are_warned_of() {
    let server = serve_with(router(), |server| {
        server.access_log(access().slow(Duration::ZERO))
    });
    server.expect_log(Level::WARN, "a request was slow to answer");
    server.client().get("/users/7?token=x").send();
    let slow = server
        .log_lines()
        .into_iter()
        .find(|line| line.target == "squall::slow")
        .unwrap();
    assert!(
        slow.text.contains("path=/users/7 route=/users/{id} millis=") && !slow.text.contains("token"),
        "{slow:?}"
    );
    let quick = serve_with(router(), |server| server.access_log(access().slow(None)));
    quick.client().get("/a").send();
}

#[test]
fn a_layer_does_the_same_within_a_router() {
    let names = crate::web::RouteNames::of(&router());
    let server = serve(router().layer(access().routes(&names)));
    let id = server
        .client()
        .get("/users/7")
        .send()
        .header("x-request-id")
        .to_owned();
    server.client().get("/nowhere").send();
    let lines = traced(&server);
    assert!(
        lines[0].text.contains(&id) && lines[0].text.contains("route=/users/{id} "),
        "{lines:?}"
    );
    assert!(
        lines[1].text.contains("status=404") && lines[1].text.contains("route=- "),
        "{lines:?}"
    );
    let both = serve_with(router().layer(access()), |server| server.access_log(access()));
    let (id, text) = (both.client().get("/id").send(), ());
    assert!(
        id.text().starts_with(id.header("x-request-id")),
        "one id, however often it is asked for {text:?}"
    );
}

#[test]
fn answers_of_the_front_have_a_line_too() {
    let (server, lines) = written(access(), router());
    assert_eq!(
        server
            .client()
            .request("OPTIONS", "*")
            .send()
            .expect(204)
            .header("x-request-id")
            .len(),
        36
    );
    assert_eq!(server.client().request("OPTIONS", "/a").send().status, 204);
    assert_eq!(server.client().request("BREW", "/a").send().status, 501);
    let lines = lines.lines(3);
    for (line, end) in lines.iter().zip([
        "\"OPTIONS * HTTP/1.1\" 204 0",
        "\"OPTIONS /a HTTP/1.1\" 204 0",
        "\"BREW /a HTTP/1.1\" 501 0",
    ]) {
        assert!(line.ends_with(end), "{line}");
    }
}

#[test]
fn a_panic_without_the_layer_of_errors_is_a_500_in_the_log() {
    let app = Router::new().route("/panic", get(async || -> StatusCode { panic!("no") }));
    let (server, lines) = written(access(), app);
    server.expect_log(Level::ERROR, "a handler panicked");
    server.send_raw(b"GET /panic HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(
        lines.lines(1)[0].ends_with("\"GET /panic HTTP/1.1\" 500 0"),
        "{:?}",
        lines.lines(1)
    );
}

#[test]
fn what_a_handler_logs_has_the_requests_id_with_it() {
    use tracing_subscriber::layer::SubscriberExt;
    let lines = Written::default();
    let make = {
        let lines = lines.clone();
        move || lines.clone()
    };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(make)
        .with_ansi(false);
    let logs = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let server = serve_with(router(), |server| {
        server.access_log(access().silent()).log_to(logs)
    });
    let id = server
        .client()
        .get("/says")
        .send()
        .header("x-request-id")
        .to_owned();
    let said = lines
        .lines(1)
        .into_iter()
        .find(|line| line.contains("said"))
        .unwrap();
    assert!(
        said.contains(&format!("request{{id={id} method=GET route=/says trace_id=")),
        "{said}"
    );
}

#[test]
fn filters_are_checked() {
    for good in ["info", "WARN", "off", "info,squall::access=off", "squall=debug"] {
        assert!(filter(good).is_ok(), "{good}");
    }
    assert_eq!(
        filter("inof").unwrap_err().to_string(),
        "`inof` is not a log level: error, warn, info, debug, trace, off"
    );
    assert!(
        filter("a=loud")
            .unwrap_err()
            .to_string()
            .starts_with("`a=loud` is not a log filter")
    );
    assert_eq!("json".parse(), Ok(Format::Json));
    assert!("xml".parse::<Format>().is_err());
    assert_eq!("combined".parse(), Ok(Lines::Combined));
    assert!("xml".parse::<Lines>().is_err());
}

/// The only call of `init` in this process.
#[test]
fn logs_are_set_up_once() {
    let options = Options {
        filter: "off".to_owned(),
        format: Format::Json,
    };
    assert_eq!(init(&options), Ok(()));
    assert!(init(&options).is_err());
}
