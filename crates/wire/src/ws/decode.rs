//! From bytes to messages.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use super::close::{CloseFrame, parse_close};
use super::deflate::Inflate;
use super::frame::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, Opcode, Role};
use super::mask::{advance, mask};
use super::message::{Deflated, Message};

/// Limits of what comes in. Past each of them the connection is to be closed with 1009.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// The payload of one frame, in bytes. Default 1 MiB. One of a compressed message may be larger by an eighth and
    /// 1 KiB: what does not become smaller becomes that much larger at worst.
    pub frame_bytes_max: u64,
    /// One message, in bytes. Default 1 MiB. Of a compressed one both what it becomes, and what comes of it: that with the
    /// same eighth and 1 KiB more.
    pub message_bytes_max: u64,
    /// Frames of one message. Default 131,072: each costs the peer at least 6 bytes and us nothing to keep.
    pub fragments_max: u32,
}

impl Default for DecodeLimits {
    fn default() -> DecodeLimits {
        DecodeLimits {
            frame_bytes_max: 1024 * 1024,
            message_bytes_max: 1024 * 1024,
            fragments_max: 131_072,
        }
    }
}

/// What came in. Borrowed from the input where one frame in it was all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(Cow<'a, str>),
    /// A whole binary message.
    Binary(Cow<'a, [u8]>),
    /// To be answered by a pong with the same payload. May stand between the fragments of a message.
    Ping(Cow<'a, [u8]>),
    /// The answer to a ping, or unasked for.
    Pong(Cow<'a, [u8]>),
    /// To be answered by a close frame, unless it answers ours. Nothing after it is to be read.
    Close(Option<CloseFrame<'a>>),
}

/// Why the connection must be closed, and with which code. Nothing after it is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// 1002 for a broken rule, 1007 for text that is not UTF-8, 1009 for what is past a limit.
    pub code: u16,
    /// For the close frame and the log. Never holds anything that the peer sent.
    pub reason: &'static str,
}

impl Violation {
    pub(super) const NOT_UTF8: Violation = Violation {
        code: 1007,
        reason: "text that is not UTF-8",
    };

    pub(super) const fn protocol(reason: &'static str) -> Violation {
        Violation { code: 1002, reason }
    }

    pub(super) const fn too_big(reason: &'static str) -> Violation {
        Violation { code: 1009, reason }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "websocket violation {}: {}", self.code, self.reason)
    }
}

impl Error for Violation {}

/// Makes messages of the bytes of one direction of a connection.
///
/// Sixteen bytes, and nothing else, while no frame or message is half read.
#[derive(Debug)]
pub struct Decoder {
    /// What is half read. Invariant: never `Some` of nothing.
    partial: Option<Box<Partial>>,
    role: Role,
}

/// What has been read of a frame that is not whole, and of a message whose last frame is not.
#[derive(Debug)]
struct Partial {
    /// The first bytes of a frame, until its header is whole.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: u8,
    /// The frame whose payload is due.
    frame: Option<Open>,
    /// The payload so far of a control frame: it may stand between the fragments of a message.
    control: [u8; CONTROL_BYTES_MAX],
    control_bytes: u8,
    message: Option<Message>,
    /// Frames of `message` that have begun.
    fragments: u32,
}

/// A frame whose header has been read.
#[derive(Clone, Copy, Debug)]
struct Open {
    opcode: Opcode,
    fin: bool,
    left_bytes: u64,
    /// As it applies to the next byte.
    mask: [u8; 4],
}

impl Decoder {
    /// A decoder for what comes in at this side of a connection.
    pub fn new(role: Role) -> Decoder {
        Decoder { partial: None, role }
    }

    /// Is nothing half read? Then the decoder holds no memory.
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// What is still to come of the payload of the frame that has begun: as much as is worth reading at once.
    pub fn frame_left_bytes(&self) -> u64 {
        let frame = self.partial.as_ref().and_then(|partial| partial.frame);
        frame.map_or(0, |frame| frame.left_bytes)
    }

    /// Decodes at most one event from the front of `input`, which is unmasked in place, and says how many bytes it
    /// took. Without an event it took all of them: what is half a frame is kept by the decoder.
    ///
    /// # Errors
    ///
    /// [`Violation`], as soon as the byte that causes it is there. After it the decoder is not to be called again.
    #[inline]
    pub fn decode<'a>(
        &mut self,
        input: &'a mut [u8],
        limits: &DecodeLimits,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        self.decode_with(input, limits, None)
    }

    /// As [`Decoder::decode`], from a peer that may compress if there is something to `inflate` with: then in every call for
    /// that peer, otherwise in none. What it compressed comes out as the message that it is.
    ///
    /// # Errors
    ///
    /// As there. Of a compressed message what is wrong is said when all of it has come: 1007 for what is no DEFLATE data,
    /// 1009 as soon as it becomes larger than a message may be.
    #[inline]
    pub fn decode_with<'a>(
        &mut self,
        input: &'a mut [u8],
        limits: &DecodeLimits,
        inflate: Option<Inflate<'_>>,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        // One whole message in one frame, by far the most frequent case: nothing is copied and nothing kept.
        if self.partial.is_none()
            && let Some((header, header_bytes)) = Header::parse(input, self.role, inflate.is_some())?
            && header.fin
            && header.payload_bytes <= (input.len() - header_bytes) as u64
        {
            check_sequence(&header, None, 0, limits)?;
            let end = header_bytes + header.payload_bytes as usize;
            let payload = &mut input[header_bytes..end];
            if self.role == Role::Server {
                mask(payload, header.mask);
            }
            if header.deflated {
                let event = inflated(header.opcode == Opcode::Text, payload, limits, inflate)?;
                return Ok((end, Some(event)));
            }
            return Ok((end, Some(whole_event(header.opcode, payload)?)));
        }
        self.decode_partial(input, limits, inflate)
    }

    fn decode_partial<'a>(
        &mut self,
        input: &mut [u8],
        limits: &DecodeLimits,
        inflate: Option<Inflate<'_>>,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        let role = self.role;
        let partial = self.partial.get_or_insert_default();
        let mut at = 0;
        let event = loop {
            let frame = match partial.frame {
                Some(frame) => frame,
                None => match partial.take_header(input, &mut at, role, limits, inflate.is_some())? {
                    Some(frame) => frame,
                    None => break None,
                },
            };
            match partial.take_payload(frame, input, &mut at)? {
                Some(Taken::Event(event)) => break Some(event),
                Some(Taken::Deflated(Deflated { is_text, bytes })) => {
                    break Some(inflated(is_text, &bytes, limits, inflate)?);
                }
                None if at == input.len() && partial.frame.is_some() => break None,
                None => {}
            }
        };
        if partial.is_empty() {
            self.partial = None;
        }
        debug_assert!(event.is_some() || at == input.len());
        Ok((at, event))
    }
}

