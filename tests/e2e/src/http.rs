//! One raw HTTP/1.1 connection as a client: any bytes out, responses in.
//!
//! Written for tests that need to send what no well-behaved client sends, and to see exactly what comes back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::DEADLINE;
use crate::body::Body;

/// Longest response head that is read.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// A connection.
#[derive(Debug)]
pub struct Wire {
    reader: BufReader<TcpStream>,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The version as it was written, such as `HTTP/1.1`.
    pub version: String,
    /// The status code.
    pub status: u16,
    /// Names in small letters, in the order in which they came.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// The first field of this name (in small letters).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the field is a list with this member, in any case of letters.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        let mut fields = self.fields.iter().filter(|(field, _)| field == name);
        fields.any(|(_, value)| {
            value
                .split(',')
                .any(|member| member.trim().eq_ignore_ascii_case(token))
        })
    }
}

impl Wire {
    /// Connects; every later read and write gives up at the deadline.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// The socket, for what this type has no method for.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn finish(&mut self) -> io::Result<()> {
        self.reader.get_ref().shutdown(Shutdown::Write)
    }

    /// Reads a response head, interim ones too.
    ///
    /// # Errors
    /// The connection ended or what came is not a head.
    pub fn head(&mut self) -> io::Result<Head> {
        let mut limited = (&mut self.reader).take(HEAD_BYTES_MAX);
        let start = line(&mut limited)?;
        let mut words = start.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| bad(&format!("not a status line: {start:?}")))?;
        let mut fields = Vec::new();
        loop {
            let text = line(&mut limited)?;
            if text.is_empty() {
                return Ok(Head {
                    version,
                    status,
                    fields,
                });
            }
            let (name, value) = text
                .split_once(':')
                .ok_or_else(|| bad("a field without a colon"))?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The body that follows `head`; `bodiless` when the request was HEAD.
    ///
    /// # Errors
    /// The framing in the head can't be understood.
    pub fn body(&mut self, head: &Head, bodiless: bool) -> io::Result<Body<&mut BufReader<TcpStream>>> {
        Body::new(&mut self.reader, head, bodiless)
    }

    /// A response with all of its body, interim responses left out.
    ///
    /// # Errors
    /// The connection ended first, or what came is not a response.
    pub fn response(&mut self) -> io::Result<(Head, Vec<u8>)> {
        loop {
            let head = self.head()?;
            if (100..200).contains(&head.status) && head.status != 101 {
                continue;
            }
            let mut bytes = Vec::new();
            self.body(&head, false)?.read_to_end(&mut bytes)?;
            return Ok((head, bytes));
        }
    }

    /// Everything until the other side closes; a reset counts as a close.
    ///
    /// # Errors
    /// It does not close before the deadline.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.reader.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(bytes),
            Err(error) => Err(error),
        }
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// As [`Wire::send`] and [`Wire::response`].
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> io::Result<(Head, Vec<u8>)> {
        self.send(request)?;
        self.response()
    }

    /// The reader, with what it has read ahead.
    #[must_use]
    pub fn into_reader(self) -> BufReader<TcpStream> {
        self.reader
    }
}

/// One line without its CRLF.
pub(crate) fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    reader.read_line(&mut text)?;
    match text.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None if !text.ends_with('\n') => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(bad(&format!("a line without CRLF: {text:?}"))),
    }
}

/// What came is not HTTP as it should be.
pub(crate) fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
