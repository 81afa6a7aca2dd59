//! Forms: the same however the input is cut, within the limits, and what is accepted can be written and read again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use squall_wire::multipart::{Decoder, Limits, MultipartError, PartHead, Piece, boundary_of};

const LIMITS: Limits = Limits {
    parts_max: 4,
    part_head_bytes_max: 256,
    name_bytes_max: 32,
    file_name_bytes_max: 32,
};

type Form = Vec<(PartHead, Vec<u8>)>;

fn decode(boundary: &[u8], input: &[u8], step: usize, limits: &Limits) -> Result<Form, MultipartError> {
    let mut decoder = Decoder::new(boundary, limits);
    let mut form = Form::new();
    let mut is_in_part = false;
    for part in input.chunks(step.max(1)) {
        let mut part = Bytes::copy_from_slice(part);
        loop {
            match decoder.decode(&mut part)? {
                Piece::More => {
                    assert!(part.is_empty());
                    break;
                }
                Piece::Part(head) => {
                    assert!(!is_in_part);
                    is_in_part = true;
                    form.push((head, Vec::new()));
                }
                Piece::Data(data) => {
                    assert!(is_in_part && !data.is_empty());
                    form.last_mut()
                        .expect("a part has begun")
                        .1
                        .extend_from_slice(&data);
                }
                Piece::PartEnd => {
                    assert!(is_in_part);
                    is_in_part = false;
                }
                Piece::End => break,
            }
        }
    }
    decoder.finish()?;
    assert!(!is_in_part);
    Ok(form)
}

/// A form as its parts would be sent, with the names as RFC 9110 quotes them.
fn encode(boundary: &[u8], form: &Form) -> Vec<u8> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = Vec::new();
    for (head, data) in form {
        out.extend_from_slice(&[b"--", boundary, b"\r\n"].concat());
        out.extend_from_slice(
            format!("content-disposition: form-data; name={}", quoted(&head.name)).as_bytes(),
        );
        if let Some(name) = &head.file_name {
            out.extend_from_slice(format!("; filename={}", quoted(name)).as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(&[b"--", boundary, b"--\r\n"].concat());
    out
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, input)) = data.split_first() else {
        return;
    };
    // As a Content-Type, too.
    if let Ok(boundary) = boundary_of(input) {
        assert!((1..=70).contains(&boundary.len()));
    }
    let boundary = b"x";
    let whole = decode(boundary, input, input.len(), &LIMITS);
    assert_eq!(decode(boundary, input, usize::from(step), &LIMITS), whole);
    assert_eq!(decode(boundary, input, 1, &LIMITS), whole);
    let Ok(form) = whole else { return };
    assert!(form.len() <= LIMITS.parts_max);
    for (head, data) in &form {
        assert!(head.name.len() <= LIMITS.name_bytes_max);
        assert!(
            head.file_name
                .as_ref()
                .is_none_or(|name| name.len() <= LIMITS.file_name_bytes_max)
        );
        assert!(!data.windows(5).any(|window| window == b"\r\n--x"));
    }
    // `filename*` can hold what a quoted name cannot.
    let is_control = |text: &String| text.chars().any(|c| c.is_control());
    if form
        .iter()
        .any(|(head, _)| head.file_name.as_ref().is_some_and(is_control))
    {
        return;
    }
    let again = decode(boundary, &encode(boundary, &form), 7, &Limits::default()).expect("it was accepted");
    let plain = |form: &Form| -> Vec<_> {
        form.iter()
            .map(|(head, data)| (head.name.clone(), head.file_name.clone(), data.clone()))
            .collect()
    };
    assert_eq!(plain(&again), plain(&form));
});
