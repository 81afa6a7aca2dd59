//! The fields that frame a message: what may follow the head, and what may follow the message.
//!
//! Where requests are smuggled: each rule here refuses what two recipients could read in two ways (RFC 9112,
//! section 11.2).

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TRANSFER_ENCODING};

use super::fields;
use super::reject::Reject;
use super::target;

/// What the fields say about the message itself.
#[derive(Default)]
pub(super) struct Framing {
    pub(super) has_host: bool,
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) expect_continue: bool,
}

impl Framing {
    /// Takes note of a field if it is one of those that frame a message.
    #[inline]
    pub(super) fn note(&mut self, name: &HeaderName, name_bytes: usize, value: &[u8]) -> Result<(), Reject> {
        // The length first: it rules out nearly all fields at the cost of one comparison.
        match name_bytes {
            4 if *name == HOST => self.note_host(value),
            6 if *name == EXPECT => self.note_expect(value),
            10 if *name == CONNECTION => {
                self.close |= fields::list_has_token(value, "close");
                self.keep_alive |= fields::list_has_token(value, "keep-alive");
                Ok(())
            }
            14 if *name == CONTENT_LENGTH => self.note_content_length(value),
            17 if *name == TRANSFER_ENCODING => self.note_transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.has_host {
            return Err(Reject::bad("Host is repeated"));
        }
        if !target::is_authority(value) {
            return Err(Reject::bad("Host is malformed"));
        }
        self.has_host = true;
        Ok(())
    }

    fn note_expect(&mut self, value: &[u8]) -> Result<(), Reject> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Reject::new(StatusCode::EXPECTATION_FAILED, "unknown expectation"));
        }
        self.expect_continue = true;
        Ok(())
    }

    fn note_content_length(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.content_length.is_some() {
            return Err(Reject::bad("Content-Length is repeated"));
        }
        let length = parse_decimal(value).ok_or(Reject::bad("Content-Length is not a number"))?;
        self.content_length = Some(length);
        Ok(())
    }

    fn note_transfer_encoding(&mut self, value: &[u8]) -> Result<(), Reject> {
        if self.chunked {
            return Err(Reject::bad("Transfer-Encoding is repeated"));
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        let mut codings = value.rsplit(|&byte| byte == b',').map(fields::trim_ows);
        let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if !codings.next().is_some_and(is_chunked) {
            return Err(Reject::bad("the last transfer coding is not chunked"));
        }
        for coding in codings {
            if is_chunked(coding)
                || coding.is_empty()
                || !coding.iter().all(|&byte| fields::is_token_byte(byte))
            {
                return Err(Reject::bad("Transfer-Encoding is malformed"));
            }
        }
        Err(Reject::new(
            StatusCode::NOT_IMPLEMENTED,
            "unknown transfer coding",
        ))
    }
}

/// Plain digits below 2^64; at most 20 of them, so leading zeros are bounded too.
pub(super) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0u64, |number, &byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}
