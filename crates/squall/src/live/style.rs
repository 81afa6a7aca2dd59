//! Styles: registered ways to frame a message, small enough to stand in every subscription.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::encode::{Encode, Encoded, Lost, PollJson, SseEvents, WsBare, WsJson};

/// Most styles of one [`Live`](super::Live).
pub const STYLES_MAX: usize = 4_096;

/// How messages are framed: one of the built-in ways, or one that was [registered](super::Live::style).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Style(pub(crate) u16);

impl Style {
    /// Server-Sent Events with `id: <cursor>`.
    pub const SSE: Self = Self(0);
    /// WebSocket: `{"cursor","topic","data"}`.
    pub const WS: Self = Self(1);
    /// WebSocket: the data alone.
    pub const WS_BARE: Self = Self(2);
    /// Long-poll: `{"cursor","topic","data"}`, an element of `messages`.
    pub const POLL: Self = Self(3);
}

impl fmt::Debug for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Style({})", self.0)
    }
}

/// All styles of one `Live`. Grows only.
pub(crate) struct Styles {
    all: RwLock<Vec<Arc<dyn Encode>>>,
}

impl Styles {
    pub(crate) fn new() -> Self {
        Self {
            all: RwLock::new(vec![
                Arc::new(SseEvents),
                Arc::new(WsJson),
                Arc::new(WsBare),
                Arc::new(PollJson),
            ]),
        }
    }

    /// # Panics
    /// When there are [`STYLES_MAX`] already: styles are made at start, never per request.
    pub(crate) fn add(&self, encode: Arc<dyn Encode>) -> Style {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        assert!(
            all.len() < STYLES_MAX,
            "styles are registered at start, at most {STYLES_MAX} of them"
        );
        all.push(encode);
        Style((all.len() - 1) as u16)
    }

    /// Whether the style can tell of a gap.
    pub(crate) fn has_words_for(&self, style: Style, lost: &Lost) -> bool {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(usize::from(style.0))
            .is_some_and(|encode| encode.gap(lost, &mut Vec::new()) != Encoded::Skip)
    }

    /// A core's own copy, so that it needs no lock for each message.
    pub(crate) fn copy(&self) -> Vec<Arc<dyn Encode>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
