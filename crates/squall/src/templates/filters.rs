//! The filters that every template can use.

use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};

use super::{ago_html, linkify, times};

pub(super) fn add(environment: &mut Environment<'static>, clock: Arc<dyn Fn() -> u64 + Send + Sync>) {
    environment.add_filter("ago", move |then: Value| {
        let then_ms = unix_ms(&then)?;
        Ok::<_, Error>(Value::from_safe_string(ago_html(then_ms, clock())))
    });
    environment.add_filter("linkify", |text: String| Value::from_safe_string(linkify(&text)));
    environment.add_filter("number", |number: i64| number_text(number));
}

/// A time as applications have it: Unix milliseconds, or RFC 3339 text.
fn unix_ms(then: &Value) -> Result<u64, Error> {
    let number = then.as_i64().and_then(|ms| u64::try_from(ms).ok());
    let parsed = || then.as_str().and_then(times::parse_rfc3339);
    number.or_else(parsed).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidOperation,
            "ago: neither milliseconds since 1970 nor RFC 3339 text",
        )
    })
}

/// A number with commas between thousands: `12,345`.
pub fn number_text(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1234567, "-1,234,567"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }
}
