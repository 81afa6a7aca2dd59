//! `bench-compare`: Squall beside its peers, each pinned to one core, the load on another, in alternating rounds.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use bench_compare::child;
use bench_compare::measure::{self, Plan};
use bench_compare::report::Results;
use bench_compare::served::Folder;
use bench_compare::servers::{self, Kind};
use bench_compare::works::{Sizes, Work};
use bench_compare::{svg, targets};
use clap::{Parser, ValueEnum};

/// Squall beside its peers: what each costs at the same work.
#[derive(Parser, Debug)]
#[command(name = "bench-compare")]
struct Args {
    /// The works to run.
    #[arg(value_enum, default_value = "all")]
    works: Vec<Choice>,
    /// The servers to run, instead of all.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    only: Vec<Kind>,
    /// Takes this program for a server instead of building it: `axum=/path/to/program`.
    #[arg(long, value_name = "SERVER=PATH", value_parser = parse_program)]
    program: Vec<(Kind, PathBuf)>,
    /// How often each server does each work [default: 5, or 2 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Measured seconds of each round [default: 4, or 1 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: Option<u16>,
    /// Idle connections [default: 9000, or 1000 with --quick].
    #[arg(long)]
    idle: Option<usize>,
    /// Followers in the room [default: 5000, or 500 with --quick].
    #[arg(long)]
    followers: Option<usize>,
    /// Sessions in one live room [default: 18000, or 1000 with --quick].
    #[arg(long)]
    sessions: Option<usize>,
    /// Smaller and shorter: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
    /// Writes a chart to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Prints the README's table, too.
    #[arg(long)]
    markdown: bool,
    /// Exits with 1 if a limit that we hold ourselves to is missed.
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// Memory of idle keep-alive connections.
    IdleHttp,
    /// Memory of idle WebSockets that follow a room.
    IdleWs,
    /// Requests one at a time on each connection.
    Keepalive,
    /// 16 requests at a time on each connection.
    Pipeline,
    /// WebSocket texts that come back, 1 and 16 at a time on each connection.
    Echo,
    /// Memory of idle HTTP/2 connections.
    IdleH2,
    /// Requests over HTTP/2, 10 streams at a time on each connection.
    H2,
    /// A new connection for each request.
    Connect,
    /// A new TLS connection for each request: with a full handshake, and resumed.
    TlsHandshake,
    /// Memory of idle TLS connections.
    TlsIdle,
    /// One publishes, thousands receive: with 1 and with 16 messages in flight.
    Fanout,
    /// Sessions in live rooms: idle, many in one room, rooms of three sizes, with some who do not read, and all coming back.
    Live,
    /// Files of 1 KiB, 100 KiB and 10 MiB.
    Static,
    /// Everything.
    All,
}

/// Files that this process and a server have open beside the connections.
const FILES_SPARE: u64 = 200;

fn main() -> io::Result<()> {
    child::launch_if_asked()?;
    let args = Args::parse();
    let sizes = args.sizes(child::raise_open_files());
    let (server_core, load_core) = child::server_and_load_core()?;
    let programs = args.programs()?;
    child::pin_to(load_core)?;
    let folder = Folder::new()?;
    let mut results = Results::new(sizes);
    for work in args.works() {
        let programs: Vec<_> = programs.iter().filter(|(kind, _)| work.is_for(*kind)).collect();
        for round in 0..args.rounds() {
            for turn in 0..programs.len() {
                // Another server begins each round, so that none always follows the same one.
                let (kind, program) = &programs[(turn + round) % programs.len()];
                eprintln!(
                    "{}, round {} of {}: {}",
                    work.title(sizes),
                    round + 1,
                    args.rounds(),
                    kind.name()
                );
                let server = servers::start(*kind, program, work, &folder, server_core)?;
                let sample = measure::run(work, *kind, &server, &folder, &args.plan(sizes));
                results.add(work, *kind, sample.map_err(|error| failed(*kind, work, &error))?);
            }
        }
    }
    report(&args, &results)
}

impl Args {
    fn works(&self) -> Vec<Work> {
        let asked = |choice| self.works.contains(&choice) || self.works.contains(&Choice::All);
        let choice_of = |work| match work {
            Work::IdleHttp => Choice::IdleHttp,
            Work::IdleWs => Choice::IdleWs,
            Work::Keepalive => Choice::Keepalive,
            Work::Pipeline => Choice::Pipeline,
            Work::Echo | Work::Echo16 => Choice::Echo,
            Work::Fanout1 | Work::Fanout16 => Choice::Fanout,
            Work::IdleH2 => Choice::IdleH2,
            Work::H2 => Choice::H2,
            work if work.is_live() => Choice::Live,
            Work::Connect => Choice::Connect,
            Work::TlsFull | Work::TlsResumed => Choice::TlsHandshake,
            Work::IdleTls => Choice::TlsIdle,
            _ => Choice::Static,
        };
        Work::ALL
            .into_iter()
            .filter(|&work| asked(choice_of(work)))
            .collect()
    }

    fn sizes(&self, open_files: u64) -> Sizes {
        let most = usize::try_from(open_files.saturating_sub(FILES_SPARE)).unwrap_or(usize::MAX);
        let idle = self.idle.unwrap_or(if self.quick { 1_000 } else { 9_000 });
        let followers = self.followers.unwrap_or(if self.quick { 500 } else { 5_000 });
        let sessions = self.sessions.unwrap_or(if self.quick { 1_000 } else { 18_000 });
        if idle.max(followers).max(sessions) > most {
            eprintln!("only {open_files} files may be open: fewer connections than asked for");
        }
        Sizes {
            idle: idle.clamp(1, most),
            followers: followers.clamp(1, most),
            sessions: sessions.clamp(1, most),
        }
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).into()
    }

    fn plan(&self, sizes: Sizes) -> Plan {
        let seconds = self.seconds.unwrap_or(if self.quick { 1 } else { 4 });
        let warm_up = Duration::from_millis(if self.quick { 300 } else { 1_000 });
        Plan {
            sizes,
            warm_up,
            time: Duration::from_secs(seconds.into()),
        }
    }

    fn programs(&self) -> io::Result<Vec<(Kind, PathBuf)>> {
        let given = |kind| {
            self.program
                .iter()
                .find(|(of, _)| *of == kind)
                .map(|(_, path)| path.clone())
        };
        let wanted = |kind| self.only.contains(&kind) && self.works().iter().any(|work| work.is_for(kind));
        let only = Kind::ALL.into_iter().filter(|kind| wanted(*kind));
        only.map(|kind| Ok((kind, given(kind).map_or_else(|| servers::build(kind), Ok)?)))
            .collect()
    }
}

fn report(args: &Args, results: &Results) -> io::Result<()> {
    let (verdicts, kept) = targets::judge(results);
    let mut text = format!("{}\n{verdicts}", results.text());
    if args.markdown {
        text = format!("{text}\n{}", results.markdown());
    }
    io::stdout().write_all(text.as_bytes())?;
    if let Some(file) = &args.svg {
        let title = "Squall and its peers, each on one core; costs: less is better";
        std::fs::write(file, svg::draw(title, &results.headlines()))?;
    }
    if args.check && !kept {
        return Err(io::Error::other("a limit is missed"));
    }
    Ok(())
}

fn failed(kind: Kind, work: Work, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} at {work:?}: {error}", kind.name()))
}

fn parse_program(text: &str) -> Result<(Kind, PathBuf), String> {
    let (kind, path) = text.split_once('=').ok_or("SERVER=PATH is wanted")?;
    Ok((Kind::from_str(kind, true)?, PathBuf::from(path)))
}
