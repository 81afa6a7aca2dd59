//! Compressed messages as literal bytes (RFC 7692), whole and in pieces, and what comes of them.

use flate2::{Compress, Compression, FlushCompress};
use squall_wire::ws::{
    DecodeLimits, Decoder, Deflater, Event, History, Inflate, Inflater, Opcode, Role, Violation,
    encode_deflated_frame, encode_masked_deflated_frame, encode_masked_frame,
};

/// What a peer sends, to either role.
struct Peer {
    decoder: Decoder,
    inflater: Inflater,
    history: Option<History>,
    limits: DecodeLimits,
}

impl Peer {
    fn new(role: Role) -> Peer {
        Peer {
            decoder: Decoder::new(role),
            inflater: Inflater::new(),
            history: None,
            limits: DecodeLimits::default(),
        }
    }

    fn hear(&mut self, part: &[u8]) -> Result<Vec<String>, Violation> {
        let mut input = part.to_vec();
        let mut events = Vec::new();
        let mut at = 0;
        while at < input.len() {
            let inflate = Inflate {
                inflater: &mut self.inflater,
                history: self.history.as_mut(),
            };
            let (bytes, event) = self
                .decoder
                .decode_with(&mut input[at..], &self.limits, Some(inflate))?;
            at += bytes;
            events.extend(event.map(|event| said(&event)));
        }
        Ok(events)
    }
}

fn said(event: &Event<'_>) -> String {
    match event {
        Event::Text(text) => format!("text {text}"),
        Event::Binary(bytes) => format!("binary {}", bytes.escape_ascii()),
        Event::Ping(bytes) => format!("ping {}", bytes.escape_ascii()),
        Event::Pong(bytes) => format!("pong {}", bytes.escape_ascii()),
        Event::Close(close) => format!("close {}", close.as_ref().map_or(1005, |close| close.code)),
    }
}

/// The same for all of it at once, cut in two at every place, and byte by byte.
#[track_caller]
fn every_cut(input: &[u8]) -> Result<Vec<String>, Violation> {
    let whole = Peer::new(Role::Client).hear(input);
    let mut splits: Vec<Vec<&[u8]>> = vec![input.chunks(1).collect()];
    splits.extend((1..input.len().min(200)).map(|at| vec![&input[..at], &input[at..]]));
    for parts in splits {
        let mut peer = Peer::new(Role::Client);
        let cut: Result<Vec<Vec<String>>, Violation> = parts.iter().map(|part| peer.hear(part)).collect();
        assert_eq!(
            cut.map(|events| events.concat()).as_ref().map_err(|e| e.code),
            whole.as_ref().map_err(|e| e.code)
        );
    }
    whole
}

#[track_caller]
fn accept(input: &[u8], expect: &[&str]) {
    assert_eq!(every_cut(input).unwrap(), expect);
}

#[track_caller]
fn refuse(code: u16, input: &[u8]) {
    assert_eq!(every_cut(input).unwrap_err().code, code, "{input:02x?}");
}

/// A text message in one frame of a server.
fn text(deflated: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_deflated_frame(Opcode::Text, deflated, &mut frame);
    frame
}

