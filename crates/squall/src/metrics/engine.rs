//! The engine's numbers under their names.

use super::{Exposition, LATENCY_BOUNDS_US, Label, Metrics, Tally};

pub(super) fn write(metrics: &Metrics, out: &mut Exposition) {
    connections(metrics, out);
    requests(metrics, out);
    tls(metrics, out);
    cores(metrics, out);
}

fn connections(metrics: &Metrics, out: &mut Exposition) {
    let total = metrics.total();
    out.gauge(
        "squall_uptime_seconds",
        "Since the server began.",
        &[(&[], metrics.uptime.as_secs_f64())],
    );
    out.gauge(
        "squall_draining",
        "1 while the server finishes what it has and takes nothing new.",
        &[(&[], f64::from(u8::from(metrics.draining)))],
    );
    out.gauge(
        "squall_connections",
        "Open connections.",
        &[(&[], metrics.open_connections as f64)],
    );
    out.gauge(
        "squall_connections_max",
        "Connections that may be open.",
        &[(&[], metrics.connections_max as f64)],
    );
    let open: Vec<_> = total
        .open
        .iter()
        .map(|(protocol, state, count)| {
            (
                [("protocol", protocol.name()), ("state", state.name())],
                count as f64,
            )
        })
        .collect();
    let open: Vec<(super::exposition::Labels<'_>, f64)> =
        open.iter().map(|(labels, count)| (&labels[..], *count)).collect();
    out.gauge(
        "squall_connections_by_state",
        "Open connections by protocol and by what they cost now.",
        &open,
    );
    out.counter(
        "squall_connections_accepted_total",
        "Connections accepted.",
        &[(&[], total.accepted)],
    );
    by_label(
        out,
        "squall_connections_refused_total",
        "Connections refused before anything was read.",
        "reason",
        &metrics.refused,
    );
    out.counter(
        "squall_accept_pauses_total",
        "Times that accepting was put off.",
        &[(&[], metrics.accept_pauses)],
    );
    out.counter(
        "squall_received_bytes_total",
        "Bytes read from sockets, after TLS.",
        &[(&[], total.bytes_in)],
    );
    out.counter(
        "squall_sent_bytes_total",
        "Bytes that sockets took, before TLS.",
        &[(&[], total.bytes_out)],
    );
    by_label(
        out,
        "squall_timeouts_total",
        "Requests and connections ended by a time-out.",
        "kind",
        &total.timed_out,
    );
}

fn requests(metrics: &Metrics, out: &mut Exposition) {
    let total = metrics.total();
    let statuses: Vec<(String, u64)> = total
        .requests
        .iter()
        .map(|(status, count)| (status.to_string(), *count))
        .collect();
    let labels: Vec<_> = statuses
        .iter()
        .map(|(status, count)| ([("status", status.as_str())], *count))
        .collect();
    let samples: Vec<_> = labels
        .iter()
        .map(|(labels, count)| (&labels[..], *count))
        .collect();
    out.counter(
        "squall_responses_total",
        "Answers by status, whoever gave them.",
        &samples,
    );
    let bounds: Vec<f64> = LATENCY_BOUNDS_US
        .iter()
        .map(|micros| *micros as f64 / 1e6)
        .collect();
    let latency = &total.latency;
    out.histogram(
        "squall_response_latency_seconds",
        "From a complete request head to the beginning of its answer, as the core sees it.",
        &bounds,
        &[(&[], &latency.buckets, latency.sum.as_secs_f64())],
    );
    by_label(
        out,
        "squall_rejected_total",
        "Requests that the engine answered itself.",
        "reason",
        &total.rejected,
    );
    out.gauge(
        "squall_handlers",
        "Handlers that have not answered yet.",
        &[(&[], total.handlers as f64)],
    );
    out.counter(
        "squall_panics_total",
        "Handlers, bodies and other code that panicked.",
        &[(&[], total.panics)],
    );
    out.counter(
        "squall_stalls_total",
        "Times that something held a core too long.",
        &[(&[], total.stalls)],
    );
    let routes: Vec<_> = metrics
        .stalls_by_route
        .iter()
        .map(|(route, count)| ([("route", route.as_str())], *count))
        .collect();
    let routes: Vec<_> = routes
        .iter()
        .map(|(labels, count)| (&labels[..], *count))
        .collect();
    out.counter(
        "squall_stalls_by_route_total",
        "Of them, those by a handler whose route is known.",
        &routes,
    );
}

fn tls(metrics: &Metrics, out: &mut Exposition) {
    let total = metrics.total();
    let versions = [("1.2", &total.tls12_handshakes), ("1.3", &total.tls13_handshakes)];
    let labels: Vec<_> = versions
        .iter()
        .flat_map(|(version, tally)| {
            tally
                .iter()
                .map(|(kind, count)| ([("version", *version), ("kind", kind.name())], count))
        })
        .collect();
    let samples: Vec<_> = labels
        .iter()
        .map(|(labels, count)| (&labels[..], *count))
        .collect();
    out.counter(
        "squall_tls_handshakes_total",
        "TLS handshakes that were completed.",
        &samples,
    );
    by_label(
        out,
        "squall_tls_handshakes_failed_total",
        "TLS handshakes that began and failed.",
        "reason",
        &total.tls_failed,
    );
    let names: Vec<(String, u64)> = metrics
        .certificates
        .iter()
        .map(|end| (end.names.join(","), end.unix_seconds))
        .collect();
    let labels: Vec<_> = names
        .iter()
        .map(|(names, end)| ([("names", names.as_str())], *end as f64))
        .collect();
    // Two certificates for the same names, as of two kinds of keys, are one series: the one that ends first.
    let mut samples: Vec<(super::exposition::Labels<'_>, f64)> = Vec::new();
    for (labels, end) in &labels {
        match samples.iter_mut().find(|(known, _)| *known == &labels[..]) {
            Some((_, first)) => *first = first.min(*end),
            None => samples.push((&labels[..], *end)),
        }
    }
    out.gauge(
        "squall_tls_certificate_end_timestamp_seconds",
        "When the certificates of listeners end, in seconds since 1970.",
        &samples,
    );
}

fn cores(metrics: &Metrics, out: &mut Exposition) {
    let numbers: Vec<String> = (0..metrics.cores.len())
        .map(|number| number.to_string())
        .collect();
    let labels: Vec<_> = numbers.iter().map(|number| [("core", number.as_str())]).collect();
    let busy: Vec<_> = labels
        .iter()
        .zip(&metrics.cores)
        .map(|(labels, core)| (&labels[..], core.busy.as_secs_f64()))
        .collect();
    out.counter_f64(
        "squall_core_busy_seconds_total",
        "Time that a core was not waiting.",
        &busy,
    );
}

fn by_label<L: Label>(out: &mut Exposition, name: &str, help: &str, label: &str, tally: &Tally<L>) {
    let labels: Vec<_> = tally
        .iter()
        .map(|(value, count)| ([(label, value.name())], count))
        .collect();
    let samples: Vec<_> = labels
        .iter()
        .map(|(labels, count)| (&labels[..], *count))
        .collect();
    out.counter(name, help, &samples);
}