impl Default for Partial {
    fn default() -> Partial {
        Partial {
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            frame: None,
            control: [0; CONTROL_BYTES_MAX],
            control_bytes: 0,
            message: None,
            fragments: 0,
        }
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.header_bytes == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Reads on in a header; `None` if it is not whole yet and all input was taken.
    fn take_header(
        &mut self,
        input: &[u8],
        at: &mut usize,
        role: Role,
        limits: &DecodeLimits,
        may_deflate: bool,
    ) -> Result<Option<Open>, Violation> {
        let kept_bytes = usize::from(self.header_bytes);
        let new_bytes = (HEADER_BYTES_MAX - kept_bytes).min(input.len() - *at);
        self.header[kept_bytes..kept_bytes + new_bytes].copy_from_slice(&input[*at..*at + new_bytes]);
        let header = &self.header[..kept_bytes + new_bytes];
        let Some((header, header_bytes)) = Header::parse(header, role, may_deflate)? else {
            // A header that has all its bytes is read, so there is room for more.
            *at += new_bytes;
            self.header_bytes = (kept_bytes + new_bytes) as u8;
            return Ok(None);
        };
        // What was not whole with the bytes kept is not shorter than they are.
        *at += header_bytes - kept_bytes;
        self.header_bytes = 0;

        check_sequence(&header, self.message.as_ref(), self.fragments, limits)?;
        match header.opcode {
            Opcode::Text | Opcode::Binary if header.deflated => {
                self.message = Some(Message::Deflated(Deflated {
                    is_text: header.opcode == Opcode::Text,
                    bytes: Vec::new(),
                }));
            }
            Opcode::Text => self.message = Some(Message::new(true)),
            Opcode::Binary => self.message = Some(Message::new(false)),
            _ => {}
        }
        if !header.opcode.is_control() {
            self.fragments += 1;
        }
        let Header {
            opcode,
            fin,
            payload_bytes,
            mask,
            ..
        } = header;
        let frame = Open {
            opcode,
            fin,
            left_bytes: payload_bytes,
            mask,
        };
        self.frame = Some(frame);
        Ok(Some(frame))
    }

    /// Takes what there is of the frame's payload, and gives the event if the frame completes one.
    fn take_payload(
        &mut self,
        mut frame: Open,
        input: &mut [u8],
        at: &mut usize,
    ) -> Result<Option<Taken>, Violation> {
        let available = input.len() - *at;
        let bytes = usize::try_from(frame.left_bytes).map_or(available, |left| left.min(available));
        let payload = &mut input[*at..*at + bytes];
        *at += bytes;
        mask(payload, frame.mask);
        frame.mask = advance(frame.mask, bytes);
        frame.left_bytes -= bytes as u64;
        self.frame = (frame.left_bytes > 0).then_some(frame);

        if frame.opcode.is_control() {
            let kept_bytes = usize::from(self.control_bytes);
            self.control[kept_bytes..kept_bytes + bytes].copy_from_slice(payload);
            self.control_bytes += bytes as u8;
            if self.frame.is_some() {
                return Ok(None);
            }
            let payload = &self.control[..usize::from(std::mem::take(&mut self.control_bytes))];
            let event = into_owned(whole_event(frame.opcode, payload)?);
            return Ok(Some(Taken::Event(event)));
        }
        if let Some(message) = &mut self.message {
            message.push(payload, frame.fin.then_some(frame.left_bytes))?;
        }
        if self.frame.is_some() || !frame.fin {
            return Ok(None);
        }
        self.fragments = 0;
        match self.message.take() {
            Some(Message::Deflated(deflated)) => Ok(Some(Taken::Deflated(deflated))),
            Some(message) => message.finish().map(|event| Some(Taken::Event(event))),
            None => Ok(None),
        }
    }
}

/// What a frame has completed.
enum Taken {
    Event(Event<'static>),
    /// A message that is to be inflated.
    Deflated(Deflated),
}

/// The message that a peer compressed to `payload`.
#[cold]
fn inflated(
    is_text: bool,
    payload: &[u8],
    limits: &DecodeLimits,
    inflate: Option<Inflate<'_>>,
) -> Result<Event<'static>, Violation> {
    // Without an inflater the bit that says so has been refused.
    let mut inflate = inflate.ok_or(Violation::protocol("a reserved bit is set"))?;
    let mut message = Message::new(is_text);
    inflate.inflate(payload, &mut message, limits.message_bytes_max)?;
    message.finish()
}

/// Checks a frame against the message it is part of, and against the limits, before any of its payload is kept.
#[inline]
fn check_sequence(
    header: &Header,
    message: Option<&Message>,
    fragments: u32,
    limits: &DecodeLimits,
) -> Result<(), Violation> {
    if header.opcode.is_control() {
        return Ok(());
    }
    match (header.opcode, message) {
        (Opcode::Continuation, None) => return Err(Violation::protocol("nothing to continue")),
        (Opcode::Text | Opcode::Binary, Some(_)) => {
            return Err(Violation::protocol("a message begins inside another"));
        }
        _ => {}
    }
    let (mut frame_bytes_max, mut message_bytes_max) = (limits.frame_bytes_max, limits.message_bytes_max);
    if header.deflated || matches!(message, Some(Message::Deflated(_))) {
        frame_bytes_max = deflated_bytes_max(frame_bytes_max);
        message_bytes_max = deflated_bytes_max(message_bytes_max);
    }
    if header.payload_bytes > frame_bytes_max {
        return Err(Violation::too_big("a frame is too large"));
    }
    let message_bytes = message.map_or(0, Message::len) as u64;
    if header.payload_bytes > message_bytes_max.saturating_sub(message_bytes) {
        return Err(Violation::too_big("a message is too large"));
    }
    if fragments >= limits.fragments_max {
        return Err(Violation::too_big("a message has too many fragments"));
    }
    Ok(())
}

/// How large so many bytes may become by compression. A literal of a fixed code has up to nine bits.
fn deflated_bytes_max(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 8).saturating_add(1024)
}

