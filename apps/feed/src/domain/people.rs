//! People, as everybody sees them, and how two people stand to each other.

use super::Audience;
use super::ids::PersonId;
use super::posts::Refused;
use super::posts::{is_unseen, turns_direction};

/// Characters of a display name, at most.
pub const DISPLAY_NAME_CHARS_MAX: usize = 50;
/// Characters of the text about oneself, at most.
pub const BIO_CHARS_MAX: usize = 500;
/// People that one person may follow, at most: a home page follows three topics for each of them.
pub const FOLLOWING_MAX: u64 = 2_000;

/// A person, with nothing that only the person may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The id.
    pub id: PersonId,
    /// The name in addresses and mentions: see [`super::names`].
    pub name: String,
    /// The name shown; the plain name when the person gave none, never empty.
    pub display_name: String,
    /// The text about oneself; may be empty.
    pub bio: String,
    /// When the person signed up, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// Posts, those for nobody else not counted.
    pub posts_count: u64,
    /// How many follow this person.
    pub followers_count: u64,
    /// How many this person follows.
    pub following_count: u64,
    /// When the last public post was made, in milliseconds since 1970.
    pub last_post_at_ms: Option<u64>,
    /// The audience that this person's posts have unless told otherwise.
    pub default_audience: Audience,
}

/// What a person changes about themselves; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// The name shown; empty text goes back to the plain name.
    pub display_name: Option<String>,
    /// The text about oneself.
    pub bio: Option<String>,
    /// The audience that posts have unless told otherwise.
    pub default_audience: Option<Audience>,
}

impl ProfileChange {
    /// Checks the limits and takes control characters (in a bio: all but line ends) and outer white space away. A
    /// display name that nobody could see is none.
    pub fn checked(mut self) -> Result<Self, Refused> {
        if let Some(name) = &mut self.display_name {
            // Names stand in the middle of lines: what turns the direction there turns what is not theirs.
            let kept = |c: &char| !c.is_control() && !turns_direction(*c);
            *name = name.chars().filter(kept).collect::<String>().trim().to_owned();
            if name.chars().all(is_unseen) {
                name.clear();
            }
            if name.chars().count() > DISPLAY_NAME_CHARS_MAX {
                return Err(Refused("The display name has at most 50 characters."));
            }
        }
        if let Some(bio) = &mut self.bio {
            *bio = super::posts::tidy(bio);
            if bio.chars().count() > BIO_CHARS_MAX {
                return Err(Refused("The text about you has at most 500 characters."));
            }
        }
        Ok(self)
    }
}

/// How one person stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// The other person.
    pub id: PersonId,
    /// The one who asks follows the other.
    pub following: bool,
    /// The other follows the one who asks.
    pub followed_by: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_limits_at_and_past() {
        let change = |name: usize, bio: usize| ProfileChange {
            display_name: Some("é".repeat(name)),
            bio: Some("é".repeat(bio)),
            default_audience: None,
        };
        assert!(change(50, 500).checked().is_ok());
        assert!(change(51, 500).checked().is_err());
        assert!(change(50, 501).checked().is_err());
        let tidy = ProfileChange {
            display_name: Some(" a\u{0}b\n ".into()),
            ..ProfileChange::default()
        };
        assert_eq!(tidy.checked().unwrap().display_name.as_deref(), Some("ab"));
        for (given, kept) in [
            ("\u{202e}nimda", "nimda"),
            ("\u{200b}\u{200d}", ""),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
            ("\u{2066} a \u{2069}", "a"),
        ] {
            let change = ProfileChange {
                display_name: Some(given.into()),
                ..ProfileChange::default()
            };
            assert_eq!(
                change.checked().unwrap().display_name.as_deref(),
                Some(kept),
                "{given:?}"
            );
        }
    }
}
