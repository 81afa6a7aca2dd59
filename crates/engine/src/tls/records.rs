//! Records in and out of a session: bytes in, plaintext and bytes out, no socket.
//!
//! A session of rustls without buffers works on bytes that we own, so a core's connections share the core's buffers
//! here, and each keeps only what is incomplete.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};

/// Plaintext sealed in one go: two records. What of it the socket does not take waits as ciphertext, so this is also what a
/// connection may owe beside its outbox.
pub(super) const SEAL_BYTES_MAX: usize = 32 * 1024;

/// What records may add to the plaintext of one seal, and more than any handshake message of ours needs at first.
const OVERHEAD_BYTES: usize = 1024;

/// Buffers that all TLS connections of a core share. Nothing stays in them between calls.
#[derive(Default)]
pub(super) struct Scratch {
    /// Ciphertext as it comes.
    pub(super) input: Vec<u8>,
    pub(super) out: Out,
    /// Plaintext of a gather-write.
    pub(super) gathered: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends the core's buffers.
pub(super) fn with_scratch<T>(act: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.out.used = 0;
        act(scratch)
    })
}

/// Ciphertext on its way out: a buffer that is cleared by forgetting, not by writing zeros.
#[derive(Default)]
pub(super) struct Out {
    bytes: Vec<u8>,
    used: usize,
}

impl Out {
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Room for at least so many bytes; [`Out::add`] says how many came.
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.bytes.len() < self.used + bytes {
            self.bytes.resize(self.used + bytes, 0);
        }
        &mut self.bytes[self.used..]
    }

    fn add(&mut self, bytes: usize) {
        self.used += bytes;
    }
}

/// Where plaintext goes: the caller's buffer, and what does not fit there.
pub(super) struct Plain<'b> {
    pub(super) buffer: &'b mut [u8],
    pub(super) filled: usize,
    /// Kept for the next read. At most what one read of ciphertext decrypts to.
    pub(super) rest: Vec<u8>,
}

impl Plain<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(self.buffer.len() - self.filled);
        self.buffer[self.filled..self.filled + fits].copy_from_slice(&bytes[..fits]);
        self.filled += fits;
        self.rest.extend_from_slice(&bytes[fits..]);
    }
}

/// How far a session came with what it was given.
pub(super) struct Processed {
    /// Bytes of the input that are used up; the others must be there again, as they are now, the next time.
    pub(super) used: usize,
    pub(super) outcome: Result<Went, rustls::Error>,
}

/// What a session came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// More bytes are needed.
    On,
    /// The peer has said that it sends nothing more.
    PeerClosed,
}

/// Gives a session what has come. Plaintext goes to `plain`, what must be sent to `out`: after an error its alert.
pub(super) fn process(
    session: &mut UnbufferedServerConnection,
    input: &mut [u8],
    plain: &mut Plain<'_>,
    out: &mut Out,
) -> Processed {
    let mut used = 0;
    let outcome = loop {
        let UnbufferedStatus { mut discard, state } = session.process_tls_records(&mut input[used..]);
        let went = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                match traffic.next_record() {
                    Some(Ok(record)) => {
                        discard += record.discard;
                        plain.put(record.payload);
                    }
                    Some(Err(error)) => break Some(Err(error)),
                    None => break None,
                }
            },
            Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, out).err().map(Err),
            Ok(ConnectionState::TransmitTlsData(sent)) => {
                sent.done();
                None
            }
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => Some(Ok(Went::On)),
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Some(Ok(Went::PeerClosed)),
            // Early data is never accepted.
            Ok(_) => Some(Err(rustls::Error::General("an unexpected state".to_owned()))),
            Err(error) => Some(Err(error)),
        };
        used += discard;
        match went {
            None => {}
            Some(Ok(Went::PeerClosed)) => {
                // What stands behind a close is not looked at (RFC 8446 section 6.1).
                used = input.len();
                break Ok(Went::PeerClosed);
            }
            Some(Ok(Went::On)) => break Ok(Went::On),
            Some(Err(error)) => {
                take_alert(session, &mut input[used..], out);
                break Err(error);
            }
        }
    };
    Processed { used, outcome }
}

