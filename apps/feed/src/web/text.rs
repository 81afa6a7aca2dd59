//! Text of people as HTML, and times as words.

use std::fmt::Write as _;

use squall::templates::{escape, linkify};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::domain::mentions::mentions_in;
use crate::domain::posts::Mention;

/// A text as safe HTML: everything is escaped, `http` and `https` links and the names of `mentions` can be clicked.
pub(super) fn post_text_html(text: &str, mentions: &[Mention]) -> String {
    let mut html = String::with_capacity(text.len() * 2);
    let mut from = 0;
    for at in mentions_in(text) {
        if is_within_address(&text[..at.range.start]) {
            continue;
        }
        let Some(mention) = mentions
            .iter()
            .find(|mention| mention.name.eq_ignore_ascii_case(&at.name))
        else {
            continue;
        };
        html.push_str(&linkify(&text[from..at.range.start]));
        let name = escape(&mention.name);
        let shown = escape(&text[at.range.clone()]);
        let _ = write!(html, "<a class=\"mention\" href=\"/@{name}\">{shown}</a>");
        from = at.range.end;
    }
    html.push_str(&linkify(&text[from..]));
    html
}

/// Whether what follows `before` belongs to a web address, whose `@` names nobody here.
fn is_within_address(before: &str) -> bool {
    before
        .rsplit(char::is_whitespace)
        .next()
        .is_some_and(|word| word.contains("://"))
}

/// The first line of a text, cut after `chars_max` characters: for titles.
pub(super) fn beginning(text: &str, chars_max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= chars_max && line.len() == text.len() {
        return line.to_owned();
    }
    let cut: String = line.chars().take(chars_max).collect();
    format!("{}…", cut.trim_end())
}

/// A moment as the pages say it: for machines, in full, and in few words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Moment {
    pub(super) created_iso: String,
    pub(super) created_full: String,
    pub(super) created_ago: String,
}

impl Moment {
    /// Says when `at_ms` was, seen from `now_ms` (both milliseconds since 1970).
    pub(super) fn new(at_ms: u64, now_ms: u64) -> Self {
        Self {
            created_iso: squall::templates::iso8601(at_ms),
            created_full: full(at_ms),
            created_ago: ago(at_ms, now_ms),
        }
    }
}

fn date(at_ms: u64) -> OffsetDateTime {
    let seconds = i64::try_from(at_ms / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn full(at_ms: u64) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    date(at_ms).format(format).unwrap_or_default()
}

/// "May 2026".
pub(super) fn month(at_ms: u64) -> String {
    let format = format_description!("[month repr:long] [year]");
    date(at_ms).format(format).unwrap_or_default()
}

/// How long ago, in the words that the script keeps fresh: the two must agree, or every page flickers once.
fn ago(at_ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(at_ms) / 1_000;
    if seconds < 60 {
        return "now".to_owned();
    }
    if seconds < 3_600 {
        return format!("{} min", seconds / 60);
    }
    if seconds < 86_400 {
        return format!("{} h", seconds / 3_600);
    }
    // Within most of a year the day says enough.
    let formatted = if seconds < 300 * 86_400 {
        date(at_ms).format(format_description!("[day padding:none] [month repr:short]"))
    } else {
        date(at_ms).format(format_description!(
            "[day padding:none] [month repr:short] [year]"
        ))
    };
    formatted.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PersonId;

    fn ann() -> Vec<Mention> {
        vec![Mention {
            id: PersonId::new(1).unwrap(),
            name: "ann".to_owned(),
        }]
    }

    #[test]
    fn text_is_escaped_everywhere() {
        let html = post_text_html("<script>@ann</script> & \"x\" @ann<img src=x>", &ann());
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        assert!(html.contains("&lt;script"), "{html}");
        assert!(
            html.contains("<a class=\"mention\" href=\"/@ann\">@ann</a>"),
            "{html}"
        );
    }

    #[test]
    fn only_known_names_become_links() {
        let html = post_text_html(
            "@ann @bo a@ann.example https://x.example/@ann?u=@ann @Ann",
            &ann(),
        );
        assert_eq!(html.matches("class=\"mention\"").count(), 2, "{html}");
        assert!(html.contains("href=\"https://x.example/@ann?u=@ann\""), "{html}");
        assert!(html.contains(">@Ann</a>"), "{html}");
    }

    #[test]
    fn links_promise_nothing() {
        let html = post_text_html("see https://x.example/ and javascript:alert(1)", &[]);
        assert!(html.contains("rel=\"nofollow noopener ugc\""), "{html}");
        assert!(!html.contains("href=\"javascript"), "{html}");
    }

    #[test]
    fn times_in_words() {
        const DAY: u64 = 86_400_000;
        let now = 1_795_348_800_000; // 22 November 2026
        for (before, words) in [
            (0, "now"),
            (59_999, "now"),
            (60_000, "1 min"),
            (3_599_999, "59 min"),
            (3_600_000, "1 h"),
            (DAY - 1, "23 h"),
            (DAY, "21 Nov"),
            (300 * DAY - 1, "26 Jan"),
            (300 * DAY, "26 Jan 2026"),
        ] {
            assert_eq!(ago(now - before, now), words);
        }
        assert_eq!(ago(now + 5_000, now), "now", "a clock that is ahead");
    }

    #[test]
    fn a_title_is_short() {
        assert_eq!(beginning("short", 10), "short");
        assert_eq!(beginning("exactly ten", 11), "exactly ten");
        assert_eq!(beginning("exactly ten", 10), "exactly te…");
        assert_eq!(beginning("one\ntwo", 10), "one…");
    }
}
