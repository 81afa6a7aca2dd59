//! Forms with files as literal bytes, whole and in pieces; what is refused, and what attacks cost.

use std::time::{Duration, Instant};

use bytes::Bytes;
use squall_wire::multipart::{
    BOUNDARY_BYTES_MAX, Decoder, Limits, MultipartError, PADDING_BYTES_MAX, PART_FIELDS_MAX,
    PREAMBLE_BYTES_MAX, PartHead, Piece, boundary_of,
};

/// Each part with its data.
type Form = Vec<(PartHead, Vec<u8>)>;

fn decode<'a>(limits: &Limits, inputs: impl IntoIterator<Item = &'a [u8]>) -> Result<Form, MultipartError> {
    let mut decoder = Decoder::new(b"x", limits);
    let mut form = Form::new();
    for input in inputs {
        let mut input = Bytes::copy_from_slice(input);
        loop {
            match decoder.decode(&mut input)? {
                Piece::More => break,
                Piece::Part(head) => form.push((head, Vec::new())),
                Piece::Data(data) => {
                    assert!(!data.is_empty());
                    form.last_mut().expect("data is in a part").1.extend(data);
                }
                Piece::PartEnd => {}
                Piece::End => {
                    assert!(input.is_empty() || decoder.decode(&mut input) == Ok(Piece::End));
                    break;
                }
            }
        }
        assert!(input.is_empty());
    }
    decoder.finish()?;
    Ok(form)
}

/// The same for all of it at once, cut in two at every place, and byte by byte.
#[track_caller]
fn every_cut(input: &[u8]) -> Result<Form, MultipartError> {
    let limits = Limits::default();
    let whole = decode(&limits, [input]);
    for at in 0..=input.len() {
        assert_eq!(
            decode(&limits, [&input[..at], &input[at..]]),
            whole,
            "cut at {at}"
        );
    }
    assert_eq!(decode(&limits, input.chunks(1)), whole);
    whole
}

/// Name, file name and data of each part.
#[track_caller]
fn check(input: &str, expect: &[(&str, Option<&str>, &str)]) {
    let form = every_cut(input.as_bytes()).unwrap();
    let form: Vec<_> = form
        .iter()
        .map(|(head, data)| {
            let data = std::str::from_utf8(data).unwrap();
            (head.name.as_str(), head.file_name.as_deref(), data)
        })
        .collect();
    assert_eq!(form, expect);
}

#[track_caller]
fn refused(input: &str) -> MultipartError {
    every_cut(input.as_bytes()).expect_err(input)
}

#[track_caller]
fn malformed(input: &str) {
    let error = refused(input);
    assert!(
        matches!(error, MultipartError::Malformed(_)),
        "{error:?} for {input:?}"
    );
}

/// A form of one part with this head, which ends with a line end.
fn with_head(head: &str) -> String {
    format!("--x\r\n{head}\r\ndata\r\n--x--\r\n")
}

/// A part whose Content-Disposition has these parameters.
fn with_params(params: &str) -> String {
    with_head(&format!("Content-Disposition: form-data{params}\r\n"))
}

const NAMED: &str = "Content-Disposition: form-data; name=\"a\"\r\n";

#[test]
fn a_form_as_browsers_send_it() {
    let input = "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nGr\u{fc}\u{df}e\r\n\
                 --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat \u{1f408}.png\"\r\n\
                 Content-Type: image/png\r\n\r\n\r\n\r\n--y\r\n--\r\n\r\n\
                 --x\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n";
    check(
        input,
        &[
            ("title", None, "Gr\u{fc}\u{df}e"),
            ("file", Some("cat \u{1f408}.png"), "\r\n\r\n--y\r\n--\r\n"),
            ("none", Some(""), ""),
        ],
    );
    let form = every_cut(input.as_bytes()).unwrap();
    assert_eq!(form[0].0.content_type(), None);
    assert_eq!(form[1].0.content_type(), Some("image/png"));
}

#[test]
fn one_name_may_come_more_often() {
    check(
        "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=a\r\n\r\n2\r\n--x--",
        &[("a", None, "1"), ("a", None, "2")],
    );
}

#[test]
fn a_form_without_parts() {
    check("--x--\r\n", &[]);
    check("--x--", &[]);
}

