//! Attacks over HTTP/2, as literal frames: each says what ended it.
//!
//! The numbers are those of [`squall_engine::H2Limits`]; most tests flood with what takes minutes to send if nothing
//! ends it.

mod common;
#[path = "common/h2.rs"]
mod h2_client;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use common::{Client, Running, serve, serve_with, wait_until};
use h2::Reason;
use h2_client::*;
use squall_engine::Limits;

/// Many more than any limit allows.
const ENDLESS: usize = 100_000;

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/never", get(std::future::pending::<()>))
        .route("/unread", post(std::future::pending::<()>))
}

/// What a stream is opened with.
fn opening(at: usize, path: &str) -> Vec<u8> {
    let stream = 1 + 2 * u32::try_from(at).unwrap();
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &get_block(path))
}

/// A bystander is served, and nothing of the attack is left.
fn is_well(server: &Running) {
    let mut bystander = Client::begin_h2(server);
    bystander.send(&opening(0, "/"));
    assert_eq!(bystander.wait_for(DATA).payload, b"hello");
    drop(bystander);
    wait_until(|| server.handle().open_connections() == 0);
}

/// Floods a server of its own; how often that went well.
fn flood(bytes: impl Fn(usize) -> Vec<u8>) -> usize {
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    let (reason, times) = attacker.flood(ENDLESS, bytes);
    assert_eq!(reason, Reason::ENHANCE_YOUR_CALM);
    drop(attacker);
    is_well(&server);
    times
}

