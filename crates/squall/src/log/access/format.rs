//! A record as a line: the common and the combined format of Apache's server, and JSON.

use std::fmt::Write;

use axum::http::Version;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::record::{Record, Shown};
use super::secrets;
use crate::log::escape;

/// How lines of the access log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lines {
    /// `192.0.2.7 - alice [10/Oct/2026:13:55:36 +0000] "GET /a HTTP/1.1" 200 2326`: what every tool reads. Times are UTC. A
    /// request that nobody waited for has status 499.
    #[default]
    Common,
    /// The same and `"referer" "user agent"`. The referring page is written without its query.
    Combined,
    /// One JSON object a line, with everything that is known: `time`, `id`, `client`, `method`, `target`, `route`,
    /// `protocol`, `status`, `bytes`, `duration_us`, `aborted`, `trace_id`, `span_id`; `parent_id`, `user`, `referer` and
    /// `user_agent` where there are.
    Json,
}

impl std::str::FromStr for Lines {
    type Err = crate::log::LogError;

    /// `common`, `combined` or `json`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "common" => Ok(Self::Common),
            "combined" => Ok(Self::Combined),
            "json" => Ok(Self::Json),
            other => {
                let shown = other.escape_debug();
                Err(crate::log::LogError::new(format!(
                    "`{shown}` is no form of access log lines: common, combined or json"
                )))
            }
        }
    }
}

/// Appends the line, with its end.
pub(super) fn line(record: &Record, lines: Lines, out: &mut String) {
    match lines {
        Lines::Common => common(record, out),
        Lines::Combined => {
            common(record, out);
            let text = |value: &Option<axum::http::HeaderValue>| {
                value
                    .as_ref()
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            let referer = text(&record.referer).map(|address| secrets::page(&address));
            for field in [referer, text(&record.agent)] {
                out.push_str(" \"");
                quoted(field.as_deref().unwrap_or("-"), out);
                out.push('"');
            }
        }
        Lines::Json => json(record, out),
    }
    out.push('\n');
}

fn common(record: &Record, out: &mut String) {
    let shown = Shown(record);
    // Writing to a String cannot fail.
    let _ = write!(out, "{} - ", shown.client());
    match record.user.as_deref().filter(|user| !user.is_empty()) {
        Some(user) => word(user, out),
        None => out.push('-'),
    }
    let at = OffsetDateTime::from(record.began_at);
    let month = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let _ = write!(
        out,
        " [{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000] \"",
        at.day(),
        month[usize::from(u8::from(at.month()) - 1)],
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    );
    quoted(record.method.as_str(), out);
    out.push(' ');
    quoted(&shown.target(), out);
    let _ = write!(
        out,
        " {}\" {} {}",
        protocol(record.version),
        record.status(),
        record.bytes
    );
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// Text between quotes, as Apache escapes it: quotes and backslashes by a backslash, what is not printable ASCII as
/// `\xhh`.
fn quoted(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
}

/// As [`quoted`], without blanks: a field that is not between quotes.
fn word(text: &str, out: &mut String) {
    let from = out.len();
    quoted(text, out);
    let escaped = out.split_off(from).replace(' ', "\\x20").replace("\\\"", "\\x22");
    out.push_str(&escaped);
}

fn json(record: &Record, out: &mut String) {
    let shown = Shown(record);
    let time = OffsetDateTime::from(record.began_at);
    let mut pair = |name: &str, value: &str| {
        out.push(if out.ends_with('\n') || out.is_empty() {
            '{'
        } else {
            ','
        });
        let _ = write!(out, "\"{name}\":\"");
        json_text(value, out);
        out.push('"');
    };
    pair("time", &time.format(&Rfc3339).unwrap_or_default());
    pair("id", record.id.as_str());
    pair("client", &shown.client().to_string());
    pair("method", record.method.as_str());
    pair("target", &shown.target());
    pair("route", shown.route());
    pair("protocol", protocol(record.version));
    pair("trace_id", &shown.trace_id());
    pair("span_id", &shown.span_id());
    if let Some(parent) = record.trace.parent_id() {
        pair("parent_id", &parent);
    }
    if let Some(user) = &record.user {
        pair("user", user);
    }
    if let Some(referer) = &record.referer {
        pair(
            "referer",
            &escape::one_line(&secrets::page(&String::from_utf8_lossy(referer.as_bytes()))),
        );
    }
    if let Some(agent) = &record.agent {
        pair(
            "user_agent",
            &escape::one_line(&String::from_utf8_lossy(agent.as_bytes())),
        );
    }
    let micros = record.duration().as_micros();
    let (status, bytes, aborted) = (record.status(), record.bytes, record.is_aborted());
    let _ = write!(
        out,
        ",\"status\":{status},\"bytes\":{bytes},\"duration_us\":{micros},\"aborted\":{aborted}}}"
    );
}

/// The inside of a JSON string. Also escapes what is allowed in one, and breaks lines or turns text in some viewers.
fn json_text(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            _ if escape::is_hidden(character) => drop(write!(out, "\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_control_characters_are_escaped() {
        let mut out = String::new();
        quoted("a\"b\\c\r\nd\u{7f}é", &mut out);
        assert_eq!(out, "a\\\"b\\\\c\\x0d\\x0ad\\x7f\\xc3\\xa9");
        out.clear();
        word("al ice\" - [", &mut out);
        assert_eq!(out, "al\\x20ice\\x22\\x20-\\x20[");
    }

    #[test]
    fn json_text_is_json() {
        let text = "a\"b\\c\r\nd\u{7f}\u{85}\u{2028}\u{202e}é\u{0}";
        let mut out = String::from('"');
        json_text(text, &mut out);
        out.push('"');
        assert!(out.is_ascii() || out.contains('é'));
        assert!(!out.chars().any(escape::is_hidden), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
