//! The events of one stream, out of the bytes of its connection.

use std::io;

/// The longest event that is kept.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// The longest line before a chunk.
const CHUNK_LINE_BYTES_MAX: usize = 64;

/// Takes off the chunked coding, if there is one, and finds the ends of events.
#[derive(Debug)]
pub struct Reader {
    coding: Coding,
    event: Vec<u8>,
}

#[derive(Debug)]
enum Coding {
    /// The body is what it is.
    None,
    /// In the line before a chunk: what there is of it.
    Size(Vec<u8>),
    /// In a chunk: so many bytes are left.
    Data(usize),
    /// In the CRLF after a chunk.
    After,
}

impl Reader {
    /// Of a response with this head.
    #[must_use]
    pub fn new(chunked: bool) -> Self {
        Self {
            coding: if chunked {
                Coding::Size(Vec::new())
            } else {
                Coding::None
            },
            event: Vec::new(),
        }
    }

    /// Hands every event that is complete now to `on_event`.
    ///
    /// # Errors
    /// When the coding is broken, the stream ends, or an event is longer than 1 MiB.
    pub fn push(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(&[u8])) -> io::Result<()> {
        while let Some(&first) = bytes.first() {
            match &mut self.coding {
                Coding::None => {
                    self.take(bytes, &mut on_event)?;
                    return Ok(());
                }
                Coding::Size(line) => {
                    bytes = &bytes[1..];
                    line.push(first);
                    if first == b'\n' {
                        let size = chunk_size(line).ok_or_else(|| broken("a chunk has no size"))?;
                        if size == 0 {
                            return Err(broken("the stream has ended"));
                        }
                        self.coding = Coding::Data(size);
                    } else if line.len() > CHUNK_LINE_BYTES_MAX {
                        return Err(broken("a chunk's line is too long"));
                    }
                }
                Coding::Data(left) => {
                    let (chunk, rest) = bytes.split_at(bytes.len().min(*left));
                    *left -= chunk.len();
                    if *left == 0 {
                        self.coding = Coding::After;
                    }
                    bytes = rest;
                    self.take(chunk, &mut on_event)?;
                }
                Coding::After => {
                    bytes = &bytes[1..];
                    if first == b'\n' {
                        self.coding = Coding::Size(Vec::new());
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], on_event: &mut impl FnMut(&[u8])) -> io::Result<()> {
        // The end may be half in what was there before.
        let mut from = self.event.len().saturating_sub(1);
        self.event.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(at) = self.event[from..].windows(2).position(|two| two == b"\n\n") {
            on_event(&self.event[done..from + at]);
            done = from + at + 2;
            from = done;
        }
        self.event.drain(..done);
        if self.event.len() > EVENT_BYTES_MAX {
            return Err(broken("an event is too long"));
        }
        Ok(())
    }
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(reader: &mut Reader, pieces: &[&[u8]]) -> io::Result<Vec<String>> {
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece, |event| {
                events.push(String::from_utf8_lossy(event).into_owned())
            })?;
        }
        Ok(events)
    }

    #[test]
    fn events_end_at_an_empty_line_wherever_they_are_cut() {
        let bytes = b"data: one\n\ndata: two\n\n:)\n";
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let got = events(&mut Reader::new(false), &[a, b]).unwrap();
            assert_eq!(got, ["data: one", "data: two"], "cut at {cut}");
        }
    }

    #[test]
    fn chunks_are_taken_off_wherever_they_are_cut() {
        let bytes = b"5\r\ndata:\r\n6;x=y\r\n one\n\n\r\n2\r\n:)\r\n";
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(
                events(&mut Reader::new(true), &[a, b]).unwrap(),
                ["data: one"],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn an_end_and_nonsense_are_errors() {
        assert!(events(&mut Reader::new(true), &[b"0\r\n\r\n"]).is_err());
        assert!(events(&mut Reader::new(true), &[b"x\r\n"]).is_err());
        assert!(events(&mut Reader::new(true), &[&[b'1'; 100]]).is_err());
    }

    #[test]
    fn an_event_at_the_limit_is_kept_and_one_past_it_is_not() {
        let mut reader = Reader::new(false);
        assert!(reader.push(&vec![b'x'; EVENT_BYTES_MAX], |_| ()).is_ok());
        assert!(reader.push(b"x", |_| ()).is_err());
    }
}
