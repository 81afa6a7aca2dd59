//! A response larger than any buffer: what a peer asks for that does not mean to read.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes of the whole body.
const LARGE_BYTES: u64 = 256 << 20;
/// Bytes made at a time.
const PIECE: &[u8] = &[b'.'; 64 << 10];

/// A quarter of a gibibyte, made piece by piece as it is read.
pub(crate) struct Large {
    left_bytes: u64,
}

impl Default for Large {
    fn default() -> Self {
        Self {
            left_bytes: LARGE_BYTES,
        }
    }
}

impl Body for Large {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left_bytes == 0 {
            return Poll::Ready(None);
        }
        self.left_bytes = self.left_bytes.saturating_sub(PIECE.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PIECE)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}
