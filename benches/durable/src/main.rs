//! `bench-durable`: what stores cost under a durable log's work.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use bench_durable::report::{self, Figure};
use bench_durable::stores::{Kind, Result};
use bench_durable::{kill, measure};
use clap::{Args, Parser, Subcommand, ValueEnum as _};

/// Durable topics: what they cost, and what a kill does to them.
#[derive(Parser, Debug)]
#[command(name = "bench-durable")]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// The stores that a durable log could stand on, beside each other.
    Stores(Stores),
    /// Durable topics beside a table with a transaction for every message.
    Publish(Publishing),
    /// Kills a process that publishes, again and again, and looks at what is there.
    KillLoop(KillLoop),
    /// What `kill-loop` kills.
    #[command(hide = true)]
    Child { folder: PathBuf },
    /// Publishes a message for every line.
    #[command(hide = true)]
    Steps { folder: PathBuf },
    /// What `stores` runs in another process.
    #[command(hide = true)]
    Fill {
        #[arg(value_enum)]
        kind: Kind,
        folder: PathBuf,
        messages: u64,
    },
}

#[derive(Args, Debug)]
struct Stores {
    /// Rounds; the figures are medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each append.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Messages of the long log.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Where the stores are made: the disk that is measured.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Draws a chart.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Publishing {
    /// Rounds; the figures are medians.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of each.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Where the logs are made: the disk that is measured.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
    /// Draws a chart.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct KillLoop {
    /// How often.
    #[arg(long, default_value_t = 200)]
    times: u64,
    /// The same number, the same moments, as far as a machine has them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the log is made.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

/// How many publish at once.
const PUBLISHERS: [usize; 3] = [1, 10, 100];

fn main() -> process::ExitCode {
    match run() {
        Ok(()) => process::ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            process::ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match Command::parse().what {
        What::Stores(args) => stores(&args),
        What::Publish(args) => publish(&args),
        What::KillLoop(args) => kill_loop(&args),
        What::Child { folder } => kill::child(&folder),
        What::Steps { folder } => kill::steps(&folder),
        What::Fill {
            kind,
            folder,
            messages,
        } => measure::fill_and_die(kind, &folder, messages),
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn stores(args: &Stores) -> Result<()> {
    const KINDS: [Kind; 5] = [
        Kind::Sqlite,
        Kind::SqliteFull,
        Kind::Redb,
        Kind::Fjall,
        Kind::File,
    ];
    let mut rates: Vec<Figure> = PUBLISHERS
        .iter()
        .map(|n| Figure::new(format!("acknowledged per second, {n} publishers")))
        .collect();
    let mut waits: Vec<Figure> = PUBLISHERS
        .iter()
        .map(|n| Figure::new(format!("p99 of an acknowledgement, {n} publishers, ms")))
        .collect();
    let mut long: Vec<Figure> = [
        "writing the long log, 1,000 a commit, s",
        "disk per byte of data",
        "start after a kill, s",
        "forgetting half, 1,000 a commit, s",
        "the longest of those commits, ms",
        "disk per byte of data afterwards",
    ]
    .map(Figure::new)
    .into();
    for round in 0..args.rounds {
        for (at, publishers) in PUBLISHERS.into_iter().enumerate() {
            for kind in KINDS {
                let folder = folder(&args.folder)?;
                let time = Duration::from_secs_f64(args.seconds);
                let appended = measure::append(kind, folder.path(), publishers, time)?;
                rates[at].add(kind.name(), appended.per_s);
                waits[at].add(kind.name(), appended.latency.quantile(0.99).as_secs_f64() * 1e3);
            }
        }
        for kind in KINDS.into_iter().filter(|_| args.messages > 0) {
            let folder = folder(&args.folder)?;
            let one = measure::long_log(kind, folder.path(), args.messages, fill)?;
            let values = [
                one.fill_s,
                one.disk_ratio,
                one.recover_s,
                one.forget_s,
                one.forget_worst_ms,
                one.disk_ratio_after,
            ];
            for (figure, value) in long.iter_mut().zip(values) {
                figure.add(kind.name(), value);
            }
        }
        say(&format!("round {} of {}", round + 1, args.rounds));
    }
    let all: Vec<Figure> = rates.into_iter().chain(waits).chain(long).collect();
    say(&report::table(&all));
    draw(args.svg.as_deref(), "Stores under a durable log's work", &all)
}

fn publish(args: &Publishing) -> Result<()> {
    const NAMES: [&str; 2] = ["durable topics", "SQLite by hand"];
    let time = Duration::from_secs_f64(args.seconds);
    let mut rates: Vec<Figure> = PUBLISHERS
        .iter()
        .map(|n| Figure::new(format!("acknowledged per second, {n} publishers")))
        .collect();
    let mut waits: Vec<Figure> = PUBLISHERS
        .iter()
        .map(|n| Figure::new(format!("p99 of an acknowledgement, {n} publishers, ms")))
        .collect();
    for round in 0..args.rounds {
        for (at, publishers) in PUBLISHERS.into_iter().enumerate() {
            for name in NAMES {
                let folder = folder(&args.folder)?;
                let appended = match name {
                    "durable topics" => measure::durable(folder.path(), publishers, time)?,
                    _ => measure::by_hand(folder.path(), publishers, time)?,
                };
                rates[at].add(name, appended.per_s);
                waits[at].add(name, appended.latency.quantile(0.99).as_secs_f64() * 1e3);
            }
        }
        say(&format!("round {} of {}", round + 1, args.rounds));
    }
    let all: Vec<Figure> = rates.iter().chain(&waits).cloned().collect();
    say(&report::table(&all));
    for (publishers, rate) in PUBLISHERS.iter().zip(&rates) {
        if let (Some(ours), Some(theirs)) = (rate.of(NAMES[0]), rate.of(NAMES[1])) {
            let ratio = report::number(ours / theirs);
            say(&format!(
                "{publishers} publishers: {ratio} times as many as by hand"
            ));
        }
    }
    draw(args.svg.as_deref(), "Durable topics beside SQLite by hand", &all)
}

fn kill_loop(args: &KillLoop) -> Result<()> {
    let folder = folder(&args.folder)?;
    let killed = kill::kill_loop(
        &std::env::current_exe()?,
        folder.path(),
        args.times,
        args.seed,
        |killed| {
            if killed.times.is_multiple_of(10) {
                say(&format!(
                    "{} of {}: {} acknowledged, {} found and compared",
                    killed.times, args.times, killed.acknowledged, killed.compared
                ));
            }
        },
    )?;
    say(&format!(
        "{} kills, {} messages acknowledged, none lost; {} compared byte by byte; the longest start took {} ms",
        killed.times,
        killed.acknowledged,
        killed.compared,
        killed.start_max.as_millis()
    ));
    Ok(())
}

fn fill(kind: Kind, folder: &Path, messages: u64) -> Result<f64> {
    let name = kind
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned());
    let output = process::Command::new(std::env::current_exe()?)
        .args(["fill", &name])
        .arg(folder)
        .arg(messages.to_string())
        .stderr(process::Stdio::null())
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn draw(svg: Option<&Path>, title: &str, figures: &[Figure]) -> Result<()> {
    if let Some(path) = svg {
        std::fs::write(path, report::chart(title, figures))?;
    }
    Ok(())
}

fn folder(at: &Path) -> Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("bench-durable-").tempdir_in(at)?)
}
