//! The coordinator's side of the processes that hold streams.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::stats::Histogram;

/// First argument of a process that holds streams.
pub const HOLD: &str = "--hold-streams";

/// A process that holds streams. Killed when dropped.
#[derive(Debug)]
pub struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What the streams received, all together.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Posts received, each counted once a stream.
    pub posts: u64,
    /// Posts that a stream did not receive.
    pub lost: u64,
    /// Posts that a stream received again.
    pub repeated: u64,
    /// From post to receipt.
    pub latency: Histogram,
    /// Of each post by its number, how long the first and the last stream waited for it.
    pub spans: BTreeMap<u64, (Duration, Duration)>,
}

impl Client {
    /// Starts one and tells it what to open: see [`super::holder::run`].
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(task: &Value) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(HOLD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut input, output) = pipes.ok_or_else(|| io::Error::other("the child has no pipes"))?;
        writeln!(input, "{task}")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Waits until its streams are open; returns how many.
    ///
    /// # Errors
    /// When it fails.
    pub fn opened(&mut self) -> io::Result<u64> {
        self.hear()?["open"]
            .as_u64()
            .ok_or_else(|| io::Error::other("the client does not say how many are open"))
    }

    /// Tells it to end and adds what its streams received to `outcome`.
    ///
    /// # Errors
    /// When it fails.
    pub fn finish(mut self, outcome: &mut Outcome) -> io::Result<()> {
        writeln!(self.input, "end")?;
        let report = self.hear()?;
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        outcome.posts += count("posts");
        outcome.lost += count("lost");
        outcome.repeated += count("repeated");
        for bucket in report["buckets"].as_array().into_iter().flatten() {
            if let (Some(latency_ns), Some(times)) = (bucket[0].as_u64(), bucket[1].as_u64()) {
                outcome
                    .latency
                    .record_many(Duration::from_nanos(latency_ns), times);
            }
        }
        for span in report["spans"].as_array().into_iter().flatten() {
            if let (Some(number), Some(first), Some(last)) =
                (span[0].as_u64(), span[1].as_u64(), span[2].as_u64())
            {
                let (first, last) = (Duration::from_nanos(first), Duration::from_nanos(last));
                let all = outcome.spans.entry(number).or_insert((first, last));
                *all = (all.0.min(first), all.1.max(last));
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::Error::other("a process that holds streams has failed"));
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
