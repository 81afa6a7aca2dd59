//! Runs many seeds of the recovery checker and says one line for each. Status 1 and the record when the invariant breaks.
//!
//! `cargo run --release -p recovery --bin check-recovery -- --seeds 1000 --subscribers 2000`

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use recovery::run::{Size, run};

/// Cuts, stalls and restarts; then every subscriber's record is held against what was published.
#[derive(Parser)]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Subscribers of each run.
    #[arg(long, default_value_t = 200)]
    subscribers: usize,
    /// Messages of each run.
    #[arg(long, default_value_t = 1_500)]
    messages: u32,
    /// Programs that publish at once.
    #[arg(long, default_value_t = 3)]
    publishers: u32,
    /// How often the server ends and begins again in each run.
    #[arg(long, default_value_t = 3)]
    restarts: u32,
    /// A run that takes longer is stuck, in seconds.
    #[arg(long, default_value_t = 300)]
    time_max_s: u64,
    /// Goes on after a breach.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let size = Size {
        subscribers: args.subscribers,
        messages: args.messages,
        publishers: args.publishers.max(1),
        restarts: args.restarts,
        time_max: Duration::from_secs(args.time_max_s),
        forgets: None,
    };
    let (mut out, began, mut broken, mut received, mut cuts, mut gaps) =
        (io::stdout(), Instant::now(), 0, 0, 0, 0);
    let mut ran = 0;
    for seed in args.first..args.first.saturating_add(args.seeds) {
        let start = Instant::now();
        let result = run(seed, size);
        ran += 1;
        let seconds = start.elapsed().as_secs_f64();
        let line = match &result {
            Ok(report) => {
                received += report.messages;
                cuts += report.cuts;
                gaps += report.gaps;
                format!("seed {seed} ok: {report}; {seconds:.1} s")
            }
            Err(breach) => {
                broken += 1;
                format!("seed {seed} BROKEN after {seconds:.1} s: {breach}")
            }
        };
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            return ExitCode::from(2);
        }
        if result.is_err() && !args.keep_going {
            break;
        }
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let _ = writeln!(
        out,
        "{ran} seeds, {broken} broken: {received} received, {cuts} lines cut, {gaps} gaps told; {minutes:.1} minutes"
    );
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
