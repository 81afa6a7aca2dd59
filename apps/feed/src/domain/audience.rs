//! Who may see a post.
//!
//! The four audiences are nested: whoever is near enough for one is near enough for every wider one. So the whole rule
//! is one comparison, here ([`may_see`]), in SQL (`store::visibility`) and in the topics that a page follows
//! (`stream::topics`), and tests hold the three against each other.

use std::fmt;
use std::str::FromStr;

use super::ids::PersonId;

/// Whom a post is for, widest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Audience {
    /// The whole Internet, signed in or not.
    Public = 0,
    /// Everyone who is signed in here.
    Members = 1,
    /// Those who follow the author.
    Followers = 2,
    /// Nobody but the author.
    Me = 3,
}

impl Audience {
    /// All audiences, widest first.
    pub const ALL: [Audience; 4] = [
        Audience::Public,
        Audience::Members,
        Audience::Followers,
        Audience::Me,
    ];

    /// The word that forms, topics and our own API use.
    pub fn word(self) -> &'static str {
        match self {
            Audience::Public => "public",
            Audience::Members => "members",
            Audience::Followers => "followers",
            Audience::Me => "me",
        }
    }

    /// The word that Mastodon's API uses: `members` is its `unlisted`, `followers` its `private`, `me` its `direct`.
    pub fn mastodon_word(self) -> &'static str {
        match self {
            Audience::Public => "public",
            Audience::Members => "unlisted",
            Audience::Followers => "private",
            Audience::Me => "direct",
        }
    }

    /// The audience that Mastodon's API calls `word`.
    pub fn from_mastodon_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|audience| audience.mastodon_word() == word)
    }

    /// The audience with this number in the database.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Audience {
    type Err = super::posts::Refused;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|audience| audience.word() == word)
            .ok_or(super::posts::Refused(
                "The audience is one of public, members, followers and me.",
            ))
    }
}

/// How near a viewer is to an author. Its [`reach`](Standing::reach) is the narrowest audience the viewer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Not signed in.
    Stranger,
    /// Signed in.
    Member,
    /// Follows the author.
    Follower,
    /// Is the author.
    Author,
}

impl Standing {
    /// The standing of `viewer` (`None`: not signed in) towards `author`; `follows` says whether the viewer follows.
    pub fn of(viewer: Option<PersonId>, author: PersonId, follows: bool) -> Self {
        match viewer {
            None => Standing::Stranger,
            Some(viewer) if viewer == author => Standing::Author,
            Some(_) if follows => Standing::Follower,
            Some(_) => Standing::Member,
        }
    }

    /// The narrowest audience that includes such a viewer.
    pub fn reach(self) -> Audience {
        match self {
            Standing::Stranger => Audience::Public,
            Standing::Member => Audience::Members,
            Standing::Follower => Audience::Followers,
            Standing::Author => Audience::Me,
        }
    }

    /// Every audience that includes such a viewer, widest first.
    pub fn audiences(self) -> impl Iterator<Item = Audience> {
        Audience::ALL
            .into_iter()
            .filter(move |audience| may_see(self, *audience))
    }
}

/// Whether somebody with this standing towards the author may see a post for this audience. The rule of the house.
pub fn may_see(standing: Standing, audience: Audience) -> bool {
    audience <= standing.reach()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_who_sees_what() {
        let rows = [
            (Standing::Stranger, [true, false, false, false]),
            (Standing::Member, [true, true, false, false]),
            (Standing::Follower, [true, true, true, false]),
            (Standing::Author, [true, true, true, true]),
        ];
        for (standing, expected) in rows {
            for (audience, expected) in Audience::ALL.into_iter().zip(expected) {
                assert_eq!(may_see(standing, audience), expected, "{standing:?} {audience:?}");
            }
        }
    }

    #[test]
    fn words_and_numbers_round_trip() {
        for audience in Audience::ALL {
            assert_eq!(audience.word().parse::<Audience>().unwrap(), audience);
            assert_eq!(
                Audience::from_mastodon_word(audience.mastodon_word()),
                Some(audience)
            );
            assert_eq!(Audience::from_number(audience as i64), Some(audience));
        }
        assert!("everyone".parse::<Audience>().is_err());
        assert_eq!(Audience::from_number(4), None);
        assert_eq!(Audience::from_number(-1), None);
    }
}
