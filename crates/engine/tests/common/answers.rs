//! Reads the answers of a server as strictly as RFC 9112 allows a client to be: what this refuses, some client
//! would read in another way than some proxy.
#![allow(dead_code, reason = "each test file uses its part")]

/// One answer, interim ones (100) too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Names in small letters.
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// All that the head promised is there.
    pub(crate) whole: bool,
}

impl Answer {
    /// The only field of this name, as text.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is repeated: {self:?}");
        Some(std::str::from_utf8(&value.1).unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the server said that it closes the connection.
    pub(crate) fn closes(&self) -> bool {
        self.has_token("connection", "close")
    }

    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        let values = self.fields.iter().filter(|(field, _)| field == name);
        values
            .map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
            .any(|value| value.split(',').any(|member| member.trim() == token))
    }
}

/// All answers in the bytes that a server sent until it closed. `is_head` says of each, by its number among the
/// final ones, whether its request was a HEAD.
///
/// Stops after a 101, whose connection speaks another protocol, and gives back what follows it.
pub(crate) fn read_all(
    bytes: &[u8],
    is_head: impl Fn(usize) -> bool,
) -> Result<(Vec<Answer>, Vec<u8>), String> {
    let (answers, rest) = read_what_came(bytes, is_head)?;
    let is_cut = !rest.is_empty() && answers.last().is_none_or(|answer| answer.status != 101);
    if is_cut {
        return Err(format!("a head without an end: {}", rest.escape_ascii()));
    }
    Ok((answers, rest))
}

/// As [`read_all`], for a connection that may have been lost: the end of the last head may be missing, and what there
/// is of that is given back.
pub(crate) fn read_what_came(
    mut bytes: &[u8],
    is_head: impl Fn(usize) -> bool,
) -> Result<(Vec<Answer>, Vec<u8>), String> {
    let mut answers = Vec::new();
    let mut finals = 0;
    while bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        let answer = read_one(&mut bytes, is_head(finals))?;
        finals += usize::from(answer.status >= 200);
        let (status, whole) = (answer.status, answer.whole);
        answers.push(answer);
        if status == 101 {
            break;
        }
        if !whole && !bytes.is_empty() {
            return Err(format!(
                "bytes after an answer that was cut: {}",
                bytes.escape_ascii()
            ));
        }
    }
    Ok((answers, bytes.to_vec()))
}

/// The status codes of answers, such as `[200, 400]`.
pub(crate) fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn read_one(bytes: &mut &[u8], is_head: bool) -> Result<Answer, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Err(format!("a head without an end: {}", bytes.escape_ascii()));
    };
    let (head, rest) = bytes.split_at(end + 4);
    *bytes = rest;
    let (line, fields) = head.split_at(position(head, b"\r\n")? + 2);
    let (status, reason) = status_line(&line[..line.len() - 2])?;
    let fields = field_lines(&fields[..fields.len() - 2])?;
    let mut answer = Answer {
        status,
        reason,
        fields,
        body: Vec::new(),
        trailers: Vec::new(),
        whole: true,
    };
    let length = only(&answer, "content-length")?
        .map(|text| parse_length(&text))
        .transpose()?;
    let chunked = only(&answer, "transfer-encoding")?;
    if chunked.as_deref().is_some_and(|coding| coding != b"chunked") {
        return Err(format!("a transfer coding that nobody asked for: {answer:?}"));
    }
    if chunked.is_some() && length.is_some() {
        return Err(format!("two framings: {answer:?}"));
    }
    if status < 200 || status == 204 {
        if chunked.is_some() || length.is_some() {
            return Err(format!("a length where there is no content: {answer:?}"));
        }
        return Ok(answer);
    }
    if is_head || status == 304 {
        return Ok(answer);
    }
    if chunked.is_some() {
        answer.whole = read_chunks(bytes, &mut answer)?;
    } else if let Some(length) = length {
        let taken = usize::try_from(length).map_or(bytes.len(), |length| length.min(bytes.len()));
        answer.body = bytes[..taken].to_vec();
        answer.whole = taken as u64 == length;
        *bytes = &bytes[taken..];
    } else if answer.closes() {
        answer.body = bytes.to_vec();
        *bytes = &[];
    } else {
        return Err(format!(
            "a body until the close that is not announced: {answer:?}"
        ));
    }
    Ok(answer)
}

