//! What a client offers, and what a server answers (RFC 7692, sections 5 and 7.1).

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};

use super::extensions::{Extension, extensions};
use super::{DeflateLimits, NAME, WINDOW_BITS_MAX, WINDOW_BITS_MIN};

/// A client's offer that can be accepted. In a response's extensions it says that the handler would like to: the engine then
/// agrees by its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeflateOffer {
    /// The server must forget each message before the next.
    pub server_no_context_takeover: bool,
    /// The client will forget each message before the next.
    pub client_no_context_takeover: bool,
    /// The largest window of the server's messages: 9 to 15.
    pub server_max_window_bits: Option<u8>,
    /// The client knows how to use a smaller window, and perhaps the largest that it will use: 8 to 15.
    pub client_max_window_bits: Option<Option<u8>>,
}

/// What both sides agreed, and how we compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The server's messages may refer to earlier ones.
    pub server_takeover: bool,
    /// The client's messages may refer to earlier ones.
    pub client_takeover: bool,
    /// The window of the server's messages: 9 to 15.
    pub server_window_bits: u8,
    /// The window of the client's messages: 8 to 15.
    pub client_window_bits: u8,
    /// How hard our side tries: 1 to 9.
    pub level: u8,
    /// Messages of our side that are shorter are sent as they are, in bytes. Zero for none, whatever they become.
    pub floor_bytes: u32,
}

/// The first of a client's offers that can be accepted.
///
/// An offer is declined, as RFC 7692 section 7.1 demands, for a parameter that is unknown, repeated or has a value that it
/// must not have; and for a window of the server's messages that is smaller than ours can be. All are, if the field is no
/// list of extensions.
pub(in crate::ws) fn offered(headers: &HeaderMap) -> Option<DeflateOffer> {
    let mut first = None;
    for value in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        for extension in extensions(value.as_bytes()) {
            let extension = extension.ok()?;
            if first.is_none() && extension.name == NAME {
                first = DeflateOffer::read(&extension);
            }
        }
    }
    first
}

impl DeflateOffer {
    fn read(extension: &Extension<'_>) -> Option<DeflateOffer> {
        let parameters = Parameters::read(extension)?;
        let server_max_window_bits = match parameters.server_max_window_bits {
            None => None,
            // The offer of a limit says which.
            Some(None) => return None,
            Some(Some(bits)) if bits < WINDOW_BITS_MIN => return None,
            Some(bits) => bits,
        };
        Some(DeflateOffer {
            server_no_context_takeover: parameters.server_no_context_takeover,
            client_no_context_takeover: parameters.client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits: parameters.client_max_window_bits,
        })
    }

    /// What a server with these limits agrees to, and the value of `Sec-WebSocket-Extensions` that says so. None if it does
    /// not compress.
    pub fn agree(&self, limits: &DeflateLimits) -> Option<(Deflate, HeaderValue)> {
        if !limits.enabled {
            return None;
        }
        let ours = limits.window_bits_max.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX);
        let server_window_bits = ours.min(self.server_max_window_bits.unwrap_or(WINDOW_BITS_MAX));
        let client_takeover = limits.context_takeover && !self.client_no_context_takeover;
        // What a client forgets after each message costs nothing to undo, whatever its window. It can be asked for a
        // smaller one only if it said that it can.
        let client_window_bits = match self.client_max_window_bits {
            Some(theirs) if client_takeover => ours.min(theirs.unwrap_or(WINDOW_BITS_MAX)),
            _ => WINDOW_BITS_MAX,
        };
        let deflate = Deflate {
            server_takeover: limits.context_takeover && !self.server_no_context_takeover,
            client_takeover,
            server_window_bits,
            client_window_bits,
            level: limits.level.clamp(1, 9),
            floor_bytes: limits.floor_bytes,
        };
        let says_window = self.server_max_window_bits.is_some() || server_window_bits < WINDOW_BITS_MAX;
        Some((deflate, deflate.answer(says_window)))
    }
}

impl Deflate {
    fn answer(&self, says_window: bool) -> HeaderValue {
        let mut answer = String::from(NAME);
        if !self.server_takeover {
            answer += "; server_no_context_takeover";
        }
        if !self.client_takeover {
            answer += "; client_no_context_takeover";
        }
        if says_window {
            answer += &format!("; server_max_window_bits={}", self.server_window_bits);
        }
        if self.client_window_bits < WINDOW_BITS_MAX {
            answer += &format!("; client_max_window_bits={}", self.client_window_bits);
        }
        HeaderValue::try_from(answer).unwrap_or_else(|_| HeaderValue::from_static(NAME))
    }
}

/// The parameters as they were written; each at most once, and no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<Option<u8>>,
    pub(super) client_max_window_bits: Option<Option<u8>>,
}

impl Parameters {
    pub(super) fn read(extension: &Extension<'_>) -> Option<Parameters> {
        let mut read = Parameters::default();
        for parameter in extension.parameters() {
            let (name, value) = parameter.ok()?;
            let value = value.as_deref();
            match name {
                "server_no_context_takeover" => set_flag(&mut read.server_no_context_takeover, value)?,
                "client_no_context_takeover" => set_flag(&mut read.client_no_context_takeover, value)?,
                "server_max_window_bits" => set_bits(&mut read.server_max_window_bits, value)?,
                "client_max_window_bits" => set_bits(&mut read.client_max_window_bits, value)?,
                _ => return None,
            }
        }
        Some(read)
    }
}

