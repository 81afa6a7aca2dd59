//! `bench-streams`: thousands of open streams on the running feed, one post a second to all of them.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use bench_compare::child::{self, Server};
use bench_compare::procfs::{CpuSpent, CpuTime, resident_bytes};
use bench_compare::servers::build_program;
use bench_compare::streams::api::{Api, Person};
use bench_compare::streams::clients::{Client, HOLD, Outcome};
use bench_compare::streams::{holder, now_ns, post_text};
use clap::Parser;
use serde_json::json;

/// Thousands of open streams on the running feed: does every one receive every post, how soon, and does memory stay flat?
#[derive(Parser, Debug)]
#[command(name = "bench-streams")]
struct Args {
    /// Open streams.
    #[arg(long, default_value_t = 10_000)]
    streams: u64,
    /// Processes that hold them.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// People who follow the one who posts; the streams are theirs.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=500))]
    people: u64,
    /// Posts.
    #[arg(long, default_value_t = 60)]
    posts: u64,
    /// Milliseconds between two posts.
    #[arg(long, default_value_t = 1_000)]
    every_ms: u64,
    /// The stream that is opened.
    #[arg(long, default_value = "/api/v1/streaming/user")]
    path: String,
    /// Takes this program for the feed instead of building it.
    #[arg(long, value_name = "PATH")]
    feed: Option<PathBuf>,
}

/// After the last post, what was not received so long later is lost.
const GRACE: Duration = Duration::from_secs(5);
/// After the sign-ups: what hashing passwords took is given back when its threads have been idle for 10 seconds.
const SIGN_UPS_SETTLE: Duration = Duration::from_secs(12);
/// Between the opening of the streams and the first post.
const STREAMS_SETTLE: Duration = Duration::from_secs(2);
/// So many of the slowest posts are shown.
const SLOWEST: usize = 3;
/// p99 from post to receipt is at most this.
const P99_MAX: Duration = Duration::from_millis(250);
/// Memory is flat if it grows by no more than this share while posts go out.
const GROWTH_MAX: f64 = 0.1;

fn main() -> io::Result<()> {
    child::launch_if_asked()?;
    let _ = child::raise_open_files();
    if std::env::args_os().nth(1).is_some_and(|first| first == HOLD) {
        return holder::run();
    }
    let args = Args::parse();
    let data = std::env::temp_dir().join(format!("bench-streams-{}", std::process::id()));
    std::fs::create_dir_all(&data)?;
    let result = run(&args, &data);
    std::fs::remove_dir_all(&data)?;
    result
}

fn run(args: &Args, data: &std::path::Path) -> io::Result<()> {
    let feed = start_feed(args, data)?;
    let mut api = Api::new(feed.address())?;
    eprintln!("{} people sign up and follow one", args.people);
    let (author, followers) = make_people(&mut api, args.people)?;
    thread::sleep(SIGN_UPS_SETTLE);
    eprintln!("{} streams open", args.streams);
    let before = resident_bytes(feed.pid())?;
    let mut clients = open_streams(args, &feed, &followers)?;
    thread::sleep(STREAMS_SETTLE);
    let open = resident_bytes(feed.pid())?;
    let idle = CpuTime::of(feed.pid())?;
    let memory = post(args, &feed, &author)?;
    thread::sleep(GRACE);
    let spent = CpuTime::of(feed.pid())?.since(&idle);
    let mut outcome = Outcome::default();
    for client in clients.drain(..) {
        client.finish(&mut outcome)?;
    }
    report(
        args,
        &Memory {
            before,
            open,
            posting: memory,
        },
        &spent,
        &outcome,
    )
}

fn start_feed(args: &Args, data: &std::path::Path) -> io::Result<Server> {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps/feed/Cargo.toml");
    let program = args
        .feed
        .clone()
        .map_or_else(|| build_program(&manifest, "feed"), Ok)?;
    let options = [
        "--listen".into(),
        "127.0.0.1:0".into(),
        "--data".into(),
        data.into(),
        "--log".into(),
        "warn".into(),
    ];
    Server::start(&program, &options, None)
}

fn make_people(api: &mut Api, followers: u64) -> io::Result<(Person, Vec<Person>)> {
    let app_token = api.register()?;
    let author = api.sign_up(&app_token, "author")?;
    let sign_up = |number| {
        let person = api.sign_up(&app_token, &format!("reader{number}"))?;
        api.follow(&person, &author)?;
        Ok(person)
    };
    let followers = (0..followers).map(sign_up).collect::<io::Result<_>>()?;
    Ok((author, followers))
}

