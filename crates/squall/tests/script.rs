//! The browser's client as it is served.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use squall::live;
use squall::testing::serve;
use squall::web::Router;

/// Most bytes of the client, as browsers get it.
const SCRIPT_GZIP_BYTES_MAX: usize = 8 << 10;

#[test]
fn it_is_served_and_asked_for_anew_only_when_it_has_changed() {
    let server = serve(Router::new().route("/squall.js", live::script()));
    let answer = server.client().get("/squall.js").send().expect(200);
    assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.text(), live::SCRIPT);
    let tag = answer.header("etag").to_owned();
    assert_eq!(tag.len(), 34, "{tag}");
    let ask = |known: &str| {
        server
            .client()
            .get("/squall.js")
            .header("if-none-match", known)
            .send()
    };
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        "*".to_owned(),
    ] {
        let answer = ask(&known).expect(304);
        assert_eq!(
            (answer.header("etag"), answer.body.len()),
            (tag.as_str(), 0),
            "{known}"
        );
    }
    ask("\"other\"").expect(200);
}

#[test]
fn it_is_small() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(live::SCRIPT.as_bytes()).expect("into memory");
    let bytes = encoder.finish().expect("into memory").len();
    assert!(bytes < SCRIPT_GZIP_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn its_types_name_everything_that_it_exports() {
    for line in live::SCRIPT.lines().filter(|line| line.starts_with("export ")) {
        let name = line.split_whitespace().nth(2).expect("export class NAME");
        let declared = format!("export class {name} ");
        assert!(live::SCRIPT_TYPES.contains(&declared), "{declared}");
    }
}
