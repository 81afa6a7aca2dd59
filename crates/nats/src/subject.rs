//! Topics as subjects: one token each, both ways, exactly one for one.

use std::fmt::Write;

/// A byte that stands for itself. Everything else is `=` and two upper-case hexadecimal digits.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_:/@".contains(&byte)
}

/// Whether it can be the first tokens of subjects.
pub(crate) fn is_prefix(prefix: &str) -> bool {
    let token = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    prefix.len() <= 200 && prefix.split('.').all(token)
}

/// Appends `text` as (part of) one token: three times as long at most.
pub(crate) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "={byte:02X}");
        }
    }
}

/// What [`encode`] made the token from; `None` for what it makes of nothing.
fn decode(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if is_plain(byte) {
            bytes.push(byte);
            continue;
        }
        if byte != b'=' {
            return None;
        }
        let mut digit = || match rest.next()? {
            digit @ b'0'..=b'9' => Some(digit - b'0'),
            digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
            _ => None,
        };
        let byte = digit()? << 4 | digit()?;
        if is_plain(byte) {
            return None;
        }
        bytes.push(byte);
    }
    (!bytes.is_empty()).then(|| String::from_utf8(bytes).ok())?
}

/// The subjects of one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    /// `PREFIX.t.`
    topics: String,
    /// `PREFIX.w`
    words: String,
}

/// What a message of the stream is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message of this topic.
    Topic(String),
    /// A word of the bus.
    Word,
    /// Nothing of ours.
    Foreign,
}

impl Subjects {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            topics: format!("{prefix}.t."),
            words: format!("{prefix}.w"),
        }
    }

    /// What the stream takes.
    pub(crate) fn all(&self) -> [String; 2] {
        [format!("{}*", self.topics), self.words.clone()]
    }

    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// The subject of a topic.
    pub(crate) fn of_topic(&self, topic: &str) -> String {
        let mut subject = String::with_capacity(self.topics.len() + topic.len() + 8);
        subject.push_str(&self.topics);
        encode(topic, &mut subject);
        subject
    }

    pub(crate) fn entry(&self, subject: &str) -> Entry {
        if subject == self.words {
            return Entry::Word;
        }
        subject
            .strip_prefix(self.topics.as_str())
            .and_then(decode)
            .map_or(Entry::Foreign, Entry::Topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_one_token_and_comes_back() {
        let subjects = Subjects::new("app.live");
        let cases = [
            ("room:42", "app.live.t.room:42"),
            ("a.b", "app.live.t.a=2Eb"),
            ("a b*>", "app.live.t.a=20b=2A=3E"),
            ("=2E", "app.live.t.=3D2E"),
            ("$SYS\r\n\0", "app.live.t.=24SYS=0D=0A=00"),
            ("größe", "app.live.t.gr=C3=B6=C3=9Fe"),
        ];
        for (topic, subject) in cases {
            assert_eq!(subjects.of_topic(topic), subject);
            assert_eq!(subjects.entry(subject), Entry::Topic(topic.into()));
        }
        let every: String = (0..=255_u8).map(char::from).collect();
        assert_eq!(subjects.entry(&subjects.of_topic(&every)), Entry::Topic(every));
        let long = "\u{7f}".repeat(255);
        assert_eq!(subjects.of_topic(&long).len(), "app.live.t.".len() + 3 * 255);
    }

    #[test]
    fn a_subject_that_no_topic_has_is_nobodys() {
        let subjects = Subjects::new("s");
        for bad in [
            "s.t.", "s.t.a.b", "s.t.=2e", "s.t.=41", "s.t.=", "s.t.=4", "s.t.=FF", "s.t.*", "s.x", "s", "t.a",
        ] {
            assert_eq!(subjects.entry(bad), Entry::Foreign, "{bad}");
        }
        assert_eq!(subjects.entry("s.w"), Entry::Word);
        assert_eq!(subjects.all(), ["s.t.*", "s.w"]);
    }

    #[test]
    fn a_prefix_is_plain_tokens() {
        for good in ["squall", "a.b", "A-1_2"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.*", "ä", ">"] {
            assert!(!is_prefix(bad), "{bad}");
        }
        assert!(is_prefix(&"a".repeat(200)) && !is_prefix(&"a".repeat(201)));
    }
}
