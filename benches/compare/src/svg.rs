//! The results as a chart: one group of bars per figure, each group on its own scale.

use std::fmt::Write as _;

use crate::report::Headline;
use crate::servers::Kind;

const WIDTH: u32 = 760;
const MARGIN: u32 = 24;
const NAME_WIDTH: u32 = 96;
/// Room for the value right of the longest bar.
const VALUE_WIDTH: u32 = 150;
const BAR_HEIGHT: u32 = 14;
const BAR_STEP: u32 = 19;
const TITLE_HEIGHT: u32 = 24;
const GROUP_GAP: u32 = 14;
const HEAD_HEIGHT: u32 = 40;
/// A bar that is there can be seen.
const BAR_WIDTH_MIN: f64 = 1.5;

/// The page brings its own ground, so that it can be read wherever it is shown; dark where the reader prefers that.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.h{font-weight:600}.d{fill:#59636e}\
.g{fill:#fff;stroke:#d1d9e0}.squall{fill:#0969da}.axum{fill:#8c959f}.actix{fill:#b8a4d4}.nginx{fill:#7fb685}.bun{fill:#d9a65f}.socketio{fill:#c98ba2}.socketioxide{fill:#a3a35c}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.d{fill:#9198a1}.g{fill:#0d1117;stroke:#3d444d}\
.squall{fill:#4493f8}.axum{fill:#656c76}.actix{fill:#7d67a3}.nginx{fill:#4f8a5b}.bun{fill:#a37a3e}.socketio{fill:#94607a}.socketioxide{fill:#74743c}}";

/// Draws the figures.
#[must_use]
pub fn draw(title: &str, rows: &[Headline]) -> String {
    let height = rows.iter().map(group_height).sum::<u32>() + HEAD_HEIGHT + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"g\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         <text class=\"d\" x=\"{MARGIN}\" y=\"28\">{title}</text>\n",
        WIDTH - 1,
        height - 1,
        title = escape(title),
    );
    let mut top = HEAD_HEIGHT;
    for row in rows {
        draw_group(&mut svg, row, top);
        top += group_height(row);
    }
    svg.push_str("</svg>\n");
    svg
}

fn group_height(row: &Headline) -> u32 {
    TITLE_HEIGHT + BAR_STEP * u32::try_from(row.values.len()).unwrap_or(0) + GROUP_GAP
}

fn draw_group(svg: &mut String, row: &Headline, top: u32) {
    let better = if row.metric.more_is_better() {
        " (more is better)"
    } else {
        ""
    };
    let _ = writeln!(
        svg,
        "<text class=\"h\" x=\"{MARGIN}\" y=\"{}\">{}{better}</text>",
        top + 15,
        escape(&row.what)
    );
    let largest = row.values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let room = f64::from(WIDTH - 2 * MARGIN - NAME_WIDTH - VALUE_WIDTH);
    let left = MARGIN + NAME_WIDTH;
    let mut y = top + TITLE_HEIGHT;
    for &(kind, value) in &row.values {
        let share = if largest > 0.0 { value / largest } else { 0.0 };
        let width = (share * room).max(BAR_WIDTH_MIN);
        let text_y = y + BAR_HEIGHT - 3;
        let _ = writeln!(
            svg,
            "<text class=\"d\" x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{}\" x=\"{left}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{text_y}\">{}</text>",
            left - 8,
            kind.name(),
            class(kind),
            f64::from(left) + width + 8.0,
            escape(&row.metric.format(value)),
        );
        y += BAR_STEP;
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Squall => "squall",
        Kind::Axum => "axum",
        Kind::Actix => "actix",
        Kind::Nginx => "nginx",
        Kind::Bun => "bun",
        Kind::SocketIo => "socketio",
        Kind::Socketioxide => "socketioxide",
    }
}

/// Text as SVG takes it.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;

    fn row(what: &str, values: &[(Kind, f64)]) -> Headline {
        Headline {
            what: what.into(),
            metric: Metric::Cpu,
            values: values.into(),
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let svg = draw(
            "costs",
            &[row("echo", &[(Kind::Squall, 1_000.0), (Kind::Axum, 4_000.0)])],
        );
        let room = f64::from(WIDTH - 2 * MARGIN - NAME_WIDTH - VALUE_WIDTH);
        assert!(
            svg.contains(&format!("class=\"axum\" x=\"120\" y=\"83\" width=\"{room:.1}\"")),
            "{svg}"
        );
        assert!(svg.contains(&format!("width=\"{:.1}\"", room / 4.0)), "{svg}");
        assert!(svg.contains("1.00 µs") && svg.contains("4.00 µs"), "{svg}");
    }

    #[test]
    fn a_chart_is_well_formed_whatever_it_is_called() {
        let svg = draw("a <b> & \"c\"", &[row("x & y", &[(Kind::Squall, 0.0)])]);
        assert!(
            svg.contains("a &lt;b&gt; &amp; &quot;c&quot;") && svg.contains("x &amp; y"),
            "{svg}"
        );
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(
            svg.contains("width=\"1.5\""),
            "a bar of nothing can be seen: {svg}"
        );
    }
}
