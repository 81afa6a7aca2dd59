//! Metrics as a scraper reads them, and who may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use squall::metrics::{Endpoint, Meters};
use squall::testing::{RawConn, TestServer, serve_with};
use squall::tls::DevCertificate;
use squall::web::routing::get;
use squall::web::{Router, StatusCode};
use squall::{Address, Limits};
use tracing::Level;

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

#[cfg(feature = "dev-cert")]
#[test]
fn handshakes_certificates_and_stalls_are_shown() {
    let released = Arc::new(AtomicBool::new(false));
    let hold = released.clone();
    let held = move || {
        while !hold.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    };
    let meters = Meters::new();
    let app = Router::new()
        .route("/reset/{token}", get(async move || held()))
        .route("/metrics", meters.endpoint());
    let tls = DevCertificate::new(&["localhost"]).unwrap().tls().unwrap();
    let server = serve_with(app, |server| {
        let limits = Limits {
            stall_threshold: Duration::from_millis(40),
            ..Limits::default()
        };
        let server = server.limits(limits).metrics(&meters);
        server.bind("127.0.0.1:0").listen_tls("127.0.0.1:0", &tls)
    });
    server.expect_log(Level::WARN, "a core is held");
    server.expect_log(Level::WARN, "a core was held, and goes on");
    let tls_address = match server.handle().local_addrs()[1] {
        Address::Tcp(address) => address,
        Address::Unix(_) => panic!("it is TCP"),
    };
    let mut in_clear = RawConn::connect(tls_address);
    in_clear.write(b"GET / HTTP/1.1\r\n\r\n");
    in_clear.read_until(b"This port speaks HTTPS");
    let mut stuck = server.raw();
    stuck.write(b"GET /reset/s3cret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    while server.handle().metrics().stalls_by_route.is_empty() {
        std::thread::yield_now();
    }
    released.store(true, Ordering::SeqCst);
    stuck.read_to_end();
    let text = server.client().get("/metrics").send().expect(200).text();
    for (series, expected) in [
        ("squall_stalls_by_route_total{route=\"/reset/{token}\"}", 1.0),
        (
            "squall_tls_handshakes_total{version=\"1.2\",kind=\"resumed\"}",
            0.0,
        ),
        ("squall_tls_handshakes_total{version=\"1.3\",kind=\"full\"}", 0.0),
        ("squall_tls_handshakes_failed_total{reason=\"clear\"}", 1.0),
        ("squall_tls_handshakes_failed_total{reason=\"alert\"}", 0.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
    let end = "squall_tls_certificate_end_timestamp_seconds{names=\"localhost\"}";
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(value(&text, end) > now);
    assert!(
        server
            .log_lines()
            .iter()
            .all(|line| !format!("{line:?}").contains("s3cret"))
    );
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
