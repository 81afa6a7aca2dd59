//! What a peer takes: `Accept-Encoding` (RFC 9110, section 12.5.3).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

use super::Coding;

/// What is to be sent to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// As it is.
    Identity,
    /// With this coding, where that is worth its while.
    Coded(Coding),
    /// With this coding, however small the answer: the peer said that it does not take it as it is.
    OnlyCoded(Coding),
}

/// A weight in thousandths.
type Weight = u16;

const WHOLE: Weight = 1000;

/// What was said of each coding; the least of what was said twice, so that a "no" is a no.
#[derive(Default)]
struct Said {
    gzip: Option<Weight>,
    brotli: Option<Weight>,
    zstd: Option<Weight>,
    identity: Option<Weight>,
    any: Option<Weight>,
}

/// The coding with the greatest weight; of those with the same the first of `ours`. Without the field, as it is: RFC
/// 9110 would let us send anything, and who says nothing seldom takes anything.
///
/// A peer that takes nothing that we have gets it as it is (section 15.5.7 lets us, and it is of more use than a 406).
pub(super) fn choose(headers: &HeaderMap, ours: &[Coding]) -> Choice {
    let said = Said::read(headers);
    let mut best: Option<(Weight, Coding)> = None;
    for &coding in ours {
        let weight = said.of(coding);
        if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, coding));
        }
    }
    // Not named and not meant by `*`, it is taken, and not preferred to anything.
    let identity = said.identity.or(said.any.filter(|&weight| weight == 0));
    match (best, identity) {
        (None, _) => Choice::Identity,
        (Some((_, coding)), Some(0)) => Choice::OnlyCoded(coding),
        (Some((weight, _)), Some(plain)) if plain > weight => Choice::Identity,
        (Some((_, coding)), _) => Choice::Coded(coding),
    }
}

impl Said {
    fn read(headers: &HeaderMap) -> Self {
        let mut said = Said::default();
        for field in headers.get_all(ACCEPT_ENCODING) {
            for item in field.as_bytes().split(|&byte| byte == b',') {
                said.note(item);
            }
        }
        said
    }

    fn note(&mut self, item: &[u8]) {
        let mut words = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let name = words.next().unwrap_or_default();
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        let slot = match name {
            _ if is(b"gzip") || is(b"x-gzip") => &mut self.gzip,
            _ if is(b"br") => &mut self.brotli,
            _ if is(b"zstd") => &mut self.zstd,
            _ if is(b"identity") => &mut self.identity,
            b"*" => &mut self.any,
            _ => return,
        };
        let weight = words.map(weight).min().unwrap_or(WHOLE);
        *slot = Some(slot.map_or(weight, |before| before.min(weight)));
    }

    fn of(&self, coding: Coding) -> Weight {
        let own = match coding {
            Coding::Gzip => self.gzip,
            Coding::Brotli => self.brotli,
            Coding::Zstd => self.zstd,
        };
        own.or(self.any).unwrap_or(0)
    }
}

/// `q=0.5` in thousandths (RFC 9110, section 12.4.2). What is none counts as "no".
fn weight(parameter: &[u8]) -> Weight {
    let Some(value) = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="))
    else {
        return 0;
    };
    let (whole, fraction) = match value {
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        [whole] => (whole, &[][..]),
        _ => return 0,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |at: usize| fraction.get(at).map_or(0, |byte| Weight::from(byte - b'0'));
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    match (whole, thousandths) {
        (b'0', _) => thousandths,
        (b'1', 0) => WHOLE,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const OURS: &[Coding] = &[Coding::Zstd, Coding::Brotli, Coding::Gzip];

    fn chosen(fields: &[&str]) -> Choice {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(field).unwrap());
        }
        choose(&headers, OURS)
    }

    #[test]
    fn the_greatest_weight_and_then_ours() {
        use Choice::{Coded, Identity, OnlyCoded};
        use Coding::{Brotli, Gzip, Zstd};
        for (field, choice) in [
            ("", Identity),
            ("gzip", Coded(Gzip)),
            ("GZIP", Coded(Gzip)),
            ("x-gzip", Coded(Gzip)),
            ("gzip, deflate, br, zstd", Coded(Zstd)),
            ("gzip, deflate, br", Coded(Brotli)),
            ("gzip;q=1.0, br;q=0.9", Coded(Gzip)),
            ("gzip;q=0.001, br;q=0.002", Coded(Brotli)),
            ("gzip ; q=0.5 ,br\t;\tq=0.4", Coded(Gzip)),
            ("deflate, compress, exi", Identity),
            ("gzip;q=0", Identity),
            ("gzip;q=0.0", Identity),
            ("gzip;q=0.000", Identity),
            ("gzip;q=0, br", Coded(Brotli)),
            ("gzip, gzip;q=0", Identity),
            ("gzip;q=0, gzip", Identity),
            ("*", Coded(Zstd)),
            ("*;q=0", Identity),
            ("*;q=0, gzip", OnlyCoded(Gzip)),
            ("zstd;q=0, *", Coded(Brotli)),
            ("gzip;q=0.5, *;q=0.1", Coded(Gzip)),
            ("identity;q=0", Identity),
            ("identity;q=0, gzip", OnlyCoded(Gzip)),
            ("identity;q=0, gzip;q=0", Identity),
            ("identity;q=0, *", OnlyCoded(Zstd)),
            ("identity, gzip", Coded(Gzip)),
            ("identity, gzip;q=0.5", Identity),
            ("identity;q=0.5, gzip", Coded(Gzip)),
            ("identity;q=0.5, *;q=0", Identity),
            ("gzip;q=2", Identity),
            ("gzip;q=1.001", Identity),
            ("gzip;q=-1", Identity),
            ("gzip;q=0.1234", Identity),
            ("gzip;q=", Identity),
            ("gzip;q", Identity),
            ("gzip;q=.5", Identity),
            ("gzip;q=0.x", Identity),
            ("gzip;q=1.;", Identity),
            ("gzip;Q=1.", Coded(Gzip)),
            (",, ,gzip,", Coded(Gzip)),
            ("gzipx, xgzip, g zip", Identity),
        ] {
            assert_eq!(chosen(&[field]), choice, "{field:?}");
        }
        assert_eq!(chosen(&[]), Identity);
        assert_eq!(chosen(&["gzip", "br;q=0.5"]), Coded(Gzip));
        assert_eq!(chosen(&["gzip", "gzip;q=0"]), Identity);
    }

    #[test]
    fn bytes_that_are_no_text() {
        let mut headers = HeaderMap::new();
        headers.append(
            ACCEPT_ENCODING,
            HeaderValue::from_bytes(b"\xff, gzip;q=\xff, br").unwrap(),
        );
        assert_eq!(choose(&headers, OURS), Choice::Coded(Coding::Brotli));
    }

    #[test]
    fn a_long_field_costs_no_more_than_its_bytes() {
        let field = "gzip;q=0.5,".repeat(5_000);
        assert_eq!(chosen(&[&field]), Choice::Coded(Coding::Gzip));
    }
}
