//! What a response asks its connection to become, and on which terms.

use http::StatusCode;
use http::header::SEC_WEBSOCKET_EXTENSIONS;
use http::response::Parts;
use squall_wire::ws::{Deflate, DeflateLimits, DeflateOffer};

use crate::app::App;
use crate::core::Core;
use crate::source::{Framing, Park};
use crate::ws::OnUpgrade;

/// What an HTTP connection turns into; a WebSocket perhaps with compressed messages.
pub(crate) enum Becomes {
    Parked(Park, Option<Deflate>),
    WebSocket(OnUpgrade, Option<Deflate>),
}

impl<A: App> Core<A> {
    /// Takes what the response asks for from its extensions. If it hands on the peer's offer to compress, and our limits
    /// agree, its fields say so from here on.
    pub(in crate::conn) fn becomes(&self, parts: &mut Parts) -> Option<Becomes> {
        if let Some(park) = parts.extensions.remove::<Park>() {
            // Frames that are shared cannot refer to what one of their readers has read before.
            let limits = DeflateLimits {
                context_takeover: false,
                ..self.limits.ws_deflate
            };
            let deflate = match park.framing {
                Framing::WebSocket => agree(parts, &limits),
                Framing::Stream | Framing::Answer => None,
            };
            return Some(Becomes::Parked(park, deflate));
        }
        let upgrade = parts.extensions.remove::<OnUpgrade>()?;
        let deflate = agree(parts, &self.limits.ws_deflate);
        Some(Becomes::WebSocket(upgrade, deflate))
    }
}

fn agree(parts: &mut Parts, limits: &DeflateLimits) -> Option<Deflate> {
    let offer = parts.extensions.remove::<DeflateOffer>()?;
    if parts.status != StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    let (deflate, field) = offer.agree(limits)?;
    parts.headers.insert(SEC_WEBSOCKET_EXTENSIONS, field);
    Some(deflate)
}
