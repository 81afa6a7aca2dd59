//! Peers that misbehave, somebody beside them who does not, and what a server makes of both.

pub mod bystander;
pub mod chart;
pub mod flood;
pub mod http2;
pub mod plans;
pub mod report;

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::procfs::resident_bytes;

/// How a server stands at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Resident memory, in bytes.
    pub bytes: u64,
    /// Open files: what it listens and polls with, and one for each connection.
    pub files: usize,
}

impl Standing {
    /// Of process `pid`, now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self {
            bytes: resident_bytes(pid)?,
            files: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        })
    }
}

/// What came of an attack.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Before it.
    pub before: Standing,
    /// The most that was held while it went on: memory and files each at their largest.
    pub worst: Standing,
    /// When the server had given up the first connection, from the start of the attack; `None` if it kept all.
    pub first_gone: Option<Duration>,
    /// When it had given up all.
    pub all_gone: Option<Duration>,
}

/// Watches a server while it is attacked.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    start: Instant,
    attackers: usize,
    outcome: Outcome,
}

impl Watch {
    /// Begins to watch; `attackers` connections are about to be opened.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn start(pid: u32, attackers: usize) -> io::Result<Self> {
        let before = Standing::of(pid)?;
        let outcome = Outcome {
            before,
            worst: before,
            first_gone: None,
            all_gone: None,
        };
        Ok(Self {
            pid,
            start: Instant::now(),
            attackers,
            outcome,
        })
    }

    /// Looks at the server. Returns whether all attackers, who were all there once, are gone.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn look(&mut self) -> io::Result<bool> {
        let now = Standing::of(self.pid)?;
        let outcome = &mut self.outcome;
        outcome.worst.bytes = outcome.worst.bytes.max(now.bytes);
        outcome.worst.files = outcome.worst.files.max(now.files);
        let all = outcome.before.files + self.attackers;
        let were_all_there = outcome.worst.files >= all;
        if were_all_there && now.files < all {
            outcome.first_gone.get_or_insert(self.start.elapsed());
        }
        if were_all_there && now.files <= outcome.before.files {
            outcome.all_gone.get_or_insert(self.start.elapsed());
        }
        Ok(outcome.all_gone.is_some())
    }

    /// An attacker has seen its own end; `left` others have not.
    pub fn gone(&mut self, left: usize) {
        let now = self.start.elapsed();
        self.outcome.first_gone.get_or_insert(now);
        if left == 0 {
            self.outcome.all_gone.get_or_insert(now);
        }
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What was seen.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl Outcome {
    /// Memory that the attack cost at its worst, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.worst.bytes.saturating_sub(self.before.bytes)
    }

    /// The same, per attacker.
    #[must_use]
    pub fn bytes_per_attacker(&self, attackers: usize) -> f64 {
        self.bytes() as f64 / attackers.max(1) as f64
    }
}
