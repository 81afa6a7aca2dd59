//! How latencies are spread, drawn: which share of all took at most how long.

use std::fmt::Write as _;

use crate::stats::Histogram;
use crate::svg::escape;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 48.0;
/// The shares that are marked. Each nine takes as much room as the one before.
const SHARES: [(f64, &str); 6] = [
    (0.0, "0"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
];
/// The right end.
const SHARE_MAX: f64 = 0.99999;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.d{fill:#59636e}.g{fill:#fff;stroke:#d1d9e0}\
.a{stroke:#d1d9e0}.l{stroke:#0969da;fill:none;stroke-width:2}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.d{fill:#9198a1}.g{fill:#0d1117;stroke:#3d444d}\
.a{stroke:#3d444d}.l{stroke:#4493f8}}";

/// Draws them.
#[must_use]
pub fn draw(title: &str, latency: &Histogram) -> String {
    let most_ms = latency.max().as_secs_f64() * 1e3;
    let x_of = |share: f64| LEFT + nines(share) / nines(SHARE_MAX) * (WIDTH - LEFT - RIGHT);
    let y_of = |ms: f64| HEIGHT - BOTTOM - ms / most_ms.max(1e-9) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"g\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         <text class=\"d\" x=\"24\" y=\"28\">{title}</text>\n",
        WIDTH - 1.0,
        HEIGHT - 1.0,
        title = escape(title),
    );
    let bottom = HEIGHT - BOTTOM;
    for (share, label) in SHARES {
        let x = x_of(share);
        let _ = writeln!(
            svg,
            "<line class=\"a\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>\
             <text class=\"d\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 20.0
        );
    }
    for ms in [0.0, most_ms / 2.0, most_ms] {
        let y = y_of(ms);
        let _ = writeln!(
            svg,
            "<line class=\"a\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"d\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{ms:.1} ms</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
        );
    }
    let mut seen = 0;
    let mut points = String::new();
    for (ns, count) in latency.buckets() {
        let before = seen as f64 / latency.count() as f64;
        seen += count;
        let _ = write!(
            points,
            "{:.1},{:.1} ",
            x_of(before.min(SHARE_MAX)),
            y_of(ns as f64 / 1e6)
        );
    }
    let _ = writeln!(
        svg,
        "<polyline class=\"l\" points=\"{}\"/>\n</svg>",
        points.trim_end()
    );
    svg
}

/// 0.9 is one, 0.99 is two.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_line_ends_at_the_largest_latency() {
        let mut latency = Histogram::default();
        latency.record_many(Duration::from_millis(1), 99);
        latency.record(Duration::from_millis(10));
        let svg = draw("a & b", &latency);
        assert!(svg.contains("a &amp; b") && svg.contains("10.0 ms"));
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let last = points.split(' ').next_back().unwrap();
        // 99 of 100 are two nines of five; the largest latency is the top.
        assert_eq!(
            last,
            format!("{:.1},{TOP:.1}", LEFT + 0.4 * (WIDTH - LEFT - RIGHT))
        );
    }
}
