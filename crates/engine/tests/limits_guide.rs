//! The guide's tables of limits are what the limits are.

use std::time::Duration;

use squall_engine::wire::ws::DeflateLimits;
use squall_engine::{H2Limits, Limits, Networks};

const GUIDE: &str = include_str!("../../../docs/guide/limits.md");

/// A number of things.
fn count(count: impl TryInto<u64>) -> String {
    let digits = count.try_into().unwrap_or(u64::MAX).to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

fn bytes(number: impl TryInto<u64>) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => count(n),
    }
}

fn time(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

fn networks(networks: &Networks) -> String {
    assert_eq!(*networks, "loopback, private, link-local".parse().unwrap());
    "loopback, private, link-local".to_owned()
}

fn option(number: Option<impl TryInto<u64>>) -> String {
    number.map_or_else(|| "none".to_owned(), count)
}

/// Taken apart whole: a limit that is added and not written down does not compile.
fn all() -> Vec<(&'static str, String)> {
    let Limits {
        head,
        body,
        connections_max,
        connections_per_address_max,
        connections_exempt,
        accept_rate_max,
        retry_after,
        handlers_max,
        requests_per_connection_max,
        pipelined_burst_max,
        header_read_timeout,
        body_read_timeout,
        body_rate_bytes,
        idle_timeout,
        write_stall_timeout,
        write_rate_bytes,
        handler_timeout,
        silence_timeout,
        stall_threshold,
        heartbeat_interval,
        ping_interval,
        ping_timeout,
        close_timeout,
        drain_timeout,
        ws,
        ws_deflate,
        ws_buffer_bytes,
        h2,
    } = Limits::default();
    let mut all = vec![
        ("connections_max", count(connections_max as u64)),
        (
            "connections_per_address_max",
            count(connections_per_address_max as u64),
        ),
        ("connections_exempt", networks(&connections_exempt)),
        ("accept_rate_max", option(accept_rate_max)),
        ("retry_after", time(retry_after)),
        ("handlers_max", option(handlers_max.map(|max| max as u64))),
        ("requests_per_connection_max", option(requests_per_connection_max)),
        ("pipelined_burst_max", count(pipelined_burst_max as u64)),
        ("header_read_timeout", time(header_read_timeout)),
        ("body_read_timeout", time(body_read_timeout)),
        ("body_rate_bytes", count(body_rate_bytes)),
        ("idle_timeout", time(idle_timeout)),
        ("write_stall_timeout", time(write_stall_timeout)),
        ("write_rate_bytes", count(write_rate_bytes)),
        ("handler_timeout", time(handler_timeout)),
        ("silence_timeout", time(silence_timeout)),
        ("stall_threshold", time(stall_threshold)),
        ("heartbeat_interval", time(heartbeat_interval)),
        ("ping_interval", time(ping_interval)),
        ("ping_timeout", time(ping_timeout)),
        ("close_timeout", time(close_timeout)),
        ("drain_timeout", time(drain_timeout)),
        ("head.head_bytes_max", bytes(head.head_bytes_max as u64)),
        ("head.target_bytes_max", bytes(head.target_bytes_max as u64)),
        ("head.fields_max", count(head.fields_max as u64)),
        ("body.body_bytes_max", bytes(body.body_bytes_max)),
        (
            "body.chunk_line_bytes_max",
            bytes(body.chunk_line_bytes_max as u64),
        ),
        ("body.extension_bytes_max", bytes(body.extension_bytes_max as u64)),
        ("body.trailer_bytes_max", bytes(body.trailer_bytes_max as u64)),
        ("body.trailer_fields_max", count(body.trailer_fields_max as u64)),
        ("ws.frame_bytes_max", bytes(ws.frame_bytes_max)),
        ("ws.message_bytes_max", bytes(ws.message_bytes_max)),
        ("ws.fragments_max", count(ws.fragments_max)),
        ("ws_buffer_bytes", bytes(ws_buffer_bytes as u64)),
    ];
    all.extend(all_of_deflate(&ws_deflate));
    all.extend(all_of_h2(&h2));
    all
}

fn all_of_deflate(limits: &DeflateLimits) -> Vec<(&'static str, String)> {
    let DeflateLimits {
        enabled,
        floor_bytes,
        level,
        window_bits_max,
        context_takeover,
    } = limits;
    let switch = |on: &bool| (if *on { "on" } else { "off" }).to_owned();
    vec![
        ("ws_deflate.enabled", switch(enabled)),
        ("ws_deflate.floor_bytes", bytes(*floor_bytes)),
        ("ws_deflate.level", count(*level)),
        ("ws_deflate.window_bits_max", count(*window_bits_max)),
        ("ws_deflate.context_takeover", switch(context_takeover)),
    ]
}

fn all_of_h2(limits: &H2Limits) -> Vec<(&'static str, String)> {
    let H2Limits {
        streams_max,
        stream_window_bytes,
        connection_window_bytes,
        control_frames_max,
        control_frames_a_second,
        resets_max,
        resets_a_second,
        pending_resets_max,
        stream_errors_max,
    } = limits;
    vec![
        ("h2.streams_max", count(*streams_max)),
        ("h2.stream_window_bytes", bytes(*stream_window_bytes)),
        ("h2.connection_window_bytes", bytes(*connection_window_bytes)),
        ("h2.control_frames_max", count(*control_frames_max)),
        ("h2.control_frames_a_second", count(*control_frames_a_second)),
        ("h2.resets_max", count(*resets_max)),
        ("h2.resets_a_second", count(*resets_a_second)),
        ("h2.pending_resets_max", count(*pending_resets_max as u64)),
        ("h2.stream_errors_max", count(*stream_errors_max as u64)),
    ]
}

#[test]
fn the_guide_has_every_limit_with_its_default() {
    let all = all();
    for (name, default) in &all {
        let row = format!("| `{name}` | {default} |");
        assert!(
            GUIDE.contains(&row),
            "no row of docs/guide/limits.md begins with {row}"
        );
    }
    // And none that is gone.
    let rows = GUIDE.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, all.len());
}
