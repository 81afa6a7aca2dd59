//! Takes a form apart while it arrives.

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;

use super::head::{self, PartHead};
use super::{Limits, MultipartError, PADDING_BYTES_MAX, PREAMBLE_BYTES_MAX};

/// What [`Decoder::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All input was taken and more is needed.
    More,
    /// A part begins.
    Part(PartHead),
    /// Some of the part's data, never empty.
    Data(Bytes),
    /// The part is whole.
    PartEnd,
    /// The form is whole. What follows means nothing.
    End,
}

/// Takes a form off the pieces of a body.
///
/// Holds a part's head until it is whole, and of data only what may be the beginning of a boundary: at most 74 bytes.
/// A body that was refused stays refused.
#[derive(Debug)]
pub struct Decoder {
    /// Finds CRLF, two hyphens and the boundary.
    delimiter: Finder<'static>,
    limits: Limits,
    state: State,
    /// In a head all of it so far, in data the beginning of a delimiter. Otherwise empty.
    held: Vec<u8>,
    parts: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary; so many bytes were thrown away.
    Preamble {
        bytes: usize,
    },
    /// On a boundary's line, after the boundary.
    Line(Line),
    Head,
    Data,
    Done,
    Failed(MultipartError),
}

/// What of a boundary's line has been seen after the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    Hyphen,
    Padding { bytes: usize, last: bool },
    Cr { last: bool },
}

/// What a search for the delimiter comes to.
enum Found {
    Data(Bytes),
    Delimiter,
    More,
}

impl Decoder {
    /// For a body with this boundary, from [`super::boundary_of`].
    pub fn new(boundary: &[u8], limits: &Limits) -> Self {
        let delimiter = [b"\r\n--", boundary].concat();
        Decoder {
            delimiter: Finder::new(&delimiter).into_owned(),
            limits: *limits,
            state: State::Preamble { bytes: 0 },
            // A boundary at the very beginning counts as one on a line of its own.
            held: b"\r\n".to_vec(),
            parts: 0,
        }
    }

    /// The next piece. To be called again with what it leaves of `input`, and with more when it says [`Piece::More`].
    ///
    /// # Errors
    ///
    /// What is not a form, or is past its limits: see [`MultipartError`].
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Piece, MultipartError> {
        let piece = self.step(input);
        if let Err(error) = piece {
            self.state = State::Failed(error);
            self.held = Vec::new();
        }
        piece
    }

    /// To be called when the body is at its end.
    ///
    /// # Errors
    ///
    /// [`MultipartError::Truncated`] if the form is not, and what [`Decoder::decode`] said before.
    pub fn finish(&self) -> Result<(), MultipartError> {
        match self.state {
            // The line end after the last boundary may be missing.
            State::Done | State::Line(Line::Padding { last: true, .. }) => Ok(()),
            State::Failed(error) => Err(error),
            _ => Err(MultipartError::Truncated),
        }
    }

    fn step(&mut self, input: &mut Bytes) -> Result<Piece, MultipartError> {
        loop {
            match self.state {
                State::Preamble { bytes } => match self.find(input) {
                    Found::More => return Ok(Piece::More),
                    Found::Delimiter => self.state = State::Line(Line::Start),
                    Found::Data(data) => {
                        let bytes = bytes + data.len();
                        if bytes > PREAMBLE_BYTES_MAX {
                            return Err(MultipartError::Malformed(
                                "the form does not begin with its boundary",
                            ));
                        }
                        self.state = State::Preamble { bytes };
                    }
                },
                State::Line(line) => {
                    let Some(&byte) = input.first() else {
                        return Ok(Piece::More);
                    };
                    input.advance(1);
                    self.state = line.then(byte)?;
                    match self.state {
                        State::Done => return Ok(Piece::End),
                        State::Head => self.begin_part()?,
                        _ => {}
                    }
                }
                State::Head => {
                    let Some(head) = self.take_head(input)? else {
                        return Ok(Piece::More);
                    };
                    self.state = State::Data;
                    return Ok(Piece::Part(head));
                }
                State::Data => match self.find(input) {
                    Found::More => return Ok(Piece::More),
                    Found::Data(data) => return Ok(Piece::Data(data)),
                    Found::Delimiter => {
                        self.state = State::Line(Line::Start);
                        return Ok(Piece::PartEnd);
                    }
                },
                State::Done => {
                    input.clear();
                    return Ok(Piece::End);
                }
                State::Failed(error) => return Err(error),
            }
        }
    }

