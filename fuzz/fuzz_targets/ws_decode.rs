//! WebSocket frames: the same events however the input is cut, within the limits, in both roles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_wire::ws::{DecodeLimits, Decoder, Event, Role, Violation, is_close_code};

const LIMITS: DecodeLimits = DecodeLimits {
    frame_bytes_max: 512,
    message_bytes_max: 1024,
    fragments_max: 8,
};

/// The events as text, and what ended them.
fn decode(role: Role, input: &[u8], cuts: &[u8]) -> (Vec<String>, Option<Violation>) {
    let mut decoder = Decoder::new(role);
    let mut events = Vec::new();
    let mut rest = input.to_vec();
    let mut rest = &mut rest[..];
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let step = cuts
            .next()
            .map_or(rest.len(), |cut| usize::from(*cut).clamp(1, rest.len()));
        let (part, after) = std::mem::take(&mut rest).split_at_mut(step);
        rest = after;
        let part_bytes = part.len();
        let mut at = 0;
        while at < part_bytes {
            match decoder.decode(&mut part[at..], &LIMITS) {
                Ok((bytes, event)) => {
                    assert!(bytes > 0 && (event.is_some() || at + bytes == part_bytes));
                    at += bytes;
                    if let Some(event) = event {
                        check(&event);
                        events.push(format!("{event:?}"));
                    }
                }
                Err(violation) => {
                    assert!([1002, 1007, 1009].contains(&violation.code));
                    return (events, Some(violation));
                }
            }
        }
    }
    (events, None)
}

fn check(event: &Event<'_>) {
    match event {
        Event::Text(text) => assert!(text.len() as u64 <= LIMITS.message_bytes_max),
        Event::Binary(bytes) => assert!(bytes.len() as u64 <= LIMITS.message_bytes_max),
        Event::Ping(bytes) | Event::Pong(bytes) => assert!(bytes.len() <= 125),
        Event::Close(None) => {}
        Event::Close(Some(close)) => assert!(is_close_code(close.code) && close.reason.len() <= 123),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((cuts, input)) = data.split_at_checked(4) else {
        return;
    };
    let role = if cuts[0] & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let whole = decode(role, input, &[]);
    assert_eq!(decode(role, input, cuts), whole);
    assert_eq!(decode(role, input, &[1]), whole);
});
