//! Requests and their answers: on connections that stay, pipelined, on connections of their own, with bodies.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::{Actor, Count, Shared};
use crate::load::{client, get, idle};

/// Requests on a connection before another takes its place.
const REQUESTS_MAX: u64 = 500;

/// Connections that stay open and ask in turn.
#[derive(Debug)]
pub struct KeepAlive {
    sockets: Vec<TcpStream>,
    asked: u64,
}

impl KeepAlive {
    /// Opens so many.
    ///
    /// # Errors
    /// When the server does not accept them.
    pub fn open(address: SocketAddr, connections: usize) -> io::Result<Self> {
        Ok(Self {
            sockets: idle::open_http(address, connections)?,
            asked: 0,
        })
    }
}

impl Actor for KeepAlive {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        let place = (self.asked % self.sockets.len() as u64) as usize;
        self.asked += 1;
        let request = client::get_request(shared.address, "/");
        let answer = client::exchange(&mut self.sockets[place], &request);
        if answer.is_err() || self.asked.is_multiple_of(REQUESTS_MAX) {
            self.sockets[place] = client::connect(shared.address)?;
        }
        get::check_hello(&answer?)?;
        shared.add(Count::KeepAlive, 1);
        Ok(())
    }
}

/// Several requests in one write, on a connection of their own.
#[derive(Debug)]
pub struct Pipeline {
    depth: usize,
}

impl Pipeline {
    /// So many requests at once.
    #[must_use]
    pub fn new(depth: usize) -> Self {
        Self { depth }
    }
}

impl Actor for Pipeline {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        let mut socket = client::connect(shared.address)?;
        let one = client::get_request(shared.address, "/json");
        socket.write_all(&one.repeat(self.depth - 1))?;
        let mut last = one;
        last.truncate(last.len() - 2);
        last.extend_from_slice(b"Connection: close\r\n\r\n");
        socket.write_all(&last)?;
        let mut answers = Vec::new();
        socket.read_to_end(&mut answers)?;
        let count = answers.windows(12).filter(|line| line == b"HTTP/1.1 200").count();
        if count != self.depth {
            return Err(io::Error::other(format!("{count} of {} answers", self.depth)));
        }
        shared.add(Count::KeepAlive, count as u64);
        Ok(())
    }
}

/// A connection, a request, and the end of both.
#[derive(Debug)]
pub struct Connect;

impl Actor for Connect {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        let mut socket = client::connect(shared.address)?;
        get::check_hello(&client::exchange(
            &mut socket,
            &client::get_request(shared.address, "/"),
        )?)?;
        shared.add(Count::Connections, 1);
        Ok(())
    }
}

/// Bodies that come back: with a length, chunked, and after `100 Continue`.
#[derive(Debug)]
pub struct Upload {
    body: Vec<u8>,
    round: usize,
}

impl Upload {
    /// Bodies of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            body: (0..=u8::MAX).cycle().take(bytes).collect(),
            round: 0,
        }
    }
}

impl Actor for Upload {
    fn act(&mut self, shared: &Shared) -> io::Result<()> {
        self.round += 1;
        let mut socket = client::connect(shared.address)?;
        let head = format!("POST /echo HTTP/1.1\r\nHost: {}\r\n", shared.address);
        let mut request = Vec::with_capacity(self.body.len() + 1024);
        match self.round % 3 {
            0 => {
                let head = format!("{head}Content-Length: {}\r\n\r\n", self.body.len());
                request.extend_from_slice(head.as_bytes());
                request.extend_from_slice(&self.body);
            }
            1 => {
                request.extend_from_slice(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
                for chunk in self.body.chunks(10_000) {
                    request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    request.extend_from_slice(chunk);
                    request.extend_from_slice(b"\r\n");
                }
                request.extend_from_slice(b"0\r\n\r\n");
            }
            _ => {
                let head = format!(
                    "{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                    self.body.len()
                );
                socket.write_all(head.as_bytes())?;
                let mut interim = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
                socket.read_exact(&mut interim)?;
                if !interim.starts_with(b"HTTP/1.1 100 ") {
                    return Err(io::Error::other("no 100 Continue"));
                }
                request.extend_from_slice(&self.body);
            }
        }
        let answer = client::exchange(&mut socket, &request)?;
        if answer.status != 200 || answer.body != self.body {
            return Err(io::Error::other(format!(
                "{} and {} bytes",
                answer.status,
                answer.body.len()
            )));
        }
        shared.add(Count::Uploads, 1);
        Ok(())
    }
}
