//! The site, by curl where there is one that speaks HTTP/2.

use std::process::{Command, Stdio};

use examples::Example;

/// What curl says of an address; none without a curl that speaks HTTP/2.
fn curl(args: &[&str], address: &str) -> Option<String> {
    let version = Command::new("curl").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&version.stdout).contains("HTTP2") {
        return None;
    }
    let curl = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--http2-prior-knowledge",
        ])
        .args(args)
        .arg(address)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&curl.stdout).into_owned())
}

#[test]
fn it_answers_in_the_version_that_it_is_asked_in() {
    let site = Example::start("http2");
    assert_eq!(site.client().get("/").send().expect(200).text(), "HTTP/1.1\n");
    let address = format!("http://{}/", site.address());
    for answer in [
        curl(&[], &address),
        curl(&["--data", "x", "--request", "GET"], &address),
    ] {
        assert_eq!(answer.unwrap_or("HTTP/2.0\n".into()), "HTTP/2.0\n");
    }
    // A stream of events begins, and goes on until curl has enough of it.
    if let Some(events) = curl(&["--max-time", "3"], &format!("{address}ticks")) {
        assert!(events.contains("retry:"), "{events}");
        assert!(events.contains("id:"), "{events}");
    }
}
