//! The example of uploads: the form without script, `PUT`, and names that would lead elsewhere.

use examples::Example;

fn form(parts: &[(&str, &str)]) -> String {
    let part = |(params, data): &(&str, &str)| {
        format!("--x\r\nContent-Disposition: form-data; {params}\r\n\r\n{data}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--x--\r\n"
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_sent_is_kept_and_can_be_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let site = Example::start_with("upload", &[dir.path().to_str().unwrap()]);
    let client = site.client();
    let page = client.get("/").send().expect(200).text();
    let token = page
        .split("value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let token = ("name=_xsrf", &*token);
    let post = |parts: &[(&str, &str)]| {
        client
            .post("/")
            .body("multipart/form-data; boundary=x", form(parts))
            .send()
    };

    let long = "all of it\n".repeat(500_000);
    let sent = post(&[
        token,
        ("name=file; filename=\"../<one>.txt\"", &long),
        ("name=file; filename=two.txt", "2"),
        ("name=file; filename=\"\"", ""),
    ]);
    assert_eq!((sent.expect(303).location(), names(dir.path()).len()), ("/", 3));
    assert_eq!(names(dir.path()), [".arriving", "_one_.txt", "two.txt"]);
    assert!(names(&dir.path().join(".arriving")).is_empty());
    let fetched = client.get("/files/_one_.txt").send().expect(200);
    assert!(fetched.text() == long && fetched.header("content-disposition").starts_with("attachment"));

    assert_eq!(post(&[("name=file; filename=no.txt", "no token")]).status, 403);
    client
        .put("/three.txt")
        .body("text/plain", "3")
        .send()
        .expect(204);
    for name in ["..%2fout.txt", ".hidden", "a%5cb", "%00"] {
        assert_eq!(
            client
                .put(&format!("/{name}"))
                .body("text/plain", "x")
                .send()
                .status,
            400,
            "{name}"
        );
    }
    assert_eq!(
        names(dir.path()),
        [".arriving", "_one_.txt", "three.txt", "two.txt"]
    );
    let page = client.get("/").send().expect(200).text();
    assert!(
        page.contains("<a href=\"/files/three.txt\">three.txt</a>"),
        "{page}"
    );
    assert!(site.end().0, "SIGTERM ends it with status 0");
}
