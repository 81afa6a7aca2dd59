//! Names of files, as strangers give them.

/// Bytes of a safe name: what file systems take.
pub const SAFE_NAME_BYTES_MAX: usize = 255;

/// Characters that turn the rest of a line around, or are not seen: they make `cod.exe` look like `exe.doc`.
const DECEIVING: &[char] = &[
    '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}',
    '\u{202d}', '\u{202e}', '\u{2060}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}',
];

/// Names that are devices on Windows, whatever their extension.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul", "conin$", "conout$"];

/// What of a sent file name can be the name of a file, in any directory of any system, and be shown to people.
///
/// Only what follows the last `/` or `\`; without control characters and those that turn text around; with `_` for
/// what Windows does not allow (`< > : " | ? *`); without dots and spaces at its beginning and its end, so that it is
/// neither hidden nor `..`; not the name of a device; at most [`SAFE_NAME_BYTES_MAX`] bytes, of which the extension
/// is kept. `None` if nothing is left.
///
/// Two files may have one name: a store gives names of its own, and keeps this one to be shown.
///
/// ```
/// use squall::uploads::safe_file_name;
/// assert_eq!(safe_file_name("../../etc/passwd").as_deref(), Some("passwd"));
/// assert_eq!(safe_file_name("C:\\photos\\cat.png").as_deref(), Some("cat.png"));
/// assert_eq!(safe_file_name(".."), None);
/// ```
pub fn safe_file_name(sent: &str) -> Option<String> {
    let base = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean = base.chars().filter(|c| !c.is_control() && !DECEIVING.contains(c));
    let clean: String = clean
        .map(|c| if "<>:\"|?*".contains(c) { '_' } else { c })
        .collect();
    let clean = clean.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if clean.is_empty() {
        return None;
    }
    Some(shortened(&undeviced(clean)))
}

/// A device's name gets a `_` before it.
fn undeviced(name: &str) -> String {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_lowercase();
    let port = |prefix: &str| {
        let number = stem.strip_prefix(prefix).unwrap_or_default();
        // The superscript digits are devices too.
        number.chars().count() == 1 && number.chars().all(|c| "0123456789\u{b9}\u{b2}\u{b3}".contains(c))
    };
    if DEVICES.contains(&stem.as_str()) || port("com") || port("lpt") {
        format!("_{name}")
    } else {
        name.to_owned()
    }
}

/// Cuts the stem, so that the extension stays if it is one.
fn shortened(name: &str) -> String {
    const EXTENSION_BYTES_MAX: usize = 32;
    if name.len() <= SAFE_NAME_BYTES_MAX {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    let extension = if extension.len() <= EXTENSION_BYTES_MAX {
        extension
    } else {
        ""
    };
    let stem = &name[..name.floor_char_boundary(SAFE_NAME_BYTES_MAX - extension.len())];
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_tricks() {
        for (sent, safe) in [
            ("cat.png", Some("cat.png")),
            ("/etc/passwd", Some("passwd")),
            ("..\\..\\boot.ini", Some("boot.ini")),
            ("a/b\\c/d.txt", Some("d.txt")),
            ("C:evil.txt", Some("C_evil.txt")),
            ("file.txt:stream", Some("file.txt_stream")),
            ("a/", None),
            ("a/..", None),
            ("", None),
            (".", None),
            ("...", None),
            (" . ", None),
            ("\0", None),
            ("a\0.png", Some("a.png")),
            ("a\r\nb", Some("ab")),
            (".htaccess", Some("htaccess")),
            ("name.txt. .", Some("name.txt")),
            ("gnp.\u{202e}exe", Some("gnp.exe")),
            ("\u{feff}a\u{200b}", Some("a")),
            ("CON", Some("_CON")),
            ("nul.txt", Some("_nul.txt")),
            ("com1.tar.gz", Some("_com1.tar.gz")),
            ("LPT\u{b2}", Some("_LPT\u{b2}")),
            ("com", Some("com")),
            ("com10", Some("com10")),
            ("console", Some("console")),
            ("a<b>|?*\".x", Some("a_b_____.x")),
            (
                "Gr\u{fc}\u{df}e \u{1f408}.png",
                Some("Gr\u{fc}\u{df}e \u{1f408}.png"),
            ),
        ] {
            assert_eq!(safe_file_name(sent).as_deref(), safe, "{sent:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let fits = format!("{}.jpeg", "a".repeat(SAFE_NAME_BYTES_MAX - 5));
        assert_eq!(safe_file_name(&fits).unwrap(), fits);
        assert_eq!(safe_file_name(&format!("a{fits}")).unwrap(), fits);
        let wide = format!("{}.jpeg", "\u{fc}".repeat(200));
        let cut = safe_file_name(&wide).unwrap();
        assert!(cut.len() <= SAFE_NAME_BYTES_MAX && cut.ends_with("\u{fc}.jpeg"));
        let no_extension = format!("a.{}", "b".repeat(300));
        assert_eq!(safe_file_name(&no_extension).unwrap().len(), SAFE_NAME_BYTES_MAX);
    }
}
