//! A new connection for each request, over TCP alone or TLS, some at a time.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use rustls::{ClientConfig, ClientConnection, Stream};

use super::{Load, Tally, client, tls};
use crate::works::CONNECT_CONNECTIONS;

/// Rounds of connections that are opened, asked and dropped together.
#[derive(Debug)]
pub struct Connects {
    address: SocketAddr,
    request: Vec<u8>,
    /// None: over TCP alone.
    tls: Option<Arc<ClientConfig>>,
    /// Whether handshakes must be resumed ones.
    resumed: bool,
}

impl Connects {
    /// Over TCP alone.
    ///
    /// # Errors
    /// When the server does not answer `GET /` as it should.
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        Self::new(address, None)
    }

    /// Over TLS; the client keeps tickets if handshakes are to be resumed.
    ///
    /// # Errors
    /// As [`Connects::plain`].
    pub fn tls(address: SocketAddr, config: Arc<ClientConfig>, resumed: bool) -> io::Result<Self> {
        let mut connects = Self::new(address, Some(config))?;
        // The first sessions, made by now, gave tickets to all that come after them.
        connects.resumed = resumed;
        Ok(connects)
    }

    fn new(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> io::Result<Self> {
        let request = client::get_request(address, "/");
        let connects = Self {
            address,
            request,
            tls,
            resumed: false,
        };
        connects.round()?;
        Ok(connects)
    }

    /// Opens, asks and drops one group.
    fn round(&self) -> io::Result<()> {
        let mut sockets = Vec::with_capacity(CONNECT_CONNECTIONS);
        for _ in 0..CONNECT_CONNECTIONS {
            sockets.push(client::connect(self.address)?);
        }
        match &self.tls {
            None => self.plain_round(sockets),
            Some(config) => self.tls_round(sockets, config),
        }
    }

    fn plain_round(&self, mut sockets: Vec<TcpStream>) -> io::Result<()> {
        for socket in &mut sockets {
            socket.write_all(&self.request)?;
        }
        sockets.iter_mut().try_for_each(tls::read_hello)
    }

    fn tls_round(&self, sockets: Vec<TcpStream>, config: &Arc<ClientConfig>) -> io::Result<()> {
        let mut all: Vec<(TcpStream, ClientConnection)> = Vec::with_capacity(sockets.len());
        for mut socket in sockets {
            let mut tls = tls::begin(config)?;
            tls.write_tls(&mut socket)?;
            all.push((socket, tls));
        }
        for (socket, tls) in &mut all {
            // What is written before the handshake is over leaves right behind it.
            Stream::new(tls, socket).write_all(&self.request)?;
        }
        for (socket, tls) in &mut all {
            tls::read_hello(&mut Stream::new(tls, socket))?;
            tls::check_handshake(tls, self.resumed)?;
        }
        Ok(())
    }
}

impl Load for Connects {
    fn pump(&mut self, until: Instant, tally: &mut Tally) -> io::Result<()> {
        while Instant::now() < until {
            let since = Instant::now();
            self.round()?;
            tally.units += CONNECT_CONNECTIONS as u64;
            tally
                .latency
                .record_many(since.elapsed(), CONNECT_CONNECTIONS as u64);
        }
        Ok(())
    }
}
