//! Which of our forms of an error a request's `Accept` field wants (RFC 9110, section 12.5.1).

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};

/// How an error looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Html,
    Json,
    Text,
}

/// Ranges that are looked at; what a longer list says after them is not read.
const RANGES_MAX: usize = 64;

/// The request's `Accept`, all its lines as one; none if it has none.
pub(super) fn of(fields: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = fields.get_all(ACCEPT).iter();
    let first = lines.next()?;
    if fields.get_all(ACCEPT).iter().nth(1).is_none() {
        return Some(first.clone());
    }
    let mut all = first.as_bytes().to_vec();
    for line in lines {
        all.push(b',');
        all.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_bytes(&all).ok()
}

/// The form with the highest weight. Of several: one that is named before one that a wildcard lets through, the one that
/// is named first, the first of `offers`. When none is acceptable it is the first all the same: an error that is said in
/// the wrong form is better than none (RFC 9110, section 15.5.7).
pub(super) fn choose(accept: Option<&HeaderValue>, offers: [Form; 3]) -> Form {
    let Some(text) = accept.and_then(|value| value.to_str().ok()) else {
        return offers[0];
    };
    let mut best = (Wish::default(), offers[0]);
    for form in offers {
        let wish = wish(text, form);
        if wish > best.0 {
            best = (wish, form);
        }
    }
    best.1
}

/// How much a form is wanted; fields in the order in which they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    /// In thousandths.
    weight: u16,
    /// By its name, with how many ranges after it; 0 for wildcards.
    named: usize,
}

/// What the most precise range that fits says of a form.
fn wish(accept: &str, form: Form) -> Wish {
    let types: &[(&str, &str)] = match form {
        Form::Html => &[("text", "html"), ("application", "xhtml+xml")],
        // Whoever takes JSON takes this kind of it (RFC 6839, section 3.1).
        Form::Json => &[("application", "problem+json"), ("application", "json")],
        Form::Text => &[("text", "plain")],
    };
    let mut found: Option<(u8, Wish)> = None;
    for (at, range) in accept.split(',').take(RANGES_MAX).enumerate() {
        let mut parts = range.split(';').map(str::trim);
        let Some((kind, sub)) = parts.next().and_then(|name| name.split_once('/')) else {
            continue;
        };
        let precision = match (kind, sub) {
            ("*", "*") => 1,
            (kind, "*") if kind.eq_ignore_ascii_case(types[0].0) => 2,
            (kind, sub) => {
                let is = |(a, b): &(&str, &str)| kind.eq_ignore_ascii_case(a) && sub.eq_ignore_ascii_case(b);
                match types.iter().position(is) {
                    Some(0) => 4,
                    Some(_) => 3,
                    None => continue,
                }
            }
        };
        let q = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("q")
                .then(|| thousandths(value.trim()))
        });
        let wish = Wish {
            weight: q.unwrap_or(Some(1000)).unwrap_or(0),
            named: if precision > 2 { RANGES_MAX - at } else { 0 },
        };
        if found.is_none_or(|(have, _)| precision > have) {
            found = Some((precision, wish));
        }
    }
    found.map_or(Wish::default(), |(_, wish)| wish)
}

/// A `qvalue` (RFC 9110, section 12.4.2): 0 to 1 with up to three decimals. None if it is none.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let rest: u16 = format!("{rest:0<3}").parse().ok()?;
    match whole {
        "0" => Some(rest),
        "1" if rest == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [Form; 3] = [Form::Text, Form::Html, Form::Json];

    fn chosen(accept: &'static str) -> Form {
        choose(Some(&HeaderValue::from_static(accept)), PAGES)
    }

    #[test]
    fn what_callers_send_gets_what_they_can_use() {
        for (accept, form) in [
            // Firefox, Chrome, Safari.
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Form::Html,
            ),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
                Form::Html,
            ),
            // fetch(), curl, an img element.
            ("*/*", Form::Text),
            ("image/avif,image/webp,*/*;q=0.8", Form::Text),
            ("application/json", Form::Json),
            // axios.
            ("application/json, text/plain, */*", Form::Json),
            ("application/problem+json", Form::Json),
            ("application/json, */*;q=0.1", Form::Json),
            ("text/plain", Form::Text),
            ("text/*;q=0.5, text/html", Form::Html),
            ("TEXT/HTML", Form::Html),
            ("", Form::Text),
            ("nonsense", Form::Text),
        ] {
            assert_eq!(chosen(accept), form, "{accept}");
        }
        assert_eq!(choose(None, PAGES), Form::Text);
    }

    #[test]
    fn weights_decide_and_zero_refuses() {
        for (accept, form) in [
            ("text/html;q=0.4, application/json;q=0.5", Form::Json),
            ("text/html;q=0.501, application/json;q=0.5", Form::Html),
            ("*/*, text/plain", Form::Text),
            ("*/*, application/json", Form::Json),
            ("*/*, text/plain;q=0", Form::Html),
            ("*/*, text/plain;q=0, text/html;q=0", Form::Json),
            (
                "text/html;level=1;Q=0.2, application/json;q=0.1, text/plain;q=0.0",
                Form::Html,
            ),
            // A weight that is none makes the range none.
            ("text/html;q=2, application/json;q=0.1", Form::Json),
            ("text/html;q=0.1234, application/json;q=0.1", Form::Json),
            // Nothing of ours is acceptable; something is said all the same.
            ("image/png", Form::Text),
        ] {
            assert_eq!(chosen(accept), form, "{accept}");
        }
    }

    #[test]
    fn an_endless_list_is_read_to_its_limit() {
        let mut at_limit = "image/png,".repeat(RANGES_MAX - 1);
        at_limit.push_str("text/html");
        let past = format!("image/png,{at_limit}");
        let choose = |text: &str| choose(Some(&HeaderValue::from_str(text).unwrap()), PAGES);
        assert_eq!(choose(&at_limit), Form::Html);
        assert_eq!(choose(&past), Form::Text);
    }

    #[test]
    fn lines_are_one_list() {
        let mut fields = HeaderMap::new();
        assert_eq!(of(&fields), None);
        fields.append(ACCEPT, HeaderValue::from_static("text/html;q=0.1"));
        assert_eq!(of(&fields).unwrap(), "text/html;q=0.1");
        fields.append(ACCEPT, HeaderValue::from_static("application/json"));
        assert_eq!(of(&fields).unwrap(), "text/html;q=0.1,application/json");
    }
}
