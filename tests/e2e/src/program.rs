//! Real programs: found, started on a free port, watched, signalled, and never left behind.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use crate::DEADLINE;

/// Lines of a program's error output that are kept to be shown when a test fails.
const ERROR_LINES_MAX: usize = 30;

/// Where the program `name` of this workspace is.
///
/// `./test` has built the programs and says where they are (`SQUALL_BIN_DIR`). Without it they are built here, once,
/// so that `cargo test -p e2e` never runs yesterday's program.
///
/// # Panics
/// When it can't be built.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let dir = match std::env::var_os("SQUALL_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => BUILT.clone(),
    };
    let path = dir.join(name);
    assert!(path.is_file(), "no program at {}", path.display());
    path
}

static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "feed", "-p", "bench-target"])
        .current_dir(root())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the programs do not build");
    // A test runs from target/PROFILE/deps/NAME.
    let test = std::env::current_exe().expect("this test has a path");
    let target = test.ancestors().nth(3).expect("a target directory");
    target.join("debug")
});

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A program that runs; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// What it writes, line by line; disconnected when it has closed its output, which is when it has ended.
    lines: Mutex<Receiver<String>>,
    errors: Arc<Mutex<VecDeque<String>>>,
}

impl Program {
    /// Starts it with no input.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        Self::start_reading(command, Stdio::null())
    }

    /// Starts it with this input: a socket, say, that a shell puts where the program looks for it.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start_reading(command: &mut Command, input: Stdio) -> Self {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("its output is a pipe");
        std::thread::spawn(move || forward(stdout, &sender));
        let errors = Arc::new(Mutex::new(VecDeque::new()));
        let stderr = child.stderr.take().expect("its error output is a pipe");
        let kept = Arc::clone(&errors);
        std::thread::spawn(move || keep(stderr, &kept));
        Self {
            child,
            lines: Mutex::new(lines),
            errors,
        }
    }

    /// Starts a server and waits until it has written its address.
    ///
    /// # Panics
    /// When it ends or says no address before the deadline.
    #[must_use]
    pub fn serve(command: &mut Command) -> (Self, SocketAddr) {
        let program = Self::start(command);
        let line = program.line(|line| address(line).is_some());
        let addr = address(&line).expect("the line has an address");
        (program, addr)
    }

    /// The first line of output from here on of which `wanted` is true.
    ///
    /// # Panics
    /// When the program ends or the deadline passes before there is one.
    pub fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let lines = self.lines.lock().expect("nobody panics with it");
        let end = Instant::now() + DEADLINE;
        loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("the program did not say it in time"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the program ended before it said it:\n{}", self.errors())
                }
            }
        }
    }

    /// The operating system's number of it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to its error output, the newest lines of it.
    #[must_use]
    pub fn errors(&self) -> String {
        let lines = self.errors.lock().expect("nobody panics with it");
        lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Asks it to end: SIGTERM.
    ///
    /// # Panics
    /// When the signal can't be sent.
    pub fn terminate(&self) {
        // The shell's own `kill`: needs no package, and no unsafe code here.
        let status = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.pid())])
            .status();
        assert!(status.expect("sh runs").success(), "SIGTERM can't be sent");
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When the deadline passes first.
    pub fn wait(&mut self) -> ExitStatus {
        let lines = self.lines.get_mut().expect("nobody panics with it");
        let end = Instant::now() + DEADLINE;
        loop {
            match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the program did not end in time:\n{}", self.errors())
                }
            }
        }
        self.child.wait().expect("an ended program has a status")
    }

    /// Ends it at once, as a crash would: SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the program's last words:\n{}", self.errors());
        }
    }
}

/// The first `127.0.0.1:PORT` in a line.
fn address(line: &str) -> Option<SocketAddr> {
    let text = &line[line.find("127.0.0.1:")?..];
    let end = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | ':'))
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

fn forward(output: impl Read, lines: &Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Read on when nobody listens any more: a full pipe would stop the program.
        lines.send(line).ok();
    }
}

fn keep(output: impl Read, kept: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let mut kept = kept.lock().expect("nobody panics with it");
        if kept.len() == ERROR_LINES_MAX {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_any_line() {
        let addr = "127.0.0.1:8888".parse().ok();
        assert_eq!(address("listening on 127.0.0.1:8888"), addr);
        assert_eq!(address("open http://127.0.0.1:8888/ in a browser"), addr);
        assert_eq!(address("nothing yet"), None);
    }
}
