//! The program that is killed, twenty times; and one whose disk is full.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use bench_durable::kill;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use squall_durable::{DurableBroker, DurableConfig, Life};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bench-durable");

#[test]
fn nothing_acknowledged_is_lost_in_twenty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let killed = kill::kill_loop(Path::new(PROGRAM), folder.path(), 20, 4, |_| ()).unwrap();
    assert_eq!(killed.times, 20);
    assert!(
        killed.acknowledged > 1_000 && killed.compared > 1_000,
        "{killed:?}"
    );
}

/// A child that publishes a message for each line that it is told.
struct Steps {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Steps {
    fn start(folder: &Path) -> Self {
        // A file that would grow too large is then an error like any other, and not the end of the process.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" steps \"$1\"", PROGRAM])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What became of one message, and what the child holds then.
    fn publish(&mut self) -> (String, String) {
        self.tell("go")
    }

    fn tell(&mut self, what: &str) -> (String, String) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{what}").unwrap();
        let mut next = || self.lines.next().unwrap().unwrap();
        (next(), next())
    }

    fn limit(&self, bytes: Option<u64>) {
        let pid = Pid::from_child(&self.child);
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(pid), Resource::Fsize, limit).unwrap();
    }
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let mut steps = Steps::start(folder.path());
    for offset in 1..=10 {
        assert_eq!(steps.publish().0, format!("ok {offset}"));
    }
    let written = std::fs::metadata(folder.path().join("log.db-wal")).unwrap().len();
    steps.limit(Some(written + 50_000));
    let mut acknowledged = 10;
    let refused = loop {
        let (answer, held) = steps.publish();
        if let Some(offset) = answer.strip_prefix("ok ") {
            acknowledged += 1;
            assert_eq!(offset, acknowledged.to_string());
            continue;
        }
        assert_eq!(held, format!("held {acknowledged} true"), "reads go on");
        break answer;
    };
    let unavailable = refused.starts_with("no the broker is not available: the disk");
    assert!(
        unavailable && refused.ends_with("(true)"),
        "it is worth trying again: {refused}"
    );
    assert!(steps.publish().0.starts_with("no "));
    // What is withdrawn now is owed to the disk.
    let (answer, held) = steps.tell("withdraw");
    assert!(answer.starts_with("no "), "{answer}");
    let left = acknowledged - acknowledged / 2;
    assert_eq!(held, format!("held {left} true"));
    steps.limit(None);
    let (answer, held) = steps.publish();
    acknowledged += 1;
    assert_eq!(
        answer,
        format!("ok {acknowledged}"),
        "it goes on by itself when there is room"
    );
    assert_eq!(held, format!("held {} false", left + 1));
    // Full again, and killed while it is.
    steps.limit(Some(1_000));
    assert!(steps.publish().0.starts_with("no "));
    steps.child.kill().unwrap();
    steps.child.wait().unwrap();

    let (hub, loaded) = DurableBroker::open(folder.path(), DurableConfig::default()).unwrap();
    assert_eq!(loaded.life, Life::Resumed);
    assert_eq!(
        hub.topic_counts("x").messages,
        left + 1,
        "all that is acknowledged, and nothing that is withdrawn"
    );
    assert_eq!(hub.head(), acknowledged as u64);
}

#[test]
fn another_process_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut steps = Steps::start(folder.path());
    assert_eq!(steps.publish().0, "ok 1");
    let error = DurableBroker::open(folder.path(), DurableConfig::default())
        .err()
        .unwrap();
    assert!(error.is_in_use() && !error.to_string().contains('\n'), "{error}");
    let other = Command::new(PROGRAM)
        .arg("steps")
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!other.status.success());
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(
        said.contains("is open already") && said.lines().count() == 1,
        "{said}"
    );
    writeln!(steps.child.stdin.as_mut().unwrap(), "end").unwrap();
    assert!(steps.child.wait().unwrap().success());
}
