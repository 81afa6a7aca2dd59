//! A body that is compressed on its way.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::encoder::Encoder;

/// Bytes that are compressed before the core's other work has its turn: half a millisecond at most, 2 at
/// [`super::Level::Small`].
pub(super) const TURN_BYTES: usize = 32 * 1024;

/// What is left of a body, behind an encoder.
///
/// Holds one piece of the body and the encoder. Whenever the body has nothing to give for now, what it gave before is
/// flushed: a peer never waits for bytes that the handler has written.
pub(super) struct Squeezed {
    body: Body,
    /// Gone after the end.
    encoder: Option<Encoder>,
    /// Given by `body`, not taken by `encoder`.
    input: Bytes,
    trailers: Option<HeaderMap>,
    /// The encoder has taken what may not have come out yet.
    unflushed: bool,
    turn_bytes: usize,
}

impl Squeezed {
    /// `first` is what was taken of the body already.
    pub(super) fn new(first: Bytes, body: Body, encoder: Encoder) -> Self {
        Squeezed {
            body,
            encoder: Some(encoder),
            input: first,
            trailers: None,
            unflushed: false,
            turn_bytes: 0,
        }
    }

    fn finish(&mut self) -> Result<Bytes, axum::Error> {
        let encoder = self.encoder.take();
        let rest = encoder.map_or(Ok(Vec::new()), Encoder::finish);
        rest.map(Bytes::from).map_err(axum::Error::new)
    }
}

impl HttpBody for Squeezed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let this = &mut *self;
            let Some(encoder) = &mut this.encoder else {
                return Poll::Ready(this.trailers.take().map(|fields| Ok(Frame::trailers(fields))));
            };
            if this.turn_bytes >= TURN_BYTES {
                this.turn_bytes = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !this.input.is_empty() {
                let room = TURN_BYTES - this.turn_bytes;
                let piece = this.input.split_to(room.min(this.input.len()));
                this.turn_bytes += piece.len();
                this.unflushed = true;
                if let Err(error) = encoder.write(&piece) {
                    return Poll::Ready(Some(Err(axum::Error::new(error))));
                }
                let out = encoder.take();
                if !out.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                }
                continue;
            }
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.input = data,
                    Err(frame) => {
                        this.trailers = frame.into_trailers().ok();
                        return Poll::Ready(Some(this.finish().map(Frame::data)));
                    }
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(Some(this.finish().map(Frame::data))),
                Poll::Pending => {
                    if std::mem::take(&mut this.unflushed) {
                        if let Err(error) = encoder.flush() {
                            return Poll::Ready(Some(Err(axum::Error::new(error))));
                        }
                        let out = encoder.take();
                        if !out.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // Not known, and whoever takes the body's end for its length (to `HEAD`) must not take it for 0.
        SizeHint::default()
    }
}

/// The body of an answer to `HEAD` whose length is not known: none, without saying that its length is 0.
pub(super) struct Unsaid;

impl HttpBody for Unsaid {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::super::{Coding, Level};
    use super::*;

    /// However much is there, and however little comes out of it.
    #[test]
    fn a_long_body_does_not_hold_its_core() {
        const TURNS: usize = 20;
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            for bytes in [TURNS * TURN_BYTES, TURNS * TURN_BYTES + 1] {
                let encoder = Encoder::new(coding, Level::Fast, None).unwrap();
                let mut body = Squeezed::new(Bytes::from(vec![0; bytes]), Body::empty(), encoder);
                let mut cx = Context::from_waker(Waker::noop());
                let mut rests = 0;
                loop {
                    let before = body.input.len();
                    let polled = Pin::new(&mut body).poll_frame(&mut cx);
                    assert!(before - body.input.len() <= TURN_BYTES);
                    match polled {
                        Poll::Pending => rests += 1,
                        Poll::Ready(Some(frame)) => drop(frame.unwrap()),
                        Poll::Ready(None) => break,
                    }
                }
                assert_eq!(rests, TURNS, "{coding:?}");
            }
        }
    }

    /// One byte at a time, or a whole piece: what is held is one piece and the encoder's own.
    #[test]
    fn what_stays_inside_is_bounded() {
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let mut encoder = Encoder::new(coding, Level::Balanced, None).unwrap();
            let noise: Vec<u8> = (0..4 * TURN_BYTES as u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            for piece in noise.chunks(TURN_BYTES) {
                encoder.write(piece).unwrap();
                assert!(encoder.take().len() <= 2 * 128 * 1024 + TURN_BYTES, "{coding:?}");
            }
        }
    }
}
