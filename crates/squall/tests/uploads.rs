//! Uploads over real sockets: what is taken, what is refused, and that nobody is made to hold more than is asked for.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall::testing::{PATIENCE, RawConn, TestServer, serve};
use squall::uploads::{Multipart, TempFiles, Upload, UploadError, UploadLimits};
use squall::web::routing::{post, put};
use squall::web::{Extension, Router};
use squall::xsrf::{Xsrf, XsrfToken};
use tokio::sync::Semaphore;
use tracing::Level;

const MIB: usize = 1024 * 1024;

fn limits() -> UploadLimits {
    UploadLimits {
        total_bytes_max: 4 * MIB as u64,
        file_bytes_max: 3 * MIB as u64,
        value_bytes_max: 1000,
        ..UploadLimits::default()
    }
}

/// One line for each part.
async fn form(files: Extension<TempFiles>, mut form: Multipart) -> Result<String, UploadError> {
    let mut said = String::new();
    while let Some(part) = form.next_part().await? {
        let (name, file_name) = (part.name().to_owned(), part.file_name());
        if !part.is_file() {
            said += &format!("{name}={}\n", part.text().await?);
            continue;
        }
        let kind = part.content_type().unwrap_or("?").to_owned();
        let raw = part.raw_file_name().unwrap_or_default().to_owned();
        let file = part.save(&files).await?;
        let first = std::fs::read(file.path())
            .unwrap()
            .iter()
            .take(5)
            .map(|&byte| char::from(byte))
            .collect::<String>();
        said += &format!(
            "{name}: {file_name:?} of {raw:?}, {kind}, {} bytes, {first:?}\n",
            file.bytes()
        );
    }
    Ok(said)
}

async fn raw(files: Extension<TempFiles>, upload: Upload) -> Result<String, UploadError> {
    let declared = upload.declared_bytes();
    let file = upload.save(&files).await?;
    Ok(format!("{} bytes of {declared:?}", file.bytes()))
}

/// Passes every part over.
async fn skip(mut form: Multipart) -> Result<String, UploadError> {
    let mut parts = 0;
    while form.next_part().await?.is_some() {
        parts += 1;
    }
    Ok(format!("{parts} parts"))
}

struct Rig {
    server: TestServer,
    files: TempFiles,
    dir: tempfile::TempDir,
}

fn rig_with(bytes_max: u64, limits: UploadLimits) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let files = TempFiles::new(dir.path(), bytes_max);
    let router = Router::new()
        .route("/form", post(form))
        .route("/skip", post(skip))
        .route("/raw", put(raw))
        .layer(Extension(limits))
        .layer(Extension(files.clone()));
    Rig {
        server: serve(router),
        files,
        dir,
    }
}

fn rig() -> Rig {
    rig_with(u64::MAX, limits())
}

/// A part with a head of its own.
fn part(params: &str, data: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; {params}\r\n\r\n{data}\r\n")
}

fn closed(parts: impl AsRef<str>) -> String {
    format!("{}--x--\r\n", parts.as_ref())
}

impl Rig {
    #[track_caller]
    fn post(&self, path: &str, form: &str, status: u16) -> String {
        let client = self.server.client();
        let request = client.post(path).body("multipart/form-data; boundary=x", form);
        let text = request.send().expect(status).text();
        self.holds_nothing();
        text
    }

    /// Waits until no file is left.
    #[track_caller]
    fn holds_nothing(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.files.bytes() > 0 || names(self.dir.path()) > 0 {
            assert!(
                Instant::now() < deadline,
                "{} bytes, {} files",
                self.files.bytes(),
                names(self.dir.path())
            );
            std::thread::yield_now();
        }
    }

    /// Lines that say that an upload was not taken.
    fn refusals(&self) -> usize {
        let lines = self.server.log_lines();
        lines
            .iter()
            .filter(|line| line.target.starts_with("squall::uploads"))
            .count()
    }
}

