//! A drain that a load balancer sees coming. Alone in its process: signals are the process's.

use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use squall::Server;
use squall::health::Health;
use squall::testing::{Client, RawConn};
use squall::web::Router;

fn terminate() {
    let pid = std::process::id().to_string();
    assert!(
        Command::new("kill")
            .arg(pid)
            .status()
            .expect("there is kill")
            .success()
    );
}

#[test]
fn readiness_ends_before_anything_else_does() {
    let health = Health::new();
    let router: Router = health.routes();
    let (started, addr) = mpsc::channel();
    let server = Server::new(router).bind("127.0.0.1:0").cores(1);
    // Far longer than the test: a second signal ends it.
    let server = server.health(&health).drain_delay(Duration::from_secs(600));
    let running = std::thread::spawn(move || {
        server.run_with(|handle| {
            started
                .send(handle.local_addr().expect("it is TCP"))
                .expect("the test waits")
        })
    });
    let addr = addr.recv().expect("it starts");
    let client = Client::new(addr);
    assert_eq!(client.get("/readyz").send().status, 200);
    let mut kept = RawConn::connect(addr);
    kept.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    kept.read_until(b"\"ok\"}");
    terminate();
    while client.get("/readyz").send().status == 200 {}
    assert!(client.get("/readyz").send().text().contains("draining"));
    kept.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = String::from_utf8(kept.read_until(b"\"ok\"}")).expect("text");
    assert!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("connection: close"),
        "served as before: {answer}"
    );
    terminate();
    running.join().expect("it does not panic").expect("it ends well");
    assert!(kept.closes_within(squall::testing::PATIENCE));
}
