//! One run of one server at one work.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::Server;
use crate::load::connect::Connects;
use crate::load::downloads::Downloads;
use crate::load::echo::Echo;
use crate::load::fanout::Fanout;
use crate::load::get::Gets;
use crate::load::live::Dialect;
use crate::load::live::fan::{Fan, Shape, Voice};
use crate::load::live::storm::Storm;
use crate::load::{Load, Tally, http2, idle, tls};
use crate::metric::{Metric, Sample};
use crate::procfs::{CpuTime, resident_bytes};
use crate::served::Folder;
use crate::servers::Kind;
use crate::works::{self, Sizes, Work};

/// How large and how long a run is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections.
    pub sizes: Sizes,
    /// Load before the measured time, so that caches, branch predictors and allocators are as they will be.
    pub warm_up: Duration,
    /// The measured time.
    pub time: Duration,
}

/// Connections of an idle work that are opened before memory is first read, and stay open: what a server allocates once is not
/// a cost per connection.
const IDLE_FIRST: usize = 100;
/// Memory has settled when two readings so far apart are the same.
const SETTLE: Duration = Duration::from_millis(300);
/// So often it is looked at; then the last reading is taken.
const SETTLE_READINGS_MAX: usize = 20;

/// Puts a server, fresh from its start, to `work`.
///
/// # Errors
/// When the server fails at it.
pub fn run(work: Work, kind: Kind, server: &Server, folder: &Folder, plan: &Plan) -> io::Result<Sample> {
    let address = server.address();
    if let Some(served) = work.served() {
        return busy(server, plan, Downloads::open(address, served)?);
    }
    let dialect = Dialect::of(kind);
    if let Some(shape) = work.fan(plan.sizes) {
        return fan(server, plan, dialect, shape);
    }
    let Sizes { idle, followers, .. } = plan.sizes;
    match work {
        Work::IdleHttp => idle_memory(server, idle, open_http, false),
        Work::IdleWs => idle_memory(server, idle, open_followers, false),
        Work::Keepalive => busy(
            server,
            plan,
            Gets::open(address, works::KEEPALIVE_CONNECTIONS, 1)?,
        ),
        Work::Pipeline => busy(
            server,
            plan,
            Gets::open(address, works::PIPELINE_CONNECTIONS, works::PIPELINE_DEPTH)?,
        ),
        Work::Echo => busy(server, plan, Echo::open(address, works::ECHO_CONNECTIONS, 1)?),
        Work::Echo16 => {
            let echo = Echo::open(address, works::ECHO_CONNECTIONS, works::ECHO_DEPTH)?;
            busy(server, plan, echo)
        }
        Work::IdleH2 => idle_memory(server, idle, open_h2, false),
        Work::H2 => http2::requests(server, works::H2_CONNECTIONS, works::H2_STREAMS, plan.time),
        Work::Connect => busy(server, plan, Connects::plain(address)?),
        Work::TlsFull => busy(
            server,
            plan,
            Connects::tls(address, tls::client(folder.certificate(), false)?, false)?,
        ),
        Work::TlsResumed => busy(
            server,
            plan,
            Connects::tls(address, tls::client(folder.certificate(), true)?, true)?,
        ),
        Work::IdleTls => idle_memory(server, idle, open_tls(folder)?, false),
        Work::Fanout1 => busy(server, plan, Fanout::open(address, followers, 1)?),
        Work::Fanout16 => busy(server, plan, Fanout::open(address, followers, 16)?),
        Work::LiveIdle => idle_memory(
            server,
            idle,
            move |address, sockets, more| {
                let rooms: Vec<_> = (0..more).map(|_| "idle".to_owned()).collect();
                sockets.extend(
                    dialect
                        .open(address, &rooms, None)?
                        .into_iter()
                        .map(|session| session.socket),
                );
                Ok(())
            },
            true,
        ),
        Work::LiveStorm => storm(server, dialect, works::storm_sessions(plan.sizes)),
        Work::LiveAll | Work::LiveRooms10 | Work::LiveRooms100 | Work::LiveRooms1000 | Work::LiveSlow => {
            Err(io::Error::other("a work of no room"))
        }
        Work::Static1k | Work::Static100k | Work::Static10m => Err(io::Error::other("a work of no file")),
    }
}

fn fan(server: &Server, plan: &Plan, dialect: Dialect, shape: Shape) -> io::Result<Sample> {
    let mut load = Fan::open(server.address(), dialect, shape, Voice::Http)?;
    load.pump(Instant::now() + plan.warm_up, &mut Tally::default())?;
    let before = resident_bytes(server.pid())?;
    let mut sample = busy(server, plan, load)?;
    if shape.stalled > 0 {
        let more = resident_bytes(server.pid())?.saturating_sub(before);
        sample.insert(Metric::Memory, more as f64 / shape.stalled as f64);
    }
    Ok(sample)
}

