//! `nats-server` processes.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use squall_nats::{NatsConfig, StreamSettings};
use tempfile::TempDir;

use crate::proxy::Proxy;

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for its standard input to end, which it does when the test's process does, however that ends; then kills the
/// server. So no server outlives its test.
const GUARD: &str = r#""$0" "$@" & server=$!; echo "guarding $server" >&2; read -r _; kill -9 $server"#;

pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
}

pub(crate) struct Server {
    name: String,
    dir: TempDir,
    client: Proxy,
    route: Proxy,
    running: Option<Running>,
}

struct Running {
    guard: Child,
    pid: Pid,
    log: Arc<Log>,
}

/// What a server said, line by line.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Cluster {
    /// Starts `count` servers that find each other.
    pub(crate) fn start(count: usize) -> Self {
        Self::start_with(count, "")
    }

    /// With something more in each configuration.
    pub(crate) fn start_with(count: usize, more: &str) -> Self {
        let mut servers: Vec<Server> = (0..count).map(Server::new).collect();
        let routes: Vec<SocketAddr> = servers.iter().map(|server| server.route.address()).collect();
        for server in &mut servers {
            server.configure(&routes, more);
            server.start();
        }
        let cluster = Self { servers };
        if count > 1 {
            cluster.wait_for_a_leader();
        }
        cluster
    }

    /// The same three servers for every test that does them no harm, while one runs.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Self::start(3));
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    fn wait_for_a_leader(&self) {
        let leads = |line: &str| line.contains("JetStream cluster") && line.contains("metadata leader");
        let any = |server: &Server| server.log().lines().iter().any(|line| leads(line));
        // Every server says who leads, so any one's word is enough.
        if !self.servers.iter().any(any) {
            self.servers[0].wait_for_line("a metadata leader", leads);
        }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(Server::address).collect()
    }

    /// A node's configuration: a stream of its own, on all servers, quick to notice things.
    pub(crate) fn config(&self, stream: &str) -> NatsConfig {
        NatsConfig {
            servers: self.addresses(),
            // Around the proxies no server is to be found.
            discover: false,
            stream: stream.to_uppercase(),
            prefix: stream.to_owned(),
            create: Some(StreamSettings {
                replicas: self.servers.len(),
                // Servers set it aside.
                max_bytes: 16 << 20,
                ..StreamSettings::default()
            }),
            heartbeat_ms: 500,
            check_ms: 1_000,
            connect_timeout_ms: 1_000,
            publish_timeout_ms: 40_000,
            start_timeout_ms: 60_000,
            ..NatsConfig::default()
        }
    }

    /// The server of that name.
    pub(crate) fn named(&mut self, name: &str) -> &mut Server {
        let found = self.servers.iter_mut().find(|server| server.name == name);
        found.expect("a server of this cluster")
    }
}

impl Server {
    fn new(number: usize) -> Self {
        Self {
            name: format!("n{number}"),
            dir: TempDir::new().expect("a folder"),
            client: Proxy::new(),
            route: Proxy::new(),
            running: None,
        }
    }

    fn configure(&self, routes: &[SocketAddr], more: &str) {
        let store = self.dir.path().join("store");
        let mut text = format!(
            "listen: \"127.0.0.1:-1\"\nserver_name: {}\n\
             jetstream {{ store_dir: {store:?}, max_mem: 256MB, max_file: 1GB }}\n{more}\n",
            self.name
        );
        if routes.len() > 1 {
            let routes: Vec<String> = routes.iter().map(|route| format!("nats://{route}")).collect();
            let _ = writeln!(
                text,
                "cluster {{ name: test, listen: \"127.0.0.1:-1\", advertise: \"{}\", no_advertise: true, routes: {routes:?} }}",
                self.route.address()
            );
        }
        std::fs::write(self.file(), text).expect("a configuration is written");
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("server.conf")
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where clients find it, as long as it lives and after.
    pub(crate) fn address(&self) -> String {
        format!("nats://{}", self.client.address())
    }

    /// Where it really is, for who wants to go around the proxy.
    pub(crate) fn own_address(&self) -> String {
        format!("nats://{}", self.listens("client"))
    }

    fn log(&self) -> &Log {
        &self.running.as_ref().expect("it runs").log
    }

    /// Starts it, with the files that it had.
    pub(crate) fn start(&mut self) {
        assert!(self.running.is_none(), "{} runs already", self.name);
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, program(), "-c"])
            .arg(self.file())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell runs");
        let log = Arc::new(Log::default());
        let said = BufReader::new(guard.stderr.take().expect("piped"));
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                kept.keep(line);
            }
        });
        let guarding = log.wait_for("its process", |line| line.starts_with("guarding "));
        let pid = guarding["guarding ".len()..].parse().ok().and_then(Pid::from_raw);
        self.running = Some(Running {
            guard,
            pid: pid.expect("a process"),
            log,
        });
        self.client.lead_to(Some(self.listens("client")));
        if std::fs::read_to_string(self.file()).is_ok_and(|text| text.contains("cluster {")) {
            self.route.lead_to(Some(self.listens("route")));
        }
        self.wait_for_line("it is ready", |line| line.contains("Server is ready"));
    }

    fn listens(&self, what: &str) -> SocketAddr {
        let words = format!("Listening for {what} connections on ");
        let line = self.wait_for_line(&words, |line| line.contains(&words));
        let (_, address) = line.split_once(&words).expect("waited for");
        address.trim().parse().expect("an address")
    }

    fn wait_for_line(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.log().wait_for(what, is_it)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let _ = kill_process(running.pid, Signal::KILL);
        drop(running.guard.stdin.take());
        let _ = running.guard.wait();
        self.client.lead_to(None);
        self.route.lead_to(None);
    }

    /// Stops the process, without its knowing.
    pub(crate) fn freeze(&self) {
        kill_process(self.running.as_ref().expect("it runs").pid, Signal::STOP).expect("it is ours");
    }

    pub(crate) fn thaw(&self) {
        kill_process(self.running.as_ref().expect("it runs").pid, Signal::CONT).expect("it is ours");
    }

    /// Cuts it off from clients, other servers, or both.
    pub(crate) fn cut(&self, clients: bool, routes: bool) {
        if clients {
            self.client.cut();
        }
        if routes {
            self.route.cut();
        }
    }

    /// Clients hear nothing of it any more, and it hears them.
    pub(crate) fn deafen(&self) {
        self.client.deafen();
    }

    pub(crate) fn heal(&self) {
        self.client.heal();
        self.route.heal();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(running) = &self.running
        {
            let lines = running.log.lines().clone();
            let last = &lines[lines.len().saturating_sub(12)..];
            eprintln!("{} said last:\n{}", self.name, last.join("\n"));
        }
        self.kill();
    }
}

impl Log {
    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, line: String) {
        self.lines().push(line);
        self.more.notify_all();
    }

    /// The first line that is so, when it is there.
    fn wait_for(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines();
        loop {
            if let Some(line) = lines.iter().find(|line| is_it(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not seen: {what}; said: {}", lines.join("\n"));
            lines = self
                .more
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// Debian puts it where not every user looks.
fn program() -> &'static str {
    let places = ["/usr/sbin/nats-server", "/usr/local/bin/nats-server"];
    places
        .into_iter()
        .find(|place| Path::new(place).exists())
        .unwrap_or("nats-server")
}
