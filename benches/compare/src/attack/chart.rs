//! What each attack cost, as bars: memory of a connection, and a bystander's p99 before and during.

use std::fmt::Write as _;

use super::report::Row;
use crate::svg::escape;

const WIDTH: u32 = 760;
const MARGIN: u32 = 24;
const NAME_WIDTH: u32 = 190;
const COLUMN_WIDTH: u32 = 230;
const COLUMN_GAP: u32 = 30;
/// Room for the value right of the longest bar.
const VALUE_WIDTH: u32 = 84;
const BAR_HEIGHT: u32 = 11;
const ROW_HEIGHT: u32 = 40;
const HEAD_HEIGHT: u32 = 72;
/// A bar that is there can be seen.
const BAR_WIDTH_MIN: f64 = 1.5;

/// The page brings its own ground, so that it can be read wherever it is shown; dark where the reader prefers that.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.h{font-weight:600}.d{fill:#59636e}\
.g{fill:#fff;stroke:#d1d9e0}.m{fill:#0969da}.q{fill:#8c959f}.b{fill:#bc4c00}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.d{fill:#9198a1}.g{fill:#0d1117;stroke:#3d444d}\
.m{fill:#4493f8}.q{fill:#656c76}.b{fill:#db6d28}}";

/// Draws the rows.
#[must_use]
pub fn draw(title: &str, rows: &[Row]) -> String {
    let height = HEAD_HEIGHT + ROW_HEIGHT * u32::try_from(rows.len()).unwrap_or(0) + MARGIN;
    let (memory_x, latency_x) = (
        MARGIN + NAME_WIDTH,
        MARGIN + NAME_WIDTH + COLUMN_WIDTH + COLUMN_GAP,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"g\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         <text class=\"d\" x=\"{MARGIN}\" y=\"28\">{title}</text>\n\
         <text class=\"h\" x=\"{memory_x}\" y=\"56\">memory per connection</text>\
         <text class=\"h\" x=\"{latency_x}\" y=\"56\">a bystander's p99, before and during</text>\n",
        WIDTH - 1,
        height - 1,
        title = escape(title),
    );
    let memory = |row: &Row| row.outcome.bytes_per_attacker(row.attackers) / 1024.0;
    let most_memory = rows.iter().map(memory).fold(0.0, f64::max);
    let before = |row: &Row| row.quiet.quantile(0.99).as_secs_f64() * 1e3;
    let during = |row: &Row| row.beside.quantile(0.99).as_secs_f64() * 1e3;
    let most_time = rows
        .iter()
        .map(|row| before(row).max(during(row)))
        .fold(0.0, f64::max);
    for (number, row) in (0_u32..).zip(rows) {
        let y = HEAD_HEIGHT + number * ROW_HEIGHT;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            memory_x - 10,
            y + 17,
            escape(row.attack.name())
        );
        let kib = memory(row);
        bar(
            &mut svg,
            "m",
            (memory_x, y + 7),
            kib / most_memory,
            &format!("{kib:.1} KiB"),
        );
        for (class, at, time) in [("q", y, before(row)), ("b", y + 15, during(row))] {
            bar(
                &mut svg,
                class,
                (latency_x, at),
                time / most_time,
                &format!("{time:.2} ms"),
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, class: &str, (x, y): (u32, u32), share: f64, value: &str) {
    let share = if share.is_finite() { share } else { 0.0 };
    let width = (share * f64::from(COLUMN_WIDTH - VALUE_WIDTH)).max(BAR_WIDTH_MIN);
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\"/>\
         <text x=\"{:.1}\" y=\"{}\">{value}</text>",
        f64::from(x) + width + 7.0,
        y + BAR_HEIGHT,
    );
}