#[test]
fn rapid_reset_of_handlers_that_run_cve_2023_44487() {
    /// Counts itself.
    struct Running(Arc<AtomicUsize>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let (running, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (runs, begins) = (running.clone(), begun.clone());
    let app = app().route(
        "/work",
        get(move || async move {
            runs.fetch_add(1, Ordering::SeqCst);
            begins.fetch_add(1, Ordering::SeqCst);
            let _running = Running(runs);
            std::future::pending::<()>().await;
        }),
    );
    let server = serve(app);
    let mut attacker = Client::begin_h2(&server);
    let most = AtomicUsize::new(0);
    let (reason, times) = attacker.flood(ENDLESS, |at| {
        most.fetch_max(running.load(Ordering::SeqCst), Ordering::SeqCst);
        let stream = 1 + 2 * u32::try_from(at).unwrap();
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [opening(at, "/work"), reset].concat()
    });
    assert_eq!(reason, Reason::ENHANCE_YOUR_CALM);
    assert!(times < ENDLESS / 2, "it went on for {times} streams");
    assert!(begun.load(Ordering::SeqCst) < 2_000, "{begun:?} handlers ran");
    assert!(most.load(Ordering::SeqCst) <= 129);
    drop(attacker);
    is_well(&server);
    assert_eq!(running.load(Ordering::SeqCst), 0, "all handlers are cancelled");
}

#[test]
fn rapid_reset_by_broken_streams_cve_2025_8671() {
    // "MadeYouReset": the server is made to reset its own streams, here by a window that overflows.
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    let (reason, times) = attacker.flood(ENDLESS, |at| {
        let stream = 1 + 2 * u32::try_from(at).unwrap();
        let overflow = frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
        [opening(at, "/never"), overflow].concat()
    });
    assert_eq!(reason, Reason::ENHANCE_YOUR_CALM);
    assert!(times < ENDLESS / 2, "it went on for {times} streams");
    drop(attacker);
    is_well(&server);
}

#[test]
fn ping_flood_cve_2019_9512() {
    let times = flood(|_| frame(PING, 0, 0, &[0; 8]));
    assert!(times < ENDLESS / 2, "{times}");
}

#[test]
fn settings_flood_cve_2019_9515() {
    let times = flood(|_| frame(SETTINGS, 0, 0, &[]));
    assert!(times < ENDLESS / 2, "{times}");
}

#[test]
fn flood_of_settings_that_change_the_window_of_many_streams() {
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    (0..100).for_each(|at| attacker.send(&opening(at, "/never")));
    let (reason, times) = attacker.flood(ENDLESS, |at| {
        let window = 1 + at as u32 % 1000;
        let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
        frame(SETTINGS, 0, 0, &setting)
    });
    assert_eq!(reason, Reason::ENHANCE_YOUR_CALM);
    assert!(times < ENDLESS / 2, "{times}");
}

#[test]
fn priority_flood_cve_2019_9513() {
    let times = flood(|at| frame(PRIORITY, 0, 3 + 2 * (at as u32 % 1000), &[0, 0, 0, 1, 16]));
    assert!(times < ENDLESS / 2, "{times}");
}

#[test]
fn window_update_flood() {
    let times = flood(|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()));
    assert!(times < ENDLESS / 2, "{times}");
}

#[test]
fn flood_of_frames_of_unknown_types() {
    let times = flood(|_| frame(0xbe, 0, 0, b"grease"));
    assert!(times < ENDLESS / 2, "{times}");
}

#[test]
fn empty_data_flood_cve_2019_9518() {
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    let mut block = get_block("/unread");
    block[0] = 0x83; // POST
    attacker.send(&frame(HEADERS, END_HEADERS, 1, &block));
    let (reason, times) = attacker.flood(ENDLESS, |_| frame(DATA, 0, 1, &[]));
    assert_eq!(reason, Reason::ENHANCE_YOUR_CALM);
    assert!(times < ENDLESS / 2, "{times}");
    drop(attacker);
    is_well(&server);
}

#[test]
fn flood_of_tiny_data_that_nobody_reads() {
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    let mut block = get_block("/unread");
    block[0] = 0x83; // POST
    attacker.send(&frame(HEADERS, END_HEADERS, 1, &block));
    let (reason, times) = attacker.flood(ENDLESS, |_| frame(DATA, 0, 1, b"x"));
    assert!(reason == Reason::ENHANCE_YOUR_CALM || reason == Reason::FLOW_CONTROL_ERROR);
    assert!(times < ENDLESS / 2, "{times}");
    drop(attacker);
    is_well(&server);
}

#[test]
fn continuation_flood_cve_2024_27316() {
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    attacker.send(&frame(HEADERS, END_STREAM, 1, &get_block("/")));
    let (_, times) = attacker.flood(ENDLESS, |at| {
        frame(CONTINUATION, 0, 1, &field(&format!("x-{at}"), "y"))
    });
    assert!(times < ENDLESS / 2, "{times}");
    drop(attacker);
    is_well(&server);
}

#[test]
fn empty_continuation_flood() {
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    attacker.send(&frame(HEADERS, END_STREAM, 1, &get_block("/")));
    let (reason, times) = attacker.flood(ENDLESS, |_| frame(CONTINUATION, 0, 1, &[]));
    assert_eq!(reason, Reason::ENHANCE_YOUR_CALM);
    assert!(times < ENDLESS / 2, "{times}");
}

#[test]
fn slow_continuation_is_ended_in_time() {
    let limits = Limits {
        header_read_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = serve_with(app(), limits);
    let mut attacker = Client::begin_h2(&server);
    attacker.send(&frame(HEADERS, END_STREAM, 1, &get_block("/")));
    assert_eq!(attacker.wait_for(GOAWAY).reason(), Reason::ENHANCE_YOUR_CALM);
    drop(attacker);
    is_well(&server);
}

#[test]
fn a_frame_that_never_ends_is_ended_in_time() {
    let limits = Limits {
        header_read_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = serve_with(app(), limits);
    let mut attacker = Client::begin_h2(&server);
    attacker.send(&opening(0, "/")[..12]);
    assert_eq!(attacker.wait_for(GOAWAY).reason(), Reason::ENHANCE_YOUR_CALM);
}

#[test]
fn header_list_at_the_limit_and_past_it() {
    let mut limits = Limits::default();
    limits.head.head_bytes_max = 4096;
    let server = serve_with(app(), limits);
    let mut client = Client::begin_h2(&server);
    // RFC 9113 section 6.5.2: each field counts 32 bytes besides. The pseudo-fields take some, too.
    let pseudo: usize = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ]
    .iter()
    .map(|(name, value)| name.len() + value.len() + 32)
    .sum();
    // The h2 crate takes one byte less than it announces.
    let most = 4096 - 1 - pseudo - "x".len() - 32;
    for (at, (bytes, status)) in [(most, 0x88), (most + 1, 0x48)].into_iter().enumerate() {
        let block = [get_block("/"), field("x", &"y".repeat(bytes))].concat();
        client.send(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1 + 2 * at as u32,
            &block,
        ));
        // 200 is an indexed field, 431 is not.
        assert_eq!(client.wait_for(HEADERS).payload[0], status, "{bytes}");
    }
}

#[test]
fn hpack_bomb() {
    // A large field is put into the table once, and then named by one byte again and again (CVE-2016-6581).
    let server = serve(app());
    let mut attacker = Client::begin_h2(&server);
    let mut block = get_block("/");
    let mut large = field("x", &"y".repeat(4000));
    large[0] = 0x40; // with incremental indexing
    block.extend_from_slice(&large);
    block.extend(std::iter::repeat_n(0xbe, 10_000));
    attacker.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block));
    assert_eq!(attacker.wait_for(GOAWAY).reason(), Reason::ENHANCE_YOUR_CALM);
    drop(attacker);
    is_well(&server);
}