/// A parameter that has no value and comes once.
fn set_flag(flag: &mut bool, value: Option<&str>) -> Option<()> {
    let is_new = !std::mem::replace(flag, true);
    (is_new && value.is_none()).then_some(())
}

/// A parameter that is a power of two, if it has a value, and comes once.
fn set_bits(bits: &mut Option<Option<u8>>, value: Option<&str>) -> Option<()> {
    let value = match value {
        None => None,
        // Decimal, without leading zeroes (RFC 7692, section 7.1.2).
        Some(value) => Some(match value {
            "8" => 8,
            "9" => 9,
            "10" => 10,
            "11" => 11,
            "12" => 12,
            "13" => 13,
            "14" => 14,
            "15" => 15,
            _ => return None,
        }),
    };
    bits.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(limits: &DeflateLimits, fields: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(field));
        }
        let agreed = offered(&headers).and_then(|offer| offer.agree(limits));
        agreed.map_or(String::new(), |(_, value)| value.to_str().unwrap().to_owned())
    }

    const BOTH: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn what_is_answered_to_offers() {
        let limits = DeflateLimits::default();
        for (offer, more) in [
            ("permessage-deflate", Some("")),
            // Chromium, Node and Firefox as they are.
            ("permessage-deflate; client_max_window_bits", Some("")),
            ("permessage-deflate;client_max_window_bits=10", Some("")),
            ("permessage-deflate; client_max_window_bits=8", Some("")),
            ("permessage-deflate; server_no_context_takeover", Some("")),
            ("permessage-deflate; client_no_context_takeover", Some("")),
            (
                "permessage-deflate; server_max_window_bits=15",
                Some("; server_max_window_bits=15"),
            ),
            (
                "permessage-deflate; server_max_window_bits=\"9\"",
                Some("; server_max_window_bits=9"),
            ),
            (
                "permessage-deflate; server_max_window_bits=\"1\\0\"",
                Some("; server_max_window_bits=10"),
            ),
            // The first that can be accepted.
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=12",
                Some("; server_max_window_bits=12"),
            ),
            ("x-webkit-deflate-frame, permessage-deflate", Some("")),
            ("permessage-deflate; mode=fast, permessage-deflate", Some("")),
            // None.
            ("", None),
            ("deflate-frame", None),
            ("Permessage-Deflate", None),
            ("permessage-deflate2", None),
            ("permessage-deflate; unknown", None),
            ("permessage-deflate; server_no_context_takeover=1", None),
            ("permessage-deflate; client_no_context_takeover=true", None),
            (
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                None,
            ),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
                None,
            ),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=", None),
            ("permessage-deflate; server_max_window_bits=8", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; server_max_window_bits=010", None),
            ("permessage-deflate; server_max_window_bits=+9", None),
            ("permessage-deflate; server_max_window_bits=\" 9\"", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; client_max_window_bits=115", None),
            ("permessage-deflate;", None),
        ] {
            let expect = more.map_or(String::new(), |more| format!("{BOTH}{more}"));
            assert_eq!(answer(&limits, &[offer]), expect, "{offer}");
        }
        assert_eq!(
            answer(&limits, &["x", "permessage-deflate"]),
            BOTH.to_owned(),
            "two lines"
        );
        for offer in ["permessage-deflate, \"", "per message", "permessage-deflate, a b"] {
            assert_eq!(answer(&limits, &[offer]), "", "{offer}");
        }
    }

    #[test]
    fn limits_decide() {
        let mut limits = DeflateLimits {
            enabled: false,
            ..DeflateLimits::default()
        };
        assert_eq!(answer(&limits, &["permessage-deflate"]), String::new());
        limits.enabled = true;
        limits.window_bits_max = 10;
        let expect = format!("{BOTH}; server_max_window_bits=10");
        assert_eq!(
            answer(&limits, &["permessage-deflate; client_max_window_bits"]),
            expect
        );
        let expect = format!("{BOTH}; server_max_window_bits=9");
        assert_eq!(
            answer(&limits, &["permessage-deflate; server_max_window_bits=9"]),
            expect
        );
    }

    #[test]
    fn with_context_takeover() {
        let mut limits = DeflateLimits {
            context_takeover: true,
            ..DeflateLimits::default()
        };
        for (offer, expect) in [
            ("permessage-deflate", "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover",
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                "permessage-deflate; client_no_context_takeover",
            ),
            (
                "permessage-deflate; client_max_window_bits=9",
                "permessage-deflate; client_max_window_bits=9",
            ),
        ] {
            assert_eq!(answer(&limits, &[offer]).as_str(), expect, "{offer}");
        }
        limits.window_bits_max = 12;
        for (offer, expect) in [
            (
                "permessage-deflate",
                "permessage-deflate; server_max_window_bits=12",
            ),
            (
                "permessage-deflate; client_max_window_bits",
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            ),
            (
                "permessage-deflate; client_max_window_bits=11",
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11",
            ),
        ] {
            assert_eq!(answer(&limits, &[offer]).as_str(), expect, "{offer}");
        }
    }
}
