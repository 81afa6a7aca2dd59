//! Whole connections: some that are written down, and very many that are made of a seed.

use super::app::MockApp;
use super::script::Faults;
use super::wire::Wire;
use super::{Bench, LocalSet, Outcome, READ_BUFFER_BYTES, Rc, Until, run};
use crate::core::events::WEBSOCKET_READ_BYTES;
use crate::limits::ticks;

/// Requests and pieces of requests, from which programs are made.
const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /s HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HEAD /s HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /l HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /n HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /P HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /p HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /p HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /B HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /f HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /F HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /G HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /g HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /y HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /t HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /c HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n0\r\nX: y\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "POST /i HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n",
    "POST /i HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    "POST /o HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789",
    "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
    "GET /w HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "GET /W HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "GET /S HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /S HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /L HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "HEAD / HTTP/1.1\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "\r\n",
    "\n",
    "X",
    "GET /",
];

/// Frames of a client, masked with nothing.
const FRAMES: &[&[u8]] = &[
    b"\x81\x85\0\0\0\0hello",
    b"\x01\x82\0\0\0\0he",
    b"\x80\x83\0\0\0\0llo",
    b"\x89\x81\0\0\0\0p",
    b"\x82\x87\0\0\0\0panic!!",
    b"\x82\x88\0\0\0\0close me",
    b"\x82\x89\0\0\0\0forget me",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x88\x80\0\0\0\0",
    b"\x81\x01a",
    b"\x82\xfe\x04\x00\0\0\0\0",
];

/// Numbers that look like chance and are the same every time (xorshift64*).
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    fn program(&mut self) -> Vec<u8> {
        let ops = if self.next(3) == 0 { 0 } else { self.next(12) };
        let mut program = vec![ops as u8];
        for _ in 0..ops {
            // What ends a connection is rarer than what goes on with it.
            let op = self.next(16);
            let op = if (8..=10).contains(&op) && self.next(3) > 0 {
                0
            } else {
                op
            };
            program.extend([op as u8, self.next(256) as u8]);
        }
        for _ in 0..1 + self.next(6) {
            program.extend_from_slice(PIECES[self.next(PIECES.len())].as_bytes());
            if self.next(4) == 0 {
                for _ in 0..self.next(4) {
                    program.extend_from_slice(FRAMES[self.next(FRAMES.len())]);
                }
            }
        }
        if self.next(4) == 0 {
            let place = self.next(program.len());
            program[place] = self.next(256) as u8;
        }
        if self.next(8) == 0 {
            program.truncate(self.next(program.len()));
        }
        program
    }
}

fn plain(stream: &str) -> Outcome {
    run(&[b"\0", stream.as_bytes()].concat())
}

#[test]
fn a_plain_connection() {
    let outcome = plain("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /l HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((outcome.requests, outcome.answers), (2, 2));
    let text = String::from_utf8(outcome.output).unwrap();
    assert!(text.contains("hello") && text.ends_with("later"), "{text}");
}

#[test]
fn a_websocket_and_a_stream() {
    let upgrade = PIECES.iter().find(|piece| piece.starts_with("GET /w")).unwrap();
    let stream = [
        upgrade.as_bytes(),
        FRAMES[0],
        FRAMES[1],
        FRAMES[3],
        FRAMES[2],
        FRAMES[7],
    ]
    .concat();
    let outcome = run(&[b"\0", &stream[..]].concat());
    assert!(
        outcome
            .output
            .ends_with(b"\r\n\r\n\x81\x05hello\x8a\x01p\x81\x05hello\x88\x02\x03\xe8")
            || outcome.output.ends_with(b"\x88\x02\x03\xe8"),
        "{}",
        outcome.output.escape_ascii()
    );
    // Sends all, then publishes 8 bytes.
    let outcome = run(b"\x02\x01\x20\x07\x01GET /S HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(
        outcome
            .output
            .windows(12)
            .any(|window| window == b"\r\n\r\nmmmmmmmm"),
        "{}",
        outcome.output.escape_ascii()
    );
}

/// A flood of tiny frames has one short read a turn, so that others are not kept waiting for four of 64 KiB.
#[test]
fn a_flood_of_websocket_fragments_has_one_read_a_turn() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wire = Wire::new(Faults::default());
    LocalSet::new().block_on(&runtime, async {
        let seen = Rc::default();
        let mut bench = Bench::new(MockApp::new(&seen), Rc::default(), wire.clone());
        let upgrade = PIECES.iter().find(|piece| piece.starts_with("GET /w")).unwrap();
        bench.send(upgrade.as_bytes());
        bench.settle().await;
        let flood = FRAMES[3].repeat(4 * READ_BUFFER_BYTES / FRAMES[3].len());
        bench.send(&flood);
        assert_eq!(wire.unread_bytes(), flood.len() - WEBSOCKET_READ_BYTES);
        bench.settle().await;
        assert_eq!(wire.unread_bytes(), 0);
    });
    assert!(wire.take_output().ends_with(b"\x8a\x01p\x8a\x01p"));
}

