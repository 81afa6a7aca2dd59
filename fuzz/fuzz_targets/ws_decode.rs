//! WebSocket frames: the same events however the input is cut, within the limits, in both roles, compressed or not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_wire::ws::{
    DecodeLimits, Decoder, Event, History, Inflate, Inflater, Role, Violation, is_close_code,
};

const LIMITS: DecodeLimits = DecodeLimits {
    frame_bytes_max: 512,
    message_bytes_max: 1024,
    fragments_max: 8,
};

/// What was agreed with the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    Plain,
    Deflates,
    Remembers,
}

/// The events as text, and what ended them.
fn decode(role: Role, peer: Peer, input: &[u8], cuts: &[u8]) -> (Vec<String>, Option<Violation>) {
    let mut decoder = Decoder::new(role);
    let mut inflater = Inflater::new();
    let mut history = (peer == Peer::Remembers).then(|| History::new(9));
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
            let inflate = (peer != Peer::Plain).then(|| Inflate {
                inflater: &mut inflater,
                history: history.as_mut(),
            });
            match decoder.decode_with(&mut part[at..], &LIMITS, inflate) {
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
    let peer = match cuts[0] >> 1 & 3 {
        0 => Peer::Plain,
        1 | 2 => Peer::Deflates,
        _ => Peer::Remembers,
    };
    let whole = decode(role, peer, input, &[]);
    assert_eq!(decode(role, peer, input, cuts), whole);
    assert_eq!(decode(role, peer, input, &[1]), whole);
});