#[test]
fn too_many_fields_are_refused() {
    let server = serve(app());
    let mut client = Client::begin_h2(&server);
    for (at, (count, status)) in [(100, 0x88), (101, 0x48)].into_iter().enumerate() {
        let fields: Vec<u8> = (0..count).flat_map(|at| field(&format!("x-{at}"), "y")).collect();
        let block = [get_block("/"), fields].concat();
        client.send(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1 + 2 * at as u32,
            &block,
        ));
        assert_eq!(client.wait_for(HEADERS).payload[0], status, "{count}");
    }
}

#[test]
fn streams_at_the_limit_and_past_it() {
    let mut limits = Limits::default();
    limits.h2.streams_max = 3;
    let server = serve_with(app(), limits);
    let mut client = Client::begin_h2(&server);
    client.wait_for(SETTINGS);
    client.send(&frame(SETTINGS, ACK, 0, &[]));
    (0..3).for_each(|at| client.send(&opening(at, "/never")));
    client.send(&opening(3, "/"));
    let refused = client.wait_for(RST_STREAM);
    assert_eq!((refused.stream, refused.reason()), (7, Reason::REFUSED_STREAM));
    client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    client.send(&opening(4, "/"));
    assert_eq!(client.wait_for(DATA).payload, b"hello");
}