fn names(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_form_with_files_is_taken() {
    let rig = rig();
    let file = "\r\n--not-x\r\n".repeat(100_000);
    let body = closed(
        part("name=\"title\"", "Gr\u{fc}\u{df}e")
            + &part(
                "name=\"file\"; filename=\"../../etc/cat.png\"\r\nContent-Type: image/png",
                &file,
            )
            + &part("name=\"file\"; filename*=UTF-8''%e2%82%ac.txt", "five!")
            + &part("name=\"file\"; filename=\"\"", "")
            + &part("name=\"title\"", ""),
    );
    assert_eq!(
        rig.post("/form", &body, 200),
        "title=Gr\u{fc}\u{df}e\n\
         file: Some(\"cat.png\") of \"../../etc/cat.png\", image/png, 1100000 bytes, \"\\r\\n--n\"\n\
         file: Some(\"\u{20ac}.txt\") of \"\u{20ac}.txt\", ?, 5 bytes, \"five!\"\n\
         file: None of \"\", ?, 0 bytes, \"\"\n\
         title=\n"
    );
    assert_eq!(rig.post("/skip", &body, 200), "5 parts");
    assert_eq!(rig.refusals(), 0);
}

#[test]
fn a_body_that_is_a_file_is_taken() {
    let rig = rig();
    let client = rig.server.client();
    let whole = vec![b'~'; 3 * MIB];
    let answer = client.put("/raw").body("application/octet-stream", whole).send();
    assert_eq!(answer.expect(200).text(), "3145728 bytes of Some(3145728)");
    let answer = client.put("/raw").send();
    assert_eq!(answer.expect(200).text(), "0 bytes of Some(0)");
    let chunked = "PUT /raw HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let answer = String::from_utf8(rig.server.send_raw(chunked.as_bytes())).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("5 bytes of "),
        "{answer}"
    );
    rig.holds_nothing();
}

#[test]
fn limits_of_a_form_and_one_past_them() {
    let rig = rig();
    let value = |bytes: usize| closed(part("name=a", &"v".repeat(bytes)));
    rig.post("/form", &value(1000), 200);
    rig.post("/form", &value(1001), 413);
    // What is passed over is not held, and counts for the whole alone.
    rig.post("/skip", &value(1001), 200);
    let file = |bytes: usize| closed(part("name=a; filename=a", &"f".repeat(bytes)));
    rig.post("/form", &file(3 * MIB), 200);
    rig.post("/form", &file(3 * MIB + 1), 413);
    let total = |bytes: usize| file(bytes - file(0).len());
    rig.post("/skip", &total(4 * MIB), 200);
    rig.post("/skip", &total(4 * MIB + 1), 413);
    let parts = |count: usize| closed(part("name=a", "1").repeat(count));
    assert_eq!(rig.post("/skip", &parts(100), 200), "100 parts");
    rig.post("/skip", &parts(101), 413);
    let head = |bytes: usize| closed(part(&format!("name=a\r\na:{}", "h".repeat(bytes - 46)), "1"));
    rig.post("/skip", &head(10 * 1024), 200);
    rig.post("/skip", &head(10 * 1024 + 1), 413);
    let name = |bytes: usize| closed(part(&format!("name={}", "n".repeat(bytes)), "1"));
    rig.post("/skip", &name(256), 200);
    rig.post("/skip", &name(257), 400);
    let file_name = |bytes: usize| closed(part(&format!("name=a; filename={}", "n".repeat(bytes)), "1"));
    rig.post("/skip", &file_name(1024), 200);
    rig.post("/skip", &file_name(1025), 400);
}

