//! The test server with three doors (`src/bin/e2e-room.rs`), started and asked.

use std::io::{BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::agent::Agent;
use crate::program::Program;
use crate::sse::Events;

/// A running test server.
#[derive(Debug)]
pub struct Room {
    program: Program,
    addr: SocketAddr,
}

/// What happens to the server's connections, as it tells.
#[derive(Debug)]
pub struct Happenings<R> {
    events: Events<BufReader<R>>,
}

impl<R: Read> Happenings<R> {
    /// Waits for a happening of which `wanted` is true.
    ///
    /// # Panics
    /// When the stream ends or the deadline passes before it comes.
    pub fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let event = self.events.next_event().expect("the stream goes on");
            let event = event.expect("the stream does not end");
            if wanted(&event.data) {
                return event.data;
            }
        }
    }
}

impl Room {
    /// Starts it with these options.
    ///
    /// # Panics
    /// When it does not start in time.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        Self::serve(Command::new(path()).args(args))
    }

    /// Starts it with at most this many open files.
    ///
    /// # Panics
    /// When it does not start in time.
    #[must_use]
    pub fn start_with_files(files_max: u32) -> Self {
        let script = format!("ulimit -n {files_max} && exec \"$0\"");
        Self::serve(Command::new("sh").args(["-c", &script]).arg(path()))
    }

    fn serve(command: &mut Command) -> Self {
        let (program, addr) = Program::serve(command);
        Self { program, addr }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The program, to be signalled.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// The body of a GET that is answered with 200.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn get(&self, path: &str) -> String {
        let reply = Agent::new(self.addr).get(path).expect("the server answers");
        assert_eq!(reply.status(), 200, "{path}: {}", reply.text());
        reply.text()
    }

    /// Publishes to the room; gives the message's cursor.
    ///
    /// # Panics
    /// When it is not acknowledged.
    pub fn publish(&self, text: &str) -> String {
        let reply = Agent::new(self.addr)
            .request("POST", "/pub/room", "", text.as_bytes())
            .expect("the server answers");
        assert_eq!(reply.status(), 200, "{}", reply.text());
        reply.text()
    }

    /// What happens from now on.
    ///
    /// # Panics
    /// When the stream can't be opened.
    #[must_use]
    pub fn happenings(&self) -> Happenings<impl Read + use<>> {
        let stream = Agent::new(self.addr)
            .stream("/sse/events", "")
            .expect("the stream opens");
        Happenings {
            events: Events::new(BufReader::new(stream)),
        }
    }

    /// How much memory the server has, in bytes.
    ///
    /// # Panics
    /// When the operating system does not say.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.program.pid());
        let status = std::fs::read_to_string(path).expect("the process is there");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("a line with the resident set");
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("a number");
        kib * 1024
    }
}

/// Cargo builds it beside this package's tests, which run from `target/PROFILE/deps`.
fn path() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    test.ancestors()
        .nth(2)
        .expect("a target directory")
        .join("e2e-room")
}
