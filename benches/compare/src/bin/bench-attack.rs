//! `bench-attack`: peers that misbehave, each kind against a fresh server, and somebody beside them who does not.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bench_compare::attack::bystander::Bystander;
use bench_compare::attack::plans::Attack;
use bench_compare::attack::report::{Row, markdown};
use bench_compare::attack::{chart, flood};
use bench_compare::child::{self, Server};
use bench_compare::servers::{self, Kind};
use clap::{Parser, ValueEnum};

/// Peers that misbehave: do others wait longer, how much memory do they take, and what ends them?
#[derive(Parser, Debug)]
#[command(name = "bench-attack")]
struct Args {
    /// The attacks; all of them if none is named.
    #[arg(value_enum)]
    attacks: Vec<Attack>,
    /// The server that is attacked.
    #[arg(long, value_enum, default_value_t = Kind::Squall)]
    server: Kind,
    /// Takes this program for it instead of building it.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Multiplies the number of attackers.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Seconds after which an attacker that is still connected has won.
    #[arg(long, default_value_t = 90)]
    patience: u64,
    /// Prints a table for the documents.
    #[arg(long)]
    markdown: bool,
    /// Draws a chart.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// How long the bystander is measured without an attack.
const QUIET: Duration = Duration::from_secs(5);

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
    let attacks = if args.attacks.is_empty() {
        Attack::value_variants()
    } else {
        &args.attacks
    };
    let mut rows = Vec::new();
    for attack in attacks {
        let row = run(&args, &program, server_core, *attack)?;
        writeln!(io::stdout(), "{}", row.text())?;
        rows.push(row);
    }
    if args.markdown {
        writeln!(io::stdout(), "{}", markdown(&rows))?;
    }
    if let Some(file) = &args.svg {
        let title = format!("{} under attack", args.server.name());
        fs::write(file, chart::draw(&title, &rows))?;
    }
    if rows.iter().all(|row| row.missed().is_empty()) {
        Ok(())
    } else {
        Err(io::Error::other("a limit is missed"))
    }
}

fn run(args: &Args, program: &Path, core: usize, attack: Attack) -> io::Result<Row> {
    let server = Server::start(program, &servers::one_core_args(), Some(core))?;
    let (address, pid) = (server.address(), server.pid());
    let mut bystander = Bystander::start(address);
    thread::sleep(QUIET);
    let quiet = bystander.take()?;
    let plan = attack.plan(args.scale);
    let (outcome, ends) = flood::attack(&plan, address, pid, Duration::from_secs(args.patience))?;
    let beside = bystander.take()?;
    Ok(Row {
        attack,
        attackers: plan.attackers,
        outcome,
        ends,
        quiet,
        beside,
    })
}