#[test]
fn a_body_past_its_limit_is_refused_however_it_comes() {
    let small = UploadLimits {
        total_bytes_max: 1000,
        ..limits()
    };
    let rig = rig_with(u64::MAX, small);
    let send = |head: &str, body: &str| {
        let head = format!("PUT /raw HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}\r\n\r\n{body}");
        let mut conn = rig.server.raw();
        conn.write(head.as_bytes());
        String::from_utf8(conn.read_to_end()).unwrap()
    };
    for (bytes, status) in [(1000, "200"), (1001, "413")] {
        let body = "b".repeat(bytes);
        for answer in [
            send(&format!("Content-Length: {bytes}"), &body),
            send(
                "Transfer-Encoding: chunked",
                &format!("{bytes:x}\r\n{body}\r\n0\r\n\r\n"),
            ),
        ] {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }
    // The answer comes though nothing of the body was sent.
    for bytes in ["1001", "1000000000000"] {
        let answer = send(&format!("Expect: 100-continue\r\nContent-Length: {bytes}"), "");
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    rig.holds_nothing();
}

/// CVE-2025-47287: one line for each broken part fills a log.
#[test]
fn malformed_multipart_is_one_log_line_and_400() {
    let broken = "--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n";
    for form in [
        closed(broken.repeat(1000)),
        closed(part("name=a", "1") + &broken.repeat(50)),
        closed(part("name=\"a", "1")),
        closed(part("name=a\r\nX: a\rb", "1")),
        closed(part("name=a; name=b", "1")),
        part("name=a", "1"),
        part("name=a", "1") + "--x",
        "no boundary at all".repeat(100),
        "--x\n".repeat(100),
        String::new(),
        part("name=a", "1").repeat(3) + "--xy--",
    ] {
        let rig = rig();
        for path in ["/form", "/skip"] {
            let before = rig.refusals();
            rig.post(path, &form, 400);
            assert_eq!(rig.refusals() - before, 1, "{form:?}");
        }
    }
}

#[test]
fn boundaries_that_are_none() {
    let rig = rig();
    let client = rig.server.client();
    let longest = "b".repeat(70);
    for (content_type, status) in [
        ("multipart/form-data; boundary=x", 200),
        (&*format!("multipart/form-data; boundary={longest}"), 400),
        (&*format!("multipart/form-data; boundary={longest}b"), 400),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=\"\"", 400),
        ("multipart/form-data; boundary=x; boundary=x", 400),
        ("multipart/mixed; boundary=x", 415),
        ("application/json", 415),
    ] {
        let request = client
            .post("/skip")
            .body(content_type, closed(part("name=a", "1")));
        request.send().expect(status);
    }
    let form = format!("--{longest}\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--{longest}--\r\n");
    let request = client
        .post("/skip")
        .body(&format!("multipart/form-data; boundary={longest}"), form);
    assert_eq!(request.send().expect(200).text(), "1 parts");
}

/// Writes as much as the peer takes; gives how much that was, once it took nothing for a while.
fn write_until_stopped(conn: &RawConn, bytes: usize) -> usize {
    let mut stream = conn.stream();
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let piece = vec![b'~'; 64 * 1024];
    let mut written = 0;
    while written < bytes {
        match stream.write(&piece[..piece.len().min(bytes - written)]) {
            Ok(more) => written += more,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    written
}

#[test]
fn a_handler_that_does_not_read_stops_its_peer() {
    const BYTES: usize = 64 * MIB;
    let reading = Arc::new(Semaphore::new(0));
    let gate = reading.clone();
    let limits = UploadLimits {
        total_bytes_max: 2 * BYTES as u64,
        file_bytes_max: 2 * BYTES as u64,
        ..limits()
    };
    let raw = {
        let gate = gate.clone();
        put(async move |mut upload: Upload| {
            let mut bytes = upload.chunk().await?.map_or(0, |data| data.len());
            gate.acquire().await.unwrap().forget();
            while let Some(data) = upload.chunk().await? {
                bytes += data.len();
            }
            Ok::<_, UploadError>(bytes.to_string())
        })
    };
    let form = post(async move |mut form: Multipart| {
        let mut part = form.next_part().await?.unwrap();
        let mut bytes = 0;
        gate.acquire().await.unwrap().forget();
        while let Some(data) = part.chunk().await? {
            bytes += data.len();
        }
        Ok::<_, UploadError>(bytes.to_string())
    });
    let router = Router::new()
        .route("/raw", raw)
        .route("/form", form)
        .layer(Extension(limits));
    let server = serve(router);
    let head = part("name=a; filename=a", "").trim_end_matches("\r\n").to_owned() + "\r\n\r\n";
    let end = "\r\n--x--\r\n";
    for (line, before, after) in [("PUT /raw", "", ""), ("POST /form", &*head, end)] {
        let mut conn = server.raw();
        let bytes = before.len() + BYTES + after.len();
        conn.write(
            format!(
                "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\n\
                 Content-Length: {bytes}\r\n\r\n{before}"
            )
            .as_bytes(),
        );
        let written = write_until_stopped(&conn, BYTES);
        // What the two sockets hold, and no more.
        assert!(written < BYTES / 2, "{written} bytes were taken");
        reading.add_permits(1);
        conn.write(&vec![b'~'; BYTES - written]);
        conn.write(after.as_bytes());
        let answer = String::from_utf8(conn.read_to_end()).unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{BYTES}")), "{answer}");
    }
}

#[test]
fn what_a_peer_that_goes_away_sent_is_removed() {
    let rig = rig();
    for (line, body) in [
        ("PUT /raw", "~".repeat(MIB)),
        ("POST /form", part("name=a; filename=a", &"~".repeat(MIB))),
    ] {
        let mut conn = rig.server.raw();
        conn.write(
            format!(
                "{line} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {}\r\n\r\n{body}",
                2 * MIB
            )
            .as_bytes(),
        );
        let deadline = Instant::now() + PATIENCE;
        while (rig.files.bytes() as usize) < MIB / 2 {
            assert!(Instant::now() < deadline, "the file is not written");
            std::thread::yield_now();
        }
        assert_eq!(names(rig.dir.path()), 1);
        drop(conn);
        rig.holds_nothing();
    }
}

#[test]
fn no_room_for_another_file() {
    let rig = rig_with(1000, limits());
    rig.server
        .expect_log(Level::WARN, "too much is being uploaded at once");
    let file = |bytes: usize| closed(part("name=a; filename=a", &"f".repeat(bytes)));
    rig.post("/form", &file(1000), 200);
    let client = rig.server.client();
    let request = client
        .post("/form")
        .body("multipart/form-data; boundary=x", file(1001));
    assert_eq!(request.send().expect(503).header("retry-after"), "10");
    rig.holds_nothing();
    rig.post("/form", &file(1000), 200);
}

#[test]
fn a_file_that_cannot_be_stored_is_our_fault() {
    let rig = rig();
    rig.server.expect_log(Level::ERROR, "could not be stored");
    let dir = rig.dir.path();
    std::fs::remove_dir(dir).unwrap();
    let client = rig.server.client();
    let answer = client.put("/raw").body("text/plain", "hello").send().expect(500);
    assert_eq!(answer.text(), "the upload could not be stored\n");
    std::fs::create_dir(dir).unwrap();
}

/// The token is read before the route has said that it takes more than the server.
#[test]
fn a_large_form_may_begin_with_its_xsrf_token() {
    let dir = tempfile::tempdir().unwrap();
    let router = Router::new()
        .route("/form", post(form).get(async |token: XsrfToken| token.value()))
        .layer(Extension(limits()))
        .layer(Extension(TempFiles::new(dir.path(), u64::MAX)))
        .layer(Xsrf::new());
    let server = serve(router);
    let client = server.client();
    let token = client.get("/form").send().expect(200).text();
    let file = part("name=a; filename=a", &"f".repeat(3 * MIB));
    for (form, status) in [
        (closed(part("name=_xsrf", &token) + &file), 200),
        (closed(part("name=_xsrf", "no") + &file), 403),
        (closed(file.clone() + &part("name=_xsrf", &token)), 403),
        (closed(part("name=_xsrf", &token) + &file + &file), 413),
    ] {
        let request = client.post("/form").body("multipart/form-data; boundary=x", form);
        request.send().expect(status);
    }
}
