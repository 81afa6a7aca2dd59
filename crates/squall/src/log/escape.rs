//! What a peer sent, made fit for a line of a log.

/// Bytes of a path in the log; the rest is cut, and `…` says so.
pub(super) const PATH_BYTES_MAX: usize = 512;

/// Bytes of any other text in the log.
const LINE_BYTES_MAX: usize = 4096;

/// The path, without its query (which may hold tokens), control and line-breaking characters escaped.
pub(super) fn path(path: &str) -> String {
    escaped(path, PATH_BYTES_MAX)
}

/// A text that may hold what a peer sent, as one line.
pub(crate) fn one_line(text: &str) -> String {
    escaped(text, LINE_BYTES_MAX)
}

/// Whether a character breaks a line, or does what cannot be seen, in some viewer of logs.
pub(super) fn is_hidden(character: char) -> bool {
    // The line and paragraph separators break lines; the marks turn the direction of text.
    let marks =
        matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || marks
}

fn escaped(text: &str, bytes_max: usize) -> String {
    let cut = text.floor_char_boundary(bytes_max);
    let mut out = String::with_capacity(cut);
    for character in text[..cut].chars() {
        if is_hidden(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    if cut < text.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_start_a_line() {
        assert_eq!(
            path("/a\r\nERROR b\u{1b}[31m\u{85}\u{2028}\u{202e}é"),
            "/a\\r\\nERROR b\\u{1b}[31m\\u{85}\\u{2028}\\u{202e}é"
        );
    }

    #[test]
    fn long_paths_are_cut() {
        let fits = "x".repeat(PATH_BYTES_MAX);
        assert_eq!(path(&fits), fits);
        assert_eq!(path(&(fits.clone() + "y")), fits + "…");
        assert!(path(&"é".repeat(PATH_BYTES_MAX)).len() <= PATH_BYTES_MAX + "…".len());
    }
}
