//! A second signal ends a drain at once, whatever still runs: with a process of its own, as `kill` and a terminal find it.
#![allow(clippy::print_stdout, reason = "it is how the process speaks to its test")]

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use squall::testing::{PATIENCE, RawConn};
use squall::web::{Router, routing::get};
use squall::{Limits, Server};

/// Set where this program is the server.
const SERVES: &str = "SQUALL_SECOND_SIGNAL_SERVES";

/// Not a test of its own: the process that the others run.
#[test]
fn the_server() {
    if std::env::var_os(SERVES).is_none() {
        return;
    }
    let never = get(async || {
        println!("begun");
        std::future::pending::<&'static str>().await
    });
    let server = Server::new(Router::new().route("/never", never))
        .bind("127.0.0.1:0")
        .cores(1)
        .limits(Limits {
            // Far longer than the test.
            drain_timeout: Duration::from_secs(600),
            handler_timeout: Duration::from_secs(600),
            ..Limits::default()
        });
    let ran = server.run_with(|handle| {
        println!("listening {}", handle.local_addr().expect("it is TCP"));
    });
    // As `main` does with what it gives back.
    match ran {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

/// The process, killed with the test.
struct Served {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    address: SocketAddr,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_server", "--nocapture", "--test-threads=1"])
            .env(SERVES, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = find(&mut lines, "listening ").parse().unwrap();
        Served {
            child,
            lines,
            address,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits until it takes no connection any more: it drains.
    fn drains(&self) {
        while TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }
}

/// What comes behind this text in the first line that has it.
fn find(lines: &mut std::io::Lines<BufReader<std::process::ChildStdout>>, text: &str) -> String {
    let mut found = lines.map_while(Result::ok).filter_map(|line| {
        let at = line.find(text)?;
        Some(line[at + text.len()..].to_owned())
    });
    found.next().expect("the server says so before it ends")
}

#[test]
fn a_second_signal_ends_the_drain_at_once_with_status_1() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT"), ("INT", "TERM")] {
        let mut served = Served::start();
        let mut kept = RawConn::connect(served.address);
        kept.write(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n");
        find(&mut served.lines, "begun");
        served.signal(first);
        served.drains();
        let running: Option<ExitStatus> = served.child.try_wait().unwrap();
        assert_eq!(running, None, "{first}: a handler still runs");
        served.signal(second);
        assert_eq!(served.child.wait().unwrap().code(), Some(1), "{first} {second}");
        assert!(kept.closes_within(PATIENCE));
    }
}

#[test]
fn one_signal_is_enough_where_nothing_runs() {
    for signal in ["TERM", "INT"] {
        let mut served = Served::start();
        let mut kept = RawConn::connect(served.address);
        served.signal(signal);
        assert_eq!(served.child.wait().unwrap().code(), Some(0), "{signal}");
        assert!(kept.closes_within(PATIENCE));
    }
}
