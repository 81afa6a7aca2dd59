//! Hours of mixed load at a modest rate: does a server hold more memory or more files than at its start?
//!
//! Each kind of peer is a thread that keeps its own pace; what it is answered is checked. All loops are bounded by
//! the time of the run, all sets of connections by their size.

pub mod aborts;
pub mod followers;
pub mod http2;
pub mod plot;
pub mod requests;
pub mod samples;
pub mod sockets;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Answers on connections that stay open.
    KeepAlive,
    /// Answers on connections of their own.
    Connections,
    /// Bodies that came back as they were sent.
    Uploads,
    /// Answers over HTTP/2.
    Http2,
    /// WebSocket messages that came back.
    Echoes,
    /// Messages that followers received.
    Deliveries,
    /// Long-polls that were answered.
    Polls,
    /// Connections that were left in the middle of something.
    Aborts,
    /// What was not as it should be.
    Errors,
}

impl Count {
    /// All of them, in the order of their columns.
    pub const ALL: [Self; 9] = [
        Self::KeepAlive,
        Self::Connections,
        Self::Uploads,
        Self::Http2,
        Self::Echoes,
        Self::Deliveries,
        Self::Polls,
        Self::Aborts,
        Self::Errors,
    ];

    /// The name of its column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep_alive",
            Self::Connections => "connections",
            Self::Uploads => "uploads",
            Self::Http2 => "http2",
            Self::Echoes => "ws_echoes",
            Self::Deliveries => "deliveries",
            Self::Polls => "polls",
            Self::Aborts => "aborts",
            Self::Errors => "errors",
        }
    }
}

/// Messages of errors that are kept; more are only counted.
const ERRORS_KEPT_MAX: usize = 20;
/// After an error an actor waits so long, so that a server that is gone is not hammered.
const AFTER_ERROR: Duration = Duration::from_millis(200);

/// What the actors share.
#[derive(Debug)]
pub struct Shared {
    /// The server.
    pub address: SocketAddr,
    end: AtomicBool,
    counts: [AtomicU64; Count::ALL.len()],
    errors: Mutex<Vec<String>>,
    /// The number that was published last.
    pub published: AtomicU64,
}

impl Shared {
    /// Of a run against this server.
    #[must_use]
    pub fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            end: AtomicBool::new(false),
            counts: Default::default(),
            errors: Mutex::default(),
            published: AtomicU64::new(0),
        })
    }

    /// Counts `times` more of this.
    pub fn add(&self, count: Count, times: u64) {
        self.counts[count as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// All counts so far.
    #[must_use]
    pub fn counts(&self) -> [u64; Count::ALL.len()] {
        std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed))
    }

    /// The first errors, as text.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(&self, who: &str, error: &io::Error) {
        self.add(Count::Errors, 1);
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERRORS_KEPT_MAX {
            errors.push(format!("{who}: {error}"));
        }
    }

    /// The run is over: all actors end after what they are doing.
    pub fn end(&self) {
        self.end.store(true, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }
}

/// One kind of peer.
pub trait Actor: Send {
    /// Does it once.
    ///
    /// # Errors
    /// When the server did not do its part. The actor goes on with fresh connections.
    fn act(&mut self, shared: &Shared) -> io::Result<()>;
}

/// Runs an actor on a thread of its own, `per_second` times a second, until the run ends.
fn spawn(
    shared: &Arc<Shared>,
    name: &'static str,
    per_second: f64,
    mut actor: impl Actor + 'static,
) -> JoinHandle<()> {
    let shared = shared.clone();
    let step = Duration::from_secs_f64(1.0 / per_second.max(0.001));
    thread::spawn(move || {
        let mut due = Instant::now();
        while !shared.is_over() {
            if let Err(error) = actor.act(&shared) {
                shared.failed(name, &error);
                thread::sleep(AFTER_ERROR);
            }
            due += step;
            let now = Instant::now();
            if due > now {
                thread::sleep(due - now);
            } else {
                // What could not be done in time is not made up for: the rate is modest by intent.
                due = now;
            }
        }
    })
}

/// Starts everybody; `scale` multiplies all rates.
///
/// # Errors
/// When the first connections cannot be opened.
pub fn start(shared: &Arc<Shared>, scale: f64) -> io::Result<Vec<JoinHandle<()>>> {
    let address = shared.address;
    Ok(vec![
        spawn(
            shared,
            "keep-alive",
            200.0 * scale,
            requests::KeepAlive::open(address, 50)?,
        ),
        spawn(shared, "pipeline", 10.0 * scale, requests::Pipeline::new(8)),
        spawn(shared, "connect", 20.0 * scale, requests::Connect),
        spawn(shared, "upload", 5.0 * scale, requests::Upload::new(100 * 1024)),
        spawn(shared, "http2", 10.0 * scale, http2::Http2::new(10)?),
        spawn(shared, "ws echo", 100.0 * scale, sockets::Echo::new(20)),
        spawn(shared, "publish", 10.0 * scale, followers::Publish::default()),
        spawn(shared, "sse", 10.0 * scale, followers::Followers::sse(50)),
        spawn(
            shared,
            "ws room",
            10.0 * scale,
            followers::Followers::websocket(50),
        ),
        spawn(shared, "poll", 2.0 * scale, followers::Poll::default()),
        spawn(shared, "abort", 20.0 * scale, aborts::Abort::default()),
    ])
}
