//! The token of a form with files: its first part. The rest stays where it is.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use squall_engine::BodyControl;
use squall_engine::wire::multipart::{Decoder, Limits, Piece, boundary_of};

use super::{FIRST_PART_BYTES_MAX, NAME};

/// Longer than any token.
const TOKEN_BYTES_MAX: usize = 256;

/// What takes the form apart, if the body is one with files.
pub(super) fn multipart_form(headers: &HeaderMap) -> Option<Decoder> {
    let boundary = boundary_of(headers.get(CONTENT_TYPE)?.as_bytes()).ok()?;
    Some(Decoder::new(&boundary, &Limits::default()))
}

/// The value of the first part, if it is the token's, and the body as it was.
///
/// The route behind may allow more than the server does, so the body's declared length is not judged by this reading.
pub(super) async fn first_value(decoder: Decoder, mut body: Body, parts: &Parts) -> (Option<String>, Body) {
    let control = parts.extensions.get::<BodyControl>();
    if let Some(control) = control {
        control.look_ahead(true);
    }
    let mut search = Search::new(decoder);
    let mut first = VecDeque::new();
    while !search.is_over {
        let Some(Ok(frame)) = body.frame().await else {
            break;
        };
        if let Some(data) = frame.data_ref() {
            search.look_at(data.clone());
        }
        first.push_back(frame);
    }
    if let Some(control) = control {
        control.look_ahead(false);
    }
    (search.found, Body::new(Rejoined { first, body }))
}

struct Search {
    decoder: Decoder,
    value: Vec<u8>,
    looked_bytes: usize,
    found: Option<String>,
    is_over: bool,
}

impl Search {
    fn new(decoder: Decoder) -> Self {
        Search {
            decoder,
            value: Vec::new(),
            looked_bytes: 0,
            found: None,
            is_over: false,
        }
    }

    fn look_at(&mut self, mut data: Bytes) {
        data.truncate(FIRST_PART_BYTES_MAX - self.looked_bytes);
        self.looked_bytes += data.len();
        loop {
            match self.decoder.decode(&mut data) {
                Ok(Piece::More) => break,
                Ok(Piece::Part(head)) if head.name == NAME && head.file_name.is_none() => {}
                Ok(Piece::Data(data)) if self.value.len() + data.len() <= TOKEN_BYTES_MAX => {
                    self.value.extend_from_slice(&data);
                }
                Ok(Piece::PartEnd) => {
                    self.found = String::from_utf8(std::mem::take(&mut self.value)).ok();
                    self.is_over = true;
                    return;
                }
                Ok(_) | Err(_) => {
                    self.is_over = true;
                    return;
                }
            }
        }
        self.is_over |= self.looked_bytes >= FIRST_PART_BYTES_MAX;
    }
}

/// A body whose beginning was looked at.
struct Rejoined {
    first: VecDeque<Frame<Bytes>>,
    body: Body,
}

impl HttpBody for Rejoined {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.first.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.first.iter().filter_map(Frame::data_ref);
        let first: u64 = data.map(|data| data.len() as u64).sum();
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + first);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + first);
        }
        hint
    }
}
