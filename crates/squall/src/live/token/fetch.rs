//! One GET, bounded in time and bytes: what a key set needs of an HTTP client.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use http::Uri;
use squall_engine::wire::h1::{BodyDecoder, BodyLength, BodyLimits, Piece};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::tcp::{self, ClientTls, Stream};

/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Where to ask, and how much to take.
pub(super) struct Target {
    host: String,
    port: u16,
    tls: Option<ClientTls>,
    /// What `Host` says.
    authority: String,
    path: String,
    timeout: Duration,
    bytes_max: usize,
}

impl Target {
    /// # Errors
    /// When the URL is none of `http` or `https`, or has a user in it.
    pub(super) fn new(
        url: &str,
        tls: ClientTls,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<Self, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "not a URL")?;
        let (port, tls) = match uri.scheme_str() {
            Some("https") => (443, Some(tls)),
            Some("http") => (80, None),
            _ => return Err("neither http:// nor https://"),
        };
        let authority = uri.authority().ok_or("a URL without a host")?;
        if authority.as_str().contains('@') {
            return Err("a URL with a user in it");
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(port),
            tls,
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
            timeout,
            bytes_max,
        })
    }

    /// The body of the answer, which must be 200.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, String> {
        match tokio::time::timeout(self.timeout, self.exchange()).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer in {} ms", self.timeout.as_millis())),
        }
    }

    async fn exchange(&self) -> Result<Vec<u8>, String> {
        let mut connect = tcp::connect(self.host.as_str(), self.port).timeout(self.timeout);
        if let Some(tls) = &self.tls {
            connect = connect.tls(tls.clone());
        }
        let mut stream = connect.await.map_err(|error| error.to_string())?;
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\naccept: application/json\r\nuser-agent: squall\r\nconnection: close\r\n\r\n",
            self.path, self.authority
        );
        let sent = stream.write_all(request.as_bytes()).await;
        sent.map_err(|error| error.to_string())?;
        let mut input = BytesMut::new();
        let length = loop {
            if let Some(end) = find_end(&input) {
                let head = input.split_to(end);
                match body_length(&head)? {
                    Some(length) => break length,
                    // An interim answer (1xx): the next one counts.
                    None => continue,
                }
            }
            if input.len() > HEAD_BYTES_MAX {
                return Err("an answer with too long a head".to_owned());
            }
            more(&mut stream, &mut input).await?;
        };
        self.body(stream, input, length).await
    }

    async fn body(&self, mut stream: Stream, mut input: BytesMut, length: Length) -> Result<Vec<u8>, String> {
        let too_large = || format!("more than {} bytes", self.bytes_max);
        let Length::Framed(length) = length else {
            loop {
                if input.len() > self.bytes_max {
                    return Err(too_large());
                }
                if stream
                    .read_buf(&mut input)
                    .await
                    .map_err(|error| error.to_string())?
                    == 0
                {
                    return Ok(input.to_vec());
                }
            }
        };
        let limits = BodyLimits {
            body_bytes_max: self.bytes_max as u64,
            ..BodyLimits::default()
        };
        let mut decoder = BodyDecoder::new(length, &limits).map_err(|_| too_large())?;
        let mut body = Vec::new();
        let mut rest = input.freeze();
        loop {
            match decoder
                .decode(&mut rest)
                .map_err(|reject| reject.reason.to_owned())?
            {
                Piece::Data(data) => body.extend_from_slice(&data),
                // Fields after the body say nothing that we want.
                Piece::Trailers(_) => {}
                Piece::End => return Ok(body),
                Piece::More => {
                    let mut input = BytesMut::new();
                    more(&mut stream, &mut input).await?;
                    rest = input.freeze();
                }
            }
        }
    }
}

/// Where it is, without what a query may hide.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

enum Length {
    Framed(BodyLength),
    UntilClose,
}

async fn more(stream: &mut Stream, input: &mut BytesMut) -> Result<(), String> {
    match stream.read_buf(input).await {
        Ok(0) => Err("the connection ended in the middle of an answer".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn find_end(input: &[u8]) -> Option<usize> {
    let at = input.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(at + 4)
}

/// How the body's end is told (RFC 9112, section 6.3). `None`: an interim answer, which has no body.
fn body_length(head: &[u8]) -> Result<Option<Length>, String> {
    let head = std::str::from_utf8(head).map_err(|_| "an answer whose head is no text")?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5));
    match status {
        Some("200") => {}
        Some(interim) if interim.starts_with('1') && interim != "101" => return Ok(None),
        Some(other) => return Err(format!("status {other} instead of 200")),
        None => return Err("an answer that is not HTTP".to_owned()),
    }
    let mut length = Length::UntilClose;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err("an answer in another transfer coding than chunked".to_owned());
            }
            return Ok(Some(Length::Framed(BodyLength::Chunked)));
        }
        if name.eq_ignore_ascii_case("content-length") {
            let bytes = value.parse().map_err(|_| "an answer whose length is no number")?;
            length = Length::Framed(BodyLength::Exact(bytes));
        }
    }
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_none_are_refused() {
        let target = |url: &str| {
            let target = Target::new(url, ClientTls::new(), Duration::ZERO, 0);
            target.map(|target| target.to_string())
        };
        assert_eq!(
            target("https://id.example/keys?k=1").as_deref(),
            Ok("https://id.example/keys")
        );
        assert_eq!(target("http://[::1]:8080").as_deref(), Ok("http://[::1]:8080/"));
        for url in [
            "",
            "id.example/keys",
            "ftp://id.example/",
            "/keys",
            "https://me:pw@id.example/",
            "https://",
        ] {
            assert!(target(url).is_err(), "{url}");
        }
    }
}
