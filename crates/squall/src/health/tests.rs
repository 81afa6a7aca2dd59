//! Health as a load balancer sees it.

use std::sync::atomic::AtomicUsize;

use serde_json::Value;
use tracing::Level;

use super::*;
use crate::testing::{TestServer, serve, serve_with};

fn ready(server: &TestServer) -> (u16, Value) {
    let answer = server.client().get("/readyz").send();
    assert_eq!(answer.header("cache-control"), "no-store");
    (answer.status, answer.json())
}

#[test]
fn a_program_lives_before_it_is_ready() {
    let health = Health::new();
    let server = serve(health.routes());
    assert_eq!(
        server.client().get("/healthz").send().expect(200).json::<Value>(),
        json!({"status": "ok"})
    );
    assert_eq!(ready(&server), (503, json!({"status": "starting"})));
    health.started();
    assert_eq!(ready(&server), (200, json!({"status": "ok"})));
    health.drain();
    assert_eq!(ready(&server), (503, json!({"status": "draining"})));
    assert_eq!(server.client().get("/healthz").send().status, 200, "it lives");
    assert_eq!(server.client().head("/healthz").send().status, 200);
}

#[test]
fn a_server_that_has_started_is_ready() {
    let health = Health::new();
    assert!(!health.is_up());
    let server = serve_with(health.routes(), |server| server.health(&health));
    assert_eq!(ready(&server).0, 200);
    assert!(health.is_up());
}

#[test]
fn checks_decide_and_say_why_only_in_the_log() {
    let well = Arc::new(AtomicBool::new(true));
    let asked = well.clone();
    let health = Health::new()
        .check("cache", Duration::from_secs(5), async || Ok::<(), String>(()))
        .check("store", Duration::from_secs(5), move || {
            let well = asked.load(Ordering::Relaxed);
            async move {
                if well {
                    Ok(())
                } else {
                    Err("password hunter2 is wrong")
                }
            }
        });
    let server = serve_with(health.routes(), |server| server.health(&health));
    server.expect_log(Level::WARN, "password hunter2 is wrong");
    let (status, body) = ready(&server);
    assert_eq!((status, &body["checks"]["store"]["status"]), (200, &json!("ok")));
    well.store(false, Ordering::Relaxed);
    forget(&health);
    for _ in 0..3 {
        let (status, body) = ready(&server);
        assert_eq!((status, &body["status"]), (503, &json!("failing")));
        assert_eq!(body["checks"]["store"]["status"], "failed");
        assert_eq!(body["checks"]["cache"]["status"], "ok");
        assert!(!body.to_string().contains("hunter2"));
        grow_old(&health);
    }
    assert_eq!(
        server
            .log_lines()
            .iter()
            .filter(|line| line.level == Level::WARN)
            .count(),
        1,
        "when it begins to"
    );
    well.store(true, Ordering::Relaxed);
    assert_eq!(ready(&server).0, 200);
    assert!(
        server
            .log_lines()
            .iter()
            .any(|line| line.text.contains("succeeds again"))
    );
}

#[test]
fn a_check_that_does_not_answer_is_given_up() {
    let never = async || {
        std::future::pending::<()>().await;
        Ok::<(), String>(())
    };
    let health = Health::new().check("never", Duration::from_millis(20), never);
    let server = serve_with(health.routes(), |server| server.health(&health));
    server.expect_log(Level::WARN, "no answer in 20ms");
    let (status, body) = ready(&server);
    assert_eq!(
        (status, &body["checks"]["never"]["status"]),
        (503, &json!("timed_out"))
    );
}

/// Whoever asks often must not make a store that is slow already slower.
#[test]
fn check_flood_by_asking_for_readiness() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let health = Health::new().check("store", Duration::from_secs(5), move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<(), String>(()) }
    });
    let server = serve_with(health.routes(), |server| server.health(&health));
    let mut raw = server.raw();
    let began = Instant::now();
    raw.write(&b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n".repeat(50));
    for _ in 0..50 {
        raw.read_until(b"\"status\":\"ok\"}\n".strip_suffix(b"\n").unwrap());
    }
    let most = 2 + began.elapsed().as_secs() as usize;
    assert!(count.load(Ordering::Relaxed) <= most, "{count:?}");
}

/// The answer of the checks is not known any more.
fn forget(health: &Health) {
    *health.shared.last.try_lock().unwrap() = None;
}

/// The answer of the checks is from long ago.
fn grow_old(health: &Health) {
    if let Some(last) = &mut *health.shared.last.try_lock().unwrap() {
        last.at -= 2 * CHECKS_INTERVAL;
    }
}
