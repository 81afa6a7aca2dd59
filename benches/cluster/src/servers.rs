//! NATS servers on ports of this machine, which no process outlives.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Result;

/// Kills the server when its standard input ends, as it does when this process does, however that ends.
const GUARD: &str = r#""$0" "$@" & server=$!; echo "guarding $server" >&2; read -r _; kill -9 $server"#;

pub(crate) struct Servers {
    _dir: TempDir,
    all: Vec<Server>,
}

struct Server {
    file: PathBuf,
    address: String,
    running: Option<(Child, Pid)>,
}

impl Servers {
    /// Three that find each other.
    pub(crate) fn start() -> Result<Self> {
        let dir = TempDir::new()?;
        // Held together, so that all six differ; then let go for the servers.
        let held: Vec<TcpListener> = (0..6)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<std::io::Result<_>>()?;
        let ports: Vec<u16> = held
            .iter()
            .map(|one| Ok(one.local_addr()?.port()))
            .collect::<Result<_>>()?;
        drop(held);
        let (clients, routes) = ports.split_at(3);
        let all_routes: Vec<String> = routes
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        let mut all = Vec::new();
        for (number, (client, route)) in clients.iter().zip(routes).enumerate() {
            let file = dir.path().join(format!("n{number}.conf"));
            let store = dir.path().join(format!("n{number}"));
            std::fs::write(
                &file,
                format!(
                    "listen: \"127.0.0.1:{client}\"\nserver_name: n{number}\n\
                     jetstream {{ store_dir: {store:?}, max_file: 4GB }}\n\
                     cluster {{ name: bench, listen: \"127.0.0.1:{route}\", routes: {all_routes:?} }}\n"
                ),
            )?;
            all.push(Server {
                file,
                address: format!("nats://127.0.0.1:{client}"),
                running: None,
            });
        }
        let mut servers = Self { _dir: dir, all };
        for number in 0..3 {
            servers.start_one(number)?;
        }
        Ok(servers)
    }

    pub(crate) fn addresses(&self) -> String {
        let all: Vec<&str> = self.all.iter().map(|server| server.address.as_str()).collect();
        all.join(",")
    }

    pub(crate) fn start_one(&mut self, number: usize) -> Result<()> {
        let server = &mut self.all[number];
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, program(), "-c"])
            .arg(&server.file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(guard.stderr.take().ok_or("no pipe")?).lines();
        let mut pid = None;
        loop {
            let line = said
                .next()
                .ok_or("nats-server does not start: is it installed?")??;
            if let Some(number) = line.strip_prefix("guarding ") {
                pid = Pid::from_raw(number.parse()?);
            }
            if line.contains("Server is ready") {
                break;
            }
        }
        // Whatever else it says is read, so that it is never stopped by a full pipe.
        std::thread::spawn(move || said.map_while(std::io::Result::ok).for_each(drop));
        server.running = Some((guard, pid.ok_or("no process")?));
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, number: usize) {
        if let Some((mut guard, pid)) = self.all[number].running.take() {
            let _ = kill_process(pid, Signal::KILL);
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        (0..self.all.len()).for_each(|number| self.kill(number));
    }
}

/// Debian puts it where not every user looks.
fn program() -> &'static str {
    let place = "/usr/sbin/nats-server";
    if Path::new(place).exists() {
        place
    } else {
        "nats-server"
    }
}
