//! `bench-live`: many sessions of Centrifugo's protocol on one server, and how late they hear what is said.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bench_compare::child::{self, Server};
use bench_compare::load::live::Dialect;
use bench_compare::load::live::fan::{Fan, Shape, Voice};
use bench_compare::load::{Load as _, Tally};
use bench_compare::procfs::{CpuTime, resident_bytes};
use bench_compare::servers::{build_program, one_core_args};
use bench_compare::spread;
use clap::Parser;

/// Many sessions on one server: how fast they begin, what they cost, and how late they hear what is said.
#[derive(Parser, Debug)]
#[command(name = "bench-live")]
struct Args {
    /// Where a server is, HOST:PORT, that lets anybody connect, subscribe and publish; without it, one is started on one core.
    #[arg(long)]
    server: Option<SocketAddr>,
    /// Sessions that listen.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    sessions: u32,
    /// Sessions in each room.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    room: u32,
    /// Messages a second, to one room after the other.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Bytes of each message.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(20..=60_000))]
    bytes: u32,
    /// Measured seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Writes the distribution of latencies to this file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Takes this program for the server instead of building it.
    #[arg(long, value_name = "PATH", conflicts_with = "server")]
    program: Option<PathBuf>,
}

/// Files that are open beside the sessions.
const FILES_SPARE: u64 = 200;
/// What was said is heard so long after the end, or is lost.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> io::Result<()> {
    child::launch_if_asked()?;
    let args = Args::parse();
    let files = child::raise_open_files();
    if u64::from(args.sessions) + FILES_SPARE > files {
        return Err(io::Error::other(format!(
            "{} sessions need more open files than the {files} that are allowed here (ulimit -n)",
            args.sessions
        )));
    }
    match args.server {
        Some(address) => run(&args, address, None),
        None => {
            let server = start(&args)?;
            run(&args, server.address(), Some(&server))
        }
    }
}

fn start(args: &Args) -> io::Result<Server> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/Cargo.toml");
    let given = args.program.clone();
    let program = given.map_or_else(|| build_program(&manifest, "bench-target"), Ok)?;
    let (server_core, load_core) = child::server_and_load_core()?;
    child::pin_to(load_core)?;
    Server::start(&program, &one_core_args(), Some(server_core))
}

/// `server`: if it is ours, whose costs we can read.
fn run(args: &Args, address: SocketAddr, server: Option<&Server>) -> io::Result<()> {
    let sessions = args.sessions as usize;
    let shape = Shape {
        sessions,
        room: (args.room as usize).min(sessions),
        stalled: 0,
        every: Duration::from_secs(1) / args.rate,
        text_bytes: args.bytes as usize,
    };
    let memory = || server.map(|server| resident_bytes(server.pid())).transpose();
    let before = memory()?;
    eprintln!("{sessions} sessions begin");
    let since = Instant::now();
    let mut fan = Fan::open(address, Dialect::Centrifugo, shape, Voice::Session)?;
    let opened = since.elapsed();
    let open = memory()?;
    let mut tally = Tally::default();
    let cpu = server.map(|server| CpuTime::of(server.pid())).transpose()?;
    let since = Instant::now();
    for second in 1..=args.seconds {
        fan.pump(since + Duration::from_secs(second.into()), &mut tally)?;
        eprint!("\r{second} of {} s, {} heard ", args.seconds, tally.units);
    }
    eprintln!();
    fan.settle(Instant::now() + GRACE, &mut tally)?;
    let mut text = report(args, &fan, &tally, opened);
    if let (Some(server), Some(cpu), Some(before), Some(open)) = (server, cpu, before, open) {
        let spent = CpuTime::of(server.pid())?.since(&cpu);
        let each = open.saturating_sub(before) as f64 / sessions as f64 / 1024.0;
        let cpu_us = (spent.user_ns + spent.system_ns) / tally.units.max(1) as f64 / 1e3;
        let _ = writeln!(
            text,
            "server     {each:.2} KiB a session, {cpu_us:.2} µs of CPU a message heard"
        );
    }
    io::stdout().write_all(text.as_bytes())?;
    if let Some(file) = &args.svg {
        let title = format!("{sessions} sessions: from said to heard");
        std::fs::write(file, spread::draw(&title, &tally.latency))?;
    }
    if fan.unheard() > 0 {
        return Err(io::Error::other("not everybody heard everything"));
    }
    Ok(())
}

fn report(args: &Args, fan: &Fan, tally: &Tally, opened: Duration) -> String {
    let ms = |share| tally.latency.quantile(share).as_secs_f64() * 1e3;
    format!(
        "{} sessions in rooms of {}, {} messages of {} bytes a second, {} s\n\
         begin      {:.0} sessions a second\n\
         said       {}\n\
         heard      {}, each once and in order; {} not at all\n\
         latency    p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, most {:.1} ms\n",
        args.sessions,
        args.room,
        args.rate,
        args.bytes,
        args.seconds,
        f64::from(args.sessions) / opened.as_secs_f64(),
        fan.said(),
        tally.units,
        fan.unheard(),
        ms(0.5),
        ms(0.99),
        ms(0.999),
        tally.latency.max().as_secs_f64() * 1e3,
    )
}
