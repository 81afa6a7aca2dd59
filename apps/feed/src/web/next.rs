//! Where a person goes after a form: only ever to a page of this site.

/// Bytes of such a path, at most. A program's authorization request, which people come back to after they have signed
/// in, has some hundreds.
pub(super) const NEXT_BYTES_MAX: usize = 2_048;

/// `next` if it is a path of this site, else `/`.
///
/// Refused are other sites in every spelling that browsers understand: `//evil`, `/\evil`, `https:…`, and anything with
/// control characters, which browsers drop before they look (`/\t/evil`).
pub(super) fn local(next: &str) -> &str {
    let bytes = next.as_bytes();
    let is_path = bytes.first() == Some(&b'/')
        && !matches!(bytes.get(1), Some(b'/' | b'\\'))
        && bytes.len() <= NEXT_BYTES_MAX
        && bytes.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path { next } else { "/" }
}

/// A path as the value of a query parameter.
pub(super) fn encoded(path: &str) -> String {
    form_urlencoded::byte_serialize(path.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_site_stay() {
        for path in ["/", "/public", "/@ann/12?max_id=3#replies", "/a//b"] {
            assert_eq!(local(path), path);
        }
    }

    #[test]
    fn other_sites_do_not() {
        for path in [
            "",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/a\\..\\evil",
            "\\/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " /x",
            "/ä",
            "evil.example",
        ] {
            assert_eq!(local(path), "/", "{path:?}");
        }
    }

    #[test]
    fn length_at_the_limit_and_one_past() {
        let at = format!("/{}", "x".repeat(NEXT_BYTES_MAX - 1));
        assert_eq!(local(&at), at);
        assert_eq!(local(&format!("{at}x")), "/");
    }
}
