//! Connections that wait.

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};

use super::{client, get, wrong};

/// The one message that a room of idle followers gets, so that each of them has followed indeed.
const WARM_UP: &[u8] = b"the only message of the room";

/// Opens keep-alive connections that have each done one request.
///
/// # Errors
/// When the server does not answer `GET /` as it should.
pub fn open_http(address: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let request = client::get_request(address, "/");
    let open = |_| {
        let mut socket = client::connect(address)?;
        get::check_hello(&client::exchange(&mut socket, &request)?)?;
        Ok(socket)
    };
    (0..connections).map(open).collect()
}

/// Opens WebSockets that follow `/ws/room`.
///
/// # Errors
/// When the server does not accept them.
pub fn open_followers(address: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    (0..connections)
        .map(|_| client::open_websocket(address, "/ws/room"))
        .collect()
}

/// Publishes one message on the first of these followers and waits until all have it.
///
/// # Errors
/// When one of them receives something else.
pub fn warm_up_followers(followers: &mut [TcpStream]) -> io::Result<()> {
    let Some(first) = followers.first_mut() else {
        return Ok(());
    };
    io::Write::write_all(first, &client::client_text_frame(WARM_UP, [9, 8, 7, 6]))?;
    let want = client::server_text_frame(WARM_UP);
    let mut got = vec![0; want.len()];
    for follower in followers {
        follower.read_exact(&mut got)?;
        if got != want {
            return Err(wrong("a follower received another message"));
        }
    }
    Ok(())
}
