//! Until when a certificate is good.
//!
//! Only what is needed for that is read of the DER (RFC 5280 section 4.1). Nothing is decided by it: clients are the judges.

use crate::tls::subject::element;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter`, in seconds since 1970; none for what cannot be read, or was before.
pub(super) fn not_after(mut certificate: &[u8]) -> Option<u64> {
    let (SEQUENCE, mut certificate) = element(&mut certificate)? else {
        return None;
    };
    let (SEQUENCE, mut fields) = element(&mut certificate)? else {
        return None;
    };
    // The version comes first, unless it is the first.
    if fields.first() == Some(&0xa0) {
        element(&mut fields)?;
    }
    let _serial = element(&mut fields)?;
    let _algorithm = element(&mut fields)?;
    let _issuer = element(&mut fields)?;
    let (SEQUENCE, mut validity) = element(&mut fields)? else {
        return None;
    };
    let _not_before = element(&mut validity)?;
    let (kind, time) = element(&mut validity)?;
    unix_seconds(kind, time)
}

/// `YYMMDDHHMMSSZ` (1950 to 2049) or `YYYYMMDDHHMMSSZ`: no other form may stand there (section 4.1.2.5).
fn unix_seconds(kind: u8, time: &[u8]) -> Option<u64> {
    let digits = time.strip_suffix(b"Z")?;
    let (year, rest) = match (kind, digits.len()) {
        (UTC_TIME, 12) => {
            let year = number(&digits[..2])?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (number(&digits[..4])?, &digits[4..]),
        _ => return None,
    };
    let mut pairs = rest.chunks_exact(2).map(number);
    let mut next = |from: u64, to: u64| pairs.next()?.filter(|value| (from..=to).contains(value));
    let (month, day) = (next(1, 12)?, next(1, 31)?);
    let (hour, minute, second) = (next(0, 23)?, next(0, 59)?, next(0, 59)?);
    Some(days_since_1970(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &[u8]) -> Option<u64> {
    let all = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| all)?.parse().ok()
}

/// By years that begin in March, so that the odd day is the last (the proleptic Gregorian calendar).
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month < 3 { year.checked_sub(1)? } else { year };
    let month = (month + 9) % 12;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // From the first of March of the year 0.
    days.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        for (kind, time, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229123456Z", Some(951_827_696)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "40960101000000Z", Some(67_090_118_400)),
            (UTC_TIME, "500101000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "700101000000+0100", None),
            (GENERALIZED_TIME, "700101000000Z", None),
            (GENERALIZED_TIME, "2050010100000 Z", None),
            (0x0c, "700101000000Z", None),
        ] {
            assert_eq!(unix_seconds(kind, time.as_bytes()), seconds, "{time}");
        }
    }

    #[test]
    fn what_is_cut_is_not_read() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = made.cert.der();
        // The default of the maker: the first of January 4096.
        assert_eq!(not_after(der), Some(67_090_118_400));
        for cut in 0..der.len() {
            assert_eq!(not_after(&der[..cut]), None);
        }
    }
}
