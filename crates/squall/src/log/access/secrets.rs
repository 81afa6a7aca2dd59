//! What of a query, or of a page's address, may stand in a log.

/// What of a query is written to the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queries {
    /// Nothing. The default: queries hold tokens, names, what people search for.
    #[default]
    Hidden,
    /// The names of its parameters, with `*` for their values.
    Names,
    /// All but the values of parameters whose names say that they hold a secret (`access_token`, `code`, `password`,
    /// `sig` and their like), which are `*`.
    Shown,
}

/// A parameter whose name has one of these in it holds a secret.
const SECRET: [&str; 16] = [
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "key",
    "auth",
    "sig",
    "session",
    "sid",
    "jwt",
    "assertion",
    "credential",
    "ticket",
    "otp",
    "nonce",
];

/// The same, for names that are exactly this: too short to be looked for inside of others.
const SECRET_WHOLE: [&str; 5] = ["code", "state", "pass", "pin", "hash"];

/// The query as it may be written; `None` if it may not.
pub(super) fn shown(query: &str, queries: Queries) -> Option<String> {
    if queries == Queries::Hidden {
        return None;
    }
    let mut out = String::with_capacity(query.len());
    for pair in query.split('&') {
        if !out.is_empty() {
            out.push('&');
        }
        let hidden = match pair.split_once('=') {
            Some((name, _)) if queries == Queries::Names || is_secret(name) => Some(name),
            // A parameter without a name may be a value of its own: `/reset?hunter2`.
            None if queries == Queries::Names => Some(""),
            _ => None,
        };
        match hidden {
            Some(name) => {
                out.push_str(name);
                out.push_str(if name.is_empty() { "*" } else { "=*" });
            }
            None => out.push_str(pair),
        }
    }
    Some(out)
}

fn is_secret(name: &str) -> bool {
    // Escaped, a name reads as another (`access%5Ftoken`).
    let decoded = form_decoded(name).to_ascii_lowercase();
    SECRET.iter().any(|part| decoded.contains(part)) || SECRET_WHOLE.contains(&decoded.as_str())
}

fn form_decoded(text: &str) -> String {
    let pair = format!("{text}=");
    let mut pairs = form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// The address of a page (`Referer`) without its query, its fragment and whoever is named in it.
pub(super) fn page(address: &str) -> String {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let address = &address[..end];
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_query_is_never_shown() {
        for query in [
            "access_token=hunter2",
            "a=1&Access_Token=hunter2",
            "access%5Ftoken=hunter2",
            "acce%73s_tok%65n=hunter2&b=2",
            "code=hunter2&state=hunter2",
            "X-Amz-Signature=hunter2",
            "api_key=hunter2",
            "apikey=hunter2",
            "password=hunter2",
            "new+password=hunter2",
            "oauth_verifier=hunter2",
            "sessionid=hunter2",
        ] {
            for queries in [Queries::Hidden, Queries::Names, Queries::Shown] {
                let text = shown(query, queries).unwrap_or_default();
                assert!(!text.contains("hunter2"), "{query} {queries:?}: {text}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_what_was_asked_for() {
        let query = "page=2&q=ab%20c&token=x&flag";
        assert_eq!(shown(query, Queries::Hidden), None);
        assert_eq!(shown(query, Queries::Names).unwrap(), "page=*&q=*&token=*&*");
        assert_eq!(
            shown(query, Queries::Shown).unwrap(),
            "page=2&q=ab%20c&token=*&flag"
        );
        assert_eq!(shown("zip_code=1", Queries::Shown).unwrap(), "zip_code=1");
        assert_eq!(shown("", Queries::Shown).unwrap(), "");
    }

    #[test]
    fn a_referring_page_is_named_without_what_it_was_asked() {
        for (address, named) in [
            ("https://a.example/b?token=1#c", "https://a.example/b"),
            ("https://user:pass@a.example/b@c", "https://a.example/b@c"),
            ("https://a.example#x", "https://a.example"),
            ("/path?q", "/path"),
            ("android-app://x.y", "android-app://x.y"),
        ] {
            assert_eq!(page(address), named);
        }
    }
}
