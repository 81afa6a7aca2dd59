//! The example of files: a page with a hashed style, and downloads.

use examples::Example;

#[test]
fn the_style_is_kept_for_ever_and_downloads_are_saved() {
    let site = Example::start("static");
    let client = site.client();
    let page = client.get("/").send().expect(200).text();
    let style = page
        .split('"')
        .find(|part| part.starts_with("/static/site."))
        .expect("the page has a style");
    let style = client.get(style).send().expect(200);
    assert!(style.header("cache-control").contains("immutable"));

    // A test runs in the directory of its package, and so does what it starts.
    let whole = client.get("/files/static.rs").send().expect(200);
    assert_eq!(whole.text(), include_str!("../static.rs"));
    assert!(whole.header("content-disposition").starts_with("attachment"));
    let part = client
        .get("/files/static.rs")
        .header("range", "bytes=0-2")
        .header("if-range", whole.header("etag"))
        .send()
        .expect(206);
    assert_eq!(part.text(), "//!");
    let known = client
        .get("/files/static.rs")
        .header("if-none-match", whole.header("etag"))
        .send();
    assert_eq!(known.status, 304);
    for path in ["/files/../Cargo.toml", "/files/%2e%2e/Cargo.toml", "/files/none"] {
        assert_eq!(client.get(path).send().status, 404, "{path}");
    }
    assert!(site.end().0, "SIGTERM ends it with status 0");
}