/// Plays a connection by hand.
fn by_hand(faults: Faults, play: impl AsyncFnOnce(&mut Bench, &Wire)) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wire = Wire::new(faults);
    LocalSet::new().block_on(&runtime, async {
        let seen = Rc::default();
        let mut bench = Bench::new(MockApp::new(&seen), Rc::default(), wire.clone());
        play(&mut bench, &wire).await;
    });
}

/// The socket is full when the poll comes: the answer before it goes on when the socket takes more, and not only when
/// the poll has its own.
#[test]
fn an_answer_before_a_long_poll_does_not_wait_for_it() {
    let full = Faults {
        is_full: true,
        ..Faults::default()
    };
    by_hand(full, async |bench, wire| {
        bench.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /L HTTP/1.1\r\nHost: a\r\n\r\n");
        bench.settle().await;
        wire.open_wide();
        bench.writable();
        bench.settle().await;
        assert!(wire.take_output().ends_with(b"\r\n\r\nhello"));
        assert_eq!(bench.source.following(), 1);
        bench.source.publish(4);
        bench.moved();
        bench.settle().await;
        assert!(wire.take_output().ends_with(b"\r\n\r\nmmmm"));
    });
}

/// All that the peer sent, and its end, were announced while nobody wanted them: no event comes any more. They are read
/// away all the same, so that the refusal is not lost in a reset, and the connection ends with the peer's end.
#[test]
fn a_refused_body_is_read_away_so_that_the_refusal_arrives() {
    by_hand(Faults::default(), async |bench, wire| {
        bench.send(b"POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n");
        bench.settle().await;
        wire.send(&[b'x'; 5000]);
        wire.end();
        bench.readable(Until::Blocked);
        bench.settle().await;
        assert_eq!(wire.unread_bytes(), 5000, "its handler has not asked for it");
        // Its handler is too slow.
        bench.tick = ticks(bench.core.limits.handler_timeout);
        bench.core.clock.set_tick(bench.tick);
        bench.core.sweep(&mut Vec::new());
        bench.settle().await;
        assert!(wire.take_output().starts_with(b"HTTP/1.1 503 "));
        assert_eq!(wire.unread_bytes(), 0);
        assert_eq!(bench.core.conns.borrow().len(), 0);
    });
}

#[test]
fn an_error_at_any_call_ends_the_connection_and_nothing_else() {
    for piece in PIECES {
        for call in 1..12 {
            run(&[&[1, 13, call][..], piece.as_bytes(), PIECES[0].as_bytes()].concat());
        }
    }
}

#[test]
fn short_reads_and_short_writes_change_no_byte() {
    for piece in PIECES
        .iter()
        // Whether 100 is said depends on what is here already, and what follows a stream on when it comes.
        .filter(|piece| {
            !["/g ", "/G ", "/S ", "Expect"]
                .iter()
                .any(|part| piece.contains(part))
        })
    {
        let stream = [piece.as_bytes(), PIECES[0].as_bytes()].concat();
        let whole = run(&[b"\0", &stream[..]].concat());
        for size in [1, 2, 7] {
            let cut = run(&[&[2, 11, size, 15, size][..], &stream].concat());
            assert_eq!(
                without_dates(&cut.output),
                without_dates(&whole.output),
                "{piece:?}"
            );
        }
    }
}

fn without_dates(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output).into_owned();
    text.lines().filter(|line| !line.starts_with("date: ")).collect()
}

#[test]
fn whatever_is_sent_answers_can_be_read_in_one_way_and_the_connection_ends() {
    let mut chance = Chance(0x5ca1_ab1e);
    let programs = if cfg!(debug_assertions) { 3_000 } else { 30_000 };
    for number in 0..programs {
        let program = chance.program();
        if let Err(panic) = std::panic::catch_unwind(|| run(&program)) {
            eprintln!("program {number}: {}", program.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
}
