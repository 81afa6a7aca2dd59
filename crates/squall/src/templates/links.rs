//! Text that people wrote, as HTML: escaped, links clickable, lines kept.

use linkify::{LinkFinder, LinkKind};

/// Escapes what means something in HTML text and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    escape_into(text, &mut out);
    out
}

/// HTML of plain text: everything escaped, `http://` and `https://` addresses made links, line ends `<br>`.
///
/// Links carry `rel="nofollow noopener ugc"`: they are other people's, and search engines are told so. Other schemes
/// (`javascript:` above all) stay text, and so do addresses that would read as others than they are: with characters that
/// turn the direction of writing or cannot be seen, or with a name before an `@` that looks like the host. Time is linear in the text's length.
///
/// ```
/// let html = squall::templates::linkify("see https://example.org/?a=1&b=2.");
/// assert_eq!(html, "see <a href=\"https://example.org/?a=1&amp;b=2\" rel=\"nofollow noopener ugc\">\
///                   https://example.org/?a=1&amp;b=2</a>.");
/// ```
pub fn linkify(text: &str) -> String {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for span in finder.spans(text) {
        if span.kind().is_none() || !is_web(span.as_str()) || !is_plain(span.as_str()) {
            lines_into(span.as_str(), &mut out);
            continue;
        }
        let address = escape(span.as_str());
        out.push_str("<a href=\"");
        out.push_str(&address);
        out.push_str("\" rel=\"nofollow noopener ugc\">");
        out.push_str(&address);
        out.push_str("</a>");
    }
    out
}

/// Whether an address reads as what it is.
fn is_plain(address: &str) -> bool {
    let hidden = |c: char| matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    !address.contains(hidden) && !host.contains('@')
}

fn is_web(address: &str) -> bool {
    let begins = |scheme: &str| {
        address
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && address.len() > scheme.len()
    };
    begins("http://") || begins("https://")
}

fn lines_into(text: &str, out: &mut String) {
    let mut first = true;
    for line in text.split('\n') {
        if !first {
            out.push_str("<br>\n");
        }
        first = false;
        escape_into(line.strip_suffix('\r').unwrap_or(line), out);
    }
}

fn escape_into(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(address: &str) -> String {
        format!("<a href=\"{address}\" rel=\"nofollow noopener ugc\">{address}</a>")
    }

    #[test]
    fn links_end_where_people_mean() {
        for (text, html) in [
            ("http://a.example", link("http://a.example")),
            (
                "(https://a.example/b_(c))!",
                format!("({})!", link("https://a.example/b_(c)")),
            ),
            (
                "HTTPS://A.example/x, y",
                format!("{}, y", link("HTTPS://A.example/x")),
            ),
            (
                "http://a.example/?q=<b>",
                format!("{}&lt;b&gt;", link("http://a.example/?q=")),
            ),
            (
                "http://a.example\nb\r\nc",
                format!("{}<br>\nb<br>\nc", link("http://a.example")),
            ),
            ("plain & simple", "plain &amp; simple".to_owned()),
            ("", String::new()),
        ] {
            assert_eq!(linkify(text), html, "{text}");
        }
    }

    #[test]
    fn nothing_else_becomes_a_link() {
        for text in [
            "javascript:alert(1)",
            "javascript://a.example/%0aalert(1)",
            "data:text/html,x",
            "ftp://a.example/",
            "file:///etc/passwd",
            "a@b.example",
            "mailto:a@b.example",
            "www.a.example",
            "http://",
            "xhttp://a.example",
            "http://a.example\u{202e}/moc.b",
            "http://a.exa\u{200b}mple/",
            "https://bank.example@b.example/",
            "https://bank.example:x@b.example",
        ] {
            assert!(!linkify(text).contains("<a"), "{text}: {}", linkify(text));
        }
    }

    #[test]
    fn no_quote_gets_out() {
        for text in [
            "http://a.example/\"onclick=alert(1)",
            "http://a.example/'x",
            "<script>http://a.example</script>",
        ] {
            let html = linkify(text);
            let outside = html.replace(" rel=\"nofollow noopener ugc\"", "");
            assert!(!html.contains("<script") && !html.contains('\''), "{html}");
            assert_eq!(outside.matches('"').count(), 2, "{html}");
        }
    }

    /// One pass: a hundred times the text is a hundred times the output, and no more work than that shows here.
    #[test]
    fn hostile_text_is_no_trouble() {
        for piece in [
            "http://",
            "https://a.",
            "((((",
            "://",
            "@a.b",
            "http://[",
            "\u{202e}",
        ] {
            let text = piece.repeat(3000);
            assert!(linkify(&text).len() >= text.len(), "{piece}");
        }
    }
}
