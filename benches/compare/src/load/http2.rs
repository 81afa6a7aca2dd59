//! HTTP/2: nghttp2's `h2load` for requests, and plain sockets that wait.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::{client, wrong};
use crate::child::Server;
use crate::metric::{Metric, Sample};
use crate::procfs::CpuTime;

/// Requests of the run that says how many a second there will be.
const FIRST_REQUESTS: u64 = 20_000;

/// Runs `h2load` (Debian's package nghttp2-client) against `GET /`: so many connections, each with so many streams at once.
///
/// # Errors
/// When there is no `h2load`, or a request fails.
pub fn requests(server: &Server, connections: usize, streams: usize, time: Duration) -> io::Result<Sample> {
    let run = |requests| h2load(server.address(), connections, streams, requests);
    let first = run(FIRST_REQUESTS)?;
    let count = (first.rate * time.as_secs_f64()).max(FIRST_REQUESTS as f64) as u64;
    let before = CpuTime::of(server.pid())?;
    let said = run(count)?;
    let spent = CpuTime::of(server.pid())?.since(&before);
    let units = count as f64;
    Ok(Sample::from([
        (Metric::Cpu, (spent.user_ns + spent.system_ns) / units),
        (Metric::CpuUser, spent.user_ns / units),
        (Metric::CpuSystem, spent.system_ns / units),
        (Metric::Rate, said.rate),
    ]))
}

/// What `h2load` said of a run.
#[derive(Debug, PartialEq)]
struct Said {
    /// Requests per second.
    rate: f64,
}

fn h2load(address: SocketAddr, connections: usize, streams: usize, requests: u64) -> io::Result<Said> {
    let output = Command::new("h2load")
        .args(["-n", &requests.to_string()])
        .args(["-c", &connections.to_string(), "-m", &streams.to_string()])
        .arg(format!("http://{address}/"))
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("h2load (package nghttp2-client): {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    read_report(&text, requests).ok_or_else(|| wrong(format!("h2load failed: {text}")))
}

/// The rate, if all requests succeeded.
fn read_report(text: &str, requests: u64) -> Option<Said> {
    let line = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin));
    let succeeded = line("status codes: ")?.strip_suffix(" 5xx")?.split(' ').next()?;
    if succeeded.parse::<u64>().ok()? != requests {
        return None;
    }
    let rate = line("finished in ")?.split(", ").nth(1)?.strip_suffix(" req/s")?;
    Some(Said {
        rate: rate.parse().ok()?,
    })
}

/// Preface, empty SETTINGS, `GET /` of `a` on stream 1, and a PING whose answer says that nothing more comes.
const FIRST: &[&[u8]] = &[
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\0\0\0\x04\0\0\0\0\0",
    b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01a",
];
const SETTINGS_ACK: &[u8] = b"\0\0\0\x04\x01\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0squalls!";

const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const PING_KIND: u8 = 6;
const ACK: u8 = 1;

/// Opens connections that have each done one request.
///
/// # Errors
/// When the server does not answer `GET /` as it should.
pub fn open(address: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let open = |_| {
        let mut socket = client::connect(address)?;
        socket.write_all(&FIRST.concat())?;
        wait_for(&mut socket, |kind, _| kind == DATA)?;
        // What the server still has to say, such as that it has seen our settings, comes before the answer to this.
        socket.write_all(&[SETTINGS_ACK, PING].concat())?;
        wait_for(&mut socket, |kind, flags| kind == PING_KIND && flags & ACK == ACK)?;
        Ok(socket)
    };
    (0..connections).map(open).collect()
}

/// Reads frames up to one of this kind and these flags.
fn wait_for(socket: &mut TcpStream, is_it: impl Fn(u8, u8) -> bool) -> io::Result<()> {
    loop {
        let mut header = [0; 9];
        socket.read_exact(&mut header)?;
        let [high, middle, low, kind, flags, ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        socket.read_exact(&mut payload)?;
        // RST_STREAM and GOAWAY.
        if kind == 3 || kind == 7 {
            return Err(wrong("the server reset an HTTP/2 connection"));
        }
        debug_assert!(kind != SETTINGS || payload.len().is_multiple_of(6));
        if is_it(kind, flags) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
starting benchmark...
finished in 2.01s, 99502.49 req/s, 4.27MB/s
requests: 200000 total, 200000 started, 200000 done, 200000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 200000 2xx, 0 3xx, 0 4xx, 0 5xx
";

    #[test]
    fn a_report_is_read_and_every_request_must_have_succeeded() {
        assert_eq!(read_report(REPORT, 200_000), Some(Said { rate: 99502.49 }));
        assert_eq!(read_report(REPORT, 200_001), None);
        assert_eq!(read_report("", 1), None);
    }
}
