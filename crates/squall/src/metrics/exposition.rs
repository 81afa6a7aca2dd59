//! Numbers as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0.0.

use std::collections::HashSet;
use std::fmt::Write;

/// Which of the two forms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// Prometheus' own, version 0.0.4: what everything reads.
    #[default]
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Syntax {
    /// What a scraper's `Accept` asks for: OpenMetrics if it names it, else the older form.
    pub fn of_accept(accept: &str) -> Self {
        let asks = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            named && !parts.any(|part| part.eq_ignore_ascii_case("q=0") || part.eq_ignore_ascii_case("q=0.0"))
        };
        if accept.split(',').any(asks) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The labels of one series: names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// One series of a histogram: its labels, how many fell into each bucket (not cumulative, one more than there are
/// bounds), and the sum of all values.
pub type Buckets<'a> = (Labels<'a>, &'a [u64], f64);

/// Text in the making. Every family must be written once: what is written under a name that has been used, or that is
/// none, is left out, since it would make the whole text unreadable.
pub struct Exposition {
    syntax: Syntax,
    text: String,
    families: HashSet<String>,
}

impl Exposition {
    pub(super) fn new(syntax: Syntax) -> Self {
        Self {
            syntax,
            text: String::with_capacity(16 * 1024),
            families: HashSet::new(),
        }
    }

    /// Numbers that only grow. The name ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str, samples: &[(Labels<'_>, u64)]) {
        if is_counter_name(name) && self.family(name, "counter", help) {
            for (labels, value) in samples {
                self.sample(name, labels, None, &value.to_string());
            }
        }
    }

    /// A number that only grows and is no whole one, such as seconds.
    pub fn counter_f64(&mut self, name: &str, help: &str, samples: &[(Labels<'_>, f64)]) {
        if is_counter_name(name) && self.family(name, "counter", help) {
            for (labels, value) in samples {
                self.sample(name, labels, None, &number(*value));
            }
        }
    }

    /// Numbers that rise and fall.
    pub fn gauge(&mut self, name: &str, help: &str, samples: &[(Labels<'_>, f64)]) {
        if is_gauge_name(name) && self.family(name, "gauge", help) {
            for (labels, value) in samples {
                self.sample(name, labels, None, &number(*value));
            }
        }
    }

    /// How values are spread; `bounds` are the upper bounds of all buckets but the last, rising.
    pub fn histogram(&mut self, name: &str, help: &str, bounds: &[f64], series: &[Buckets<'_>]) {
        if !is_gauge_name(name) || !self.family(name, "histogram", help) {
            return;
        }
        for (labels, counts, sum) in series {
            let mut below = 0;
            let bounds = bounds.iter().copied().chain([f64::INFINITY]);
            for (bound, count) in bounds.zip(counts.iter().copied().chain(std::iter::repeat(0))) {
                below += count;
                self.sample(
                    &format!("{name}_bucket"),
                    labels,
                    Some(&number(bound)),
                    &below.to_string(),
                );
            }
            self.sample(&format!("{name}_sum"), labels, None, &number(*sum));
            self.sample(&format!("{name}_count"), labels, None, &below.to_string());
        }
    }

    /// The head of a family; whether its samples may follow.
    fn family(&mut self, name: &str, kind: &str, help: &str) -> bool {
        // OpenMetrics names a counter without the end that its samples have.
        let named = match self.syntax {
            Syntax::OpenMetrics if kind == "counter" => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        // Also `a` after `a_total`, which OpenMetrics would take for one.
        if !self
            .families
            .insert(name.strip_suffix("_total").unwrap_or(name).to_owned())
        {
            return false;
        }
        let mut escaped = help.replace('\\', "\\\\").replace('\n', "\\n");
        if self.syntax == Syntax::OpenMetrics {
            escaped = escaped.replace('"', "\\\"");
        }
        // Writing to a String cannot fail.
        let _ = write!(self.text, "# HELP {named} {escaped}\n# TYPE {named} {kind}\n");
        true
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, bound: Option<&str>, value: &str) {
        self.text.push_str(name);
        let mut open = '{';
        for (label, value) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
            if !is_label_name(label) {
                continue;
            }
            let _ = write!(self.text, "{open}{label}=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    pub(super) fn finish(mut self) -> String {
        if self.syntax == Syntax::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
fn is_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b == b':';
    bytes.next().is_some_and(first) && bytes.all(|b| first(b) || b.is_ascii_digit())
}

/// A counter: its samples are named `…_total` in both forms.
pub(super) fn is_counter_name(name: &str) -> bool {
    is_metric_name(name) && name.len() > "_total".len() && name.ends_with("_total")
}

/// Anything but a counter: OpenMetrics keeps these ends for samples.
pub(super) fn is_gauge_name(name: &str) -> bool {
    let kept = ["_total", "_created", "_bucket", "_count", "_sum", "_info"];
    is_metric_name(name) && !kept.iter().any(|end| name.ends_with(end))
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(syntax: Syntax) -> String {
        let mut out = Exposition::new(syntax);
        out.counter(
            "a_total",
            "Counts \"a\",\nback\\slash.",
            &[(&[("x", "q\"b\\n\n")], 3), (&[], 0)],
        );
        out.gauge("b", "", &[(&[], 1.5), (&[("k", "é{}")], f64::NEG_INFINITY)]);
        out.histogram(
            "h_seconds",
            "H.",
            &[0.1, 1.0],
            &[(&[("r", "/")], &[1, 0, 2], 3.25)],
        );
        out.finish()
    }

    #[test]
    fn the_text_format() {
        assert_eq!(
            example(Syntax::Text),
            "# HELP a_total Counts \"a\",\\nback\\\\slash.\n# TYPE a_total counter\n\
             a_total{x=\"q\\\"b\\\\n\\n\"} 3\na_total 0\n\
             # HELP b \n# TYPE b gauge\nb 1.5\nb{k=\"é{}\"} -Inf\n\
             # HELP h_seconds H.\n# TYPE h_seconds histogram\n\
             h_seconds_bucket{r=\"/\",le=\"0.1\"} 1\nh_seconds_bucket{r=\"/\",le=\"1\"} 1\n\
             h_seconds_bucket{r=\"/\",le=\"+Inf\"} 3\nh_seconds_sum{r=\"/\"} 3.25\nh_seconds_count{r=\"/\"} 3\n"
        );
    }

    #[test]
    fn openmetrics() {
        let text = example(Syntax::OpenMetrics);
        assert!(
            text.starts_with("# HELP a Counts \\\"a\\\",\\nback\\\\slash.\n# TYPE a counter\na_total{"),
            "{text}"
        );
        assert!(text.ends_with("h_seconds_count{r=\"/\"} 3\n# EOF\n"), "{text}");
    }

    #[test]
    fn what_would_make_the_text_unreadable_is_left_out() {
        let mut out = Exposition::new(Syntax::OpenMetrics);
        out.gauge("twice", "", &[(&[], 1.0)]);
        out.gauge("twice", "", &[(&[], 2.0)]);
        out.counter("twice_total", "", &[(&[], 3)]);
        out.gauge("1bad", "", &[(&[], 4.0)]);
        out.gauge("", "", &[(&[], 4.0)]);
        out.gauge("bad name", "", &[(&[], 4.0)]);
        out.gauge("x\n", "", &[(&[], 4.0)]);
        out.counter("no_end", "", &[(&[], 4)]);
        out.counter("_total", "", &[(&[], 4)]);
        out.gauge("a_count", "", &[(&[], 4.0)]);
        out.gauge(
            "labels",
            "",
            &[(&[("ok", "1"), ("not ok", "2"), ("le:", "3")], 5.0)],
        );
        assert_eq!(
            out.finish(),
            "# HELP twice \n# TYPE twice gauge\ntwice 1\n# HELP labels \n# TYPE labels gauge\nlabels{ok=\"1\"} 5\n# EOF\n"
        );
    }

    #[test]
    fn scrapers_get_what_they_ask_for() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Syntax::of_accept(prometheus), Syntax::OpenMetrics);
        for other in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/json",
        ] {
            assert_eq!(Syntax::of_accept(other), Syntax::Text);
        }
    }
}
