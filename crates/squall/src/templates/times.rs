//! Times as people say them, with the exact one beside.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcDateTime};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How long ago that was: `just now`, `5 minutes ago`, `yesterday`, `3 days ago`, and from a week on the date (with
/// the year when it is another one, in UTC). A time in the future, by a clock that differs, is just now.
pub fn ago_text(then_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    let count = |number: u64, unit: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{number} {unit}{plural} ago")
    };
    match seconds {
        0..45 => "just now".to_owned(),
        45..HOUR => count((seconds / MINUTE).max(1), "minute"),
        HOUR..DAY => count(seconds / HOUR, "hour"),
        DAY.. if seconds < 2 * DAY => "yesterday".to_owned(),
        DAY.. if seconds < 7 * DAY => count(seconds / DAY, "day"),
        _ => date_text(then_ms, now_ms),
    }
}

/// [`ago_text`] in a `<time>` element that carries the exact time for programs and as a title for people.
pub fn ago_html(then_ms: u64, now_ms: u64) -> String {
    let title = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    let title = at(then_ms).format(title).unwrap_or_default();
    format!(
        r#"<time datetime="{}" title="{title}">{}</time>"#,
        iso8601(then_ms),
        ago_text(then_ms, now_ms)
    )
}

/// `2026-11-22T12:00:00.000Z`: the exact time, in the form that all programs read (RFC 3339).
pub fn iso8601(unix_ms: u64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at(unix_ms).format(form).unwrap_or_default()
}

/// Milliseconds since the Unix epoch of an RFC 3339 time from 1970 on.
pub(super) fn parse_rfc3339(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

fn date_text(then_ms: u64, now_ms: u64) -> String {
    let (then, now) = (at(then_ms), at(now_ms));
    let text = if then.year() == now.year() {
        then.format(format_description!("[day padding:none] [month repr:long]"))
    } else {
        then.format(format_description!("[day padding:none] [month repr:long] [year]"))
    };
    text.unwrap_or_default()
}

/// Times after the year 9999 are its end: nothing we show is later.
fn at(unix_ms: u64) -> UtcDateTime {
    UtcDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).unwrap_or(UtcDateTime::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T12:00:00Z.
    const NOW: u64 = 1_795_348_800_000;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, text) in [
            (0, "just now"),
            (44, "just now"),
            (45, "1 minute ago"),
            (119, "1 minute ago"),
            (120, "2 minutes ago"),
            (HOUR - 1, "59 minutes ago"),
            (HOUR, "1 hour ago"),
            (DAY - 1, "23 hours ago"),
            (DAY, "yesterday"),
            (2 * DAY - 1, "yesterday"),
            (2 * DAY, "2 days ago"),
            (7 * DAY - 1, "6 days ago"),
            (7 * DAY, "15 November"),
            (365 * DAY, "22 November 2025"),
        ] {
            assert_eq!(ago_text(NOW - seconds * 1000, NOW), text, "{seconds}");
        }
        assert_eq!(ago_text(NOW + 5000, NOW), "just now");
        assert_eq!(ago_text(0, NOW), "1 January 1970");
        assert_eq!(ago_text(u64::MAX, NOW), "just now");
    }

    #[test]
    fn the_exact_time_stands_beside() {
        assert_eq!(
            ago_html(NOW - 300_000, NOW),
            "<time datetime=\"2026-11-22T11:55:00.000Z\" title=\"22 November 2026, 11:55 UTC\">5 minutes ago</time>"
        );
        assert_eq!(iso8601(1), "1970-01-01T00:00:00.001Z");
        assert_eq!(iso8601(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn rfc_3339_is_read() {
        assert_eq!(parse_rfc3339("2026-11-22T13:00:00.5+01:00"), Some(NOW + 500));
        for bad in ["", "1969-01-01T00:00:00Z", "2026-11-22", "2026-13-01T00:00:00Z"] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
