//! Which coding a peer gets (RFC 9110, section 12.5.3).

use axum::http::HeaderMap;
use squall_engine::wire::accept_encoding::{AcceptEncoding, Weight};

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

/// The coding with the greatest weight; of those with the same the first of `ours`. Without the field, as it is: RFC
/// 9110 would let us send anything, and who says nothing seldom takes anything.
///
/// A peer that takes nothing that we have gets it as it is (section 15.5.7 lets us, and it is of more use than a 406).
pub(super) fn choose(headers: &HeaderMap, ours: &[Coding]) -> Choice {
    let said = AcceptEncoding::read(headers);
    let mut best: Option<(Weight, Coding)> = None;
    for &coding in ours {
        let weight = weight_of(coding, &said);
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

fn weight_of(coding: Coding, said: &AcceptEncoding) -> Weight {
    let own = match coding {
        Coding::Gzip => said.gzip,
        Coding::Brotli => said.brotli,
        Coding::Zstd => said.zstd,
    };
    own.or(said.any).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::ACCEPT_ENCODING;

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
            ("gzip;q=1.;", Coded(Gzip)),
            ("gzip;level=9", Coded(Gzip)),
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
