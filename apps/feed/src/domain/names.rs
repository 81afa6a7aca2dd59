//! The names people sign in with and are addressed by.

use super::posts::Refused;

/// Characters of a name, at most.
pub const NAME_CHARS_MAX: usize = 30;

/// Names that would be mistaken for the house itself, or for an address of ours. Sorted.
const RESERVED: [&str; 43] = [
    "about",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "assets",
    "auth",
    "everyone",
    "explore",
    "feed",
    "feeds",
    "followers",
    "following",
    "help",
    "home",
    "info",
    "login",
    "logout",
    "mail",
    "me",
    "members",
    "moderator",
    "nobody",
    "notifications",
    "oauth",
    "owner",
    "people",
    "postmaster",
    "public",
    "root",
    "search",
    "security",
    "settings",
    "signin",
    "signout",
    "signup",
    "squall",
    "static",
    "stream",
    "support",
    "system",
    "webmaster",
];

/// The name as it is stored, in lower case, or why it cannot be had.
///
/// 1 to 30 of `a`-`z`, `0`-`9` and `_` (capitals are accepted and made small, so names are unique whatever the case).
pub fn check(name: &str) -> Result<String, Refused> {
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(is_name_byte) {
        return Err(Refused("A name has 1 to 30 letters a-z, digits and underscores."));
    }
    let name = name.to_ascii_lowercase();
    if RESERVED.binary_search(&name.as_str()).is_ok() {
        return Err(Refused("That name is kept for the house. Take another one."));
    }
    Ok(name)
}

/// Whether a byte may stand in a name.
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_limit_and_past() {
        assert_eq!(check("Ada_99").unwrap(), "ada_99");
        assert!(check(&"a".repeat(30)).is_ok());
        assert!(check(&"a".repeat(31)).is_err());
        for bad in ["", "a b", "a-b", "é", "a.b", "@a", "a\n"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reserved_names_are_refused_in_any_case() {
        assert!(RESERVED.is_sorted());
        for name in RESERVED {
            assert!(check(name).is_err(), "{name}");
        }
        assert!(check("Admin").is_err());
    }
}
