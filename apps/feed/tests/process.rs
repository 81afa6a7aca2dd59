//! The program itself: what it prints, how it ends, what it refuses.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use common::Dir;
use squall::testing::Client;

fn feed() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feed"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// A feed that serves, and the address it printed.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(dir: &Dir) -> Self {
        let child = feed()
            .args(["--listen", "127.0.0.1:0", "--cores", "1", "--data"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self::of(child.unwrap())
    }

    fn of(mut child: Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_prefix("feed: http://")
            .unwrap_or_else(|| panic!("{line:?}"))
            .to_owned();
        Self { child, address }
    }

    fn client(&self) -> Client {
        Client::new(self.address.parse().unwrap()).browser()
    }

    fn signal(mut self, name: &str) -> Option<i32> {
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status, standard output, and the one line on standard error.
fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_prints_its_address_serves_and_ends_on_sigterm() {
    let dir = Dir::new();
    let serving = Serving::start(&dir);
    assert_eq!(serving.client().get("/").send().status, 200);
    assert_eq!(serving.signal("TERM"), Some(0));
}

#[test]
fn posts_and_sessions_survive_kill_9() {
    let dir = Dir::new();
    let serving = Serving::start(&dir);
    let client = serving.client();
    let form = [("name", "ada"), ("password", "correct horse battery")];
    assert_eq!(client.post("/sign-up").form(&form).send().status, 303);
    let post = [
        ("text", "a post that was acknowledged"),
        ("audience", "followers"),
    ];
    assert_eq!(client.post("/posts").form(&post).send().status, 303);
    let cookie = client.jar().get("sid").unwrap().to_owned();
    assert_eq!(serving.signal("KILL"), None);
    let serving = Serving::start(&dir);
    let client = serving.client();
    client.jar().set("sid", &cookie);
    let home = client.get("/").send().expect(200).text();
    assert!(home.contains("a post that was acknowledged"));
}

/// As systemd starts it through a .socket unit: descriptor 3 listens, and is ours if `LISTEN_PID` says so.
#[test]
fn a_socket_of_the_service_manager_is_served() {
    let dir = Dir::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Came before the program was started.
    let mut early = std::net::TcpStream::connect(address).unwrap();
    early
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let start = |listen: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_feed"))
            .args(["--listen", listen, "--cores", "1", "--data"])
            .arg(dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", "web")
            .stdin(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        shell
    };
    let (status, _, error) = outcome(&start("systemd:api").output().unwrap());
    assert_eq!(status, Some(1), "{error}");
    assert!(
        error.contains("no socket named 'api'") && error.contains("but: web"),
        "{error}"
    );
    let serving = Serving::of(start("systemd:web").stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(serving.address, address.to_string());
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(serving.signal("TERM"), Some(0));
}

/// The limit on guesses is each client's, and not the proxy's that they all come through.
#[test]
fn who_guesses_behind_a_proxy_is_limited_alone() {
    let dir = Dir::new();
    let mut command = feed();
    command
        .args([
            "--listen",
            "127.0.0.1:0",
            "--cores",
            "1",
            "--proxies",
            "loopback",
            "--data",
        ])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let serving = Serving::of(command.spawn().unwrap());
    let remaining = |client: &str| {
        let answer = serving
            .client()
            .get("/api/v1/instance")
            .header("x-forwarded-for", client)
            .send()
            .expect(200);
        answer.header("x-ratelimit-remaining").to_owned()
    };
    let first = remaining("203.0.113.9");
    assert_ne!(remaining("203.0.113.9"), first);
    assert_eq!(remaining("203.0.113.10"), first, "another client has its own");
    assert_eq!(remaining("198.51.100.1, 203.0.113.11"), first);
}

#[test]
fn two_cannot_share_a_data_directory() {
    let dir = Dir::new();
    let _serving = Serving::start(&dir);
    let second = feed()
        .args(["--listen", "127.0.0.1:0", "--log", "off", "--data"])
        .arg(dir.path())
        .output()
        .unwrap();
    let (status, out, error) = outcome(&second);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(error.contains("another feed is already using"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn wrong_usage_is_one_line_and_status_2() {
    let dir = Dir::new();
    let wrong: [&[&str]; 12] = [
        &["--nonsense"],
        &["extra"],
        &["--cores", "many"],
        &["--listen", "nowhere"],
        &["--listen", "127.0.0.1:65536"],
        &["--origin", "feed.example"],
        &["--log", "=="],
        &["--config", "/no/such/file"],
        &["--proxies", "everybody"],
        &["--proxies", "10.0.0.1/8"],
        &["--proxies-speak", "proxy-protocol"],
        &["--socket-mode", "rw"],
    ];
    for args in wrong {
        let output = feed()
            .args(["--data"])
            .arg(dir.path())
            .args(args)
            .output()
            .unwrap();
        let (status, out, error) = outcome(&output);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with("feed: "), "{error}");
    }
    assert!(!dir.path().exists(), "nothing was made");
}

#[test]
fn an_address_that_cannot_be_had_is_a_fault() {
    let dir = Dir::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // The second is kept for documentation (RFC 5737): no machine has it.
    for address in [&*address, "192.0.2.1:0"] {
        let output = feed()
            .args(["--listen", address, "--data"])
            .arg(dir.path())
            .output()
            .unwrap();
        let (status, out, error) = outcome(&output);
        assert_eq!((status, out.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains("cannot listen on"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn help_tells_of_every_option() {
    let (status, out, error) = outcome(&feed().arg("--help").output().unwrap());
    assert_eq!((status, error.as_str()), (Some(0), ""));
    for option in [
        "--listen",
        "--socket-mode",
        "--proxies",
        "--proxies-speak",
        "--data",
        "--cores",
        "--origin",
        "--log",
        "--config",
    ] {
        assert!(out.contains(option), "{option}");
    }
}

#[test]
fn the_environment_and_a_file_are_read() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.path()).unwrap();
    let file = dir.path().join("feed.toml");
    std::fs::write(
        &file,
        "listen = \"127.0.0.1:0\"\norigin = \"https://from.file\"\n",
    )
    .unwrap();
    let mut child = feed()
        .arg("--config")
        .arg(&file)
        .env("FEED_DATA", dir.path().join("data"))
        .env("FEED_ORIGIN", "https://from.environment")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines = [out.next().unwrap().unwrap(), out.next().unwrap().unwrap()];
    child.kill().unwrap();
    child.wait().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(lines[0].starts_with("feed: http://127.0.0.1:"), "{log}");
    assert_eq!(lines[1], "feed: the site is https://from.environment", "{log}");
    assert!(dir.path().join("data").is_dir());
}

#[test]
fn the_house_tells_how_it_is_and_writes_who_asked() {
    let dir = Dir::new();
    let log = dir.path().join("access.log");
    let child = feed()
        .args(["--listen", "127.0.0.1:0", "--cores", "1", "--access-log"])
        .arg(&log)
        .arg("--data")
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let serving = Serving::of(child.unwrap());
    let client = serving.client();
    assert_eq!(
        client.get("/healthz").send().expect(200).text(),
        "{\"status\":\"ok\"}"
    );
    let ready = client.get("/readyz").send().expect(200).text();
    assert!(ready.contains("\"store\":{") && ready.starts_with('{'), "{ready}");
    let secret = client
        .get("/@nobody?access_token=hunter2")
        .header("referer", "http://a/?t=hunter2");
    assert_eq!(
        secret.header("user-agent", "a \"b\"").send().expect(404).text(),
        "404 Not Found\n"
    );
    let metrics = client.get("/metrics").send().expect(200).text();
    assert!(
        metrics.contains("{route=\"/@{name}\",method=\"GET\",status=\"4xx\"} 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("feed_followers{door=\"sse\"} 0\n") && metrics.contains("squall_draining 0\n"));
    client
        .get("/metrics")
        .header("x-forwarded-for", "203.0.113.9")
        .send()
        .expect(404);
    assert_eq!(serving.signal("TERM"), Some(0));
    let lines = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(
        lines[2].ends_with("\"GET /@nobody HTTP/1.1\" 404 14 \"http://a/\" \"a \\\"b\\\"\""),
        "{}",
        lines[2]
    );
}
