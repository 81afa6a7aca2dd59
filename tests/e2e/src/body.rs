//! Response bodies as they stream: by length, in chunks, or until the close.

use std::io::{self, BufRead, Read};

use crate::http::{Head, bad, line};

/// How much is left, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of this chunk; then another chunk.
    Chunk(u64),
    /// A chunk is over, its CRLF and the next size are next.
    BetweenChunks,
    /// The first size is next.
    FirstChunk,
    /// Everything until the other side closes.
    UntilClose,
}

/// A response body. A connection that ends too early is an error, never a short body.
#[derive(Debug)]
pub struct Body<R> {
    reader: R,
    left: Left,
}

impl<R: BufRead> Body<R> {
    /// The body that follows `head`.
    ///
    /// # Errors
    /// The framing in the head can't be understood.
    pub fn new(reader: R, head: &Head, bodiless: bool) -> io::Result<Self> {
        let left = if bodiless || matches!(head.status, 100..200 | 204 | 304) {
            Left::Bytes(0)
        } else if let Some(coding) = head.field("transfer-encoding") {
            if coding != "chunked" || head.field("content-length").is_some() {
                return Err(bad("ambiguous framing"));
            }
            Left::FirstChunk
        } else if let Some(length) = head.field("content-length") {
            Left::Bytes(length.parse().map_err(|_| bad("a length that is no number"))?)
        } else {
            Left::UntilClose
        };
        Ok(Self { reader, left })
    }

    /// Reads the size of the next chunk; after the last one, the trailers too.
    fn next_chunk(&mut self) -> io::Result<()> {
        if self.left == Left::BetweenChunks && !line(&mut self.reader)?.is_empty() {
            return Err(bad("a chunk that is longer than it says"));
        }
        let size = line(&mut self.reader)?;
        let digits = size.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(digits, 16).map_err(|_| bad("a chunk size that is no number"))?;
        self.left = Left::Chunk(size);
        if size == 0 {
            while !line(&mut self.reader)?.is_empty() {}
            self.left = Left::Bytes(0);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if matches!(self.left, Left::FirstChunk | Left::BetweenChunks) {
            self.next_chunk()?;
        }
        let room = match self.left {
            Left::Bytes(left) | Left::Chunk(left) => {
                usize::try_from(left).unwrap_or(usize::MAX).min(out.len())
            }
            _ => out.len(),
        };
        if room == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut out[..room])?;
        match &mut self.left {
            Left::UntilClose => return Ok(count),
            Left::Bytes(left) | Left::Chunk(left) => *left -= count as u64,
            Left::FirstChunk | Left::BetweenChunks => {}
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.left == Left::Chunk(0) {
            self.left = Left::BetweenChunks;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)], bytes: &str) -> io::Result<String> {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let head = Head {
            version: "HTTP/1.1".into(),
            status: 200,
            fields,
        };
        let mut text = String::new();
        Body::new(bytes.as_bytes(), &head, false)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn each_framing_is_read_to_its_end_and_no_further() {
        assert_eq!(read(&[("content-length", "3")], "abcdef").unwrap(), "abc");
        assert_eq!(read(&[], "abc").unwrap(), "abc");
        let chunks = "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: t\r\n\r\nnext";
        assert_eq!(read(&[("transfer-encoding", "chunked")], chunks).unwrap(), "abc");
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        assert!(read(&[("content-length", "3")], "ab").is_err());
        assert!(read(&[("transfer-encoding", "chunked")], "2\r\nab\r\n").is_err());
        assert!(read(&[("transfer-encoding", "chunked")], "2\r\nabc\r\n0\r\n\r\n").is_err());
    }
}
