//! What happens to a connection, out of bytes.
//!
//! A program is one byte that counts operations, two bytes for each of them, and the stream of the peer. So what
//! follows a zero is a plain HTTP connection, and a fuzzer can change what happens without changing what is sent.

use crate::limits::Tick;

/// Operations of a program.
const OPS_MAX: usize = 64;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// So many more bytes of the stream arrive.
    Send(usize),
    /// The socket takes so many bytes more.
    Room(usize),
    /// Time passes.
    Ticks(Tick),
    /// Tasks run.
    Work,
    /// A message of so many bytes for those who follow.
    Publish(usize),
    /// The peer closes its sending side.
    Finish,
    /// The connection is reset.
    Reset,
    /// The server drains.
    Drain,
}

/// How the socket behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// A read gives at most so many bytes.
    pub(super) read_bytes_max: Option<usize>,
    /// A write takes at most so many bytes, and then the socket is full.
    pub(super) write_bytes_max: Option<usize>,
    /// This call, counted from the first, fails.
    pub(super) fails_at: Option<u32>,
    /// Every so many calls a signal comes first.
    pub(super) interrupts: Option<u32>,
    /// The socket takes nothing until it is given room.
    pub(super) is_full: bool,
}

/// A decoded program.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) faults: Faults,
    pub(super) ops: Vec<Op>,
    /// What the peer sends.
    pub(super) stream: Vec<u8>,
    /// After the operations, the rest of the stream comes in pieces of so many bytes.
    pub(super) cut: usize,
}

impl Script {
    pub(super) fn decode(program: &[u8]) -> Script {
        let (count, rest) = program.split_first().unwrap_or((&0, &[]));
        let count = usize::from(*count).min(OPS_MAX).min(rest.len() / 2);
        let (pairs, stream) = rest.split_at(2 * count);
        let mut script = Script {
            faults: Faults::default(),
            ops: Vec::new(),
            stream: stream.to_vec(),
            cut: usize::MAX,
        };
        for pair in pairs.chunks_exact(2) {
            script.add(pair[0], pair[1]);
        }
        script
    }

    fn add(&mut self, op: u8, size: u8) {
        let bytes = usize::from(size);
        let op = match op % 16 {
            0 => Op::Send(bytes),
            1 => Op::Send(bytes * 16),
            2 => Op::Room(bytes),
            3 => Op::Room(bytes * 1024),
            4 => Op::Ticks(Tick::from(size)),
            5 => Op::Ticks(Tick::from(size) * 8),
            6 => Op::Work,
            7 => Op::Publish(bytes * 8),
            8 => Op::Finish,
            9 => Op::Reset,
            10 => Op::Drain,
            11 => return self.faults.read_bytes_max = Some(bytes.max(1)),
            12 => return self.faults.write_bytes_max = Some(bytes.max(1)),
            13 => return self.faults.fails_at = Some(u32::from(size)),
            14 => {
                self.faults.interrupts = Some(u32::from(size).max(2));
                return self.faults.is_full = true;
            }
            _ => return self.cut = bytes.max(1),
        };
        self.ops.push(op);
    }

    /// Whether the peer did nothing that could end a request before its answer: then each must have one.
    pub(super) fn is_patient(&self) -> bool {
        let hurts = |op: &Op| matches!(op, Op::Finish | Op::Reset | Op::Drain | Op::Ticks(_));
        self.faults.fails_at.is_none() && !self.ops.iter().any(hurts)
    }
}
