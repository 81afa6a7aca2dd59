//! The examples are the files beside this package's manifest; here is what their tests share.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use squall::testing::Client;

/// A running example, ended when it is dropped.
pub struct Example {
    process: Child,
    addr: SocketAddr,
    /// Reads on what the example says, so that it never waits for us.
    reader: Option<JoinHandle<Vec<String>>>,
}

impl Example {
    /// Starts an example on a free port, and returns when it listens.
    ///
    /// # Panics
    /// When it is not built, or ends before it listens.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// As [`Example::start`], with more arguments behind the address.
    ///
    /// # Panics
    /// As [`Example::start`].
    pub fn start_with(name: &str, args: &[&str]) -> Self {
        let program = program(name);
        let mut process = Command::new(&program)
            .arg("127.0.0.1:0")
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (cargo build --examples)", program.display()));
        let stderr = process.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let addr = lines.by_ref().find_map(|line| {
            let addr = line
                .split_once("listening on http://")
                .and_then(|(_, addr)| addr.trim().parse().ok());
            said.push(line);
            addr
        });
        let reader = std::thread::spawn(move || lines.collect());
        let addr = addr.unwrap_or_else(|| panic!("{name} does not listen: {said:?}"));
        Self {
            process,
            addr,
            reader: Some(reader),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.addr
    }

    /// A client with cookies of its own.
    pub fn client(&self) -> Client {
        Client::new(self.addr)
    }

    /// Ends it as an operator does (SIGTERM): gives whether it ended with status 0, and what it logged.
    ///
    /// # Panics
    /// When it cannot be told to.
    pub fn end(mut self) -> (bool, Vec<String>) {
        let told = Command::new("kill")
            .arg(self.process.id().to_string())
            .status()
            .expect("there is kill");
        assert!(told.success());
        let lines = self
            .reader
            .take()
            .map(|reader| reader.join().expect("it only reads"))
            .unwrap_or_default();
        (self.process.wait().expect("it was started").success(), lines)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Both fail only when it has ended, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo puts examples beside the directory of the test that runs.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows itself");
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/PROFILE/deps/TEST");
    profile.join("examples").join(name)
}
