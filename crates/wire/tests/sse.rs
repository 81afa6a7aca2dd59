//! Event streams as literal bytes, whole and in pieces, and what a browser would make of them.

use squall_wire::sse::{Event, ParseLimits, ParsedEvent, Parser, TooLarge, encode, encode_comment};

fn parse(limits: ParseLimits, parts: &[&[u8]]) -> Result<(Vec<ParsedEvent>, Parser), TooLarge> {
    let mut parser = Parser::new(limits);
    let mut events = Vec::new();
    for part in parts {
        events.extend(parser.push(part)?);
    }
    Ok((events, parser))
}

/// The same for all of it at once, cut in two at every place, and byte by byte.
#[track_caller]
fn every_cut(input: &[u8]) -> (Vec<ParsedEvent>, Parser) {
    let whole = parse(ParseLimits::default(), &[input]).unwrap();
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    for parts in (0..=input.len())
        .map(|split| vec![&input[..split], &input[split..]])
        .chain([bytes])
    {
        let (events, parser) = parse(ParseLimits::default(), &parts).unwrap();
        assert_eq!(events, whole.0);
        assert_eq!(parser.last_event_id(), whole.1.last_event_id());
        assert_eq!(parser.retry_ms(), whole.1.retry_ms());
    }
    whole
}

/// Each event as type, data and last id.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expect: &[(&str, &str, &str)]) -> Parser {
    let (events, parser) = every_cut(input.as_ref());
    let events: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.event.as_str(),
                event.data.as_str(),
                event.last_event_id.as_str(),
            )
        })
        .collect();
    assert_eq!(events, expect);
    parser
}

#[test]
fn the_examples_of_the_text() {
    // WHATWG HTML, section 9.2.6.
    check(
        "data: YHOO\ndata: +2\ndata: 10\n\n",
        &[("message", "YHOO\n+2\n10", "")],
    );
    check(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[
            ("message", "first event", "1"),
            ("message", "second event", ""),
            ("message", " third event", ""),
        ],
    );
    check(
        "data\n\ndata\ndata\n\ndata:",
        &[("message", "", ""), ("message", "\n", "")],
    );
    check(
        "data:test\n\ndata: test\n\n",
        &[("message", "test", ""), ("message", "test", "")],
    );
}

#[test]
fn line_ends() {
    check("data: a\r\n\r\n", &[("message", "a", "")]);
    check("data: a\r\r", &[("message", "a", "")]);
    check("data: a\n\r", &[("message", "a", "")]);
    check("data: a\r\ndata: b\rdata: c\n\n", &[("message", "a\nb\nc", "")]);
    check("data: a\n", &[]);
    check("data: a", &[]);
}

#[test]
fn types_and_ids() {
    check(
        "event: gap\ndata: a\n\ndata: b\n\n",
        &[("gap", "a", ""), ("message", "b", "")],
    );
    check("event: a\nevent: b\ndata: c\n\n", &[("b", "c", "")]);
    check("event: gap\n\ndata: a\n\n", &[("message", "a", "")]);
    check(
        "id: 1\ndata: a\n\ndata: b\n\n",
        &[("message", "a", "1"), ("message", "b", "1")],
    );
    check("id: 1\n\ndata: a\n\n", &[("message", "a", "1")]);
    check("id: 1\n\nid: 2\0\ndata: a\n\n", &[("message", "a", "1")]);
    assert_eq!(check("id: 1\n\n", &[]).last_event_id(), "1");
    assert_eq!(
        check("id: 1\n", &[]).last_event_id(),
        "",
        "not before its event is whole"
    );
    assert_eq!(check("id: 1\n\nid\n\n", &[]).last_event_id(), "");
}

#[test]
fn retries() {
    assert_eq!(check("retry: 1500\n", &[]).retry_ms(), Some(1500));
    assert_eq!(
        check("retry: 1500\nretry: 1e3\nretry:\nretry: -1\n", &[]).retry_ms(),
        Some(1500)
    );
    assert_eq!(
        check("retry: 99999999999999999999\n", &[]).retry_ms(),
        Some(u64::MAX)
    );
    assert_eq!(check("data: a\n\n", &[("message", "a", "")]).retry_ms(), None);
}

#[test]
fn what_is_ignored() {
    check(":\n: data: a\nDATA: a\n data: a\ndata : a\nfoo: bar\n\n", &[]);
}

#[test]
fn encodings() {
    check("\u{feff}data: a\n\n", &[("message", "a", "")]);
    check("\u{feff}\u{feff}data: a\n\n", &[]);
    check("\n\u{feff}data: a\n\n", &[]);
    check(b"data: a\xffb\n\n", &[("message", "a\u{fffd}b", "")]);
    check("data: κόσμε\n\n", &[("message", "κόσμε", "")]);
}

#[test]
fn a_line_at_its_limit_and_one_past() {
    let limits = ParseLimits {
        line_bytes_max: 8,
        ..ParseLimits::default()
    };
    assert_eq!(parse(limits, &[b"data: ab\n\n"]).unwrap().0.len(), 1);
    assert_eq!(parse(limits, &[b"data: ", b"abc\n\n"]).unwrap_err(), TooLarge);
    assert_eq!(
        parse(limits, &[b"data: ", b"abc"]).unwrap_err(),
        TooLarge,
        "without end"
    );
}

#[test]
fn an_event_at_its_limit_and_one_past() {
    let limits = ParseLimits {
        event_bytes_max: 6,
        ..ParseLimits::default()
    };
    assert_eq!(
        parse(limits, &[b"data: ab\ndata: cd\n\n"]).unwrap().0[0].data,
        "ab\ncd"
    );
    assert_eq!(
        parse(limits, &[b"data: ab\ndata: cde\n\n"]).unwrap_err(),
        TooLarge
    );
    assert_eq!(
        parse(limits, &[&b"data\n".repeat(7)]).unwrap_err(),
        TooLarge,
        "empty lines count"
    );
}

#[test]
fn what_is_written_is_read() {
    let mut out = Vec::new();
    encode_comment("hello\ndata: not data", &mut out);
    encode(
        &Event {
            retry_ms: Some(3000),
            ..Event::default()
        },
        &mut out,
    )
    .unwrap();
    encode(
        &Event {
            event: Some("gap"),
            id: Some("e:7"),
            data: " two\r\nlines ",
            ..Event::default()
        },
        &mut out,
    )
    .unwrap();
    let parser = check(&out, &[("message", "", ""), ("gap", " two\nlines ", "e:7")]);
    assert_eq!(parser.retry_ms(), Some(3000));
}
