//! The line between a client and a server, which misbehaves: it splits what either side says, stalls, and is cut, at
//! any byte, in either direction.
//!
//! A proxy without sockets of its own: it stands between the client's code and its socket. What it does to one connection is
//! decided when the connection is made, by the subscriber's own chance, and counted in bytes and publications.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rng::Rng;
use crate::world::World;

/// How many connections that their clients forgot are left open, unread, for their servers to find out.
const FORGOTTEN_MAX: usize = 64;

/// How often what happened.
#[derive(Debug, Default)]
pub struct Lines {
    /// Connections that were made.
    pub made: AtomicU64,
    /// Lines that were cut.
    pub cuts: AtomicU64,
    /// Lines that were not read for a while.
    pub stalls: AtomicU64,
    /// Connections that were cut and whose servers were not told.
    forgotten: Mutex<Vec<TcpStream>>,
}

/// What happens to one line.
#[derive(Clone, Debug, Default)]
pub struct Damage {
    /// It is cut after so many bytes to the client.
    pub cut_after_read: Option<u64>,
    /// It is cut after so many bytes to the server.
    pub cut_after_write: Option<u64>,
    /// Nothing is read after so many bytes to the client, until so many more messages were published.
    pub stall: Option<(u64, u64)>,
    /// Most bytes that the client gets at once; 0 is any number.
    pub read_piece_max: usize,
    /// Most bytes that the server gets at once; 0 is any number.
    pub write_piece_max: usize,
    /// What the server sees of a cut.
    pub cut: Cut,
}

/// What the server sees of a cut.
#[derive(Clone, Copy, Debug, Default)]
pub enum Cut {
    /// The connection's end.
    #[default]
    End,
    /// A reset.
    Reset,
    /// Nothing: for it, the connection is open and nobody reads.
    Nothing,
}

impl Damage {
    /// What chance says.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut damage = Self {
            cut: rng.one_of(&[Cut::End, Cut::Reset, Cut::Nothing]),
            ..Self::default()
        };
        match rng.below(8) {
            // Within the head, at its end, in the first messages.
            0 | 1 => damage.cut_after_read = Some(rng.between(1, 600)),
            2 => damage.cut_after_write = Some(rng.between(1, 200)),
            _ => damage.cut_after_read = Some(rng.between(600, 24_000)),
        }
        if rng.one_in(6) {
            damage.stall = Some((rng.between(1, 4_000), rng.between(20, 700)));
        }
        if rng.one_in(3) {
            damage.read_piece_max = usize::try_from(rng.between(1, 40)).unwrap_or(1);
        }
        if rng.one_in(3) {
            damage.write_piece_max = usize::try_from(rng.between(1, 20)).unwrap_or(1);
        }
        damage
    }
}

/// One line.
#[derive(Debug)]
pub struct Line<'a> {
    world: &'a World,
    addr: SocketAddr,
    /// `None` once it is cut.
    stream: Option<TcpStream>,
    damage: Damage,
    read_bytes: u64,
    written_bytes: u64,
    /// What was read and not taken.
    buffer: Vec<u8>,
    taken: usize,
}

impl<'a> Line<'a> {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(world: &'a World, addr: SocketAddr, damage: Damage) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        World::count(&world.lines.made);
        Ok(Self {
            world,
            addr,
            stream: Some(stream),
            damage,
            read_bytes: 0,
            written_bytes: 0,
            buffer: Vec::new(),
            taken: 0,
        })
    }

    /// Another line to the same server.
    ///
    /// # Errors
    /// Nobody listens there any more.
    pub async fn another(&self, damage: Damage) -> io::Result<Self> {
        Self::connect(self.world, self.addr, damage).await
    }

    /// What came and was not taken. Grows with [`Line::more`].
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// So many bytes of the buffer are done with.
    pub fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken == self.buffer.len() {
            self.buffer.clear();
            self.taken = 0;
        } else if self.taken > 64 << 10 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Waits for more bytes.
    ///
    /// # Errors
    /// The line is cut, or the server ended it: [`io::ErrorKind::UnexpectedEof`].
    pub async fn more(&mut self) -> io::Result<()> {
        if let Some((after, publications)) = self.damage.stall
            && self.read_bytes >= after
        {
            self.damage.stall = None;
            World::count(&self.world.lines.stalls);
            let now = *self.world.published.borrow();
            self.world.wait_published(now.saturating_add(publications)).await;
        }
        let mut room = 16 << 10;
        if self.damage.read_piece_max > 0 {
            room = self.damage.read_piece_max;
        }
        let marks = [
            self.damage.cut_after_read,
            self.damage.stall.map(|(after, _)| after),
        ];
        for left in marks
            .into_iter()
            .flatten()
            .map(|mark| mark.saturating_sub(self.read_bytes))
        {
            room = room.min(usize::try_from(left).unwrap_or(room)).max(1);
        }
        let start = self.buffer.len();
        self.buffer.resize(start + room, 0);
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::ConnectionReset)?;
        let read = stream.read(&mut self.buffer[start..]).await;
        self.buffer
            .truncate(start + read.as_ref().map_or(0, |read| *read));
        let read = read?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_bytes += read as u64;
        if self
            .damage
            .cut_after_read
            .is_some_and(|cut| self.read_bytes >= cut)
        {
            // What came with the last bytes still came.
            self.cut();
        }
        Ok(())
    }

    /// Says something to the server.
    ///
    /// # Errors
    /// The line is cut.
    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut piece = bytes.len();
            if self.damage.write_piece_max > 0 {
                piece = piece.min(self.damage.write_piece_max);
            }
            if let Some(cut) = self.damage.cut_after_write {
                let left = cut.saturating_sub(self.written_bytes);
                if left == 0 {
                    self.cut();
                }
                piece = piece.min(usize::try_from(left).unwrap_or(piece).max(1));
            }
            let stream = self.stream.as_mut().ok_or(io::ErrorKind::ConnectionReset)?;
            stream.write_all(&bytes[..piece]).await?;
            self.written_bytes += piece as u64;
            bytes = &bytes[piece..];
            if !bytes.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn cut(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        World::count(&self.world.lines.cuts);
        match self.damage.cut {
            Cut::End => {}
            Cut::Reset => drop(stream.set_zero_linger()),
            Cut::Nothing => {
                let mut forgotten = self
                    .world
                    .lines
                    .forgotten
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                if forgotten.len() >= FORGOTTEN_MAX {
                    forgotten.remove(0);
                }
                forgotten.push(stream);
            }
        }
    }
}

impl Lines {
    /// How many were made, cut and stalled.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&self.made), of(&self.cuts), of(&self.stalls))
    }
}