fn open_streams(args: &Args, feed: &Server, followers: &[Person]) -> io::Result<Vec<Client>> {
    let tokens: Vec<_> = followers.iter().map(|person| person.token.as_str()).collect();
    let mut clients = Vec::new();
    for number in 0..args.clients {
        // What does not divide evenly goes to the first ones.
        let streams = args.streams / args.clients + u64::from(number < args.streams % args.clients);
        clients.push(Client::start(&json!({
            "address": feed.address().to_string(),
            "path": args.path,
            "tokens": tokens,
            "streams": streams,
            "posts": args.posts,
        }))?);
    }
    let opened = clients.iter_mut().map(Client::opened).sum::<io::Result<u64>>()?;
    if opened != args.streams {
        return Err(io::Error::other(format!("only {opened} streams are open")));
    }
    Ok(clients)
}

/// Posts at the given pace; returns the feed's memory after each post, in bytes.
fn post(args: &Args, feed: &Server, author: &Person) -> io::Result<Vec<u64>> {
    let mut api = Api::new(feed.address())?;
    let mut memory = Vec::new();
    let start = Instant::now();
    for number in 0..args.posts {
        let due =
            start + Duration::from_millis(args.every_ms).saturating_mul(u32::try_from(number).unwrap_or(0));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        api.publish(author, &post_text(number, now_ns()))?;
        memory.push(resident_bytes(feed.pid())?);
        if number % 10 == 9 {
            eprintln!(
                "{} of {} posts, {:.1} MiB",
                number + 1,
                args.posts,
                mib(*memory.last().unwrap_or(&0))
            );
        }
    }
    Ok(memory)
}

/// The feed's memory, in bytes.
struct Memory {
    /// Without a stream.
    before: u64,
    /// With all streams open.
    open: u64,
    /// After each post.
    posting: Vec<u64>,
}

fn report(args: &Args, memory: &Memory, spent: &CpuSpent, outcome: &Outcome) -> io::Result<()> {
    let Memory {
        before,
        open,
        posting,
    } = memory;
    let (before, open) = (*before, *open);
    let quantile = |q| outcome.latency.quantile(q).as_secs_f64() * 1e3;
    let p99 = outcome.latency.quantile(0.99);
    let last = posting.last().copied().unwrap_or(open);
    let most = posting.iter().copied().max().unwrap_or(open);
    // Not the first: memory that hashing passwords took may be given back in between, and would hide what grows.
    let least = posting.iter().copied().min().unwrap_or(open);
    let growth = last.saturating_sub(least) as f64 / least as f64;
    let expected = args.streams * args.posts;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} streams in {} processes, {} posts, one every {} ms",
        args.streams, args.clients, args.posts, args.every_ms
    )?;
    writeln!(
        out,
        "received   {} of {expected}; lost {}, repeated {}",
        outcome.posts, outcome.lost, outcome.repeated
    )?;
    let max = outcome.latency.max().as_secs_f64() * 1e3;
    writeln!(
        out,
        "latency    p50 {:.1} ms, p99 {:.1} ms, max {max:.1} ms",
        quantile(0.5),
        quantile(0.99)
    )?;
    report_slowest(&mut out, outcome)?;
    let each = open.saturating_sub(before) as f64 / args.streams as f64 / 1024.0;
    writeln!(
        out,
        "memory     {:.1} MiB before, {:.1} MiB open ({each:.3} KiB a stream)",
        mib(before),
        mib(open)
    )?;
    writeln!(
        out,
        "           {:.1} to {:.1} MiB while posting, {:.1} MiB at the end",
        mib(least),
        mib(most),
        mib(last)
    )?;
    let per_delivery = |ns: f64| ns / 1e3 / outcome.posts.max(1) as f64;
    let (user, system) = (per_delivery(spent.user_ns), per_delivery(spent.system_ns));
    writeln!(
        out,
        "CPU        {:.2} µs a delivery (user {user:.2}, system {system:.2})",
        user + system
    )?;
    let kept = [
        (
            outcome.posts == expected && outcome.lost == 0 && outcome.repeated == 0,
            "every post to every stream, once",
        ),
        (p99 <= P99_MAX, "p99 of at most 250 ms"),
        (
            growth <= GROWTH_MAX,
            "memory flat: at most 10 % from its least to the last",
        ),
    ];
    for (is_kept, what) in kept {
        writeln!(out, "{} {what}", if is_kept { "kept  " } else { "MISSED" })?;
    }
    if kept.iter().all(|(is_kept, _)| *is_kept) {
        Ok(())
    } else {
        Err(io::Error::other("a limit is missed"))
    }
}

/// What a slow post waited for: all streams alike for its being stored, or the last of them for the others.
fn report_slowest(out: &mut impl io::Write, outcome: &Outcome) -> io::Result<()> {
    let mut posts: Vec<_> = outcome.spans.iter().collect();
    posts.sort_by_key(|(_, (_, last))| std::cmp::Reverse(*last));
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    for (number, (first, last)) in posts.into_iter().take(SLOWEST) {
        let (first, last) = (ms(first), ms(last));
        writeln!(
            out,
            "           slow: post {number}, first received after {first:.1} ms, last after {last:.1} ms"
        )?;
    }
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
