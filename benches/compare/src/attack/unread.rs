//! Connections that ask for a large response and read none of it.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use super::{Outcome, Watch};
use crate::load::client;

/// Between two looks at the server.
const LOOK: Duration = Duration::from_millis(100);

/// Opens `count` connections that ask for `target`, and waits until the server has given all up, or patience ends.
///
/// The peer of a closed connection that it never reads from does not learn of the close; so it is the server's open
/// files that tell.
///
/// # Errors
/// When the connections can't be opened.
pub fn attack(
    address: SocketAddr,
    pid: u32,
    count: usize,
    target: &str,
    patience: Duration,
) -> io::Result<Outcome> {
    let mut watch = Watch::start(pid, count)?;
    let request = client::get_request(address, target);
    let open = |_| {
        let mut socket = client::connect(address)?;
        socket.write_all(&request)?;
        Ok(socket)
    };
    let sockets = (0..count).map(open).collect::<io::Result<Vec<_>>>()?;
    while watch.elapsed() < patience && !watch.look()? {
        thread::sleep(LOOK);
    }
    drop(sockets);
    Ok(watch.outcome())
}
