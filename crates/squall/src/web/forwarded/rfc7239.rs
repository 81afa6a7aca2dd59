//! `Forwarded` (RFC 7239): elements to which each proxy appends its own, `for=192.0.2.60;proto=https;by=203.0.113.43`.
//!
//! Read strictly, from the left: where an element ends depends on the quotes before it. A field that breaks the grammar
//! anywhere says nothing that could be believed, for a client's open quote may have swallowed what a proxy appended.

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderValue};
use squall_engine::Networks;
use squall_engine::wire::h1::is_authority;

use super::chain::{Found, Node, address, after_colon, port, walk};
use super::{CHAIN_BYTES_MAX, ClientInfo, Malformed, Scheme};

const BROKEN: Malformed = Malformed("Forwarded breaks its grammar");

/// What one proxy wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Element {
    node: Option<Node>,
    scheme: Option<String>,
    host: Option<String>,
    /// Whether `by` was there: it may come once, and says nothing that we need.
    by: bool,
    /// As it stood in the field.
    text: String,
}

/// Says who the client is, and leaves of the field what is true.
pub(super) fn believe(
    fields: &mut HeaderMap,
    trusted: &Networks,
    info: &mut ClientInfo,
) -> Result<(), Malformed> {
    let elements = elements(fields)?;
    // An element without `for` hides it.
    let nodes = elements
        .iter()
        .rev()
        .map(|element| Ok(element.node.unwrap_or(Node::Hidden)));
    let Some(Found {
        from_right,
        node,
        hop,
    }) = walk(nodes, trusted)?
    else {
        fields.remove(FORWARDED);
        return Ok(());
    };
    let believed = &elements[elements.len() - 1 - from_right..];
    let peer = info.ip;
    info.forwarded = true;
    (info.ip, info.port, info.hop) = match node {
        Node::Ip(ip, port) => (Some(ip), port, None),
        Node::Hidden => (None, None, hop.or(peer)),
    };
    let client = &believed[0];
    if let Some(scheme) = &client.scheme {
        info.scheme =
            Scheme::parse(scheme).ok_or(Malformed("Forwarded has a proto that is neither http nor https"))?;
    }
    if let Some(host) = &client.host {
        if !is_authority(host.as_bytes()) {
            return Err(Malformed("Forwarded has a host that is none"));
        }
        info.set_host(host, None);
    }
    let texts: Vec<&str> = believed.iter().map(|element| element.text.as_str()).collect();
    match HeaderValue::try_from(texts.join(", ")) {
        Ok(value) => drop(fields.insert(FORWARDED, value)),
        Err(_) => drop(fields.remove(FORWARDED)),
    }
    Ok(())
}

/// All elements of all fields, in their order.
fn elements(fields: &HeaderMap) -> Result<Vec<Element>, Malformed> {
    let mut bytes = 0;
    let mut elements = Vec::new();
    for value in fields.get_all(FORWARDED) {
        bytes += value.len();
        if bytes > CHAIN_BYTES_MAX {
            return Err(Malformed("a chain of too many bytes"));
        }
        let mut rest = value.to_str().map_err(|_| BROKEN)?;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            let (element, after) = element(rest)?;
            // An empty element of a list is none (RFC 9110, section 5.6.1).
            if !element.text.is_empty() {
                elements.push(element);
            }
            let after = after.trim_start_matches([' ', '\t']);
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return Err(BROKEN),
            }
        }
    }
    Ok(elements)
}

/// `[ pair ] *( ";" [ pair ] )`, and what follows.
fn element(text: &str) -> Result<(Element, &str), Malformed> {
    let mut element = Element::default();
    let mut rest = text;
    loop {
        if rest.starts_with(|c: char| is_token(c)) {
            rest = pair(rest, &mut element)?;
        }
        match rest.strip_prefix(';') {
            Some(next) => rest = next,
            None => break,
        }
    }
    element.text = text[..text.len() - rest.len()].to_owned();
    Ok((element, rest))
}

/// `token "=" ( token / quoted-string )`; gives what follows.
fn pair<'a>(text: &'a str, element: &mut Element) -> Result<&'a str, Malformed> {
    let (name, rest) = token(text);
    let rest = rest.strip_prefix('=').ok_or(BROKEN)?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => {
            let (value, rest) = token(rest);
            (value.to_owned(), rest)
        }
    };
    if value.is_empty() {
        return Err(BROKEN);
    }
    // "Each parameter MUST NOT occur more than once per field-value" (section 4): per element, in a list.
    let repeated = match () {
        () if name.eq_ignore_ascii_case("for") => element.node.replace(node(&value)?).is_some(),
        () if name.eq_ignore_ascii_case("proto") => element.scheme.replace(value).is_some(),
        () if name.eq_ignore_ascii_case("host") => element.host.replace(value).is_some(),
        () if name.eq_ignore_ascii_case("by") => std::mem::replace(&mut element.by, true),
        () => false,
    };
    if repeated { Err(BROKEN) } else { Ok(rest) }
}

/// The token at the beginning, which may be empty, and the rest.
fn token(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// RFC 9110, section 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// What stands in quotes (RFC 9110, section 5.6.4), after the first of them, and the rest.
fn quoted_string(text: &str) -> Result<(String, &str), Malformed> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(chars.next().ok_or(BROKEN)?.1),
            _ => value.push(c),
        }
    }
    Err(BROKEN)
}

/// An address with or without a port, `unknown`, or a name that a proxy made up (section 6).
fn node(text: &str) -> Result<Node, Malformed> {
    const NO_NODE: Malformed = Malformed("Forwarded has a for that is neither an address nor a name");
    if let Some((ip, said_port)) = address(text, false) {
        return match said_port {
            None => Ok(Node::Ip(ip, None)),
            Some(said) if is_obfuscated(said) => Ok(Node::Ip(ip, None)),
            Some(said) => Ok(Node::Ip(ip, Some(port(said).ok_or(NO_NODE)?))),
        };
    }
    let colon = text.find(':').unwrap_or(text.len());
    let (name, rest) = text.split_at(colon);
    let port_is_sound = match after_colon(rest).ok_or(NO_NODE)? {
        None => true,
        Some(said) => is_obfuscated(said) || port(said).is_some(),
    };
    let name_is_sound = name.eq_ignore_ascii_case("unknown") || is_obfuscated(name);
    if port_is_sound && name_is_sound {
        Ok(Node::Hidden)
    } else {
        Err(NO_NODE)
    }
}

/// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-" )` (section 6.3).
fn is_obfuscated(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.strip_prefix('_')
        .is_some_and(|name| !name.is_empty() && name.chars().all(fits))
}
