//! All nodes publish while servers are killed; then the records are held against the log.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::check::{self, check, read};
use crate::servers::Servers;
use crate::{Options, Result, say};

/// The nodes' processes.
#[derive(Default)]
pub(crate) struct Children {
    all: Vec<(Child, BufReader<ChildStdout>)>,
}

impl Children {
    /// Starts one, and waits until it is ready.
    pub(crate) fn add(
        &mut self,
        out: &Path,
        servers: &str,
        stream: &str,
        options: &Options,
        more: &[&str],
    ) -> Result<()> {
        let name = out.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["node", "--name", name, "--stream", stream, "--servers", servers])
            .args([
                "--messages",
                &options.messages.to_string(),
                "--rate",
                &options.rate.to_string(),
            ])
            .args(["--bytes", &options.bytes.to_string(), "--out"])
            .arg(out)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        self.all.push((child, said));
        self.wait_for(self.all.len() - 1, "ready")
    }

    fn wait_for(&mut self, number: usize, word: &str) -> Result<()> {
        let mut line = String::new();
        self.all[number].1.read_line(&mut line)?;
        if line.trim() != word {
            return Err(format!("a node says {:?} instead of {word}", line.trim()).into());
        }
        Ok(())
    }

    /// Lets all of them go on.
    pub(crate) fn go(&mut self) -> Result<()> {
        for (child, _) in &mut self.all {
            child.stdin.as_mut().ok_or("no pipe")?.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Waits until all are through with their work, lets them end, and waits for that.
    pub(crate) fn end(&mut self) -> Result<()> {
        for number in 0..self.all.len() {
            self.wait_for(number, "done")?;
        }
        self.go()?;
        for number in 0..self.all.len() {
            self.wait_for(number, "over")?;
        }
        Ok(())
    }

    /// From the first step to the last.
    pub(crate) fn drive(&mut self) -> Result<()> {
        self.go()?;
        self.end()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for (child, _) in &mut self.all {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let dir = TempDir::new()?;
    let file = |name: &str| dir.path().join(name);
    let mut servers = Servers::start()?;
    let all = servers.addresses();
    let publishing = Options {
        messages: u64::MAX / 1_000_000_000,
        rate: (options.rate / 3).max(1),
        ..options.clone()
    };
    let seconds = options.seconds.to_string();
    let names = ["first", "second", "third"];
    let mut children = Children::default();
    for name in names {
        let mut more = vec!["--seconds", seconds.as_str()];
        more.extend((name == "first").then_some("--ends"));
        children.add(&file(name), &all, "SURVIVE", &publishing, &more)?;
    }
    children.go()?;
    let kills = kill_for(&mut servers, options)?;
    children.end()?;
    drop(children);

    // The log is what a node has that starts now and reads all of it.
    let mut late = Children::default();
    let silent = Options {
        messages: 0,
        ..options.clone()
    };
    late.add(&file("late"), &all, "SURVIVE", &silent, &[])?;
    late.drive()?;
    drop(late);
    let log = check::log_of(&read(&std::fs::read_to_string(file("late"))?)?);

    let mut breaches = Vec::new();
    say(format!(
        "{kills} kills of a server in {} s (seed {}), {} messages in the log\n",
        options.seconds,
        options.seed,
        log.len()
    ))?;
    say("| node | seen | gaps | acknowledged | nobody knows | failed |\n|---|---:|---:|---:|---:|---:|")?;
    for name in names {
        let lines = read(&std::fs::read_to_string(file(name))?)?;
        let counts = check(name, &lines, &log, &mut breaches);
        say(format!(
            "| {name} | {} | {} | {} | {} | {} |",
            counts.seen, counts.gaps, counts.acked, counts.unknown, counts.failed
        ))?;
    }
    say(format!("\nbreaches: {}", breaches.len()))?;
    for breach in breaches.iter().take(20) {
        say(format!("- {breach}"))?;
    }
    Ok(breaches.is_empty())
}

/// Kills one server after the other, each after the one before it was started anew. Answers how many.
fn kill_for(servers: &mut Servers, options: &Options) -> Result<u64> {
    let begun = Instant::now();
    let every = Duration::from_secs(options.kill_every.max(2));
    let mut random = options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut kills = 0;
    while begun.elapsed() + every < Duration::from_secs(options.seconds) {
        std::thread::sleep(every / 2);
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let victim = (random % 3) as usize;
        servers.kill(victim);
        kills += 1;
        std::thread::sleep(every / 2);
        servers.start_one(victim)?;
    }
    Ok(kills)
}
