//! A socket under TLS, which for the connection above it is a socket like any other.
//!
//! Two things make that so. A read goes on until the socket below is empty or there is plaintext to give, and says
//! when there may be more that no event will announce. And **the last byte of what was sealed is not reported as
//! written before all its ciphertext is with the socket below**: so whoever writes still owes something for as long as
//! we do, offers that byte again when the socket is writable, and all that is known of a full socket (its time-out,
//! what may be read, when it closes) holds for us too.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use rustls::server::UnbufferedServerConnection;

use crate::metrics::{HandshakeFailed, Label as _};
use crate::socket::Socket;
use crate::tls::certificate::take_asked_for;
use crate::tls::info::TlsInfo;
use crate::tls::records::{
    Plain, SEAL_BYTES_MAX, Scratch, Sealed, Went, gather, process, seal, with_scratch,
};
use crate::tls::settings::Tls;

/// Ciphertext read at once, at least.
const READ_BYTES_MIN: usize = 16 * 1024;

/// What somebody gets who speaks HTTP to a port that speaks TLS.
const SPOKE_IN_CLEAR: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 60\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks HTTPS: write https:// before its address.\r\n";

/// See the module.
pub(crate) struct TlsSocket {
    lower: Socket,
    session: Session,
    /// What a quiet connection does not need.
    pending: Option<Box<Pending>>,
    info: Option<TlsInfo>,
    /// Nothing more can be read: what the next reads come to.
    end: Option<End>,
    /// The socket below was not read empty.
    more: bool,
    /// The peer closed its side: a short read does not show that it was the last.
    hung_up: bool,
    /// What is in `partial` has not been looked at.
    early: bool,
    /// One byte of plaintext is sealed and not yet reported as written.
    held: bool,
    /// That nothing more comes has been said, or must not be.
    said_close: bool,
    listener: u16,
    /// The server speaks HTTP/2.
    http2: bool,
}

enum Session {
    /// What comes is not for us yet: it is given as it is.
    Preface(Tls),
    /// Nothing has come yet, so there is no session.
    New(Tls),
    Handshake(Box<Handshake>),
    Open(Box<UnbufferedServerConnection>),
    /// It failed. What still comes is given as it is, to be thrown away.
    Over,
}

struct Handshake {
    session: UnbufferedServerConnection,
    received_bytes: usize,
    bytes_max: usize,
    server_name: Option<Box<str>>,
}

#[derive(Default)]
struct Pending {
    /// Ciphertext of a record, or of a handshake message, that is not here whole.
    partial: Vec<u8>,
    /// Plaintext that the last read had no room for, from `plain_read` on.
    plain: Vec<u8>,
    plain_read: usize,
    /// Ciphertext that the socket below did not take, from `owed_written` on.
    owed: Vec<u8>,
    owed_written: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The peer said that it sends nothing more.
    Closed,
    /// The socket below ended without a word of that: what came may not be all (RFC 8446 section 6.1).
    Truncated,
    Failed(HandshakeFailed),
}

/// Why a connection failed: the inside of the error of its read.
#[derive(Debug)]
struct Why(HandshakeFailed);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl std::error::Error for Why {}

/// Why a handshake failed whose read came to this error.
pub(crate) fn why_failed(error: &io::Error) -> HandshakeFailed {
    let why = error.get_ref().and_then(|inner| inner.downcast_ref::<Why>());
    why.map_or(HandshakeFailed::Gone, |why| why.0)
}

fn kind_of(error: &rustls::Error) -> HandshakeFailed {
    use rustls::PeerIncompatible as Peer;
    match error {
        rustls::Error::AlertReceived(_) => HandshakeFailed::Alert,
        rustls::Error::PeerIncompatible(
            Peer::Tls12NotOffered
            | Peer::Tls12NotOfferedOrEnabled
            | Peer::Tls13RequiredForQuic
            | Peer::SupportedVersionsExtensionRequired,
        ) => HandshakeFailed::Version,
        rustls::Error::PeerIncompatible(_) => HandshakeFailed::Parameters,
        rustls::Error::NoApplicationProtocol => HandshakeFailed::Alpn,
        rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_) => {
            HandshakeFailed::ClientCertificate
        }
        // That is how rustls says that the resolver had none.
        rustls::Error::General(text) if text == "no server certificate chain resolved" => {
            HandshakeFailed::Name
        }
        _ => HandshakeFailed::Malformed,
    }
}

