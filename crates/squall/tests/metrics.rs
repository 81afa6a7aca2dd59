//! Metrics as a scraper reads them, and who may.

use squall::metrics::{Endpoint, Meters};
use squall::testing::{TestServer, serve_with};
use squall::web::routing::get;
use squall::web::{Router, StatusCode};

fn server(endpoint: Endpoint) -> TestServer {
    let meters = Meters::new();
    meters.counter("app_made_total", "Made.").add(3);
    meters.collect(|out| out.gauge("app_waiting", "Waiting.", &[(&[("kind", "a\"b")], 2.5)]));
    let app = Router::new()
        .route("/users/{id}", get(async || "somebody"))
        .route("/broken", get(async || StatusCode::BAD_GATEWAY))
        .route("/metrics", meters.endpoint_for(endpoint));
    serve_with(app, |server| server.metrics(&meters))
}

/// The value of a series.
fn value(text: &str, series: &str) -> f64 {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}"))
        .parse()
        .unwrap()
}

#[test]
fn what_was_served_is_counted() {
    let server = server(Endpoint::local());
    for id in 0..5 {
        server.client().get(&format!("/users/{id}")).send().expect(200);
    }
    server.client().get("/broken").send().expect(502);
    server
        .client()
        .request("BREW", "/wp-login.php")
        .send()
        .expect(404);
    let answer = server.client().get("/metrics").send().expect(200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    let text = answer.text();
    for (series, expected) in [
        (
            "squall_http_requests_total{route=\"/users/{id}\",method=\"GET\",status=\"2xx\"}",
            5.0,
        ),
        (
            "squall_http_requests_total{route=\"/broken\",method=\"GET\",status=\"5xx\"}",
            1.0,
        ),
        (
            "squall_http_requests_total{route=\"none\",method=\"other\",status=\"4xx\"}",
            1.0,
        ),
        (
            "squall_http_request_duration_seconds_count{route=\"/users/{id}\"}",
            5.0,
        ),
        ("squall_responses_total{status=\"200\"}", 5.0),
        ("squall_responses_total{status=\"502\"}", 1.0),
        ("squall_connections_accepted_total", 8.0),
        ("squall_draining", 0.0),
        ("app_made_total", 3.0),
        ("app_waiting{kind=\"a\\\"b\"}", 2.5),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
    assert!(value(&text, "squall_received_bytes_total") > 100.0);
    assert!(value(&text, "process_resident_memory_bytes") > 1e6);
    assert!(value(&text, "process_open_fds") > 3.0);
}

#[test]
fn openmetrics_for_whom_asks() {
    let server = server(Endpoint::local());
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = server
        .client()
        .get("/metrics")
        .header("accept", accept)
        .send()
        .expect(200);
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.text().ends_with("# EOF\n"));
}

#[test]
fn metrics_are_not_for_everybody() {
    let near = server(Endpoint::local());
    let ask = |server: &TestServer, name: &str, value: &str| {
        server.client().get("/metrics").header(name, value).send().status
    };
    assert_eq!(ask(&near, "x", "y"), 200);
    // A proxy on this machine passes a stranger on.
    for field in [
        "forwarded",
        "x-forwarded-for",
        "x-real-ip",
        "via",
        "x-forwarded-host",
    ] {
        assert_eq!(ask(&near, field, "203.0.113.9"), 404, "{field}");
    }
    let token = server(Endpoint::peers(|_| false).token("s3cret"));
    assert_eq!(ask(&token, "authorization", "Bearer s3cret"), 200);
    assert_eq!(ask(&token, "authorization", "bearer s3cret"), 200);
    for wrong in [
        "Bearer s3cre",
        "Bearer s3cret1",
        "Bearer ",
        "Basic s3cret",
        "s3cret",
        "",
    ] {
        assert_eq!(ask(&token, "authorization", wrong), 404, "{wrong}");
    }
    let nobody = server(Endpoint::peers(|_| false).token(""));
    for wrong in ["Bearer ", "Bearer", ""] {
        assert_eq!(ask(&nobody, "authorization", wrong), 404, "{wrong}");
    }
}

/// Writes what a scraper gets to the files that `SQUALL_EXPOSITION` names the directory of, for another program's
/// parser (`tests/metrics`).
#[test]
fn expositions_for_another_parser() {
    let Ok(directory) = std::env::var("SQUALL_EXPOSITION") else {
        return;
    };
    let server = server(Endpoint::local());
    server.client().get("/users/1").send();
    for (accept, name) in [("*/*", "text"), ("application/openmetrics-text", "openmetrics")] {
        let text = server
            .client()
            .get("/metrics")
            .header("accept", accept)
            .send()
            .text();
        std::fs::write(std::path::Path::new(&directory).join(name), text).unwrap();
    }
}

/// Fields that are not believed are removed; that somebody stands between must not be forgotten with them.
#[test]
fn metrics_are_not_for_whom_an_unknown_proxy_on_this_machine_passes_on() {
    let meters = Meters::new();
    let app = Router::new().route("/metrics", meters.endpoint());
    let proxies = squall::web::TrustedProxies::x_forwarded("10.0.0.0/8".parse().unwrap());
    let server = serve_with(app, |server| server.metrics(&meters).behind(proxies));
    let client = server.client();
    assert_eq!(
        client
            .get("/metrics")
            .header("x-forwarded-for", "203.0.113.9")
            .send()
            .status,
        404
    );
    assert_eq!(client.get("/metrics").send().status, 200);
}