#[test]
fn malformed_requests_are_reset_and_the_connection_goes_on() {
    let server = serve(app());
    let mut client = Client::begin_h2(&server);
    // RFC 9113 sections 8.2 and 8.3.
    let method = [0x82];
    let scheme = [0x86];
    let path = [0x84];
    let authority = [0x01, 1, b'a'];
    let whole = get_block("/");
    let malformed: Vec<(&str, Vec<u8>)> = vec![
        ("no method", [&scheme[..], &path, &authority].concat()),
        ("no scheme", [&method[..], &path, &authority].concat()),
        ("no path", [&method[..], &scheme, &authority].concat()),
        (
            "neither authority nor host",
            [&method[..], &scheme, &path].concat(),
        ),
        ("two methods", [&method[..], &whole].concat()),
        (
            "a pseudo-field behind a field",
            [&method[..], &scheme, &field("x", "y"), &path, &authority].concat(),
        ),
        ("a pseudo-field of answers", [&whole[..], &[0x88]].concat()),
        (
            "connection",
            [whole.clone(), field("connection", "close")].concat(),
        ),
        ("keep-alive", [whole.clone(), field("keep-alive", "1")].concat()),
        (
            "proxy-connection",
            [whole.clone(), field("proxy-connection", "close")].concat(),
        ),
        (
            "transfer-encoding",
            [whole.clone(), field("transfer-encoding", "chunked")].concat(),
        ),
        ("upgrade", [whole.clone(), field("upgrade", "websocket")].concat()),
        ("te", [whole.clone(), field("te", "gzip")].concat()),
        ("another host", [whole.clone(), field("host", "b")].concat()),
        ("an empty path", get_block("")),
        ("a path without a slash", get_block("a")),
        ("an asterisk", get_block("*")),
        (
            "userinfo",
            [&method[..], &scheme, &path, &[0x01, 3], b"u@a"].concat(),
        ),
    ];
    for (at, (what, block)) in malformed.into_iter().enumerate() {
        let stream = 1 + 2 * u32::try_from(at).unwrap();
        client.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
        let said = client.wait_for_one_of(&[RST_STREAM, GOAWAY]);
        assert_eq!((said.kind, said.stream), (RST_STREAM, stream), "{what}: {said:?}");
        assert_eq!(said.reason(), Reason::PROTOCOL_ERROR, "{what}");
    }
    client.send(&opening(500, "/"));
    assert_eq!(client.wait_for(DATA).payload, b"hello");
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_malformed() {
    let server = serve(app());
    for (declared, sent) in [
        ("3", &b"ab"[..]),
        ("3", b"abcd"),
        ("x", b"abc"),
        ("+3", b"abc"),
        ("3, 3", b"abc"),
    ] {
        let mut client = Client::begin_h2(&server);
        let mut block = [get_block("/unread"), field("content-length", declared)].concat();
        block[0] = 0x83; // POST
        client.send(&frame(HEADERS, END_HEADERS, 1, &block));
        client.send(&frame(DATA, END_STREAM, 1, sent));
        assert_eq!(
            client.wait_for(RST_STREAM).reason(),
            Reason::PROTOCOL_ERROR,
            "{declared}"
        );
    }
}

#[test]
fn frames_against_the_rules_end_the_connection() {
    let server = serve(app());
    let with = |name, value| {
        let block = [get_block("/"), field(name, value)].concat();
        frame(HEADERS, END_HEADERS, 1, &block)
    };
    for (what, bytes, reason) in [
        ("an upper-case name", with("X", "y"), Reason::PROTOCOL_ERROR),
        (
            "a line break in a name",
            with("x\r\ny", "z"),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a line break in a value",
            with("x", "a\r\nb"),
            Reason::PROTOCOL_ERROR,
        ),
        ("a NUL in a value", with("x", "a\0b"), Reason::PROTOCOL_ERROR),
        (
            "DATA on no stream",
            frame(DATA, 0, 0, b"x"),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "HEADERS on an even stream",
            frame(HEADERS, END_HEADERS, 2, &get_block("/")),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "CONTINUATION of nothing",
            frame(CONTINUATION, 0, 1, b""),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "PING of 7 bytes",
            frame(PING, 0, 0, &[0; 7]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "SETTINGS of 5 bytes",
            frame(SETTINGS, 0, 0, &[0; 5]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a window of 0",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a window too large",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "a push",
            frame(5, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "an index of HPACK that is not there",
            frame(HEADERS, END_HEADERS, 1, &[0xff, 0x80, 0x01]),
            Reason::COMPRESSION_ERROR,
        ),
        (
            "a frame too large",
            vec![0, 0x40, 1, DATA, 0, 0, 0, 0, 1],
            Reason::FRAME_SIZE_ERROR,
        ),
    ] {
        let mut client = Client::begin_h2(&server);
        client.send(&bytes);
        let said = client.wait_for(GOAWAY).reason();
        // The h2 crate says PROTOCOL_ERROR in places where the RFC has a finer word.
        assert!(
            said == reason || said == Reason::PROTOCOL_ERROR,
            "{what}: {said:?}"
        );
    }
    is_well(&server);
}
