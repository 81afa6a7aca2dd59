//! Event streams: the same events however the input is cut, and each can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_wire::sse::{Event, ParseLimits, ParsedEvent, Parser, encode};

const LIMITS: ParseLimits = ParseLimits {
    line_bytes_max: 256,
    event_bytes_max: 512,
};

fn parse(input: &[u8], step: usize) -> Option<(Vec<ParsedEvent>, Parser)> {
    let mut parser = Parser::new(LIMITS);
    let mut events = Vec::new();
    for part in input.chunks(step.max(1)) {
        events.extend(parser.push(part).ok()?);
    }
    Some((events, parser))
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, input)) = data.split_first() else {
        return;
    };
    let Some((events, parser)) = parse(input, input.len()) else {
        assert!(parse(input, 1).is_none());
        return;
    };
    for step in [1, usize::from(step)] {
        let (cut, other) = parse(input, step).expect("within the limits however it is cut");
        assert_eq!(cut, events);
        assert_eq!(other.last_event_id(), parser.last_event_id());
        assert_eq!(other.retry_ms(), parser.retry_ms());
    }
    for event in events {
        let mut out = Vec::new();
        let written = Event {
            // A type with NUL can be read but not written.
            event: Some(&event.event)
                .filter(|name| !name.contains('\0'))
                .map(String::as_str),
            id: Some(&event.last_event_id),
            retry_ms: None,
            data: &event.data,
        };
        encode(&written, &mut out).expect("it was read");
        let expect = ParsedEvent {
            event: written.event.unwrap_or("message").to_owned(),
            ..event.clone()
        };
        let mut again = Parser::default();
        assert_eq!(again.push(&out), Ok(vec![expect]));
    }
});
