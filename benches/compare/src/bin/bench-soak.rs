//! `bench-soak`: mixed load for as long as one likes, and whether the server's memory and files stay flat.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use bench_compare::attack::Standing;
use bench_compare::child::{self, Server};
use bench_compare::procfs::CpuTime;
use bench_compare::servers::{self, Kind};
use bench_compare::soak::samples::{Sample, Trend, csv, trend};
use bench_compare::soak::{self, Count, Shared, plot};
use clap::Parser;

/// Keep-alive, pipelining, connections, uploads, WebSockets, event streams, long-polls and peers that leave, all at
/// once at a modest rate: does the server hold more at the end than at the beginning?
#[derive(Parser, Debug)]
#[command(name = "bench-soak")]
struct Args {
    /// How long.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Takes this program for the server instead of building it.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Writes soak.csv and soak.svg into this directory.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Multiplies every rate. 1 costs the server some per cent of a core.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

/// Between two looks at the server.
const LOOK: Duration = Duration::from_secs(5);
/// What is not judged: at most ten minutes, or a quarter of a short run.
const WARM_UP_MAX: Duration = Duration::from_secs(600);
/// How much more memory the last quarter may hold than the first: this share, or this many bytes.
const MEMORY_SHARE_MAX: f64 = 0.05;
const MEMORY_BYTES_MAX: f64 = 1024.0 * 1024.0;
/// The same for open files: the load's own number of connections swings by some.
const FILES_SHARE_MAX: f64 = 0.05;
const FILES_MAX: f64 = 8.0;

fn main() -> io::Result<()> {
    child::launch_if_asked()?;
    let _ = child::raise_open_files();
    let args = Args::parse();
    let time = Duration::from_secs_f64(args.minutes * 60.0);
    fs::create_dir_all(&args.out)?;
    let program = args
        .program
        .clone()
        .map_or_else(|| servers::build(Kind::Squall), Ok)?;
    let server = Server::start(&program, &servers::one_core_args(), None)?;
    let pid = server.pid();
    let shared = Shared::new(server.address());

    let begun = Instant::now();
    let actors = soak::start(&shared, args.scale)?;
    let mut samples = Vec::new();
    let mut looked = begun;
    let seen = loop {
        match look(pid, &shared, begun) {
            Ok(sample) => samples.push(sample),
            Err(error) => break Err(error),
        }
        if samples.len().is_multiple_of(12) {
            // A run that is cut short leaves what it has seen.
            save(&args, &samples)?;
        }
        if begun.elapsed() >= time {
            break Ok(());
        }
        looked += LOOK;
        thread::sleep(looked.min(begun + time).saturating_duration_since(Instant::now()));
    };
    shared.end();
    for actor in actors {
        let _ = actor.join();
    }
    save(&args, &samples)?;
    // The server is gone: that is what there is to say.
    seen?;
    drop(server);
    report(&args, &samples, &shared)
}

fn look(pid: u32, shared: &Shared, begun: Instant) -> io::Result<Sample> {
    let standing = Standing::of(pid)?;
    Ok(Sample {
        at: begun.elapsed(),
        bytes: standing.bytes,
        files: standing.files,
        cpu_ns: CpuTime::of(pid)?.total_ns,
        counts: shared.counts(),
    })
}

fn save(args: &Args, samples: &[Sample]) -> io::Result<()> {
    let title = format!("{:.0} minutes of mixed load", args.minutes);
    fs::write(args.out.join("soak.csv"), csv(samples))?;
    fs::write(args.out.join("soak.svg"), plot::draw(&title, samples))
}

fn report(args: &Args, samples: &[Sample], shared: &Shared) -> io::Result<()> {
    let time = samples.last().map_or(Duration::ZERO, |last| last.at);
    let warm_up = WARM_UP_MAX.min(time / 4);
    let hours = (time - warm_up).as_secs_f64() / 3600.0;
    let mut out = io::stdout().lock();
    let counts = shared.counts();
    writeln!(out, "{:.1} minutes of mixed load", time.as_secs_f64() / 60.0)?;
    for (count, done) in Count::ALL.into_iter().zip(counts) {
        writeln!(out, "  {done:>10} {}", count.name())?;
    }
    for error in shared.errors() {
        writeln!(out, "  error: {error}")?;
    }
    let cpu = samples.last().map_or(0.0, |last| last.cpu_ns as f64 / 1e9);
    writeln!(
        out,
        "  the server used {:.1} % of a core",
        100.0 * cpu / time.as_secs_f64().max(1.0)
    )?;
    let memory = trend(samples, warm_up, |sample| sample.bytes as f64);
    let files = trend(samples, warm_up, |sample| sample.files as f64);
    let (Some(memory), Some(files)) = (memory, files) else {
        return Err(io::Error::other("too short to say anything"));
    };
    let kept = [
        verdict(
            &mut out,
            "memory, KiB",
            memory,
            1024.0,
            memory.is_flat(hours, MEMORY_SHARE_MAX, MEMORY_BYTES_MAX),
        )?,
        verdict(
            &mut out,
            "open files",
            files,
            1.0,
            files.is_flat(hours, FILES_SHARE_MAX, FILES_MAX),
        )?,
        counts[Count::Errors as usize] == 0,
    ];
    writeln!(out, "  see {}", args.out.join("soak.svg").display())?;
    if kept.iter().all(|kept| *kept) {
        Ok(())
    } else {
        Err(io::Error::other("not flat, or not without errors"))
    }
}

fn verdict(out: &mut impl io::Write, what: &str, trend: Trend, unit: f64, flat: bool) -> io::Result<bool> {
    writeln!(
        out,
        "  {what}: {:.0} in the first quarter after the warm-up, {:.0} in the last, {:+.1} an hour: {}",
        trend.first / unit,
        trend.last / unit,
        trend.slope / unit,
        if flat { "flat" } else { "NOT FLAT" }
    )?;
    Ok(flat)
}
