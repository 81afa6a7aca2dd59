//! Behind nginx, haproxy and Caddy as Debian has them, with the configurations of the guide.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e::dir::TempDir;
use e2e::program::{Program, root};
use socket2::{Domain, Type};
use squall::testing::{Client, TestServer, serve_with};
use squall::web::routing::get;
use squall::web::ws::WebSocketUpgrade;
use squall::web::{ClientInfo, Extension, Router, TrustedProxies, http::HeaderMap};
use squall::{Address, Listen, Proxied, ProxyProtocol};

/// Everything that a handler can know of its client, in one line.
async fn who(client: ClientInfo, proxied: Option<Extension<Proxied>>, fields: HeaderMap) -> String {
    let ip = client.ip().map_or("nobody".to_owned(), |ip| ip.to_string());
    let list = |name: &str| {
        let all: Vec<_> = fields
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        all.join("|")
    };
    format!(
        "{ip} {} [{}] [{}] {}",
        client.origin().unwrap_or_default(),
        list("x-forwarded-for"),
        list("forwarded"),
        proxied.map_or("", |Extension(said)| if said.tlvs().is_empty() {
            "v1"
        } else {
            "v2"
        })
    )
}

fn app() -> Router {
    Router::new().route("/who", get(who)).route(
        "/echo",
        get(async |upgrade: WebSocketUpgrade| {
            upgrade.any_origin().on_upgrade(async |mut socket| {
                while let Some(message) = socket.recv().await {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            })
        }),
    )
}

/// The guide's block in this language, with what differs in a test put in its place.
fn of_guide(language: &str, changes: &[(&str, &str)]) -> String {
    let guide = std::fs::read_to_string(root().join("docs/guide/behind-a-proxy.md")).unwrap();
    let block = guide
        .split(&format!("```{language}\n"))
        .nth(1)
        .expect("the guide has it");
    let mut text = block.split("```").next().unwrap().to_owned();
    for (said, here) in changes {
        assert!(text.contains(said), "the guide does not say {said:?} any more");
        text = text.replace(said, here);
    }
    text
}

/// A port of ours that nobody is given by chance: bound and not listened on, so that a program which is told of it can.
struct Port(socket2::Socket);

impl Port {
    fn new() -> Self {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        Port(socket)
    }

    fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

/// Runs a program until it says that it listens, on whichever of its outputs.
fn run(command: &str, config: &Path, ready: &str) -> Program {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec {command} \"$1\" 2>&1"), "sh"])
        .arg(config);
    let home = config.parent().unwrap();
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        shell.env(name, home);
    }
    let program = Program::start(&mut shell);
    program.line(|line| line.contains(ready));
    program
}

fn write(dir: &TempDir, name: &str, config: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, config).unwrap();
    path
}

fn nginx(dir: &TempDir, port: &Port, site: &str) -> Program {
    let site = site.replace("listen 80;", &format!("listen {};", port.addr()));
    let here = dir.path().display();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .collect();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log stderr notice;\nevents {{}}\n\
         http {{\naccess_log off;\n{paths}{site}\n}}\n"
    );
    let config = write(dir, "nginx.conf", &config);
    // Said when its sockets listen.
    run("/usr/sbin/nginx -e stderr -c", &config, "event method")
}

/// haproxy finds a socket that listens already at descriptor 3. Whoever connects before it is ready waits in the socket's
/// queue.
fn haproxy(config: &Path) -> (Program, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "exec 3<&0 0</dev/null; exec /usr/sbin/haproxy -db -q -f \"$1\"",
            "sh",
        ])
        .arg(config);
    let program = Program::start_reading(&mut shell, Stdio::from(OwnedFd::from(listener)));
    (program, addr)
}

