//! Messages made whole again (RFC 7692, section 7.2.2).

use flate2::{Decompress, FlushDecompress, Status};

use super::WINDOW_BITS_MAX;
use super::codec::TAIL;
use crate::ws::decode::Violation;
use crate::ws::message::Message;

/// So many bytes are made at a time, and at most so many more than a message may have.
const CHUNK_BYTES: usize = 16 * 1024;

/// A last, empty block without compression. After a message's tail it ends the stream there and then, and says nothing: so
/// whatever else it does shows that the message was not whole.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

const INVALID: Violation = Violation {
    code: 1007,
    reason: "compressed data that is invalid",
};

/// Makes messages whole again. Some 60 KiB, whatever passes through it: it keeps nothing between messages, so one serves all
/// connections of a thread.
pub struct Inflater {
    zlib: Decompress,
    chunk: Box<[u8]>,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

/// What a decoder needs to read a peer with which compression was agreed.
#[derive(Debug)]
pub struct Inflate<'a> {
    /// Shared by all connections of a thread.
    pub inflater: &'a mut Inflater,
    /// The connection's own, if its peer may refer to earlier messages.
    pub history: Option<&'a mut History>,
}

/// The end of what a peer has said, to which its next message may refer: at most its window, so at most 32 KiB.
#[derive(Debug)]
pub struct History {
    bytes: Vec<u8>,
    window_bytes: usize,
}

impl History {
    /// Nothing was said yet. The peer's window is that of [`Deflate`](super::Deflate).
    pub fn new(window_bits: u8) -> History {
        History {
            bytes: Vec::new(),
            window_bytes: 1 << window_bits.min(WINDOW_BITS_MAX),
        }
    }

    /// The memory that it has, in bytes.
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    fn append(&mut self, parts: [&[u8]; 2]) {
        for part in parts {
            let part = &part[part.len().saturating_sub(self.window_bytes)..];
            let kept = self.window_bytes - part.len();
            let gone = self.bytes.len().saturating_sub(kept);
            self.bytes.drain(..gone);
            self.bytes.extend_from_slice(part);
        }
    }
}

impl Default for Inflater {
    fn default() -> Inflater {
        Inflater::new()
    }
}

impl Inflater {
    /// For windows of every size.
    pub fn new() -> Inflater {
        Inflater {
            zlib: Decompress::new(false),
            chunk: vec![0; CHUNK_BYTES].into(),
        }
    }
}

impl Inflate<'_> {
    /// Appends what `payload` says to `message`, which is empty and may have `bytes_max` bytes.
    ///
    /// Costs no more than `bytes_max` and a chunk, whatever `payload` would become.
    pub(in crate::ws) fn inflate(
        &mut self,
        payload: &[u8],
        message: &mut Message,
        bytes_max: u64,
    ) -> Result<(), Violation> {
        self.begin(message)?;
        let mut rest = payload;
        // Blocks that say to be the last may be followed by others, which refer to them (section 7.2.1).
        while self.run(&mut rest, message, bytes_max)? {
            if rest.is_empty() {
                return self.remember(message);
            }
            self.begin(message)?;
        }
        let said = message.len();
        let mut tail = [0; TAIL.len() + END.len()];
        tail[..TAIL.len()].copy_from_slice(&TAIL);
        tail[TAIL.len()..].copy_from_slice(&END);
        let mut rest = &tail[..];
        let ended = self.run(&mut rest, message, bytes_max)?;
        if !ended || !rest.is_empty() || message.len() != said {
            return Err(INVALID);
        }
        self.remember(message)
    }

    /// Begins to read, after what was said before.
    fn begin(&mut self, message: &Message) -> Result<(), Violation> {
        let zlib = &mut self.inflater.zlib;
        zlib.reset(false);
        let history = self.history.as_ref().map_or(&[][..], |history| &history.bytes);
        let set = match (history, message.len()) {
            ([], 0) => return Ok(()),
            (history, 0) => zlib.set_dictionary(history),
            (history, _) => {
                let [first, second] = message.parts();
                let said = [history, first, second].concat();
                zlib.set_dictionary(&said[said.len().saturating_sub(1 << WINDOW_BITS_MAX)..])
            }
        };
        set.map(drop).map_err(|_| INVALID)
    }

    /// Reads on until `input` is used up or a last block has ended; says whether the latter.
    fn run(&mut self, input: &mut &[u8], message: &mut Message, bytes_max: u64) -> Result<bool, Violation> {
        let Inflater { zlib, chunk } = &mut *self.inflater;
        loop {
            let before = (zlib.total_in(), zlib.total_out());
            let status = zlib
                .decompress(input, chunk, FlushDecompress::Sync)
                .map_err(|_| INVALID)?;
            let taken = (zlib.total_in() - before.0) as usize;
            let made = (zlib.total_out() - before.1) as usize;
            *input = &input[taken..];
            if made as u64 > bytes_max.saturating_sub(message.len() as u64) {
                return Err(Violation::too_big("a message is too large"));
            }
            let is_last = made < chunk.len();
            message.push(&chunk[..made], is_last.then_some(0))?;
            match status {
                Status::StreamEnd => return Ok(true),
                _ if is_last => return if input.is_empty() { Ok(false) } else { Err(INVALID) },
                Status::Ok | Status::BufError => {}
            }
        }
    }

    fn remember(&mut self, message: &Message) -> Result<(), Violation> {
        if let Some(history) = &mut self.history {
            history.append(message.parts());
        }
        Ok(())
    }
}
