//! Everybody comes back at once: each session takes up its room where it left off.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{Dialect, find};
use crate::load::{client, wrong};

/// Messages that everybody missed.
const MISSED: usize = 10;
/// Sessions in each room.
const ROOM: usize = 100;

/// Sessions that were there and are gone.
#[derive(Debug)]
pub struct Storm {
    address: SocketAddr,
    dialect: Dialect,
    rooms: Vec<String>,
    from: Vec<super::Position>,
}

impl Storm {
    /// Opens the sessions, cuts them all, and publishes what they miss.
    ///
    /// # Errors
    /// When the server does not do its part.
    pub fn brew(address: SocketAddr, dialect: Dialect, sessions: usize) -> io::Result<Self> {
        let rooms: Vec<_> = (0..sessions).map(|at| format!("s{}", at / ROOM)).collect();
        let opened = dialect.open(address, &rooms, None)?;
        let from = opened.iter().map(|session| session.position.clone()).collect();
        drop(opened);
        let mut publisher = client::connect(address)?;
        for room in rooms.chunks(ROOM).map(|room| &room[0]) {
            for number in 0..MISSED {
                publish(&mut publisher, address, room, number)?;
            }
        }
        Ok(Self {
            address,
            dialect,
            rooms,
            from,
        })
    }

    /// All come back; how many there were, and how long it took until each was current.
    ///
    /// # Errors
    /// When one is not, where the server promises that.
    pub fn blow(self) -> io::Result<(usize, Duration)> {
        let since = Instant::now();
        let back = self.dialect.open(self.address, &self.rooms, Some(&self.from))?;
        let took = since.elapsed();
        if self.dialect == Dialect::Centrifugo {
            for session in &back {
                let recovered = find(&session.first, b"\"recovered\":true").is_some();
                let messages = session.first.windows(2).filter(|two| two == b"@#").count();
                if !recovered || messages != MISSED {
                    return Err(wrong(format!(
                        "a session came back and got {messages} of {MISSED} messages: {}",
                        String::from_utf8_lossy(&session.first)
                    )));
                }
            }
        }
        Ok((back.len(), took))
    }
}

fn publish(socket: &mut TcpStream, address: SocketAddr, room: &str, number: usize) -> io::Result<()> {
    let text = format!("\"@#{number:012}................................\"");
    let request = format!(
        "POST /pub/{room} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    let answer = client::exchange(socket, request.as_bytes())?;
    if answer.status == 204 {
        Ok(())
    } else {
        Err(wrong(format!("nothing is published: {}", answer.head)))
    }
}
