//! One answer's encoder: bytes in, bytes out, with bounded memory.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::write::GzEncoder;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::{Coding, Level};

/// How far back the coders look, as a power of two. More costs memory for each answer under way, and gains little for
/// what is made on the spot: 256 KiB.
const WINDOW_LOG: u32 = 18;

/// What brotli writes at a time.
const BROTLI_BUFFER_BYTES: usize = 8 * 1024;

/// An encoder that writes into memory.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    /// For one answer, of so many bytes if that is known.
    pub(super) fn new(coding: Coding, level: Level, bytes: Option<u64>) -> io::Result<Self> {
        let out = Vec::new();
        Ok(match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(out, flate2::Compression::new(level.gzip()))),
            Coding::Brotli => {
                let params = BrotliEncoderParams {
                    quality: level.brotli(),
                    lgwin: WINDOW_LOG as i32,
                    size_hint: bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0),
                    ..BrotliEncoderParams::default()
                };
                Encoder::Brotli(Box::new(CompressorWriter::with_params(
                    out,
                    BROTLI_BUFFER_BYTES,
                    &params,
                )))
            }
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(out, level.zstd())?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
                // Tables are as large as the answer needs. Only where the length is certain: a wrong one is an error.
                encoder.set_pledged_src_size(bytes)?;
                Encoder::Zstd(encoder)
            }
        })
    }

    /// Takes all of `data`; what comes of it may stay inside for a while.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.writer().write_all(data)
    }

    /// Brings out all that was taken, so that the peer can read it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }

    /// What has come out since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Encoder::Gzip(encoder) => encoder.get_mut(),
            Encoder::Brotli(encoder) => encoder.get_mut(),
            Encoder::Zstd(encoder) => encoder.get_mut(),
        })
    }

    /// The end: what was not taken yet.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Brotli(encoder) => Ok(encoder.into_inner()),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Encoder::Gzip(encoder) => encoder,
            Encoder::Brotli(encoder) => encoder,
            Encoder::Zstd(encoder) => encoder,
        }
    }
}

impl Level {
    fn gzip(self) -> u32 {
        match self {
            Level::Fast => 1,
            Level::Balanced => 6,
            Level::Small => 9,
        }
    }

    fn brotli(self) -> i32 {
        match self {
            Level::Fast => 1,
            Level::Balanced => 4,
            Level::Small => 5,
        }
    }

    fn zstd(self) -> i32 {
        match self {
            Level::Fast => 1,
            Level::Balanced => 3,
            Level::Small => 6,
        }
    }
}