/// `HTTP/1.1 200 OK`, with the space even if there is no reason (RFC 9112, section 4).
fn status_line(line: &[u8]) -> Result<(u16, String), String> {
    let bad = || format!("no status line: {}", line.escape_ascii());
    let rest = line.strip_prefix(b"HTTP/1.1 ").ok_or_else(bad)?;
    let (code, reason) = rest.split_at_checked(3).ok_or_else(bad)?;
    let reason = reason.strip_prefix(b" ").ok_or_else(bad)?;
    let sound = code.iter().all(u8::is_ascii_digit)
        && reason
            .iter()
            .all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    let code: u16 = String::from_utf8_lossy(code).parse().map_err(|_| bad())?;
    if !sound || !(100..600).contains(&code) {
        return Err(bad());
    }
    Ok((code, String::from_utf8_lossy(reason).into_owned()))
}

/// Field lines, each with its CRLF.
fn field_lines(mut lines: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut fields = Vec::new();
    while !lines.is_empty() {
        let end = position(lines, b"\r\n")?;
        let line = &lines[..end];
        lines = &lines[end + 2..];
        let bad = || format!("no field line: {}", line.escape_ascii());
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(bad)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_text) {
            return Err(bad());
        }
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    }
    Ok(fields)
}

fn only(answer: &Answer, name: &str) -> Result<Option<Vec<u8>>, String> {
    let mut values = answer.fields.iter().filter(|(field, _)| field == name);
    let value = values.next().map(|(_, value)| value.clone());
    match values.next() {
        Some(_) => Err(format!("{name} is repeated: {answer:?}")),
        None => Ok(value),
    }
}

fn parse_length(text: &[u8]) -> Result<u64, String> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number = String::from_utf8_lossy(text).parse().ok();
    number
        .filter(|_| digits)
        .ok_or_else(|| format!("no length: {}", text.escape_ascii()))
}

/// Whether the last chunk came.
fn read_chunks(bytes: &mut &[u8], answer: &mut Answer) -> Result<bool, String> {
    loop {
        let Ok(end) = position(bytes, b"\r\n") else {
            let digits = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(format!("no chunk: {}", bytes.escape_ascii()));
            }
            *bytes = &[];
            return Ok(false);
        };
        let digits = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let size = usize::from_str_radix(&digits, 16).map_err(|_| format!("no chunk size: {digits:?}"))?;
        *bytes = &bytes[end + 2..];
        if size == 0 {
            return read_trailers(bytes, answer);
        }
        let taken = size.min(bytes.len());
        answer.body.extend_from_slice(&bytes[..taken]);
        *bytes = &bytes[taken..];
        if bytes.len() < 2 {
            *bytes = &[];
            return Ok(false);
        }
        if !bytes.starts_with(b"\r\n") {
            return Err(format!("no end of a chunk: {}", bytes.escape_ascii()));
        }
        *bytes = &bytes[2..];
    }
}

fn read_trailers(bytes: &mut &[u8], answer: &mut Answer) -> Result<bool, String> {
    if let Some(rest) = bytes.strip_prefix(b"\r\n") {
        *bytes = rest;
        return Ok(true);
    }
    let Ok(end) = position(bytes, b"\r\n\r\n") else {
        *bytes = &[];
        return Ok(false);
    };
    answer.trailers = field_lines(&bytes[..end + 2])?;
    *bytes = &bytes[end + 4..];
    Ok(true)
}

fn position(bytes: &[u8], needle: &[u8]) -> Result<usize, String> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .ok_or_else(|| format!("no line end: {}", bytes.escape_ascii()))
}
