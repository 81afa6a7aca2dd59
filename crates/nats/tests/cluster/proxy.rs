//! A TCP proxy with one address for ever, in front of a server that comes and goes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Where the server is; `None` refuses everybody.
    to: Option<SocketAddr>,
    /// Nothing passes, and nobody is told: a partition.
    cut: bool,
    /// What the server says is swallowed; what it is told, it hears.
    deaf: bool,
    open: Vec<TcpStream>,
    closed: bool,
}

impl Proxy {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for peer in listener.incoming() {
                if lock(&shared).closed {
                    return;
                }
                if let Ok(peer) = peer {
                    accept(&shared, peer);
                }
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server is there now; `None`: it is gone, and so are all connections to it.
    pub(crate) fn lead_to(&self, to: Option<SocketAddr>) {
        let mut state = lock(&self.state);
        state.to = to;
        if to.is_none() {
            close_all(&mut state);
        }
    }

    /// Nothing passes any more, in either direction, on old connections and new ones; nobody is told.
    pub(crate) fn cut(&self) {
        lock(&self.state).cut = true;
    }

    /// What the server says is swallowed from now on; what it is told, it hears.
    pub(crate) fn deafen(&self) {
        lock(&self.state).deaf = true;
    }

    /// Ends the partition. What was under way is lost with its connection.
    pub(crate) fn heal(&self) {
        let mut state = lock(&self.state);
        (state.cut, state.deaf) = (false, false);
        close_all(&mut state);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.state);
            state.closed = true;
            close_all(&mut state);
        }
        // The thread sees it when it accepts the next one.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn close_all(state: &mut State) {
    for socket in state.open.drain(..) {
        let _ = socket.shutdown(Shutdown::Both);
    }
}

fn accept(shared: &Arc<Mutex<State>>, peer: TcpStream) {
    let mut state = lock(shared);
    let Some(to) = state.to else { return };
    if state.cut {
        // Accepted, and never answered.
        state.open.push(peer);
        return;
    }
    let Ok(server) = TcpStream::connect(to) else {
        return;
    };
    let _ = (peer.set_nodelay(true), server.set_nodelay(true));
    for (from, into, says) in [(&peer, &server, false), (&server, &peer, true)] {
        let (Ok(from), Ok(into)) = (from.try_clone(), into.try_clone()) else {
            return;
        };
        let shared = shared.clone();
        thread::spawn(move || copy(&shared, from, into, says));
    }
    state.open.extend([peer, server]);
}

/// Carries bytes one way: `says` for what the server says.
fn copy(shared: &Mutex<State>, mut from: TcpStream, mut into: TcpStream, says: bool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        // During a partition everything is swallowed: the connection does not survive it.
        let swallows = {
            let state = lock(shared);
            state.cut || (says && state.deaf)
        };
        if swallows {
            continue;
        }
        if into.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), into.shutdown(Shutdown::Both));
}
