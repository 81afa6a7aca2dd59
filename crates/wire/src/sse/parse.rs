//! From bytes to events, as a browser reads them (WHATWG HTML, section 9.2.6).

use std::error::Error;
use std::fmt;

/// Limits of what a server may make us keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLimits {
    /// One line without its end, in bytes. Default 1 MiB.
    pub line_bytes_max: usize,
    /// The data of one event, in bytes, with an LF for each of its lines. Default 1 MiB.
    pub event_bytes_max: usize,
}

impl Default for ParseLimits {
    fn default() -> ParseLimits {
        ParseLimits {
            line_bytes_max: 1024 * 1024,
            event_bytes_max: 1024 * 1024,
        }
    }
}

/// A line or an event that is past its limit. Nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server-sent event is too large")
    }
}

impl Error for TooLarge {}

/// An event as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedEvent {
    /// Its type, `message` if none was given.
    pub event: String,
    /// Its lines, joined by LF.
    pub data: String,
    /// The last id that was given, in this event or before it; empty if there was none.
    pub last_event_id: String,
}

/// Reads a stream of events, however its bytes are cut.
///
/// Bytes that are not UTF-8 become U+FFFD. An event that the end of the stream cuts off never happened.
#[derive(Debug, Default)]
pub struct Parser {
    limits: ParseLimits,
    /// A line whose end is not there yet.
    line: Vec<u8>,
    /// Only the very first line may begin with a byte order mark.
    after_first_line: bool,
    /// The last line ended with CR: an LF now belongs to it.
    skip_lf: bool,
    event: String,
    data: String,
    /// Invariant: no NUL. Becomes `last_event_id` with the next event.
    id: String,
    last_event_id: String,
    retry_ms: Option<u64>,
}

impl Parser {
    /// A parser at the begin of a stream.
    pub fn new(limits: ParseLimits) -> Parser {
        Parser {
            limits,
            ..Parser::default()
        }
    }

    /// What to say in `Last-Event-ID` when the stream is opened again; empty for nothing.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How long to wait before the stream is opened again, in milliseconds, if the server said so.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Reads on, and gives the events that are whole now.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] past one of [`ParseLimits`]. Events that were whole before in the same input are lost with it;
    /// the parser is not to be called again.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<ParsedEvent>, TooLarge> {
        let mut events = Vec::new();
        let mut rest = bytes;
        loop {
            if self.skip_lf && !rest.is_empty() {
                self.skip_lf = false;
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else {
                break;
            };
            self.skip_lf = rest[end] == b'\r';
            self.keep(&rest[..end])?;
            rest = &rest[end + 1..];
            let mut line = std::mem::take(&mut self.line);
            events.extend(self.take_line(&line)?);
            line.clear();
            self.line = line;
        }
        self.keep(rest)?;
        Ok(events)
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), TooLarge> {
        if self.line.len() + part.len() > self.limits.line_bytes_max {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<ParsedEvent>, TooLarge> {
        let mut line = line;
        if !self.after_first_line {
            self.after_first_line = true;
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            Some(0) => return Ok(None),
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = String::from_utf8_lossy(value.strip_prefix(b" ").unwrap_or(value));
        match name {
            b"event" => self.event = value.into_owned(),
            b"data" => {
                if self.data.len() + value.len() + 1 > self.limits.event_bytes_max {
                    return Err(TooLarge);
                }
                self.data.push_str(&value);
                self.data.push('\n');
            }
            b"id" if !value.contains('\0') => self.id = value.into_owned(),
            // As many digits as fit: a longer one is as good as never.
            b"retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<ParsedEvent> {
        self.last_event_id.clone_from(&self.id);
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        let event = if event.is_empty() {
            "message".to_owned()
        } else {
            event
        };
        Some(ParsedEvent {
            event,
            data,
            last_event_id: self.last_event_id.clone(),
        })
    }
}
