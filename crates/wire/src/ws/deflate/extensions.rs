//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455, section 9.1).

use std::borrow::Cow;

/// The field is no list of extensions at all: a name is missing, or a quote does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoList;

/// One extension of the list: its name, and parameters that are read as they are asked for.
pub(super) struct Extension<'a> {
    pub(super) name: &'a str,
    rest: Option<&'a [u8]>,
}

/// A parameter of an extension that is not one, or whose value is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoParameter;

/// The extensions of one line of the field, in order. Empty elements of the list are passed over (RFC 9110, section 5.6.1).
pub(super) fn extensions(value: &[u8]) -> impl Iterator<Item = Result<Extension<'_>, NoList>> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let (element, after) = match split(rest?, b',') {
                Ok(parts) => parts,
                Err(error) => {
                    rest = None;
                    return Some(Err(error));
                }
            };
            rest = after;
            if !element.trim_ascii().is_empty() {
                return Some(extension(element));
            }
        }
    })
}

fn extension(element: &[u8]) -> Result<Extension<'_>, NoList> {
    let (name, rest) = split(element, b';')?;
    match token(name) {
        Some(name) => Ok(Extension { name, rest }),
        None => Err(NoList),
    }
}

impl<'a> Extension<'a> {
    /// The parameters, in order: a name, and a value if there is one.
    pub(super) fn parameters(
        &self,
    ) -> impl Iterator<Item = Result<(&'a str, Option<Cow<'a, str>>), NoParameter>> {
        let mut rest = self.rest;
        std::iter::from_fn(move || {
            let (parameter, after) = match split(rest?, b';') {
                Ok(parts) => parts,
                Err(NoList) => {
                    rest = None;
                    return Some(Err(NoParameter));
                }
            };
            rest = after;
            Some(self::parameter(parameter))
        })
    }
}

fn parameter(parameter: &[u8]) -> Result<(&str, Option<Cow<'_, str>>), NoParameter> {
    let (name, value) = split(parameter, b'=').map_err(|NoList| NoParameter)?;
    let name = token(name).ok_or(NoParameter)?;
    match value {
        None => Ok((name, None)),
        Some(value) => Ok((name, Some(self::value(value.trim_ascii())?))),
    }
}

/// A value: a token, or a token within quotes.
fn value(value: &[u8]) -> Result<Cow<'_, str>, NoParameter> {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        return token(value).map(Cow::Borrowed).ok_or(NoParameter);
    };
    // `split` has seen that the quotes end; nothing may follow them.
    let quoted = quoted.strip_suffix(b"\"").ok_or(NoParameter)?;
    let mut plain = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => *bytes.next().ok_or(NoParameter)?,
            b'"' => return Err(NoParameter),
            byte => byte,
        });
    }
    // Whitespace within quotes stays, and makes it no token.
    if !plain.iter().copied().all(is_token_byte) {
        return Err(NoParameter);
    }
    token(&plain)
        .map(|plain| Cow::Owned(plain.to_owned()))
        .ok_or(NoParameter)
}

/// Cuts at the first `separator` that is not within quotes.
fn split(bytes: &[u8], separator: u8) -> Result<(&[u8], Option<&[u8]>), NoList> {
    let mut quoted = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            byte if byte == separator && !quoted => {
                return Ok((&bytes[..at], Some(&bytes[at + 1..])));
            }
            _ => {}
        }
        at += 1;
    }
    if quoted { Err(NoList) } else { Ok((bytes, None)) }
}

/// A token (RFC 9110, section 5.6.2), without the whitespace around it.
fn token(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.trim_ascii();
    let is_token = !bytes.is_empty() && bytes.iter().copied().all(is_token_byte);
    std::str::from_utf8(bytes).ok().filter(|_| is_token)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expect: &str) {
        let mut got = String::new();
        for extension in extensions(value.as_bytes()) {
            match extension {
                Ok(extension) => {
                    got += extension.name;
                    for parameter in extension.parameters() {
                        match parameter {
                            Ok((name, None)) => got += &format!(";{name}"),
                            Ok((name, Some(value))) => got += &format!(";{name}={value}"),
                            Err(NoParameter) => got += ";?",
                        }
                    }
                }
                Err(NoList) => got += "!",
            }
            got.push(' ');
        }
        assert_eq!(got.trim_end(), expect, "{value}");
    }

    #[test]
    fn lists() {
        check("", "");
        check(" , ,", "");
        check("a", "a");
        check("a,b ; c, d;e=f;g", "a b;c d;e=f;g");
        check("a ; b = c", "a;b=c");
        check("a;b=\"c\", d", "a;b=c d");
        check("a;b=\"c\\d\"", "a;b=cd");
        check("a;b=\"x,y\";c", "a;?;c");
        check("a;b=\"\\\"\", d", "a;? d");
        check("a;b=\"\"", "a;?");
        check("a;b=\" c\"", "a;?");
        check("a;b=\"c\"d", "a;?");
        check("a;", "a;?");
        check("a;;b", "a;?;b");
        check("a;b=", "a;?");
        check("a;=c", "a;?");
        check("a;b=c=d", "a;?");
        check("a b", "!");
        check(";b", "!");
        check("a;b=\"c", "!");
        check("a;b=\"c\\\"", "!");
        check("\u{e9}", "!");
    }
}
