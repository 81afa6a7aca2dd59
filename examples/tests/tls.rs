//! The example of TLS: who comes in clear is sent on, and curl gets there.

use std::process::Command;

use examples::Example;

#[test]
fn who_comes_in_clear_is_sent_to_https() {
    let tls = Example::start_with("tls", &["127.0.0.1:0"]);
    let answer = tls.client().get("/").send();
    assert_eq!(answer.status, 308);
    let location = answer.header("location").to_owned();
    assert!(location.starts_with("https://127.0.0.1:"), "{location}");
    let curl = Command::new("curl").args(["-sk", &location]).output();
    // Where there is no curl, the tests of `squall::tls` have to do.
    if let Ok(output) = curl {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("Tls13 with TLS13_"), "{said}");
        assert!(said.ends_with("you are nobody we know\n"), "{said}");
    }
    assert!(tls.end().0, "SIGTERM ends it with status 0");
}
