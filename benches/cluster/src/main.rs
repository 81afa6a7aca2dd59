//! `bench-cluster`: what a cluster costs, and what dead servers do to it.
//!
//! Three nodes, each a process, over three NATS servers on this machine. First the time from before a message is published on
//! one node until each node's follower has it, beside the same in one process with its log in memory. Then all nodes
//! publish while servers are killed, and every follower's record is held against the log.

mod check;
mod latency;
mod node;
mod servers;
mod survive;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

/// What may go wrong here ends the program; its words are for people.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a cluster costs, and what dead servers do to it.
#[derive(Parser, Debug)]
#[command(name = "bench-cluster")]
enum Command {
    /// Both, one after the other: exit status 1 when an invariant breaks.
    Run(Options),
    /// A node: started by the others.
    #[command(hide = true)]
    Node(node::Options),
}

#[derive(clap::Args, Clone, Debug)]
struct Options {
    /// Messages of the measurement.
    #[arg(long, default_value_t = 5_000)]
    messages: u64,
    /// Messages a second.
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// Bytes of each.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// How long servers are killed, in seconds; 0 leaves that out.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// A server is killed every so many seconds, and started anew before the next is.
    #[arg(long, default_value_t = 5)]
    kill_every: u64,
    /// Which servers are killed follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Run(options) => run(&options),
        Command::Node(options) => node::run(&options).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench-cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<bool> {
    latency::run(options)?;
    if options.seconds == 0 {
        return Ok(true);
    }
    survive::run(options)
}

/// A line of the report.
fn say(line: impl std::fmt::Display) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
