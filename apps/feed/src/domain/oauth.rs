//! Third-party programs and what people let them do (RFC 6749; scopes as Mastodon names them).

use std::fmt;

use super::ids::{AppId, PersonId, TokenId};
use super::posts::Refused;

/// Bytes of a list of scopes, at most.
pub const SCOPES_BYTES_MAX: usize = 1_000;
/// Bytes of a program's name, at most.
pub const APP_NAME_BYTES_MAX: usize = 200;
/// Bytes of a program's address and of each redirect address, at most.
pub const APP_URL_BYTES_MAX: usize = 2_000;
/// Redirect addresses of a program, at most.
pub const REDIRECTS_MAX: usize = 10;
/// How long an authorization code can be redeemed, in milliseconds (RFC 6749 section 4.1.2 recommends 10 minutes).
pub const CODE_AGE_MS_MAX: u64 = 10 * 60 * 1_000;

/// The scopes that need no `:` part, or of which parts exist.
const ROOTS: [&str; 5] = ["read", "write", "follow", "push", "profile"];
/// What may stand after `read:` and `write:`.
const PARTS: [&str; 15] = [
    "accounts",
    "blocks",
    "bookmarks",
    "conversations",
    "favourites",
    "filters",
    "follows",
    "lists",
    "media",
    "me",
    "mutes",
    "notifications",
    "reports",
    "search",
    "statuses",
];

/// A set of scopes, in the order given, without repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Parses scopes between white space or `+`. Unknown ones are refused (RFC 6749 `invalid_scope`); none at all means `read`.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if text.len() > SCOPES_BYTES_MAX {
            return Err(Refused("The list of scopes is too long."));
        }
        let mut scopes = Vec::new();
        for word in text.split([' ', '\t', '\n', '+']).filter(|word| !word.is_empty()) {
            if !is_known(word) {
                return Err(Refused("The requested scope is invalid, unknown, or malformed."));
            }
            if !scopes.iter().any(|known| known == word) {
                scopes.push(word.to_owned());
            }
        }
        if scopes.is_empty() {
            scopes.push("read".to_owned());
        }
        Ok(Self(scopes))
    }

    /// Whether a holder of these may do what needs `needed`: `read` covers `read:statuses`, and `follow` covers reading
    /// and writing of follows, blocks and mutes.
    pub fn allows(&self, needed: &str) -> bool {
        self.0.iter().any(|held| {
            held == needed
                || needed
                    .strip_prefix(held.as_str())
                    .is_some_and(|rest| rest.starts_with(':'))
                || (held == "follow"
                    && matches!(
                        needed.split_once(':'),
                        Some(("read" | "write", "follows" | "blocks" | "mutes"))
                    ))
        })
    }

    /// Whether everything in `asked` is within these.
    pub fn covers(&self, asked: &Scopes) -> bool {
        asked.0.iter().all(|scope| self.allows(scope))
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

fn is_known(scope: &str) -> bool {
    match scope.split_once(':') {
        None => ROOTS.contains(&scope),
        Some(("read" | "write", part)) => PARTS.contains(&part),
        Some(_) => false,
    }
}

/// A program to be registered.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// What it calls itself.
    pub name: String,
    /// Where it lives.
    pub website: Option<String>,
    /// Where people may be sent back to with a code.
    pub redirect_uris: Vec<String>,
    /// The most it may ever ask for.
    pub scopes: Scopes,
}

impl NewApp {
    /// Checks the limits.
    pub fn checked(self) -> Result<Self, Refused> {
        let name = self.name.trim();
        if name.is_empty() || name.len() > APP_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Refused("A program needs a name of 1 to 200 bytes."));
        }
        if self.redirect_uris.is_empty() || self.redirect_uris.len() > REDIRECTS_MAX {
            return Err(Refused("A program needs 1 to 10 redirect URIs."));
        }
        for uri in self.redirect_uris.iter().chain(&self.website) {
            if uri.is_empty()
                || uri.len() > APP_URL_BYTES_MAX
                || uri.chars().any(|c| c.is_control() || c == ' ')
            {
                return Err(Refused(
                    "The redirect URI must be an absolute URI of at most 2,000 bytes.",
                ));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            ..self
        })
    }
}

/// A registered program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientApp {
    /// The id.
    pub id: AppId,
    /// What it names itself by in OAuth.
    pub client_id: String,
    /// What it calls itself.
    pub name: String,
    /// Where it lives.
    pub website: Option<String>,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// The most it may ever ask for.
    pub scopes: Scopes,
    /// When it was registered, in milliseconds since 1970.
    pub created_at_ms: u64,
}

impl ClientApp {
    /// Whether a person may be sent back to `uri`: exactly one of those registered (RFC 9700 section 2.1).
    pub fn allows_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|allowed| allowed == uri)
    }
}

/// An authorization code to be made.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// For which program.
    pub app: AppId,
    /// Who agreed.
    pub person: PersonId,
    /// Where it is sent; must be repeated when the code is redeemed.
    pub redirect_uri: String,
    /// What was agreed to.
    pub scopes: Scopes,
    /// The S256 challenge of RFC 7636, if the program gave one.
    pub challenge: Option<String>,
}

/// What an access token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The id.
    pub id: TokenId,
    /// The program that holds it.
    pub app: AppId,
    /// For whom it acts; `None`: for the program itself.
    pub person: Option<PersonId>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_parsed_strictly() {
        assert_eq!(
            Scopes::parse("read  write:statuses read").unwrap().to_string(),
            "read write:statuses"
        );
        assert_eq!(Scopes::parse("read+follow").unwrap().to_string(), "read follow");
        assert_eq!(Scopes::parse("").unwrap().to_string(), "read");
        for bad in ["everything", "read:", "read:x", "admin:read", "READ"] {
            assert!(Scopes::parse(bad).is_err(), "{bad}");
        }
        assert!(Scopes::parse(&" ".repeat(1_000)).is_ok());
        assert!(Scopes::parse(&" ".repeat(1_001)).is_err());
    }

    #[test]
    fn a_whole_scope_covers_its_parts_and_not_the_other_way_round() {
        let scopes = |text| Scopes::parse(text).unwrap();
        assert!(scopes("read").allows("read:statuses"));
        assert!(!scopes("read:statuses").allows("read"));
        assert!(!scopes("read").allows("write:statuses"));
        assert!(scopes("follow").allows("write:follows"));
        assert!(!scopes("follow").allows("write:statuses"));
        assert!(scopes("read write follow").covers(&scopes("read:accounts write")));
        assert!(!scopes("read").covers(&scopes("read write")));
    }

    #[test]
    fn programs_have_limits() {
        let app = |name: usize, uris: usize, uri: usize| NewApp {
            name: "n".repeat(name),
            website: None,
            redirect_uris: vec!["u".repeat(uri); uris],
            scopes: Scopes::default(),
        };
        assert!(app(200, 10, 2_000).checked().is_ok());
        assert!(app(0, 1, 1).checked().is_err());
        assert!(app(201, 1, 1).checked().is_err());
        assert!(app(1, 0, 1).checked().is_err());
        assert!(app(1, 11, 1).checked().is_err());
        assert!(app(1, 1, 2_001).checked().is_err());
    }
}
