//! Memory and descriptors over time, as two curves one under the other.

use std::fmt::Write as _;

use super::samples::Sample;
use crate::svg::escape;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const PANEL_HEIGHT: f64 = 150.0;
const PANEL_STEP: f64 = 210.0;
const TOP: f64 = 62.0;
/// Points of a curve: more would not be seen.
const POINTS_MAX: usize = 720;

/// The page brings its own ground, so that it can be read wherever it is shown; dark where the reader prefers that.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.h{font-weight:600}.d{fill:#59636e}\
.g{fill:#fff;stroke:#d1d9e0}.a{stroke:#d1d9e0}.c{fill:none;stroke:#0969da;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.d{fill:#9198a1}.g{fill:#0d1117;stroke:#3d444d}\
.a{stroke:#3d444d}.c{stroke:#4493f8}}";

/// Draws what was seen.
#[must_use]
pub fn draw(title: &str, samples: &[Sample]) -> String {
    let height = TOP + 2.0 * PANEL_STEP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <rect class=\"g\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         <text class=\"d\" x=\"24\" y=\"28\">{title}</text>\n",
        WIDTH - 1.0,
        height - 1.0,
        title = escape(title),
    );
    let memory = |sample: &Sample| sample.bytes as f64 / f64::from(1 << 20);
    panel(&mut svg, TOP, "resident memory, MiB", samples, memory);
    panel(&mut svg, TOP + PANEL_STEP, "open files", samples, |sample| {
        sample.files as f64
    });
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, top: f64, what: &str, samples: &[Sample], value: impl Fn(&Sample) -> f64) {
    let most = samples.iter().map(&value).fold(0.0, f64::max);
    let scale = round_up(most);
    let minutes = samples
        .last()
        .map_or(0.0, |last| last.at.as_secs_f64() / 60.0)
        .max(0.01);
    let bottom = top + PANEL_HEIGHT;
    let room = WIDTH - LEFT - RIGHT;
    let _ = writeln!(
        svg,
        "<text class=\"h\" x=\"24\" y=\"{}\">{what}</text>",
        top - 10.0
    );
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let y = bottom - share * PANEL_HEIGHT;
        let x = LEFT + share * room;
        let _ = writeln!(
            svg,
            "<line class=\"a\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>\
             <text class=\"d\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text class=\"d\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{:.0} min</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            short(share * scale),
            bottom + 20.0,
            share * minutes,
        );
    }
    let step = samples.len().div_ceil(POINTS_MAX).max(1);
    let points: String = samples
        .iter()
        .step_by(step)
        .chain(samples.last())
        .map(|sample| {
            let x = LEFT + sample.at.as_secs_f64() / 60.0 / minutes * room;
            let y = bottom - value(sample) / scale * PANEL_HEIGHT;
            format!("{x:.1},{y:.1} ")
        })
        .collect();
    let _ = writeln!(svg, "<polyline class=\"c\" points=\"{}\"/>", points.trim_end());
}

/// The next 1, 2, 4, 6 or 8 of its power of ten, so that quarters of it can be read.
fn round_up(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    let fits = steps
        .into_iter()
        .map(|step| step * power)
        .find(|scale| *scale >= most);
    fits.unwrap_or(10.0 * power)
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::soak::Count;

    #[test]
    fn scales_are_round() {
        for (most, scale) in [
            (0.0, 1.0),
            (0.7, 0.8),
            (1.0, 1.0),
            (13.0, 20.0),
            (399.0, 400.0),
            (810.0, 1000.0),
        ] {
            assert!((round_up(most) - scale).abs() < 1e-9, "{most}");
        }
    }

    #[test]
    fn a_curve_has_its_first_and_its_last_point() {
        let samples: Vec<_> = (0..2000)
            .map(|number| Sample {
                at: Duration::from_secs(number),
                bytes: 10 << 20,
                files: 100,
                cpu_ns: 0,
                counts: [0; Count::ALL.len()],
            })
            .collect();
        let svg = draw("an <hour>", &samples);
        assert!(svg.contains("an &lt;hour&gt;"), "{svg}");
        // 10 MiB of 10, 100 files of 100: both at the top.
        assert!(svg.contains(&format!("points=\"{LEFT:.1},{TOP:.1} ")), "{svg}");
        assert!(svg.contains(&format!("{:.1},{TOP:.1}\"", WIDTH - RIGHT)), "{svg}");
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }
}
