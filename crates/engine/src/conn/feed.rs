//! From the bytes of a connection to the pieces of a body.
//!
//! Why not each chunk as it comes: a chunk of one byte costs its peer six bytes, and whoever collects a body some tens for
//! the record of each piece. So tiny chunks that came together are given together.

use bytes::Bytes;
use squall_wire::h1::{Piece, Reject};

use crate::body::Pace;
use crate::conn::http::Incoming;

/// Bytes of a request body that are thrown away after the answer, to keep the connection. Past it, it is closed.
const DISCARD_BYTES_MAX: u64 = 256 * 1024;

/// A chunk shorter than this is copied beside the others; a longer one is given as it is.
const TINY_BYTES: usize = 512;

/// So many bytes of tiny chunks are given at once.
const JOINED_BYTES: usize = 4 * 1024;

/// What came of feeding a body.
pub(crate) enum Fed {
    Waiting,
    Done,
    Refused(Reject),
    TooMuchToDiscard,
}

/// Gives the reader of a body what there is of it in `input`, or throws it away.
pub(crate) fn feed(body: &mut Incoming, input: &mut Bytes, discard: bool) -> Fed {
    let mut giving = Giving {
        body,
        discard,
        joined: Vec::new(),
    };
    let mut trailers = None;
    loop {
        if giving.must_wait() {
            return Fed::Waiting;
        }
        if giving.discard && giving.body.discarded_bytes > DISCARD_BYTES_MAX {
            return Fed::TooMuchToDiscard;
        }
        match giving.body.decoder.decode(input) {
            Ok(Piece::More) => {
                giving.give_joined();
                return Fed::Waiting;
            }
            Ok(Piece::Data(bytes)) => giving.take(bytes, input.is_empty()),
            Ok(Piece::Trailers(fields)) => trailers = Some(fields),
            Ok(Piece::End) => {
                giving.give_joined();
                giving.body.channel.end(trailers);
                return Fed::Done;
            }
            Err(_) if giving.discard => return Fed::TooMuchToDiscard,
            Err(reject) => return Fed::Refused(reject),
        }
    }
}

/// A body whose pieces are on their way to its reader.
struct Giving<'a> {
    body: &'a mut Incoming,
    discard: bool,
    /// Tiny chunks that were not given yet.
    joined: Vec<u8>,
}

impl Giving<'_> {
    /// Whether the reader is behind. What is joined is given before that is asked.
    fn must_wait(&mut self) -> bool {
        if self.discard || !self.joined.is_empty() {
            return false;
        }
        self.body.channel.is_paused()
    }

    fn take(&mut self, bytes: Bytes, is_last: bool) {
        self.body.received_bytes += bytes.len() as u64;
        let is_tiny = bytes.len() < TINY_BYTES && !(is_last && self.joined.is_empty());
        if is_tiny && !self.discard {
            self.joined.extend_from_slice(&bytes);
            if self.joined.len() >= JOINED_BYTES {
                self.give_joined();
            }
            return;
        }
        self.give_joined();
        self.give(bytes);
    }

    fn give_joined(&mut self) {
        if !self.joined.is_empty() {
            let joined = Bytes::copy_from_slice(&self.joined);
            self.joined.clear();
            self.give(joined);
        }
    }

    fn give(&mut self, bytes: Bytes) {
        let count = bytes.len() as u64;
        if !self.discard {
            self.discard = self.body.channel.push(bytes) == Pace::Abandoned;
        }
        if self.discard {
            self.body.discarded_bytes += count;
        }
    }
}