#[test]
fn examples_of_the_rfc() {
    // RFC 7692, section 7.2.3.1: one block, in one frame and in two.
    accept(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", &["text Hello"]);
    accept(b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", &["text Hello"]);
    // 7.2.3.3: a block without compression.
    accept(
        b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        &["text Hello"],
    );
    // 7.2.3.4: a block that says to be the last.
    accept(b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", &["text Hello"]);
    // 7.2.3.5: two blocks.
    accept(
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        &["text Hello"],
    );
    // 7.2.3.6: an empty message.
    accept(b"\xc1\x01\x00", &["text "]);
    accept(b"\xc2\x01\x00", &["binary "]);
}

#[test]
fn what_we_make_is_what_the_rfc_makes() {
    let mut deflater = Deflater::new(6, 15);
    let mut out = Vec::new();
    deflater.deflate(b"Hello", &mut out);
    assert_eq!(out, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    // 7.2.3.2: the second refers to the first; without takeover it is the same again.
    out.clear();
    deflater.deflate(b"Hello", &mut out);
    assert_eq!(out, b"\xf2\x00\x11\x00\x00");
    out.clear();
    deflater.reset();
    deflater.deflate(b"Hello", &mut out);
    assert_eq!(out, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    out.clear();
    deflater.deflate(b"", &mut out);
    assert_eq!(out, b"\x00");
}

#[test]
fn a_window_is_shared_only_where_that_was_agreed() {
    let (first, second) = (
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\xc1\x05\xf2\x00\x11\x00\x00",
    );
    let mut peer = Peer::new(Role::Client);
    peer.history = Some(History::new(15));
    assert_eq!(peer.hear(first).unwrap(), ["text Hello"]);
    assert_eq!(peer.hear(second).unwrap(), ["text Hello"]);
    // A message that was not compressed is no part of it.
    assert_eq!(peer.hear(b"\x81\x05world").unwrap(), ["text world"]);
    assert_eq!(peer.hear(second).unwrap(), ["text Hello"]);
    let mut peer = Peer::new(Role::Client);
    assert_eq!(peer.hear(first).unwrap(), ["text Hello"]);
    assert_eq!(
        peer.hear(second).unwrap_err().code,
        1007,
        "it reaches back to nothing"
    );
}

#[test]
fn a_history_is_no_longer_than_its_window() {
    for bits in 9..=15 {
        let mut deflater = Deflater::new(6, bits);
        let mut peer = Peer::new(Role::Server);
        peer.history = Some(History::new(bits));
        for round in 0..40_u32 {
            let plain: String = (0..400).map(|n| format!("{} ", n * (1 + round % 7))).collect();
            let (mut deflated, mut frame) = (Vec::new(), Vec::new());
            deflater.deflate(plain.as_bytes(), &mut deflated);
            encode_masked_deflated_frame(Opcode::Text, true, &deflated, [1, 2, 3, 4], &mut frame);
            assert_eq!(
                peer.hear(&frame).unwrap(),
                [format!("text {plain}")],
                "{bits} bits"
            );
        }
        let history = peer.history.unwrap();
        assert!(
            history.capacity_bytes() <= 2 << bits,
            "{bits}: {}",
            history.capacity_bytes()
        );
    }
}

#[test]
fn blocks_that_say_to_be_the_last_refer_to_each_other() {
    let words = b"the quick brown fox jumps over the lazy dog; ".repeat(3);
    let finished = |dictionary: &[u8]| {
        let mut zlib = Compress::new_with_window_bits(Compression::new(6), false, 15);
        if !dictionary.is_empty() {
            zlib.set_dictionary(dictionary).unwrap();
        }
        let mut out = Vec::with_capacity(1000);
        zlib.compress_vec(&words, &mut out, FlushCompress::Finish)
            .unwrap();
        out
    };
    let (alone, after) = (finished(b""), finished(&words));
    assert!(after.len() < alone.len() / 2);
    let twice = format!("text {}", String::from_utf8(words.repeat(2)).unwrap());
    let blocks = [&alone[..], &after[..]].concat();
    accept(&text(&[&blocks[..], &[0x00]].concat()), &[&twice]);
    accept(&text(&blocks), &[&twice]);
    // ... and to an earlier message, where that was agreed.
    let mut peer = Peer::new(Role::Client);
    peer.history = Some(History::new(15));
    let once = format!("text {}", String::from_utf8(words.clone()).unwrap());
    assert_eq!(peer.hear(&text(&alone)).unwrap(), std::slice::from_ref(&once));
    assert_eq!(peer.hear(&text(&after)).unwrap(), [once]);
    assert_eq!(
        peer.hear(&text(&[&after[..], &after[..]].concat())).unwrap(),
        [twice]
    );
}

#[test]
fn the_first_reserved_bit_stands_on_the_first_frame_of_a_message_alone() {
    accept(
        b"\x41\x03\xf2\x48\xcd\x00\x00\x80\x04\xc9\xc9\x07\x00",
        &["text Hello"],
    );
    accept(
        b"\x41\x03\xf2\x48\xcd\x89\x01x\x80\x04\xc9\xc9\x07\x00",
        &["ping x", "text Hello"],
    );
    accept(
        b"\x81\x05Hello\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        &["text Hello"; 2],
    );
    refuse(1002, b"\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00");
    refuse(1002, b"\x01\x03Hel\xc0\x02lo");
    refuse(1002, b"\xc0\x01\x00");
    refuse(1002, b"\xc8\x00");
    refuse(1002, b"\xc9\x00");
    refuse(1002, b"\xca\x00");
    refuse(1002, b"\xe1\x01\x00");
    refuse(1002, b"\xd1\x01\x00");
    refuse(1002, b"\xa1\x01x");
    refuse(1002, b"\xc3\x01x");
    refuse(1002, b"\x41\x03\xf2\x48\xcd\xc1\x04\xc9\xc9\x07\x00");
    // Where nothing was agreed it means nothing anywhere.
    for input in [b"\xc1\x01\x00", b"\x41\x01\x00", b"\xc9\x00\x00"] {
        let mut input = input.to_vec();
        let decoded = Decoder::new(Role::Client).decode(&mut input, &DecodeLimits::default());
        assert_eq!(decoded.unwrap_err().code, 1002);
    }
}

#[test]
fn data_that_is_no_deflate_data() {
    // Nothing at all; a block of the type that there is not; a length that is not its own complement; a distance that
    // reaches too far back.
    refuse(1007, b"\xc1\x00");
    refuse(1007, b"\xc1\x01\x06");
    refuse(1007, b"\xc1\x0b\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00");
    refuse(1007, b"\xc1\x05\xf2\x00\x11\x00\x00");
    // What follows the end of a message.
    refuse(1007, b"\xc1\x0b\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff");
    // An end that comes early: after every byte of it.
    let mut deflater = Deflater::new(6, 15);
    for plain in [
        "Hello",
        &"abc, ".repeat(50),
        "{\"cursor\":\"1:2\",\"topic\":\"room\"}",
    ] {
        let mut deflated = Vec::new();
        deflater.reset();
        deflater.deflate(plain.as_bytes(), &mut deflated);
        for end in 0..deflated.len() {
            let outcome = Peer::new(Role::Client).hear(&text(&deflated[..end]));
            assert_eq!(
                outcome.unwrap_err().code,
                1007,
                "{plain}: {end} of {}",
                deflated.len()
            );
        }
    }
}

#[test]
fn text_is_utf8_after_it_was_inflated() {
    let deflate = |plain: &[u8]| {
        let mut out = Vec::new();
        Deflater::new(6, 15).deflate(plain, &mut out);
        out
    };
    accept(&text(&deflate("κόσμε".as_bytes())), &["text κόσμε"]);
    refuse(1007, &text(&deflate(b"a\xff")));
    refuse(1007, &text(&deflate(b"a\xe2\x82")));
    let mut binary = Vec::new();
    encode_deflated_frame(Opcode::Binary, &deflate(b"a\xff"), &mut binary);
    accept(&binary, &["binary a\\xff"]);
    // Characters that lie across the pieces in which it is inflated.
    let long: String = "€".repeat(100_000);
    accept(&text(&deflate(long.as_bytes())), &[&format!("text {long}")]);
    // A wrong byte far in front of the end is seen before the rest is made.
    let mut wrong = vec![b'a'; 600_000];
    wrong[10] = 0xff;
    assert_eq!(
        Peer::new(Role::Client)
            .hear(&text(&deflate(&wrong)))
            .unwrap_err()
            .code,
        1007
    );
}

#[test]
fn a_message_may_become_as_large_as_its_limit_and_no_larger() {
    let limits = DecodeLimits {
        frame_bytes_max: 40_000,
        message_bytes_max: 40_000,
        fragments_max: 8,
    };
    let hear = |plain: &[u8], parts: usize| {
        let mut deflated = Vec::new();
        Deflater::new(1, 15).deflate(plain, &mut deflated);
        let mut frames = Vec::new();
        let pieces: Vec<&[u8]> = deflated.chunks(deflated.len().div_ceil(parts)).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let fin = at + 1 == pieces.len();
            match at {
                0 => encode_masked_deflated_frame(Opcode::Binary, fin, piece, [0; 4], &mut frames),
                _ => encode_masked_frame(Opcode::Continuation, fin, piece, [0; 4], &mut frames),
            }
        }
        let mut peer = Peer::new(Role::Server);
        peer.limits = limits;
        peer.hear(&frames).map(|events| events.len())
    };
    // What does not become smaller, too: the bytes on the wire are more than the limit.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as u8
    })
    .take(40_001)
    .collect();
    for parts in [1, 3] {
        for plain in [&[0; 40_001][..], &noise] {
            assert_eq!(hear(&plain[..40_000], parts), Ok(1));
            assert_eq!(hear(plain, parts).unwrap_err().code, 1009);
        }
    }
    // On the wire: an eighth and 1 KiB more, and not a byte beyond, said as soon as the header is there.
    let announced = |bytes: u16| {
        let mut peer = Peer::new(Role::Client);
        peer.limits = limits;
        let [high, low] = bytes.to_be_bytes();
        peer.hear(&[0xc2, 126, high, low])
    };
    assert_eq!(announced(46_024), Ok(vec![]));
    assert_eq!(announced(46_025).unwrap_err().code, 1009);
}

#[test]
fn a_bomb_costs_no_more_than_a_message() {
    // 64 MiB, a thousandth of it on the wire.
    let mut bomb = Vec::new();
    Deflater::new(9, 15).deflate(&vec![0; 64 << 20], &mut bomb);
    assert!(bomb.len() < 80_000);
    let mut peer = Peer::new(Role::Client);
    peer.limits.message_bytes_max = 1 << 20;
    for _ in 0..200 {
        // In a debug build, 200 times 64 MiB would take minutes.
        peer.decoder = Decoder::new(Role::Client);
        assert_eq!(peer.hear(&text(&bomb)).unwrap_err().code, 1009);
    }
}

#[test]
fn everything_that_is_made_small_comes_back() {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    for level in 1..=9 {
        for bits in 9..=15 {
            let mut deflater = Deflater::new(level, bits);
            let mut peer = Peer::new(Role::Client);
            peer.history = Some(History::new(bits));
            for _ in 0..6 {
                let letters = 1 + next(250);
                let bytes_max = if next(3) == 0 { 100_000 } else { 600 };
                let bytes = next(bytes_max);
                let plain: Vec<u8> = (0..bytes).map(|_| next(letters) as u8).collect();
                let (mut deflated, mut frame) = (Vec::new(), Vec::new());
                deflater.deflate(&plain, &mut deflated);
                encode_deflated_frame(Opcode::Binary, &deflated, &mut frame);
                let expect = format!("binary {}", plain.escape_ascii());
                assert!(
                    peer.hear(&frame).unwrap() == [expect],
                    "level {level}, {bits} bits, {bytes} bytes"
                );
            }
        }
    }
}
