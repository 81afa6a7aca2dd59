//! One body's decoder: bytes in, at most so many bytes out.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// The largest window of zstd that is taken, as a power of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// The window of gzip, as a power of two (RFC 1951).
const GZIP_WINDOW_LOG: u8 = 15;

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// Undoes one coding.
pub(super) enum Decoder {
    Gzip(Decompress),
    Brotli(Box<Brotli>),
    Zstd(ZstdDecoder<'static>),
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of the input that are not needed any more.
    pub(super) taken: usize,
    /// Bytes of the output that are there now.
    pub(super) made: usize,
    /// The coded stream is at its end.
    pub(super) ended: bool,
}

/// The bytes are not of that coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Decoder {
    /// For a coding's name (RFC 9110, section 8.4.1); `None` if it is none of ours.
    pub(super) fn of(coding: &[u8]) -> Option<Self> {
        let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        if is("gzip") || is("x-gzip") {
            Some(Decoder::Gzip(Decompress::new_gzip(GZIP_WINDOW_LOG)))
        } else if is("br") {
            // Strict: without it a body could ask for a window of a gigabyte.
            let alloc = StandardAlloc::default;
            let state = BrotliState::new_strict(alloc(), alloc(), alloc());
            Some(Decoder::Brotli(Box::new(state)))
        } else if is("zstd") {
            let mut decoder = ZstdDecoder::new().ok()?;
            decoder
                .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
                .ok()?;
            Some(Decoder::Zstd(decoder))
        } else {
            None
        }
    }

    /// Takes of `input`, and writes to `output`, which is not empty. A step that neither takes nor makes anything wants
    /// more input.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Broken> {
        match self {
            Decoder::Gzip(decoder) => {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder.decompress(input, output, FlushDecompress::None);
                let status = status.map_err(|_| Broken)?;
                Ok(Step {
                    taken: (decoder.total_in() - before.0) as usize,
                    made: (decoder.total_out() - before.1) as usize,
                    ended: status == Status::StreamEnd,
                })
            }
            Decoder::Brotli(state) => {
                let (mut left, mut taken) = (input.len(), 0);
                let (mut room, mut made, mut total) = (output.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, input, &mut room, &mut made, output, &mut total, state,
                );
                match result {
                    BrotliResult::ResultFailure => Err(Broken),
                    result => Ok(Step {
                        taken,
                        made,
                        ended: matches!(result, BrotliResult::ResultSuccess),
                    }),
                }
            }
            Decoder::Zstd(decoder) => {
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(output);
                let hint = decoder.run(&mut from, &mut to).map_err(|_| Broken)?;
                Ok(Step {
                    taken: from.pos(),
                    made: to.pos(),
                    // 0 before the first byte means that a frame is still to come.
                    ended: hint == 0 && (from.pos() > 0 || to.pos() > 0),
                })
            }
        }
    }
}
