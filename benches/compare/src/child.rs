//! A server under test: a child process on one core, which never outlives us.
//!
//! We start ourselves again as the launcher of the child: it pins itself, asks the kernel to be killed when we die
//! (however we die: a panic, ctrl-c, a kill), and becomes the server. So there is no moment in which the
//! server runs unpinned or unowned.

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::CpuSet;

/// First argument of the launcher.
const LAUNCH: &str = "--launch-on-core";
/// In place of a core: wherever we may run ourselves.
const ANYWHERE: &str = "any";
/// How long a server may take until it says where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks whether one that says nothing is there.
const START_PAUSE: Duration = Duration::from_millis(20);
/// Lines of output that a server may print before that one.
const START_LINES_MAX: usize = 100;
/// Becomes the child if the command line says that this process is the launcher; else returns.
///
/// # Errors
/// When the child can't be started: the launcher has then failed.
pub fn launch_if_asked() -> io::Result<()> {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != LAUNCH) {
        return Ok(());
    }
    let (Some(core), Some(program)) = (args.next(), args.next()) else {
        return Err(io::Error::other("the launcher takes a core and a program"));
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(core) = core.to_str().and_then(|core| core.parse().ok()) {
        pin_to(core)?;
    }
    Err(Command::new(program).args(args).exec())
}

/// Lets the calling thread, and what it starts, run on `core` alone.
///
/// # Errors
/// When the machine has no such core, or does not let us use it.
pub fn pin_to(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// The cores that this process may run on.
///
/// # Errors
/// When the kernel does not say.
pub fn cores() -> io::Result<Vec<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// One core for the server and one for the load: the same only if there is no other.
///
/// # Errors
/// As [`cores`].
pub fn server_and_load_core() -> io::Result<(usize, usize)> {
    match cores()?[..] {
        [] => Err(io::Error::other("no core to run on")),
        [only] => {
            eprintln!("only one core: server and load share it, so rates and latencies say little");
            Ok((only, only))
        }
        [first, second, ..] => Ok((first, second)),
    }
}

/// Raises the limit of open files to what the machine allows, for us and our children. Returns the limit.
#[must_use]
pub fn raise_open_files() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `program` on `core`, or on all that we may use ourselves, and waits until it says where it listens.
    ///
    /// To be called from the thread that lives longest: the kernel kills the child when *this thread* ends.
    ///
    /// # Errors
    /// When it can't be started, ends, or does not print a line with its address within 30 seconds.
    pub fn start(program: &Path, args: &[OsString], core: Option<usize>) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(LAUNCH)
            .arg(core.map_or_else(|| ANYWHERE.to_owned(), |core| core.to_string()))
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("the child has no output"))?;
        let (tell, told) = mpsc::channel();
        // Reads on after the address, so that a server that prints never blocks.
        thread::spawn(move || read_output(BufReader::new(output), &tell));
        let address = told.recv_timeout(START_TIMEOUT);
        let mut server = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        server.address = address.map_err(|_| {
            let exit = server.child.try_wait();
            io::Error::other(format!(
                "{} did not say where it listens ({exit:?})",
                program.display()
            ))
        })?;
        Ok(server)
    }

    /// As [`Server::start`], for a program that does not say where it listens: at `address`, which we gave it. Ready when
    /// it accepts.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_at(
        program: &Path,
        args: &[OsString],
        core: Option<usize>,
        address: SocketAddr,
    ) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .arg(LAUNCH)
            .arg(core.map_or_else(|| ANYWHERE.to_owned(), |core| core.to_string()))
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { child, address };
        let until = Instant::now() + START_TIMEOUT;
        while let Err(error) = TcpStream::connect(address) {
            if Instant::now() >= until {
                return Err(io::Error::new(
                    error.kind(),
                    format!("{}: {error}", program.display()),
                ));
            }
            thread::sleep(START_PAUSE);
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id: what costs are read by.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_output(mut output: impl io::BufRead, tell: &mpsc::Sender<SocketAddr>) {
    for line in output
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .take(START_LINES_MAX)
    {
        if let Some(address) = parse_listening(&line) {
            let _ = tell.send(address);
            break;
        }
    }
    let _ = io::copy(&mut output, &mut io::sink());
}

/// The address in a line such as `listening on 127.0.0.1:8888` or `feed: http://127.0.0.1:8888/`.
fn parse_listening(line: &str) -> Option<SocketAddr> {
    line.split_whitespace().find_map(|word| {
        word.trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_line() {
        let want = Some(SocketAddr::from(([127, 0, 0, 1], 8888)));
        assert_eq!(parse_listening("listening on 127.0.0.1:8888"), want);
        assert_eq!(parse_listening("feed: http://127.0.0.1:8888/"), want);
        assert_eq!(parse_listening("listening"), None);
    }

    #[test]
    fn a_program_that_is_missing_is_an_error() {
        // Without the launcher's main in this test binary, the child is the test harness, which says no address.
        let started = Server::start(Path::new("/nonexistent/server"), &[], None);
        assert!(started.is_err());
    }
}
