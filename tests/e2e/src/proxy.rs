//! A TCP proxy that misbehaves: it splits, stalls and cuts at seeded random points.
//!
//! No clock is involved: a stall lasts until the test has made some progress of its own ([`Proxy::beat`]), and a cut
//! comes after a number of bytes. So the same seed gives the same faults, and no test waits for time to pass.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;

use crate::DEADLINE;
use crate::rng::Rng;

/// More beats than any test makes: see [`Proxy::calm`].
const CALM: u64 = u64::MAX / 2;

/// How badly it behaves.
#[derive(Clone, Debug)]
pub struct Mischief {
    /// Decides everything below.
    pub seed: u64,
    /// After so many cuts it behaves well, so that every test comes to its end.
    pub cuts_max: u32,
    /// A connection is cut after so many bytes towards the client.
    pub bytes: Range<u64>,
    /// One piece in so many stalls before it is passed on.
    pub stall_one_in: u64,
}

/// What the connections and the test share.
#[derive(Debug)]
struct State {
    mischief: Mischief,
    cuts: u32,
    stalls: u32,
    connections: u64,
    /// Progress of the test: what stalls wait for.
    beats: u64,
    closing: bool,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

/// The proxy; its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Shared,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port and passes connections on to what `upstream` says at the time.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn start(upstream: impl Fn() -> SocketAddr + Send + 'static, mischief: Mischief) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let state = State {
            mischief,
            cuts: 0,
            stalls: 0,
            connections: 0,
            beats: 0,
            closing: false,
        };
        let shared: Shared = Arc::new((Mutex::new(state), Condvar::new()));
        let own = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &upstream, &own));
        Self {
            addr,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The test has made progress: what has stalled for long enough goes on.
    ///
    /// # Panics
    /// When a thread of the proxy has.
    pub fn beat(&self) {
        lock(&self.shared).beats += 1;
        self.shared.1.notify_all();
    }

    /// The test makes no more progress of its own: what has stalled goes on, and nothing stalls any more. It still
    /// cuts.
    ///
    /// # Panics
    /// When a thread of the proxy has.
    pub fn calm(&self) {
        lock(&self.shared).beats = CALM;
        self.shared.1.notify_all();
    }

    /// How many connections it has cut and how many pieces it has stalled.
    ///
    /// # Panics
    /// When a thread of the proxy has.
    #[must_use]
    pub fn damage(&self) -> (u32, u32) {
        let state = lock(&self.shared);
        (state.cuts, state.stalls)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.calm();
        lock(&self.shared).closing = true;
        // Wakes the acceptor, which sees that it is over.
        TcpStream::connect_timeout(&self.addr, Duration::from_secs(1)).ok();
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.0.lock().expect("no thread of the proxy panics")
}

fn accept(listener: &TcpListener, upstream: &impl Fn() -> SocketAddr, shared: &Shared) {
    for client in listener.incoming().map_while(Result::ok) {
        let mut state = lock(shared);
        if state.closing {
            return;
        }
        state.connections += 1;
        let mut rng = Rng::new(state.mischief.seed ^ state.connections.wrapping_mul(0x9E37_79B9));
        let cut_after = rng.range(state.mischief.bytes.start, state.mischief.bytes.end);
        drop(state);
        // A server that is down is a connection that ends at once.
        let Ok(server) = TcpStream::connect_timeout(&upstream(), DEADLINE) else {
            continue;
        };
        client.set_nodelay(true).ok();
        server.set_nodelay(true).ok();
        let (Ok(up_client), Ok(up_server)) = (client.try_clone(), server.try_clone()) else {
            continue;
        };
        let up_rng = Rng::new(rng.number());
        std::thread::spawn(move || upward(up_client, up_server, up_rng));
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            downward(&server, &client, rng, cut_after, &shared).ok();
            server.shutdown(Shutdown::Both).ok();
            client.shutdown(Shutdown::Both).ok();
        });
    }
}

/// Client to server: only splits.
fn upward(mut client: TcpStream, mut server: TcpStream, mut rng: Rng) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        for piece in pieces(&buffer[..count], &mut rng) {
            if server.write_all(piece).is_err() {
                return;
            }
        }
    }
    server.shutdown(Shutdown::Write).ok();
}

/// Server to client: splits, stalls and, in the end, cuts.
fn downward(
    mut server: &TcpStream,
    mut client: &TcpStream,
    mut rng: Rng,
    cut_after: u64,
    shared: &Shared,
) -> io::Result<()> {
    let mut passed: u64 = 0;
    let mut buffer = [0; 4096];
    loop {
        let count = server.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        for piece in pieces(&buffer[..count], &mut rng) {
            let stall_one_in = lock(shared).mischief.stall_one_in;
            if rng.one_in(stall_one_in) {
                stall(shared, rng.range(1, 4));
            }
            let room = cut_after.saturating_sub(passed);
            let cut = piece.len() as u64 >= room && may_cut(shared);
            let piece = if cut {
                &piece[..usize::try_from(room).unwrap_or(0)]
            } else {
                piece
            };
            client.write_all(piece)?;
            passed += piece.len() as u64;
            if cut {
                if rng.one_in(2) {
                    // Closed with no time to linger, the client gets a reset instead of an orderly end.
                    SockRef::from(client).set_linger(Some(Duration::ZERO))?;
                }
                return Ok(());
            }
        }
    }
}

/// Counts a cut if one more is allowed.
fn may_cut(shared: &Shared) -> bool {
    let mut state = lock(shared);
    let may = state.cuts < state.mischief.cuts_max;
    state.cuts += u32::from(may);
    may
}

/// Waits until the test has made `beats` steps.
fn stall(shared: &Shared, beats: u64) {
    let mut state = lock(shared);
    if state.beats >= CALM {
        return;
    }
    state.stalls += 1;
    let until = state.beats + beats;
    drop(
        shared
            .1
            .wait_timeout_while(state, DEADLINE, |state| state.beats < until),
    );
}

/// The bytes in up to eight pieces of random lengths.
fn pieces<'a>(mut bytes: &'a [u8], rng: &mut Rng) -> Vec<&'a [u8]> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let length = if out.len() == 7 {
            bytes.len() as u64
        } else {
            rng.range(1, bytes.len() as u64 + 1)
        };
        let (piece, rest) = bytes.split_at(usize::try_from(length).expect("no longer than the bytes"));
        out.push(piece);
        bytes = rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every connection with the same bytes.
    fn server(bytes: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                stream.write_all(bytes).ok();
            }
        });
        addr
    }

    #[test]
    fn it_cuts_as_often_as_told_and_then_passes_everything() {
        let bytes: &'static [u8] = &[7; 20_000];
        let upstream = server(bytes);
        let mischief = Mischief {
            seed: 1,
            cuts_max: 3,
            bytes: 1..10_000,
            stall_one_in: u64::MAX,
        };
        let proxy = Proxy::start(move || upstream, mischief);
        for round in 0..5 {
            let mut stream = TcpStream::connect(proxy.addr()).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut got = Vec::new();
            let result = stream.read_to_end(&mut got);
            assert_eq!(
                got.len() == bytes.len() && result.is_ok(),
                round >= 3,
                "round {round}: {}",
                got.len()
            );
        }
        assert_eq!(proxy.damage().0, 3);
    }

    #[test]
    fn pieces_are_the_same_bytes() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut rng = Rng::new(3);
        for _ in 0..100 {
            assert_eq!(pieces(&bytes, &mut rng).concat(), bytes);
        }
    }
}