#[test]
fn what_stands_around_the_parts_means_nothing() {
    let form = format!("\r\nsay what\r\n--x \t \r\n{NAMED}\r\n1\r\n--x-- \t\r\nmore\r\n--x\r\nstill nothing");
    check(&form, &[("a", None, "1")]);
}

#[test]
fn what_begins_like_a_boundary_is_data() {
    for data in [
        "\r",
        "\r\n",
        "\r\n-",
        "\r\n--",
        "\r\n--y",
        "\r\r\n\r\n--\r\n-",
        "--x",
        "\n--x",
        "\r\n-x--x\r\n--",
    ] {
        check(
            &format!("--x\r\n{NAMED}\r\n{data}\r\n--x--\r\n"),
            &[("a", None, data)],
        );
    }
}

/// RFC 2046 lets a boundary be the beginning of a longer line; then one reader sees data and another one a part.
#[test]
fn a_boundary_with_something_beside_it_is_refused() {
    for line in [
        "--xy",
        "--x-",
        "--x-y",
        "--x--y",
        "--x\n",
        "--x \n",
        "--x--\n",
        "--x\r\r\n",
        "--x \u{b}\r\n",
    ] {
        malformed(&format!(
            "--x\r\n{NAMED}\r\n1\r\n{line}\r\n{NAMED}\r\n2\r\n--x--\r\n"
        ));
    }
    let spaces = " ".repeat(PADDING_BYTES_MAX);
    check(
        &format!("--x{spaces}\r\n{NAMED}\r\n1\r\n--x--"),
        &[("a", None, "1")],
    );
    malformed(&format!("--x {spaces}\r\n{NAMED}\r\n1\r\n--x--"));
}

#[test]
fn missing_final_boundary() {
    let whole = with_head(NAMED);
    let end = whole.len() - 2;
    for bytes in 0..end {
        let error = every_cut(&whole.as_bytes()[..bytes]).unwrap_err();
        assert_eq!(error, MultipartError::Truncated, "{bytes} bytes");
    }
    assert!(every_cut(&whole.as_bytes()[..end]).is_ok());
}

#[test]
fn a_preamble_is_bounded() {
    let form = |bytes: usize| format!("{}\r\n{}", "p".repeat(bytes), with_head(NAMED));
    // The line end that a boundary at the very beginning would have is counted as if it had been sent.
    let most = PREAMBLE_BYTES_MAX - 2;
    assert!(decode(&Limits::default(), [form(most).as_bytes()]).is_ok());
    assert!(decode(&Limits::default(), form(most).as_bytes().chunks(1)).is_ok());
    malformed(&form(most + 1));
}

#[test]
fn bare_cr_in_part_header() {
    for value in [
        "a\rb", "a\r", "\ra", "a\nb", "a\n", "a\0", "a\u{7f}", "a\r\n b", "a\r\n\tb",
    ] {
        malformed(&with_head(&format!("{NAMED}X-More: {value}\r\n")));
        malformed(&with_head(&format!("X-More: {value}\r\n{NAMED}")));
    }
    malformed(&with_params("; name=\"a\rb\""));
    malformed(&with_params("; name=\"a\nb\""));
}

#[test]
fn heads_that_are_none() {
    for head in [
        "",
        "Content-Disposition\r\n",
        ": form-data; name=a\r\n",
        "Content-Disposition : form-data; name=a\r\n",
        " Content-Disposition: form-data; name=a\r\n",
        "Content Disposition: form-data; name=a\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Disposition: attachment; name=a\r\n",
        "Content-Disposition: form-data\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: gzip\r\n",
    ] {
        malformed(&with_head(head));
    }
    for coding in ["7bit", "8BIT", "binary"] {
        let head =
            format!("content-disposition: FORM-DATA; Name=a\r\nContent-Transfer-Encoding: {coding}\r\n");
        check(&with_head(&head), &[("a", None, "data")]);
    }
}

