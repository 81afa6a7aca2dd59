//! `Accept-Encoding`: never a panic, a "no" is a no, and the order of what is said means nothing.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use squall_wire::accept_encoding::{AcceptEncoding, WEIGHT_WHOLE};

fn read(fields: &[&[u8]]) -> Option<AcceptEncoding> {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append("accept-encoding", HeaderValue::from_bytes(field).ok()?);
    }
    Some(AcceptEncoding::read(&headers))
}

fuzz_target!(|data: &[u8]| {
    let Some(said) = read(&[data]) else { return };
    for weight in [said.gzip, said.brotli, said.zstd, said.identity, said.any]
        .into_iter()
        .flatten()
    {
        assert!(weight <= WEIGHT_WHOLE);
        assert!(said.is_stated);
    }
    // In fields of their own, and the other way round.
    let items: Vec<&[u8]> = data.split(|byte| *byte == b',').collect();
    assert_eq!(read(&items), Some(said));
    let reversed: Vec<&[u8]> = items.iter().rev().copied().collect();
    assert_eq!(read(&reversed), Some(said));
    // Somebody who also says "no" means it, and who also says "yes" takes nothing back.
    let no = read(&[data, b"gzip;q=0"]).expect("it was read before");
    assert_eq!(no.gzip, Some(0));
    let yes = read(&[data, b"gzip"]).expect("it was read before");
    assert_eq!(yes.gzip, Some(said.gzip.unwrap_or(WEIGHT_WHOLE)));
});
