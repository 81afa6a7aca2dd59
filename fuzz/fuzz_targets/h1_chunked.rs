//! Chunked bodies: the same however the input is cut, and what is accepted can be written and read again.
#![no_main]

use bytes::Bytes;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use squall_wire::h1::{BodyDecoder, BodyLength, BodyLimits, Piece, Reject, encode_chunk, encode_last_chunk};

const LIMITS: BodyLimits = BodyLimits {
    body_bytes_max: 1024,
    chunk_line_bytes_max: 32,
    extension_bytes_max: 128,
    trailer_bytes_max: 256,
    trailer_fields_max: 8,
};

#[derive(Debug, Default, PartialEq)]
struct Body {
    data: Vec<u8>,
    trailers: HeaderMap,
    rest_bytes: usize,
    done: bool,
}

fn decode(input: &[u8], step: usize, limits: &BodyLimits) -> Result<Body, Reject> {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, limits)?;
    let mut body = Body::default();
    for part in input.chunks(step.max(1)) {
        let mut part = Bytes::copy_from_slice(part);
        loop {
            match decoder.decode(&mut part)? {
                Piece::More => {
                    assert!(part.is_empty());
                    break;
                }
                Piece::Data(data) => body.data.extend_from_slice(&data),
                Piece::Trailers(trailers) => body.trailers = trailers,
                Piece::End => {
                    body.rest_bytes += part.len();
                    break;
                }
            }
        }
    }
    body.done = decoder.is_done();
    Ok(body)
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, input)) = data.split_first() else {
        return;
    };
    let whole = decode(input, input.len(), &LIMITS);
    assert_eq!(decode(input, usize::from(step), &LIMITS), whole);
    assert_eq!(decode(input, 1, &LIMITS), whole);
    let Ok(body) = whole else { return };
    assert!(body.data.len() as u64 <= LIMITS.body_bytes_max);
    if body.done {
        // Written with a space after each colon, so it may be longer.
        let mut out = Vec::new();
        encode_chunk(&body.data, &mut out);
        encode_last_chunk(Some(&body.trailers), &mut out).expect("they were accepted");
        assert_eq!(
            decode(&out, out.len(), &BodyLimits::default()),
            Ok(Body {
                rest_bytes: 0,
                ..body
            })
        );
    }
});