#[test]
fn names_in_all_their_writings() {
    for (params, name, file_name) in [
        ("; name=a", "a", None),
        (";name=a;filename=b", "a", Some("b")),
        (" ; name=\"a\" ;; filename=\"b\" ;", "a", Some("b")),
        ("; filename=\"b\"; name=\"a\"", "a", Some("b")),
        ("; name=\"\"", "", None),
        ("; name=\"a;b=\\\"c\\\"\"", "a;b=\"c\"", None),
        ("; name=\"a\\b\\\\c\"", "a\\b\\c", None),
        (
            "; name=a; filename=\"C:\\photos\\cat.png\"",
            "a",
            Some("C:\\photos\\cat.png"),
        ),
        ("; name=\"a%22b\"", "a%22b", None),
        (
            "; name=a; other=\"; name=b\"; filename=\" name=c; \"",
            "a",
            Some(" name=c; "),
        ),
        (
            "; name=a; filename*=UTF-8''%e2%82%ac%20rates",
            "a",
            Some("\u{20ac} rates"),
        ),
        (
            "; name=a; filename=\"EURO\"; filename*=utf-8'en'%e2%82%AC",
            "a",
            Some("\u{20ac}"),
        ),
        (
            "; name=a; filename*=UTF-8''%e2%82%ac; filename=EURO",
            "a",
            Some("\u{20ac}"),
        ),
        (
            "; name=a; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd",
            "a",
            Some("../../etc/passwd"),
        ),
    ] {
        check(&with_params(params), &[(name, file_name, "data")]);
    }
}

/// Somebody before us may have looked at the other one.
#[test]
fn names_that_can_be_read_in_two_ways() {
    for params in [
        "; name=a; name=b",
        "; name=a; NAME=a",
        "; name=a; filename=b; filename=c",
        "; name=a; filename*=UTF-8''b; filename*=UTF-8''c",
        "; name=\"a",
        "; name=\"a\\\"",
        "; name=\"a\"b",
        "; name=a\"b\"",
        "; name =a",
        "; name= a",
        "; name=",
        "; name",
        "; =a",
        " name=a",
        "; name*=UTF-8''a",
        "; name=a; filename*=ISO-8859-1''%e4",
        "; name=a; filename*=UTF-8''%e4",
        "; name=a; filename*=UTF-8''%2",
        "; name=a; filename*=UTF-8''%zz",
        "; name=a; filename*=UTF-8''%+1",
        "; name=a; filename*=UTF-8''a'b",
        "; name=a; filename*=b",
        "; name=a; filename*=\"UTF-8''b c\"",
    ] {
        malformed(&with_params(params));
    }
    let bytes = [
        b"--x\r\nContent-Disposition: form-data; name=\"",
        &b"\xff"[..],
        b"\"\r\n\r\n1\r\n--x--",
    ]
    .concat();
    assert!(matches!(every_cut(&bytes), Err(MultipartError::Malformed(_))));
}

#[test]
fn limits_and_one_past_them() {
    let limits = Limits {
        parts_max: 3,
        part_head_bytes_max: 100,
        name_bytes_max: 5,
        file_name_bytes_max: 7,
    };
    let run = |input: &str| {
        let whole = decode(&limits, [input.as_bytes()]).map(|_| ());
        assert_eq!(decode(&limits, input.as_bytes().chunks(1)).map(|_| ()), whole);
        whole
    };
    let parts = |count: usize| format!("{}--x--", format!("--x\r\n{NAMED}\r\n1\r\n").repeat(count));
    assert_eq!(run(&parts(3)), Ok(()));
    assert_eq!(run(&parts(4)), Err(MultipartError::TooManyParts));
    let head = |bytes: usize| with_head(&format!("{NAMED}a:{}\r\n", "b".repeat(bytes - NAMED.len() - 6)));
    assert_eq!(run(&head(100)), Ok(()));
    assert_eq!(run(&head(101)), Err(MultipartError::PartHeadTooLarge));
    let names = |name: &str, file: &str| with_params(&format!("; name={name}; filename={file}"));
    assert_eq!(run(&names("12345", "1234567")), Ok(()));
    assert_eq!(run(&names("123456", "1234567")), Err(MultipartError::NameTooLong));
    assert_eq!(run(&names("12345", "12345678")), Err(MultipartError::NameTooLong));
    let extended = |bytes: usize| with_params(&format!("; name=a; filename*=UTF-8''{}", "%41".repeat(bytes)));
    assert_eq!(run(&extended(7)), Ok(()));
    assert_eq!(run(&extended(8)), Err(MultipartError::NameTooLong));
    let fields = |count: usize| with_head(&format!("{NAMED}{}", "a:\r\n".repeat(count - 1)));
    let decode = |input: String| decode(&Limits::default(), [input.as_bytes()]).map(|_| ());
    assert_eq!(decode(fields(PART_FIELDS_MAX)), Ok(()));
    assert_eq!(
        decode(fields(PART_FIELDS_MAX + 1)),
        Err(MultipartError::PartHeadTooLarge)
    );
}

