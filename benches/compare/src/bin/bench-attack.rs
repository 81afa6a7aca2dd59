//! `bench-attack`: peers that send slowly and peers that do not read, and somebody beside them who does neither.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bench_compare::attack::bystander::Bystander;
use bench_compare::attack::{Outcome, slow_heads, unread};
use bench_compare::child::{self, Server};
use bench_compare::servers::{self, Kind};
use bench_compare::stats::Histogram;
use clap::Parser;

/// Peers that misbehave: do others wait longer, does memory grow, and are they cut off?
#[derive(Parser, Debug)]
#[command(name = "bench-attack")]
struct Args {
    /// The server that is attacked.
    #[arg(long, value_enum, default_value_t = Kind::Squall)]
    server: Kind,
    /// Takes this program for it instead of building it.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Connections that send a byte of a request head a second.
    #[arg(long, default_value_t = 2_000)]
    slow: usize,
    /// Connections that ask for a large response and read nothing.
    #[arg(long, default_value_t = 100)]
    unread: usize,
    /// The large response.
    #[arg(long, default_value = "/large")]
    target: String,
    /// Seconds after which an attacker that is still connected has won.
    #[arg(long, default_value_t = 90)]
    patience: u64,
}

/// How long the bystander is measured without an attack.
const QUIET: Duration = Duration::from_secs(10);
/// A slow head may hold its buffered bytes, at most as many as a head may have, and its record.
const SLOW_BYTES_MAX: f64 = 65.0 * 1024.0;
/// An unread response may hold what the server buffers of it.
const UNREAD_BYTES_MAX: f64 = 128.0 * 1024.0;

fn main() -> io::Result<()> {
    child::launch_if_asked()?;
    let _ = child::raise_open_files();
    let args = Args::parse();
    let (server_core, load_core) = child::server_and_load_core()?;
    let program = args
        .program
        .clone()
        .map_or_else(|| servers::build(args.server), Ok)?;
    child::pin_to(load_core)?;
    let server = Server::start(&program, &servers::one_core_args(), Some(server_core))?;
    let (address, pid) = (server.address(), server.pid());
    let patience = Duration::from_secs(args.patience);

    let mut bystander = Bystander::start(address);
    thread::sleep(QUIET);
    let quiet = bystander.take()?;
    eprintln!("{} slow heads", args.slow);
    let slow = slow_heads::attack(address, pid, args.slow, patience)?;
    let beside_slow = bystander.take()?;
    eprintln!("{} unread responses", args.unread);
    let not_read = unread::attack(address, pid, args.unread, &args.target, patience)?;
    let beside_unread = bystander.take()?;

    writeln!(
        io::stdout(),
        "{}: a bystander's GET before: {}",
        args.server.name(),
        latency(&quiet)
    )?;
    let what = format!("{} connections that send a head a byte a second", args.slow);
    let slow_kept = report(&what, &slow, args.slow, SLOW_BYTES_MAX, &quiet, &beside_slow)?;
    let what = format!(
        "{} connections that ask for {} and do not read",
        args.unread, args.target
    );
    let unread_kept = report(
        &what,
        &not_read,
        args.unread,
        UNREAD_BYTES_MAX,
        &quiet,
        &beside_unread,
    )?;
    if slow_kept && unread_kept {
        Ok(())
    } else {
        Err(io::Error::other("a limit is missed"))
    }
}

fn report(
    what: &str,
    outcome: &Outcome,
    attackers: usize,
    bytes_max: f64,
    quiet: &Histogram,
    beside: &Histogram,
) -> io::Result<bool> {
    let each = outcome.bytes_per_attacker(attackers);
    let seconds = |at: Option<Duration>| {
        at.map_or_else(
            || "never".to_owned(),
            |at| format!("after {:.1} s", at.as_secs_f64()),
        )
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{what}")?;
    writeln!(out, "  bystander: {}", latency(beside))?;
    writeln!(
        out,
        "  memory: {:.1} MiB before, {:.1} MiB at worst: {:.2} KiB each, at most {:.0} KiB",
        mib(outcome.before.bytes),
        mib(outcome.worst.bytes),
        each / 1024.0,
        bytes_max / 1024.0
    )?;
    writeln!(
        out,
        "  cut: the first {}, all {}",
        seconds(outcome.first_gone),
        seconds(outcome.all_gone)
    )?;
    let kept = [
        (outcome.all_gone.is_some(), "all are cut"),
        (each <= bytes_max, "memory within its limit"),
        (is_noise(quiet, beside), "the bystander's latency is as before"),
    ];
    for (is_kept, what) in kept {
        writeln!(out, "  {} {what}", if is_kept { "kept  " } else { "MISSED" })?;
    }
    Ok(kept.iter().all(|(is_kept, _)| *is_kept))
}

/// Half as much again, and half a millisecond: what a busy machine does to a p99 by itself.
fn is_noise(quiet: &Histogram, beside: &Histogram) -> bool {
    let allowed = quiet.quantile(0.99).mul_f64(1.5) + Duration::from_micros(500);
    beside.count() > 0 && beside.quantile(0.99) <= allowed
}

fn latency(histogram: &Histogram) -> String {
    let micros = |q| histogram.quantile(q).as_secs_f64() * 1e6;
    let max = histogram.max().as_secs_f64() * 1e3;
    format!(
        "p50 {:.0} µs, p99 {:.0} µs, max {max:.1} ms ({} requests)",
        micros(0.5),
        micros(0.99),
        histogram.count()
    )
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