fn storm(server: &Server, dialect: Dialect, sessions: usize) -> io::Result<Sample> {
    let storm = Storm::brew(server.address(), dialect, sessions)?;
    let before = CpuTime::of(server.pid())?;
    let (sessions, took) = storm.blow()?;
    let spent = CpuTime::of(server.pid())?.since(&before);
    let units = sessions as f64;
    Ok(Sample::from([
        (Metric::Cpu, (spent.user_ns + spent.system_ns) / units),
        (Metric::CpuUser, spent.user_ns / units),
        (Metric::CpuSystem, spent.system_ns / units),
        (Metric::Rate, units / took.as_secs_f64()),
    ]))
}

fn busy(server: &Server, plan: &Plan, mut load: impl Load) -> io::Result<Sample> {
    load.pump(Instant::now() + plan.warm_up, &mut Tally::default())?;
    let mut tally = Tally::default();
    let before = CpuTime::of(server.pid())?;
    let start = Instant::now();
    load.pump(start + plan.time, &mut tally)?;
    let seconds = start.elapsed().as_secs_f64();
    let spent = CpuTime::of(server.pid())?.since(&before);
    if tally.units == 0 {
        return Err(io::Error::other("nothing was done in the measured time"));
    }
    let units = tally.units as f64;
    Ok(Sample::from([
        (Metric::Cpu, (spent.user_ns + spent.system_ns) / units),
        (Metric::CpuUser, spent.user_ns / units),
        (Metric::CpuSystem, spent.system_ns / units),
        (Metric::Rate, units / seconds),
        (Metric::P50, tally.latency.quantile(0.5).as_nanos() as f64),
        (Metric::P99, tally.latency.quantile(0.99).as_nanos() as f64),
    ]))
}

/// Opens connections: given those that are there already, adds some.
trait Open: Fn(SocketAddr, &mut Vec<TcpStream>, usize) -> io::Result<()> {}

impl<F: Fn(SocketAddr, &mut Vec<TcpStream>, usize) -> io::Result<()>> Open for F {}

fn open_tls(folder: &Folder) -> io::Result<impl Open> {
    let client = tls::client(folder.certificate(), false)?;
    Ok(move |address, sockets: &mut Vec<TcpStream>, more| {
        for _ in 0..more {
            sockets.push(tls::open_after_request(address, &client)?);
        }
        Ok(())
    })
}

fn open_http(address: SocketAddr, sockets: &mut Vec<TcpStream>, more: usize) -> io::Result<()> {
    sockets.extend(idle::open_http(address, more)?);
    Ok(())
}

fn open_h2(address: SocketAddr, sockets: &mut Vec<TcpStream>, more: usize) -> io::Result<()> {
    sockets.extend(http2::open(address, more)?);
    Ok(())
}

fn open_followers(address: SocketAddr, sockets: &mut Vec<TcpStream>, more: usize) -> io::Result<()> {
    sockets.extend(idle::open_followers(address, more)?);
    idle::warm_up_followers(sockets)
}

fn idle_memory(server: &Server, connections: usize, open: impl Open, may_speak: bool) -> io::Result<Sample> {
    let mut sockets = Vec::with_capacity(IDLE_FIRST + connections);
    open(server.address(), &mut sockets, IDLE_FIRST)?;
    let before = settled_bytes(server.pid())?;
    open(server.address(), &mut sockets, connections)?;
    let after = settled_bytes(server.pid())?;
    check_still_open(&mut sockets, may_speak)?;
    let each = after.saturating_sub(before) as f64 / connections as f64;
    Ok(Sample::from([(Metric::Memory, each)]))
}

fn settled_bytes(pid: u32) -> io::Result<u64> {
    let mut bytes = resident_bytes(pid)?;
    for _ in 0..SETTLE_READINGS_MAX {
        thread::sleep(SETTLE);
        let last = std::mem::replace(&mut bytes, resident_bytes(pid)?);
        if last == bytes {
            break;
        }
    }
    Ok(bytes)
}

/// A server that closed what it should keep would look cheap.
fn check_still_open(sockets: &mut [TcpStream], may_speak: bool) -> io::Result<()> {
    for socket in sockets {
        socket.set_nonblocking(true)?;
        match io::Read::read(socket, &mut [0; 1]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
            Ok(0) => return Err(io::Error::other("the server closed an idle connection")),
            // Pings of the application's level, for one.
            Ok(_) if may_speak => {}
            Ok(_) => {
                return Err(io::Error::other(
                    "the server sent something on an idle connection",
                ));
            }
        }
    }
    Ok(())
}