/// The event of a frame that is all of a message, or a control frame.
#[inline]
fn whole_event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Violation> {
    Ok(match opcode {
        Opcode::Text => Event::Text(Cow::Borrowed(
            std::str::from_utf8(payload).map_err(|_| Violation::NOT_UTF8)?,
        )),
        // A continuation without a message has been refused.
        Opcode::Binary | Opcode::Continuation => Event::Binary(Cow::Borrowed(payload)),
        Opcode::Ping => Event::Ping(Cow::Borrowed(payload)),
        Opcode::Pong => Event::Pong(Cow::Borrowed(payload)),
        Opcode::Close => Event::Close(parse_close(payload)?.map(|(code, reason)| CloseFrame {
            code,
            reason: Cow::Borrowed(reason),
        })),
    })
}

fn into_owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Text(text) => Event::Text(Cow::Owned(text.into_owned())),
        Event::Binary(bytes) => Event::Binary(Cow::Owned(bytes.into_owned())),
        Event::Ping(bytes) => Event::Ping(Cow::Owned(bytes.into_owned())),
        Event::Pong(bytes) => Event::Pong(Cow::Owned(bytes.into_owned())),
        Event::Close(close) => Event::Close(close.map(|close| CloseFrame {
            code: close.code,
            reason: Cow::Owned(close.reason.into_owned()),
        })),
    }
}
