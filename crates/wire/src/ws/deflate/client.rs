//! The client's side of the negotiation (RFC 7692, section 7.1).

use http::header::{HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS};

use super::extensions::extensions;
use super::offer::Parameters;
use super::{Deflate, DeflateLimits, NAME, WINDOW_BITS_MAX, WINDOW_BITS_MIN};

/// What we ask of a server.
///
/// ```
/// use squall_wire::ws::DeflateRequest;
///
/// let request = DeflateRequest { server_no_context_takeover: true, ..DeflateRequest::default() };
/// assert_eq!(
///     request.field(),
///     "permessage-deflate; server_no_context_takeover; client_max_window_bits"
/// );
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeflateRequest {
    /// The server must forget each message before the next.
    pub server_no_context_takeover: bool,
    /// We will forget each message before the next.
    pub client_no_context_takeover: bool,
    /// The largest window of the server's messages: 9 to 15; others count as the nearest.
    pub server_max_window_bits: Option<u8>,
}

impl DeflateRequest {
    /// The value of `Sec-WebSocket-Extensions` that offers it.
    pub fn field(&self) -> HeaderValue {
        let mut field = String::from(NAME);
        if self.server_no_context_takeover {
            field += "; server_no_context_takeover";
        }
        if self.client_no_context_takeover {
            field += "; client_no_context_takeover";
        }
        if let Some(bits) = self.server_bits() {
            field += &format!("; server_max_window_bits={bits}");
        }
        field += "; client_max_window_bits";
        HeaderValue::try_from(field).unwrap_or_else(|_| HeaderValue::from_static(NAME))
    }

    fn server_bits(&self) -> Option<u8> {
        self.server_max_window_bits
            .map(|bits| bits.clamp(WINDOW_BITS_MIN, WINDOW_BITS_MAX))
    }

    /// What the server's answer agrees to; none if it declined.
    ///
    /// # Errors
    ///
    /// Why the connection must be failed: an answer that is malformed, names another extension or this one twice, or does
    /// not keep to the offer.
    pub(in crate::ws) fn check(&self, headers: &HeaderMap) -> Result<Option<Deflate>, &'static str> {
        let mut agreed = None;
        for value in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
            for extension in extensions(value.as_bytes()) {
                let extension = extension.map_err(|_| "Sec-WebSocket-Extensions is malformed")?;
                if extension.name != NAME {
                    return Err("an extension that was not offered");
                }
                let parameters = Parameters::read(&extension).ok_or("a parameter of permessage-deflate")?;
                if agreed.replace(self.agreed(parameters)?).is_some() {
                    return Err("permessage-deflate twice");
                }
            }
        }
        Ok(agreed)
    }

    fn agreed(&self, answer: Parameters) -> Result<Deflate, &'static str> {
        if self.server_no_context_takeover && !answer.server_no_context_takeover {
            return Err("the server would remember its messages");
        }
        let server_window_bits = match (answer.server_max_window_bits, self.server_bits()) {
            (Some(None), _) | (None, Some(_)) => return Err("the server does not say its window"),
            (Some(Some(bits)), Some(offered)) if bits > offered => {
                return Err("the server's window is larger than was offered");
            }
            (Some(Some(bits)), _) => bits,
            (None, None) => WINDOW_BITS_MAX,
        };
        let client_window_bits = match answer.client_max_window_bits {
            Some(None) => return Err("the server does not say our window"),
            Some(Some(bits)) if bits < WINDOW_BITS_MIN => return Err("a window that is too small for us"),
            Some(Some(bits)) => bits,
            None => WINDOW_BITS_MAX,
        };
        let limits = DeflateLimits::default();
        Ok(Deflate {
            server_takeover: !answer.server_no_context_takeover,
            client_takeover: !answer.client_no_context_takeover && !self.client_no_context_takeover,
            server_window_bits,
            client_window_bits,
            level: limits.level,
            floor_bytes: limits.floor_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &DeflateRequest, answer: &'static str) -> Result<Option<Deflate>, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(answer));
        request.check(&headers)
    }

    #[test]
    fn answers_are_held_against_the_offer() {
        let plain = DeflateRequest::default();
        let strict = DeflateRequest {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: Some(10),
        };
        assert_eq!(plain.check(&HeaderMap::new()), Ok(None));
        let agreed = check(&plain, "permessage-deflate").unwrap().unwrap();
        assert!(agreed.server_takeover && agreed.client_takeover);
        assert_eq!((agreed.server_window_bits, agreed.client_window_bits), (15, 15));
        let answer = "permessage-deflate; server_max_window_bits=9; server_no_context_takeover";
        let agreed = check(&strict, answer).unwrap().unwrap();
        assert!(!agreed.server_takeover && !agreed.client_takeover);
        assert_eq!(agreed.server_window_bits, 9);
        let agreed = check(&plain, "permessage-deflate; client_max_window_bits=\"11\"");
        assert_eq!(agreed.unwrap().unwrap().client_window_bits, 11);
        for answer in [
            "permessage-deflate; server_max_window_bits=11; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover",
        ] {
            assert!(check(&strict, answer).is_err(), "{answer}");
        }
        for answer in [
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; unknown",
            "permessage-deflate, permessage-deflate",
            "permessage-bzip2",
            "permessage-deflate; a=\"",
        ] {
            assert!(check(&plain, answer).is_err(), "{answer}");
        }
    }
}