/// After an error, the alert that tells the peer of it.
///
/// Not one call more than that: the session would look at the bad record again, and raise its alert again. A handshake
/// message in clear may stand before the alert; what is sealed is taken for it.
fn take_alert(session: &mut UnbufferedServerConnection, input: &mut [u8], out: &mut Out) {
    const ALERT: u8 = 0x15;
    const SEALED: u8 = 0x17;
    while let Ok(ConnectionState::EncodeTlsData(mut message)) = session.process_tls_records(input).state {
        let before = out.used;
        if encode(&mut message, out).is_err() || matches!(out.bytes[before], ALERT | SEALED) {
            return;
        }
    }
}

fn encode(message: &mut EncodeTlsData<'_, ServerConnectionData>, out: &mut Out) -> Result<(), rustls::Error> {
    let mut bytes = OVERHEAD_BYTES;
    loop {
        match message.encode(out.room(bytes)) {
            Ok(count) => {
                out.add(count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) => bytes = size.required_size,
            Err(EncodeError::AlreadyEncoded) => {
                return Err(rustls::Error::General("a message was encoded twice".to_owned()));
            }
        }
    }
}

/// What is written in a session whose handshake is complete.
pub(super) enum Sealed<'p> {
    Plaintext(&'p [u8]),
    /// That nothing more comes.
    Close,
}

/// Seals `what` into `out`. `partial` is what the last [`process`] has left of its input.
pub(super) fn seal(
    session: &mut UnbufferedServerConnection,
    partial: &mut Vec<u8>,
    what: &Sealed<'_>,
    out: &mut Out,
) -> io::Result<()> {
    loop {
        let UnbufferedStatus { discard, state } = session.process_tls_records(partial);
        let done = match state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let mut bytes = match what {
                    Sealed::Plaintext(plain) => plain.len() + OVERHEAD_BYTES,
                    Sealed::Close => OVERHEAD_BYTES,
                };
                loop {
                    let sealed = match what {
                        Sealed::Plaintext(plain) => traffic.encrypt(plain, out.room(bytes)),
                        Sealed::Close => traffic.queue_close_notify(out.room(bytes)),
                    };
                    match sealed {
                        Ok(count) => break out.add(count),
                        Err(EncryptError::InsufficientSize(size)) => bytes = size.required_size,
                        Err(error) => return Err(io::Error::other(error)),
                    }
                }
                true
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                encode(&mut message, out).map_err(io::Error::other)?;
                false
            }
            Ok(ConnectionState::TransmitTlsData(sent)) => {
                sent.done();
                false
            }
            Ok(ConnectionState::PeerClosed) => false,
            Ok(_) => return Err(ErrorKind::NotConnected.into()),
            Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
        };
        if discard > 0 {
            partial.drain(..discard);
        }
        if done {
            return Ok(());
        }
    }
}

/// At most `bytes_max` bytes of these slices from `from` on: where they are if they are in one place, else copied.
pub(super) fn gather<'s>(
    slices: &'s [IoSlice<'_>],
    mut from: usize,
    bytes_max: usize,
    gathered: &'s mut Vec<u8>,
) -> &'s [u8] {
    let mut rest = slices.iter();
    let mut first: &[u8] = &[];
    for slice in rest.by_ref() {
        if from < slice.len() {
            first = &slice[from..];
            break;
        }
        from -= slice.len();
    }
    if first.len() >= bytes_max || rest.len() == 0 {
        return &first[..first.len().min(bytes_max)];
    }
    gathered.clear();
    gathered.extend_from_slice(first);
    for slice in rest {
        let room = bytes_max - gathered.len();
        if room == 0 {
            break;
        }
        gathered.extend_from_slice(&slice[..slice.len().min(room)]);
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_gathered_from_any_point() {
        let slices = [&b"abc"[..], b"", b"defg", b"h"].map(IoSlice::new);
        let all = b"abcdefgh";
        for from in 0..all.len() {
            for most in 1..10 {
                let want = &all[from..(from + most).min(all.len())];
                assert_eq!(
                    gather(&slices, from, most, &mut Vec::new()),
                    want,
                    "{from} {most}"
                );
            }
        }
        assert_eq!(gather(&slices, 8, 4, &mut Vec::new()), b"");
    }

    #[test]
    fn what_does_not_fit_is_kept() {
        let mut buffer = [0; 4];
        let mut plain = Plain {
            buffer: &mut buffer,
            filled: 0,
            rest: Vec::new(),
        };
        plain.put(b"abc");
        plain.put(b"def");
        assert_eq!((plain.filled, plain.rest.as_slice()), (4, &b"ef"[..]));
        assert_eq!(&buffer, b"abcd");
    }
}