#[test]
fn what_was_refused_stays_refused() {
    let mut decoder = Decoder::new(b"x", &Limits::default());
    let error = decoder
        .decode(&mut Bytes::from_static(b"--x\r\n\r\n"))
        .unwrap_err();
    let good = with_head(NAMED);
    assert_eq!(decoder.decode(&mut Bytes::from(good)), Err(error));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn boundaries() {
    let longest = "b".repeat(BOUNDARY_BYTES_MAX);
    for (value, boundary) in [
        (
            "multipart/form-data; boundary=----WebKitFormBoundaryAb1",
            "----WebKitFormBoundaryAb1",
        ),
        ("Multipart/Form-Data;charset=utf-8;Boundary=\"a b\"", "a b"),
        ("multipart/form-data; boundary=\"a'()+_,-./:=?\"", "a'()+_,-./:=?"),
        ("multipart/form-data ; boundary=a/b=c;", "a/b=c"),
        (&format!("multipart/form-data; boundary={longest}"), &longest),
    ] {
        assert_eq!(
            boundary_of(value.as_bytes()).unwrap(),
            boundary.as_bytes(),
            "{value}"
        );
    }
    for value in [
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a ",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=a",
        "multipart/form-data; boundary=a,b",
        "multipart/form-data; boundary=\"a\rb\"",
        "multipart/form-data; boundary=\"a\\\"b\"",
        "multipart/form-data; boundary=\u{fc}",
        &format!("multipart/form-data; boundary={longest}b"),
    ] {
        assert_eq!(
            boundary_of(value.as_bytes()),
            Err(MultipartError::Boundary),
            "{value}"
        );
    }
    for value in [
        "",
        "text/plain; boundary=a",
        "multipart/mixed; boundary=a",
        "multipart/form-datax; boundary=a",
    ] {
        assert_eq!(
            boundary_of(value.as_bytes()),
            Err(MultipartError::NotAForm),
            "{value}"
        );
    }
}

/// How long a form of that size takes in pieces of that size, the fastest of three runs.
fn time(input: &[u8], step: usize) -> Duration {
    let limits = Limits {
        part_head_bytes_max: usize::MAX,
        name_bytes_max: usize::MAX,
        ..Limits::default()
    };
    let run = || {
        let begin = Instant::now();
        let _ = decode(&limits, input.chunks(step));
        begin.elapsed()
    };
    run().min(run()).min(run())
}

/// Ten times the input may take ten times as long, with room for a busy machine; a quadratic reader takes a hundred.
#[track_caller]
fn linear(make: impl Fn(usize) -> String, count: usize, step: usize) {
    let small = time(make(count).as_bytes(), step);
    let large = time(make(count * 10).as_bytes(), step);
    assert!(
        large < small * 50 + Duration::from_millis(5),
        "{small:?}, then {large:?}"
    );
}

#[test]
fn cve_2025_67726_many_semicolons_in_quotes_are_linear() {
    let attack = |count: usize| with_params(&format!("; name=\"{}\"", ";".repeat(count)));
    let name = ";".repeat(10_000);
    let limits = Limits {
        part_head_bytes_max: 20_000,
        name_bytes_max: 10_000,
        ..Limits::default()
    };
    assert_eq!(
        decode(&limits, [attack(10_000).as_bytes()]).unwrap()[0].0.name,
        name
    );
    assert_eq!(
        decode(&Limits::default(), [attack(10_240).as_bytes()]),
        Err(MultipartError::PartHeadTooLarge)
    );
    linear(attack, 10_000, usize::MAX);
    linear(
        |count| with_params(&format!("; name=\"{}\"", "\\\"".repeat(count))),
        10_000,
        usize::MAX,
    );
    linear(
        |count| with_params(&format!("{}; name=a", ";".repeat(count))),
        10_000,
        usize::MAX,
    );
}

#[test]
fn data_in_drops_is_linear() {
    for unit in ["\r", "\r\n--", "\r\n--y", "a"] {
        linear(
            |count| format!("--x\r\n{NAMED}\r\n{}\r\n--x--", unit.repeat(count)),
            5_000,
            1,
        );
    }
    linear(
        |count| with_head(&format!("{NAMED}a:{}\r\n", "b".repeat(count))),
        5_000,
        1,
    );
}