/// What a server answers to bytes that end with their answer, sent from this address of ours.
fn ask(from: [u8; 4], to: SocketAddr, request: &str) -> String {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(e2e::DEADLINE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// A Squall on a Unix socket, beside the one that the kit opens.
fn on_unix_socket(dir: &TempDir, proxies: TrustedProxies) -> (TestServer, String) {
    let path = dir.path().join("web.sock");
    let listen = Listen::on(Address::Unix(path.clone()));
    let server = serve_with(app(), |server| server.listen(listen).behind(proxies));
    (server, format!("unix:{}", path.display()))
}

#[test]
fn nginx_says_who_the_client_is() {
    let dir = TempDir::new("nginx");
    let trust = TrustedProxies::x_forwarded("unix".parse().unwrap());
    let (_server, upstream) = on_unix_socket(&dir, trust);
    let port = Port::new();
    let addr = port.addr();
    let _nginx = nginx(
        &dir,
        &port,
        &of_guide("nginx", &[("unix:/run/squall/web.sock", &upstream)]),
    );
    let client = Client::new(addr);
    let plain = client.get("/who").send().expect(200).text();
    assert_eq!(plain, format!("127.0.0.1 http://{addr} [127.0.0.1] [] "));
    let spoofed = client
        .get("/who")
        .header("x-forwarded-for", "10.0.0.9, garbage")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=10.0.0.9;proto=https")
        .header("x-real-ip", "10.0.0.9");
    assert_eq!(
        spoofed.send().expect(200).text(),
        plain,
        "a client's own word is not taken"
    );
    let mut socket = client.ws("/echo").open_ws();
    socket.send_text("through");
    assert_eq!(socket.text(), "through");
}

#[test]
fn haproxy_says_it_in_a_proxy_header() {
    let listen = Listen::parse("127.0.0.1:0").unwrap();
    let trust = ProxyProtocol::required_from("loopback".parse().unwrap());
    let server = serve_with(app(), |server| server.listen(listen.proxy(trust)));
    let upstream = server.handle().local_addrs()[0].to_string();
    for (version, speaks) in [
        ("v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
        ("v1", "send-proxy"),
    ] {
        let dir = TempDir::new("haproxy");
        let changes = [
            ("bind :443", "bind fd@3"),
            ("127.0.0.1:8443", &upstream),
            ("send-proxy-v2 proxy-v2-options crc32c,unique-id", speaks),
        ];
        let config = of_guide("haproxy", &changes);
        let (_haproxy, addr) = haproxy(&write(&dir, "haproxy.cfg", &config));
        let spoofed = "GET /who HTTP/1.1\r\nHost: feed.example\r\nX-Forwarded-For: 10.0.0.9\r\nConnection: close\r\n\r\n";
        let answer = ask([127, 0, 0, 2], addr, spoofed);
        let said = format!("127.0.0.2 http://feed.example [10.0.0.9] [] {version}");
        assert!(answer.ends_with(&said), "{answer}");
        // Nobody was told to believe fields here, so nobody removes them; `ClientInfo` does not look at them.
    }
}

#[test]
fn caddy_says_who_the_client_is_and_what_it_asked_for() {
    let dir = TempDir::new("caddy");
    let port = Port::new();
    let addr = port.addr();
    let trust = TrustedProxies::x_forwarded("127.0.0.1".parse().unwrap()).with_host();
    let server = serve_with(app(), |server| server.behind(trust));
    let changes = [
        (
            "feed.example {",
            &*format!("http://feed.example:{} {{\nbind 127.0.0.1", addr.port()),
        ),
        ("127.0.0.1:8888", &server.addr().to_string()),
    ];
    let config = format!(
        "{{\nadmin off\nauto_https off\n}}\n{}",
        of_guide("caddyfile", &changes)
    );
    let config = write(&dir, "Caddyfile", &config);
    let _caddy = run(
        "caddy run --adapter caddyfile --config",
        &config,
        "serving initial configuration",
    );
    // Our own address is the proxy's too, and trusted: another of this machine's stands for a stranger.
    let host = format!("feed.example:{}", addr.port());
    let request = format!(
        "GET /who HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Host: evil.example\r\n\
         X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    );
    let answer = ask([127, 0, 0, 2], addr, &request);
    assert!(
        answer.contains(&format!("127.0.0.2 http://{host} [127.0.0.2] [] ")),
        "{answer}"
    );
}
