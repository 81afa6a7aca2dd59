//! Status updates: what may be said, and what is shown of one.

use std::fmt;

use super::Audience;
use super::ids::{AppId, PersonId, PostId};
use super::people::Person;

/// Characters (Unicode scalar values, after [`tidy`]) of a post, at most.
pub const TEXT_CHARS_MAX: usize = 3_000;
/// Bytes of an idempotency key, at most.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// How long an idempotency key is remembered, in milliseconds.
pub const IDEMPOTENCY_AGE_MS_MAX: u64 = 60 * 60 * 1_000;

/// What a person gave is not accepted; the text says why and what would be, in a sentence for that person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

/// A post to be made.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// Who says it.
    pub author: PersonId,
    /// What: plain text, any; checked and tidied by the store.
    pub text: String,
    /// Whom it is for.
    pub audience: Audience,
    /// The post it answers. Answering one that the author may not see is refused as if it did not exist.
    pub in_reply_to: Option<PostId>,
    /// The program it was sent with.
    pub app: Option<AppId>,
    /// The same key from the same author within an hour gives the first post again and makes none.
    pub idempotency_key: Option<String>,
}

impl NewPost {
    /// A post with nothing but author, text and audience.
    pub fn new(author: PersonId, text: impl Into<String>, audience: Audience) -> Self {
        Self {
            author,
            text: text.into(),
            audience,
            in_reply_to: None,
            app: None,
            idempotency_key: None,
        }
    }
}

/// A post as it is shown.
#[derive(Clone, Debug)]
pub struct PostView {
    /// The id; posts are listed by it, newest first.
    pub id: PostId,
    /// The stream's offset at which it was announced.
    pub seq: u64,
    /// Who said it.
    pub author: Person,
    /// What was said: plain text. It must be escaped wherever it is shown.
    pub text: String,
    /// Whom it is for.
    pub audience: Audience,
    /// When, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// What it answers.
    pub in_reply_to: Option<ReplyTo>,
    /// How many marked it as a favourite.
    pub favourites_count: u64,
    /// How many public posts answer it.
    pub replies_count: u64,
    /// The people that the text names with `@name` and who may see it.
    pub mentions: Vec<Mention>,
    /// The program it was sent with.
    pub app: Option<Via>,
    /// What is so for this viewer alone; `None` where a view is shared by many (in the stream) or nobody is signed in.
    pub mine: Option<Mine>,
}

/// What a post answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// The post.
    pub post: PostId,
    /// Its author.
    pub author: PersonId,
}

/// A person named in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Who.
    pub id: PersonId,
    /// Their name, without the `@`.
    pub name: String,
}

/// The program that a post was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// What it calls itself.
    pub name: String,
    /// Where it lives, if it said so.
    pub website: Option<String>,
}

/// What is so for one viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mine {
    /// The viewer wrote it, and may delete it.
    pub own: bool,
    /// The viewer marked it as a favourite.
    pub favourited: bool,
}

/// Line ends become LF, other control characters go, and so does outer white space.
pub fn tidy(text: &str) -> String {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = unix
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    kept.trim().to_owned()
}

/// Whether a character shows nothing by itself: joiners, spaces without width, and marks of writing direction.
pub fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
        || turns_direction(c)
}

/// Whether a character turns the direction of writing of what comes after it, also beyond the end of its text.
pub fn turns_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text of a post, tidied, or why not.
pub fn check_text(text: &str) -> Result<String, Refused> {
    // Before any copy: a character has at most four bytes, and what tidying takes away may not be longer than the text.
    if text.len() > TEXT_CHARS_MAX * 8 {
        return Err(Refused("A post has at most 3,000 characters."));
    }
    let text = tidy(text);
    if text.chars().all(|c| c.is_whitespace() || is_unseen(c)) {
        return Err(Refused("A post needs some text."));
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(Refused("A post has at most 3,000 characters."));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_at_the_limit_and_one_past() {
        assert!(check_text(&"😀".repeat(3_000)).is_ok());
        assert!(check_text(&"😀".repeat(3_001)).is_err());
        assert!(check_text(&"x".repeat(24_001)).is_err());
        assert!(check_text(" \n\u{0} ").is_err());
        assert!(
            check_text("\u{200b}\u{2060} \u{202e}\u{feff}").is_err(),
            "nobody would see it"
        );
        assert!(check_text("\u{202e}x").is_ok());
    }

    #[test]
    fn text_is_tidied() {
        assert_eq!(check_text(" a\r\nb\rc\u{7}\u{0}\td ").unwrap(), "a\nb\nc\td");
    }
}
