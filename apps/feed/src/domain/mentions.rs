//! Finding `@name` in a text.

use std::ops::Range;

use super::names::{NAME_CHARS_MAX, is_name_byte};

/// People that one post may name with effect, at most; later ones are plain text.
pub const MENTIONS_MAX: usize = 20;

/// An `@name` in a text; whether such a person exists is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MentionAt {
    /// Where, in bytes, with the `@`.
    pub range: Range<usize>,
    /// The name, in lower case, without the `@`.
    pub name: String,
}

/// Every `@name` of a text: not inside a word, an address (`a@b`) or a path (`/@a`), and not `@name@elsewhere`.
pub fn mentions_in(text: &str) -> Vec<MentionAt> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(|&byte| byte == b'@') {
        let start = at + offset;
        let length = bytes[start + 1..]
            .iter()
            .take_while(|&&byte| is_name_byte(byte))
            .count();
        let end = start + 1 + length;
        at = end;
        let stands_alone = match text[..start].chars().next_back() {
            None => true,
            Some(before) => !before.is_alphanumeric() && !matches!(before, '_' | '@' | '/' | '.'),
        };
        let goes_on = match text[end..].chars().next() {
            None => false,
            Some(after) => after == '@' || after.is_alphanumeric(),
        };
        if stands_alone && !goes_on && (1..=NAME_CHARS_MAX).contains(&length) {
            found.push(MentionAt {
                range: start..end,
                name: text[start + 1..end].to_ascii_lowercase(),
            });
        }
    }
    found
}

/// The distinct names that a text mentions, in order, at most [`MENTIONS_MAX`].
pub fn names_mentioned(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for mention in mentions_in(text) {
        if names.len() == MENTIONS_MAX {
            break;
        }
        if !names.contains(&mention.name) {
            names.push(mention.name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, names: &[&str]) {
        let found = mentions_in(text);
        let got: Vec<&str> = found.iter().map(|mention| mention.name.as_str()).collect();
        assert_eq!(got, names, "{text:?}");
        for mention in found {
            assert_eq!(
                text[mention.range].to_ascii_lowercase(),
                format!("@{}", mention.name)
            );
        }
    }

    #[test]
    fn finds_names_that_stand_alone() {
        check("@ada and (@Bob), @carl_1.", &["ada", "bob", "carl_1"]);
        check("é @ada é", &["ada"]);
        check("@ada's", &["ada"]);
        check("mail me@here.org, see http://h/@ada or @ada@other.org, @", &[]);
        check("é@ada @adaé @@ada", &[]);
        check(&format!("@{}", "a".repeat(30)), &[&"a".repeat(30)]);
        check(&format!("@{}", "a".repeat(31)), &[]);
    }

    #[test]
    fn names_are_distinct_and_bounded() {
        let text: String = (0..MENTIONS_MAX + 1).map(|n| format!("@a{n} @A{n} ")).collect();
        let names = names_mentioned(&text);
        assert_eq!(names.len(), MENTIONS_MAX);
        assert_eq!(names[19], "a19");
    }
}