impl TlsSocket {
    /// TLS on this socket, from its next byte on if `now`, else from [`TlsSocket::begin`] on. HTTP/2 is offered if the
    /// server speaks it.
    pub(crate) fn new(lower: Socket, tls: &Tls, listener: u16, now: bool, http2: bool) -> Self {
        let tls = tls.clone();
        TlsSocket {
            lower,
            session: if now {
                Session::New(tls)
            } else {
                Session::Preface(tls)
            },
            pending: None,
            info: None,
            end: None,
            more: false,
            hung_up: false,
            early: false,
            held: false,
            said_close: false,
            listener,
            http2,
        }
    }

    /// The number of the listener that it comes from.
    pub(crate) fn listener(&self) -> u16 {
        self.listener
    }

    /// The next bytes are the handshake's.
    pub(crate) fn begin(&mut self) {
        if let Session::Preface(tls) = &self.session {
            self.session = Session::New(tls.clone());
        }
    }

    /// The first bytes of the handshake, read already.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        let pending = self.pending.get_or_insert_default();
        pending.partial.extend_from_slice(bytes);
        self.early = true;
    }

    pub(crate) fn lower_mut(&mut self) -> &mut Socket {
        &mut self.lower
    }

    pub(crate) fn info(&self) -> Option<&TlsInfo> {
        self.info.as_ref()
    }

    /// Whether the peer has said something, and not all.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(self.session, Session::Handshake(_))
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self.session, Session::New(_) | Session::Handshake(_))
    }

    /// How long the handshake may take, before it has begun.
    pub(crate) fn handshake_timeout(&self) -> Option<Duration> {
        match &self.session {
            Session::New(tls) => Some(tls.handshake_timeout()),
            _ => None,
        }
    }

    /// An event said that the peer sends nothing more.
    pub(crate) fn note_hung_up(&mut self) {
        self.hung_up = true;
    }

    pub(crate) fn may_have_more(&self) -> bool {
        self.more || self.end.is_some() || self.pending.as_ref().is_some_and(|p| !p.plain.is_empty())
    }

    /// Plaintext, or `WouldBlock`. `InvalidData` says that this is no TLS connection (any more); its alert is written,
    /// and later reads give what still comes as it is, so that it can be thrown away.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(count) = self.take_plain(buffer) {
            return Ok(count);
        }
        match self.end {
            Some(End::Closed) => return Ok(0),
            Some(End::Truncated) => return Err(ErrorKind::UnexpectedEof.into()),
            Some(End::Failed(why)) => {
                self.end = None;
                return Err(io::Error::new(ErrorKind::InvalidData, Why(why)));
            }
            None => {}
        }
        if matches!(self.session, Session::Over | Session::Preface(_)) {
            let read = self.lower.read(buffer);
            self.more = matches!(read, Ok(count) if count == buffer.len());
            return read;
        }
        with_scratch(|scratch| self.read_records(buffer, scratch))
    }

    /// Plaintext that an earlier read had no room for.
    fn take_plain(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let pending = self.pending.as_mut()?;
        let left = &pending.plain[pending.plain_read..];
        if left.is_empty() {
            return None;
        }
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        pending.plain_read += count;
        if pending.plain_read == pending.plain.len() {
            pending.plain = Vec::new();
            pending.plain_read = 0;
            self.trim();
        }
        Some(count)
    }

    fn read_records(&mut self, buffer: &mut [u8], scratch: &mut Scratch) -> io::Result<usize> {
        let mut plain = Plain {
            buffer,
            filled: 0,
            rest: Vec::new(),
        };
        self.more = true;
        while plain.filled == 0 && self.end.is_none() && self.more {
            self.read_once(&mut plain, scratch)?;
        }
        let (filled, rest) = (plain.filled, plain.rest);
        if !rest.is_empty() {
            let pending = self.pending.get_or_insert_default();
            (pending.plain, pending.plain_read) = (rest, 0);
        }
        self.trim();
        if filled > 0 {
            return Ok(filled);
        }
        match self.end {
            // Says so as every later read does.
            Some(_) => self.read(&mut []),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// One read of the socket below, and what comes of it.
    fn read_once(&mut self, plain: &mut Plain<'_>, scratch: &mut Scratch) -> io::Result<()> {
        let partial = self.pending.as_mut().map(|p| &mut p.partial);
        let held = partial.as_ref().map_or(0, |p| p.len());
        // Plaintext is shorter than its ciphertext, so that what is read fits into the buffer, but for odd cases.
        let room = plain.buffer.len().saturating_sub(held).max(READ_BYTES_MIN);
        if scratch.input.len() < held + room {
            scratch.input.resize(held + room, 0);
        }
        let early = std::mem::take(&mut self.early);
        let read = match early {
            true => Ok(0),
            false => self.lower.read(&mut scratch.input[held..held + room]),
        };
        let count = match read {
            Ok(0) if early => 0,
            Ok(0) => {
                self.more = false;
                self.end = Some(match self.session {
                    Session::New(_) => End::Closed,
                    _ => End::Truncated,
                });
                return Ok(());
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.more = false;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        self.more = early || count == room || self.hung_up;
        if let Some(partial) = partial {
            scratch.input[..held].copy_from_slice(partial);
        }
        let new_bytes = if early { held } else { count };
        self.take_in(held + count, new_bytes, plain, scratch);
        Ok(())
    }

    /// Gives `bytes` bytes of the input, of which `new_bytes` are new, to the session.
    fn take_in(&mut self, bytes: usize, new_bytes: usize, plain: &mut Plain<'_>, scratch: &mut Scratch) {
        let Scratch { input, out, .. } = scratch;
        let input = &mut input[..bytes];
        out.clear();
        if let Session::New(tls) = &self.session {
            if input[0].is_ascii_uppercase() {
                return self.refuse_clear();
            }
            match tls.begin(self.http2) {
                Ok((session, bytes_max)) => {
                    self.session = Session::Handshake(Box::new(Handshake {
                        session,
                        received_bytes: 0,
                        bytes_max,
                        server_name: None,
                    }));
                }
                Err(error) => return self.fail(HandshakeFailed::Malformed, &error),
            }
        }
        let session = match &mut self.session {
            Session::Handshake(handshake) => {
                // Not what another connection asked for.
                take_asked_for();
                &mut handshake.session
            }
            Session::Open(session) => session,
            Session::New(_) | Session::Over | Session::Preface(_) => return,
        };
        let processed = process(session, input, plain, out);
        let partial = &input[processed.used..];
        if partial.is_empty() {
            if let Some(pending) = &mut self.pending {
                pending.partial = Vec::new();
            }
        } else {
            let pending = self.pending.get_or_insert_default();
            pending.partial.clear();
            pending.partial.extend_from_slice(partial);
        }
        if self.send(out.filled()).is_err() {
            // Nobody is there to be told more.
            self.end = Some(End::Truncated);
            return;
        }
        match processed.outcome {
            Ok(Went::On) => {}
            Ok(Went::PeerClosed) => {
                self.more = false;
                self.end = Some(End::Closed);
            }
            Err(error) => return self.fail(kind_of(&error), &error),
        }
        self.step_handshake(new_bytes);
    }

    /// Looks whether the handshake is complete, or has become too long.
    fn step_handshake(&mut self, new_bytes: usize) {
        let Session::Handshake(handshake) = &mut self.session else {
            return;
        };
        if let Some(name) = take_asked_for() {
            handshake.server_name = Some(name);
        }
        handshake.received_bytes += new_bytes;
        if handshake.session.is_handshaking() {
            if handshake.received_bytes > handshake.bytes_max {
                let why = HandshakeFailed::TooLong;
                self.fail(why, &"the handshake is longer than its limit");
            }
            return;
        }
        if let Session::Handshake(handshake) = std::mem::replace(&mut self.session, Session::Over) {
            let Handshake {
                session, server_name, ..
            } = *handshake;
            self.info = TlsInfo::of(&session, server_name);
            self.session = Session::Open(Box::new(session));
        }
    }

    /// Somebody speaks HTTP to us. A fresh socket takes these few bytes; if not, there is nothing better to say.
    fn refuse_clear(&mut self) {
        let _ = self.lower.write(SPOKE_IN_CLEAR);
        self.fail(HandshakeFailed::Clear, &"the peer speaks HTTP in clear");
    }

    fn fail(&mut self, kind: HandshakeFailed, why: &dyn fmt::Display) {
        tracing::debug!(%why, "a TLS connection failed");
        self.session = Session::Over;
        self.said_close = true;
        self.more = false;
        self.end = Some(End::Failed(kind));
        if let Some(pending) = &mut self.pending {
            pending.partial = Vec::new();
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// As the module says: all, or what was sealed less one byte, after which an event tells when it takes more.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        if self.is_owed() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let total: usize = slices.iter().map(|s| s.len()).sum();
        if total == 0 {
            return Ok(0);
        }
        let mut sealed = usize::from(std::mem::take(&mut self.held));
        with_scratch(|scratch| {
            while sealed < total {
                let Scratch { out, gathered, .. } = scratch;
                out.clear();
                let plaintext = gather(slices, sealed, SEAL_BYTES_MAX, gathered);
                let Session::Open(session) = &mut self.session else {
                    return Err(ErrorKind::NotConnected.into());
                };
                let partial = self.pending.as_mut().map(|p| &mut p.partial);
                let what = Sealed::Plaintext(plaintext);
                seal(session, partial.unwrap_or(&mut Vec::new()), &what, out)?;
                sealed += plaintext.len();
                if !self.send(out.filled())? {
                    self.held = true;
                    return match sealed - 1 {
                        0 => Err(ErrorKind::WouldBlock.into()),
                        written => Ok(written),
                    };
                }
            }
            Ok(total)
        })
    }

    /// Writes ciphertext, after what is owed; whether nothing is owed now.
    fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.flush()?;
        let mut written = 0;
        if !self.is_owed() {
            written = write_some(&mut self.lower, bytes)?;
        }
        if written < bytes.len() {
            let pending = self.pending.get_or_insert_default();
            pending.owed.extend_from_slice(&bytes[written..]);
        }
        Ok(!self.is_owed())
    }

    /// Writes what is owed; whether the socket below took any of it.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        let Some(pending) = &mut self.pending else {
            return Ok(false);
        };
        let left = &pending.owed[pending.owed_written..];
        let count = write_some(&mut self.lower, left)?;
        pending.owed_written += count;
        if pending.owed_written == pending.owed.len() {
            (pending.owed, pending.owed_written) = (Vec::new(), 0);
            self.trim();
        }
        Ok(count > 0)
    }

    fn is_owed(&self) -> bool {
        self.pending.as_ref().is_some_and(|p| !p.owed.is_empty())
    }

    /// A quiet connection has no buffers.
    fn trim(&mut self) {
        let is_empty = |p: &Pending| p.partial.is_empty() && p.plain.is_empty() && p.owed.is_empty();
        if self.pending.as_deref().is_some_and(is_empty) {
            self.pending = None;
        }
    }

    /// Says that nothing more comes, if all that was written before has left.
    pub(crate) fn close_notify(&mut self) {
        if self.is_owed() || self.held || std::mem::replace(&mut self.said_close, true) {
            return;
        }
        let Session::Open(session) = &mut self.session else {
            return;
        };
        let partial = self.pending.as_mut().map(|p| &mut p.partial);
        with_scratch(|scratch| {
            if seal(
                session,
                partial.unwrap_or(&mut Vec::new()),
                &Sealed::Close,
                &mut scratch.out,
            )
            .is_ok()
            {
                // Nobody waits for what a full or dead socket does not take of it.
                let _ = self.lower.write(scratch.out.filled());
            }
        });
    }

    /// The end of this connection must not look as if it were meant.
    pub(crate) fn abandon(&mut self) {
        self.said_close = true;
    }
}

impl Drop for TlsSocket {
    fn drop(&mut self) {
        self.close_notify();
    }
}

impl fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSocket")
            .field("lower", &self.lower)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// Writes until the socket is full; how many bytes it took.
fn write_some(socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    crate::conn::outbox::write_all(socket, bytes)
}
