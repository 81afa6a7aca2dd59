//! RFC 9111, caching, as far as an origin server is concerned: what may be kept by whom is said, a kept copy can be
//! asked about, and the answer to that says again what it is.

use std::fs;
use std::path::PathBuf;

use squall::files::Files;
use squall::live::{self, Hub, HubConfig, Live};
use squall::testing::{Answer, TestServer, serve_with};
use squall::web::Router;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn serve(name: &str) -> (TestServer, Dir) {
    let path = std::env::temp_dir().join(format!("squall-rfc9111-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("page.txt"), "a page").unwrap();
    fs::write(path.join("page.txt.gz"), "as if it were gzip").unwrap();
    let files = Files::directory(&path).unwrap();
    let hub = Hub::new(HubConfig {
        epoch: live::new_epoch(),
        ..HubConfig::default()
    });
    let live = Live::new(hub, live::anyone);
    let router = Router::new()
        .merge(files.router("/files/"))
        .route("/sse", live.sse(["room"]))
        .route("/poll", live.poll(["room"]));
    (serve_with(router, |server| server.live(&live)), Dir(path))
}

fn get(server: &TestServer, fields: &[(&str, &str)]) -> Answer {
    let client = server.client();
    let mut request = client.get("/files/page.txt");
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.send()
}

#[test]
fn rfc9111_section_3_what_may_be_kept_is_said() {
    let (server, _dir) = serve("3");
    assert_ne!(get(&server, &[]).header("cache-control"), "");
    // What is nobody's but the asker's, and old at once, is kept by nobody.
    let stream = server.client().get("/poll?cursor=x:y").send();
    assert_eq!(stream.header("cache-control"), "no-store", "{stream:?}");
    let mut raw = server.raw();
    raw.write(b"GET /sse HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = String::from_utf8(raw.read_until(b"\r\n\r\n"))
        .unwrap()
        .to_ascii_lowercase();
    assert!(head.contains("\r\ncache-control: no-store"), "{head}");
}

#[test]
fn rfc9111_section_4_1_what_was_chosen_by_a_field_varies_by_it() {
    let (server, _dir) = serve("4.1");
    for coding in ["gzip", "identity"] {
        let answer = get(&server, &[("accept-encoding", coding)]);
        let vary = answer.header("vary").to_ascii_lowercase();
        assert!(vary.contains("accept-encoding"), "{coding}: {answer:?}");
    }
    let (one, other) = (
        get(&server, &[("accept-encoding", "gzip")]),
        get(&server, &[("accept-encoding", "identity")]),
    );
    assert_ne!(
        one.header("etag"),
        other.header("etag"),
        "one tag for two contents"
    );
}

#[test]
fn rfc9111_section_4_3_4_a_304_updates_what_was_kept() {
    let (server, _dir) = serve("4.3.4");
    let whole = get(&server, &[]).expect(200);
    let again = get(&server, &[("if-none-match", whole.header("etag"))]).expect(304);
    // RFC 9110, section 15.4.5: what a 200 would have said, it says.
    for name in ["etag", "cache-control", "vary", "date"] {
        assert_eq!(
            again.header(name).is_empty(),
            whole.header(name).is_empty(),
            "{name}"
        );
    }
    assert_eq!(again.header("etag"), whole.header("etag"));
    assert!(again.text().is_empty());
}

#[test]
fn rfc9111_section_4_3_3_a_copy_that_is_no_longer_so_is_sent_anew() {
    let (server, _dir) = serve("4.3.3");
    for known in ["\"another\"", "W/\"another\"", "another", "", "\"", "\"a\" \"b\""] {
        let answer = get(&server, &[("if-none-match", known)]);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "a page"),
            "{known:?}"
        );
    }
    assert_eq!(get(&server, &[("if-none-match", "*")]).status, 304);
}

#[test]
fn rfc9111_section_5_1_an_origin_server_has_no_age() {
    let (server, _dir) = serve("5.1");
    assert_eq!(get(&server, &[]).header("age"), "");
}
