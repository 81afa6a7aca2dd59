//! Figures as a table and as a chart.

use std::fmt::Write as _;

use bench_compare::stats::{median, spread};
use bench_compare::svg::escape;

/// One figure of several candidates, a value for each round.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is, with its unit.
    pub what: String,
    /// The candidates and what each round gave.
    pub values: Vec<(&'static str, Vec<f64>)>,
}

impl Figure {
    /// A figure without values.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            values: Vec::new(),
        }
    }

    /// Takes in what a round gave.
    pub fn add(&mut self, name: &'static str, value: f64) {
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.values.push((name, vec![value])),
        }
    }

    /// The median of a candidate.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<f64> {
        let (_, values) = self.values.iter().find(|(known, _)| *known == name)?;
        median(values)
    }
}

/// Rounds that lie further apart than this are called noisy.
const NOISY: f64 = 0.25;

/// The medians; `~` stands before those whose rounds lie far apart.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let Some(first) = figures.first() else {
        return String::new();
    };
    let mut out = String::from("| |");
    for (name, _) in &first.values {
        let _ = write!(out, " {name} |");
    }
    out.push_str("\n|---|");
    out.push_str(&"--:|".repeat(first.values.len()));
    for figure in figures {
        let _ = write!(out, "\n| {} |", figure.what);
        for (_, values) in &figure.values {
            let noisy = spread(values).is_some_and(|spread| spread > NOISY);
            let value = median(values).map_or("-".into(), number);
            let _ = write!(out, " {}{value} |", if noisy { "~" } else { "" });
        }
    }
    out.push('\n');
    out
}

/// Three digits and no more.
#[must_use]
pub fn number(value: f64) -> String {
    if value >= 100.0 {
        let digits = format!("{value:.0}");
        let mut out = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                out.push(',');
            }
            out.push(digit);
        }
        out
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

const WIDTH: u32 = 760;
const MARGIN: u32 = 24;
const NAME_WIDTH: u32 = 150;
const VALUE_WIDTH: u32 = 90;
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
.g{fill:#fff;stroke:#d1d9e0}.b0{fill:#0969da}.b1{fill:#8c959f}.b2{fill:#b8a4d4}.b3{fill:#7fb685}.b4{fill:#d9b26f}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.d{fill:#9198a1}.g{fill:#0d1117;stroke:#3d444d}\
.b0{fill:#4493f8}.b1{fill:#656c76}.b2{fill:#7d67a3}.b3{fill:#4f8a5b}.b4{fill:#9a7637}}";

/// One group of bars a figure, each on its own scale.
#[must_use]
pub fn chart(title: &str, figures: &[Figure]) -> String {
    let group = |figure: &Figure| {
        TITLE_HEIGHT + BAR_STEP * u32::try_from(figure.values.len()).unwrap_or(0) + GROUP_GAP
    };
    let height = figures.iter().map(group).sum::<u32>() + HEAD_HEIGHT + MARGIN;
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
    for figure in figures {
        bars(&mut svg, figure, top);
        top += group(figure);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(svg: &mut String, figure: &Figure, top: u32) {
    let _ = writeln!(
        svg,
        "<text class=\"h\" x=\"{MARGIN}\" y=\"{}\">{}</text>",
        top + 15,
        escape(&figure.what)
    );
    let values: Vec<_> = figure
        .values
        .iter()
        .map(|(name, values)| (*name, median(values).unwrap_or(0.0)))
        .collect();
    let largest = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let room = f64::from(WIDTH - 2 * MARGIN - NAME_WIDTH - VALUE_WIDTH);
    let left = MARGIN + NAME_WIDTH;
    let mut y = top + TITLE_HEIGHT;
    for (number_of_bar, (name, value)) in values.into_iter().enumerate() {
        let share = if largest > 0.0 { value / largest } else { 0.0 };
        let width = (share * room).max(BAR_WIDTH_MIN);
        let text_y = y + BAR_HEIGHT - 3;
        let _ = writeln!(
            svg,
            "<text class=\"d\" x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>\
             <rect class=\"b{}\" x=\"{left}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{text_y}\">{}</text>",
            left - 8,
            escape(name),
            number_of_bar % 5,
            f64::from(left) + width + 8.0,
            number(value),
        );
        y += BAR_STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure() -> Figure {
        let mut figure = Figure::new("a & b");
        for (name, value) in [("x", 1.0), ("y", 4.0), ("x", 3.0), ("y", 4.0)] {
            figure.add(name, value);
        }
        figure
    }

    #[test]
    fn a_table_has_medians_and_says_what_is_noisy() {
        let text = table(&[figure()]);
        assert_eq!(text, "| | x | y |\n|---|--:|--:|\n| a & b | ~2.00 | 4.00 |\n");
        assert_eq!(number(1_234_567.4), "1,234,567");
        assert_eq!(number(12.34), "12.3");
    }

    #[test]
    fn a_chart_is_well_formed() {
        let svg = chart("t <", &[figure()]);
        assert!(svg.contains("t &lt;") && svg.contains("a &amp; b"), "{svg}");
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        let room = f64::from(WIDTH - 2 * MARGIN - NAME_WIDTH - VALUE_WIDTH);
        assert!(
            svg.contains(&format!("width=\"{room:.1}\""))
                && svg.contains(&format!("width=\"{:.1}\"", room / 2.0))
        );
    }
}