    fn begin_part(&mut self) -> Result<(), MultipartError> {
        self.parts += 1;
        if self.parts > self.limits.parts_max {
            return Err(MultipartError::TooManyParts);
        }
        Ok(())
    }

    /// What stands before the next delimiter, or that it stands here.
    ///
    /// A delimiter begins with the only CR that it has, so what began like one and went on otherwise is data from its
    /// beginning to where it differs, and no byte is looked at again.
    fn find(&mut self, input: &mut Bytes) -> Found {
        let delimiter = self.delimiter.needle();
        if !self.held.is_empty() {
            let rest = &delimiter[self.held.len()..];
            let take = rest.len().min(input.len());
            if input[..take] != rest[..take] {
                return Found::Data(std::mem::take(&mut self.held).into());
            }
            self.held.extend_from_slice(&rest[..take]);
            input.advance(take);
            if self.held.len() < delimiter.len() {
                return Found::More;
            }
            self.held.clear();
            return Found::Delimiter;
        }
        match self.delimiter.find(input) {
            Some(0) => {
                input.advance(delimiter.len());
                Found::Delimiter
            }
            Some(at) => Found::Data(input.split_to(at)),
            None => {
                let tail = input.len() - begun_bytes(input, delimiter);
                self.held.extend_from_slice(&input[tail..]);
                input.truncate(tail);
                if input.is_empty() {
                    return Found::More;
                }
                Found::Data(input.split_to(tail))
            }
        }
    }

    /// The head, when it is whole.
    fn take_head(&mut self, input: &mut Bytes) -> Result<Option<PartHead>, MultipartError> {
        let before = self.held.len();
        let room = self.limits.part_head_bytes_max.saturating_sub(before);
        let take = room.min(input.len());
        self.held.extend_from_slice(&input[..take]);
        let end = if self.held.starts_with(b"\r\n") {
            Some(2)
        } else {
            // The end may have begun in what was there before.
            let from = before.saturating_sub(3);
            memchr::memmem::find(&self.held[from..], b"\r\n\r\n").map(|at| from + at + 4)
        };
        let Some(end) = end else {
            input.advance(take);
            if self.held.len() >= self.limits.part_head_bytes_max {
                return Err(MultipartError::PartHeadTooLarge);
            }
            return Ok(None);
        };
        input.advance(end - before);
        let head = head::parse(&self.held[..end], &self.limits);
        self.held.clear();
        head.map(Some)
    }
}

impl Line {
    /// What follows when this byte comes. Only an exact line is a boundary's: RFC 2046 would let more stand on it, and
    /// then one program sees a boundary where another one sees data.
    fn then(self, byte: u8) -> Result<State, MultipartError> {
        let last = matches!(self, Line::Padding { last: true, .. } | Line::Cr { last: true });
        let line = match (self, byte) {
            (Line::Start, b'-') => Line::Hyphen,
            (Line::Hyphen, b'-') => Line::Padding { bytes: 0, last: true },
            (Line::Start, b' ' | b'\t') => Line::Padding { bytes: 1, last },
            (Line::Padding { bytes, .. }, b' ' | b'\t') if bytes < PADDING_BYTES_MAX => Line::Padding {
                bytes: bytes + 1,
                last,
            },
            (Line::Start | Line::Padding { .. }, b'\r') => Line::Cr { last },
            (Line::Cr { last: true }, b'\n') => return Ok(State::Done),
            (Line::Cr { last: false }, b'\n') => return Ok(State::Head),
            _ => {
                return Err(MultipartError::Malformed(
                    "the form has something beside a boundary",
                ));
            }
        };
        Ok(State::Line(line))
    }
}

/// How many bytes at the end of `input` may be the beginning of a delimiter; `input` has no whole one.
fn begun_bytes(input: &[u8], delimiter: &[u8]) -> usize {
    let from = input.len().saturating_sub(delimiter.len() - 1);
    let begun =
        memchr::memchr_iter(b'\r', &input[from..]).find(|&at| delimiter.starts_with(&input[from + at..]));
    begun.map_or(0, |at| input.len() - from - at)
}
