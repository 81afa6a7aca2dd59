//! The attacks: what each does, and what a server must make of it.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::ValueEnum;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::flood::{Plan, last_close_code, last_status};
use super::http2;
use crate::load::client;

/// An attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Attack {
    /// A byte of a request head a second.
    SlowHeads,
    /// A byte of a request body a second.
    SlowBodies,
    /// A large response is asked for and not read.
    SlowReads,
    /// Heads of 60 KiB that do not end.
    HeaderFlood,
    /// Requests without end, whose answers are not read.
    PipelineFlood,
    /// Requests of HTTP/2 that are taken back at once.
    RapidReset,
    /// A request of HTTP/2 whose fields do not end.
    ContinuationFlood,
    /// A WebSocket message of tiny fragments without end.
    FragmentFlood,
    /// Bodies that are small as long as nobody unpacks them.
    DeflateBomb,
}

/// What a server must keep to.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Memory that one attacker may cost, in bytes.
    pub bytes_each: f64,
    /// The p99 of a bystander, beyond half as much again as before.
    pub p99: Duration,
}

const KIB: f64 = 1024.0;
/// What a busy machine does to a p99 by itself.
const CALM: Duration = Duration::from_micros(500);
/// A flood takes the processor that it finds; somebody beside it gets the share of one connection.
const BUSY: Duration = Duration::from_millis(20);

impl Attack {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowHeads => "slow heads",
            Self::SlowBodies => "slow bodies",
            Self::SlowReads => "slow reads",
            Self::HeaderFlood => "header flood",
            Self::PipelineFlood => "pipelining flood",
            Self::RapidReset => "HTTP/2 rapid reset",
            Self::ContinuationFlood => "HTTP/2 CONTINUATION flood",
            Self::FragmentFlood => "WebSocket fragment flood",
            Self::DeflateBomb => "deflate bomb",
        }
    }

    /// What each attacker does.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::SlowHeads => "a byte of a request head a second",
            Self::SlowBodies => "a byte of a request body a second",
            Self::SlowReads => "asks for 256 MiB and reads nothing",
            Self::HeaderFlood => "60 KiB of fields, and no end of the head",
            Self::PipelineFlood => "requests without a pause, reads nothing",
            Self::RapidReset => "requests and their resets without a pause",
            Self::ContinuationFlood => "one request with fields without end",
            Self::FragmentFlood => "one message of one-byte fragments without end",
            Self::DeflateBomb => "a gzip of 1 GiB of zeros as a request body of 1 MiB",
        }
    }

    /// What a server must keep to.
    #[must_use]
    pub fn allowed(self) -> Allowed {
        let (bytes_each, p99) = match self {
            Self::SlowHeads => (2.0 * KIB, CALM),
            // The buffered bytes, at most as many as a head may have, what the allocator adds, and a record.
            Self::HeaderFlood => (72.0 * KIB, CALM),
            Self::SlowBodies => (8.0 * KIB, CALM),
            // What the server buffers of a response.
            Self::SlowReads => (128.0 * KIB, CALM),
            Self::PipelineFlood => (192.0 * KIB, BUSY),
            Self::RapidReset | Self::ContinuationFlood => (256.0 * KIB, BUSY),
            // A byte each of at most 131,072 fragments.
            Self::FragmentFlood => (320.0 * KIB, BUSY),
            // What a body may be unpacked to before it is too large, and the window of the unpacking.
            Self::DeflateBomb => (2.5 * 1024.0 * KIB, BUSY),
        };
        Allowed { bytes_each, p99 }
    }

    /// The plan of it. `scale` multiplies the number of attackers.
    #[must_use]
    pub fn plan(self, scale: f64) -> Plan {
        let second = Duration::from_secs(1);
        let plan = |attackers: usize, open: fn(SocketAddr) -> io::Result<TcpStream>| Plan {
            attackers: ((attackers as f64 * scale) as usize).max(1),
            open,
            next: Box::new(|_| Vec::new()),
            pace: Duration::ZERO,
            bytes_max: 64 << 20,
            reads: true,
            last_words: last_status,
        };
        match self {
            Self::SlowHeads => Plan {
                next: Box::new(|sent| vec![byte_of_head(sent)]),
                pace: second,
                ..plan(2_000, client::connect)
            },
            Self::SlowBodies => Plan {
                next: Box::new(|_| b"x".to_vec()),
                pace: second,
                ..plan(2_000, open_body)
            },
            Self::SlowReads => Plan {
                reads: false,
                bytes_max: 0,
                ..plan(100, open_large)
            },
            Self::HeaderFlood => Plan {
                next: Box::new(fields),
                bytes_max: 60 * 1024,
                ..plan(500, client::connect)
            },
            Self::PipelineFlood => Plan {
                next: Box::new(|_| b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500)),
                reads: false,
                bytes_max: 1 << 30,
                ..plan(50, client::connect)
            },
            Self::RapidReset => Plan {
                next: Box::new(|sent| {
                    (0..100)
                        .flat_map(|number| http2::reset(sent + number * http2::RESET_BYTES))
                        .collect()
                }),
                last_words: http2::last_goaway,
                ..plan(20, http2::open)
            },
            Self::ContinuationFlood => Plan {
                next: Box::new(http2::continuation),
                last_words: http2::last_goaway,
                ..plan(50, http2::open)
            },
            Self::FragmentFlood => Plan {
                next: Box::new(fragments),
                last_words: last_close_code,
                ..plan(50, |address| client::open_websocket(address, "/ws/echo"))
            },
            Self::DeflateBomb => {
                let bomb = bomb();
                Plan {
                    bytes_max: bomb.len() as u64,
                    next: Box::new(move |sent| if sent == 0 { bomb.clone() } else { Vec::new() }),
                    ..plan(50, client::connect)
                }
            }
        }
    }
}

/// A whole request.
fn bomb() -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..1024 {
        // Into memory, which takes everything.
        let _ = gzip.write_all(&zeros);
    }
    let body = gzip.finish().unwrap_or_default();
    let head = format!(
        "POST /inflate HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

fn byte_of_head(sent: u64) -> u8 {
    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: slow.example\r\nX-Slow: ";
    HEAD.get(sent as usize).copied().unwrap_or(b'x')
}

fn open_body(address: SocketAddr) -> io::Result<TcpStream> {
    let mut socket = client::connect(address)?;
    socket.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")?;
    Ok(socket)
}

fn open_large(address: SocketAddr) -> io::Result<TcpStream> {
    let mut socket = client::connect(address)?;
    socket.write_all(&client::get_request(address, "/large"))?;
    Ok(socket)
}

/// As many bytes in as many fields as are let in, and never the empty line.
fn fields(sent: u64) -> Vec<u8> {
    if sent == 0 {
        return b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    }
    format!("X-{sent}: {}\r\n", "y".repeat(1000)).into_bytes()
}

/// The beginning of a message, then what goes on with it.
fn fragments(sent: u64) -> Vec<u8> {
    let go_on = [0x00, 0x81, 0, 0, 0, 0, b'x'].repeat(1000);
    if sent == 0 {
        return [&[0x01, 0x81, 0, 0, 0, 0, b'x'][..], &go_on].concat();
    }
    go_on
}
