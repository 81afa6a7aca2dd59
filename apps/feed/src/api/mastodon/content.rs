//! Plain text as the HTML that clients show: paragraphs, links, mentions, everything else escaped.

use squall::templates::{escape, linkify};

use crate::app::Site;
use crate::domain::mentions::mentions_in;
use crate::domain::posts::Mention;

/// A text with its mentions: each of `mentions` that stands in it becomes a link to that person.
#[must_use]
pub(crate) fn html(site: &Site, text: &str, mentions: &[Mention]) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4 + 16);
    for paragraph in text
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
    {
        out.push_str("<p>");
        paragraph_html(site, paragraph.trim_matches('\n'), mentions, &mut out);
        out.push_str("</p>");
    }
    out
}

/// A text in which nobody is mentioned.
#[must_use]
pub(crate) fn plain(text: &str) -> String {
    text.split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
        .map(|paragraph| format!("<p>{}</p>", inline(paragraph.trim_matches('\n'))))
        .collect()
}

fn paragraph_html(site: &Site, text: &str, mentions: &[Mention], out: &mut String) {
    let mut written = 0;
    for found in mentions_in(text) {
        let Some(person) = mentions.iter().find(|mention| mention.name == found.name) else {
            continue;
        };
        out.push_str(&inline(&text[written..found.range.start]));
        // The classes are what clients look for to open the profile inside themselves.
        out.push_str(&format!(
            "<span class=\"h-card\"><a href=\"{}\" class=\"u-url mention\">@<span>{}</span></a></span>",
            escape(&site.profile_url(&person.name)),
            escape(&text[found.range.start + 1..found.range.end]),
        ));
        written = found.range.end;
    }
    out.push_str(&inline(&text[written..]));
}

/// Links and line ends. Some clients turn both a `<br>` and the line end after it into a new line.
fn inline(text: &str) -> String {
    linkify(text).replace("<br>\n", "<br />")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PersonId;

    fn site() -> Site {
        Site {
            origin: "http://h".into(),
            host: "h".into(),
            secure: false,
        }
    }

    #[test]
    fn paragraphs_line_ends_and_brackets() {
        assert_eq!(
            html(&site(), "a <b>\nc\n\nd & e", &[]),
            "<p>a &lt;b&gt;<br />c</p><p>d &amp; e</p>"
        );
        assert_eq!(html(&site(), "a\n\n\nb\n\n", &[]), "<p>a</p><p>b</p>");
        assert_eq!(plain("x\n\n<y>"), "<p>x</p><p>&lt;y&gt;</p>");
        assert_eq!(plain(""), "");
    }

    #[test]
    fn only_known_people_become_links() {
        let ada = Mention {
            id: PersonId::new(7).unwrap(),
            name: "ada".into(),
        };
        assert_eq!(
            html(&site(), "@Ada, @bob & me@ada", &[ada]),
            "<p><span class=\"h-card\"><a href=\"http://h/@ada\" class=\"u-url mention\">@<span>Ada</span></a></span>, \
             @bob &amp; me@ada</p>"
        );
    }

    #[test]
    fn script_is_never_a_link() {
        let out = html(
            &site(),
            "javascript:alert(1) http://x/\"onmouseover=alert(1)",
            &[],
        );
        assert!(!out.contains("href=\"javascript"));
        assert!(!out.contains("\"onmouseover"), "{out}");
    }
}
