//! Frames that were made lately, for followers that are not all at the same place.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use squall_engine::wire::ws::{Deflate, Opcode, encode_header};
use squall_engine::ws::{DEFLATE_KINDS, deflate_kind, encode_shared};
use squall_hub::{Hub, Message};

use crate::live::access::Door;
use crate::live::api::Live;
use crate::live::encode::{Encode, Encoded, Lost};
use crate::live::ticket::Spec;

/// Most frames that one core keeps.
const FRAMES_MAX: usize = 4_096;

/// Most bytes of frames that one core keeps.
const FRAMES_BYTES_MAX: usize = 4 << 20;

/// How a frame is made: its style, whether it is a WebSocket's, and how it is compressed, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Make {
    pub(super) style: u16,
    pub(super) ws: bool,
    /// One of [`DEFLATE_KINDS`].
    pub(super) deflate: Option<u8>,
}

impl Make {
    /// A frame in `style` for a connection of this kind.
    pub(super) fn new(style: u16, spec: &Spec) -> Self {
        Self {
            style,
            ws: spec.door == Door::Ws,
            deflate: spec.deflate,
        }
    }
}

/// Makes frames and remembers them, the newest of them at least.
pub(super) struct Frames {
    live: Live,
    /// The core's copy of all styles.
    styles: Vec<Arc<dyn Encode>>,
    /// Offset and make, to the frame; `None` if the style skips the message.
    made: HashMap<(u64, Make), Option<Bytes>>,
    order: VecDeque<(u64, Make)>,
    bytes: usize,
    /// Payloads are written here first, since their length comes before them.
    scratch: Vec<u8>,
    /// What those agreed to whose frames are compressed: the first of each kind stands for all, as a server agrees with all by
    /// the same limits.
    agreed: [Option<Deflate>; DEFLATE_KINDS],
}

impl Frames {
    pub(super) fn new(live: Live) -> Self {
        Self {
            styles: live.inner.styles.copy(),
            live,
            made: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            scratch: Vec::new(),
            agreed: [None; DEFLATE_KINDS],
        }
    }

    /// A connection agreed to compressed frames; says of which kind they are.
    pub(super) fn agreed(&mut self, deflate: &Deflate) -> usize {
        let kind = deflate_kind(deflate);
        self.agreed[kind] = Some(*deflate);
        kind
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.live.inner.hub
    }

    /// The frame for a message.
    pub(super) fn message(&mut self, message: &Message, make: Make) -> Option<Bytes> {
        let key = (message.offset, make);
        if let Some(made) = self.made.get(&key) {
            return made.clone();
        }
        let cursor = self.hub().cursor_at(message.offset);
        let frame = self.make(make, |encode, out| encode.message(message, &cursor, out));
        self.remember(key, frame.clone());
        frame
    }

    /// The frame that tells of a gap, if the style has words for it.
    pub(super) fn gap(&mut self, lost: &Lost, make: Make) -> Option<Bytes> {
        self.make(make, |encode, out| encode.gap(lost, out))
    }

    fn make(
        &mut self,
        make: Make,
        write: impl FnOnce(&dyn Encode, &mut Vec<u8>) -> Encoded,
    ) -> Option<Bytes> {
        let index = usize::from(make.style);
        if index >= self.styles.len() {
            self.styles = self.live.inner.styles.copy();
        }
        let encode = self.styles.get(index)?;
        self.scratch.clear();
        let opcode = match write(&**encode, &mut self.scratch) {
            Encoded::Skip => return None,
            Encoded::Text => Opcode::Text,
            Encoded::Binary => Opcode::Binary,
        };
        debug_assert!(
            opcode == Opcode::Binary || std::str::from_utf8(&self.scratch).is_ok(),
            "text is UTF-8"
        );
        if !make.ws {
            // An empty frame would be a position that is never reached.
            return (!self.scratch.is_empty()).then(|| Bytes::copy_from_slice(&self.scratch));
        }
        if let Some(deflate) = make.deflate.and_then(|kind| self.agreed[usize::from(kind)]) {
            let mut frame = Vec::new();
            encode_shared(&deflate, opcode, &self.scratch, &mut frame);
            return Some(frame.into());
        }
        let mut frame = Vec::with_capacity(self.scratch.len() + 10);
        encode_header(opcode, true, self.scratch.len() as u64, &mut frame);
        frame.extend_from_slice(&self.scratch);
        Some(frame.into())
    }

    fn remember(&mut self, key: (u64, Make), frame: Option<Bytes>) {
        self.bytes += frame.as_ref().map_or(0, Bytes::len);
        self.made.insert(key, frame);
        self.order.push_back(key);
        while self.order.len() > FRAMES_MAX || self.bytes > FRAMES_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(frame) = self.made.remove(&oldest).flatten() {
                self.bytes -= frame.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{HubConfig, anyone};

    fn frames() -> Frames {
        Frames::new(Live::new(Hub::new(HubConfig::default()), anyone))
    }

    fn message(offset: u64, data: Vec<u8>) -> Message {
        Message {
            offset,
            previous: 0,
            at_ms: 0,
            topic: "t".into(),
            data: data.into(),
            meta: None,
        }
    }

    const BARE: Make = Make {
        style: 2,
        ws: true,
        deflate: None,
    };

    #[test]
    fn frames_are_bounded_by_count() {
        let mut frames = frames();
        for offset in 0..FRAMES_MAX as u64 {
            frames.message(&message(offset, vec![b'x']), BARE);
        }
        assert!(frames.made.contains_key(&(0, BARE)));
        frames.message(&message(FRAMES_MAX as u64, vec![b'x']), BARE);
        assert!(!frames.made.contains_key(&(0, BARE)));
        assert_eq!((frames.made.len(), frames.order.len()), (FRAMES_MAX, FRAMES_MAX));
    }

    #[test]
    fn frames_are_bounded_by_bytes() {
        let mut frames = frames();
        let header = 10;
        frames.message(&message(1, vec![b'x'; FRAMES_BYTES_MAX / 2 - header]), BARE);
        frames.message(&message(2, vec![b'x'; FRAMES_BYTES_MAX / 2 - header]), BARE);
        assert_eq!((frames.bytes, frames.made.len()), (FRAMES_BYTES_MAX, 2));
        frames.message(&message(3, vec![b'x']), BARE);
        assert_eq!(frames.made.len(), 2);
        assert!(frames.bytes <= FRAMES_BYTES_MAX);
    }

    #[test]
    fn text_is_text_and_the_rest_is_binary() {
        let mut frames = frames();
        assert_eq!(
            frames.message(&message(1, b"hi".to_vec()), BARE).unwrap(),
            &b"\x81\x02hi"[..]
        );
        assert_eq!(
            frames.message(&message(2, vec![0xff]), BARE).unwrap(),
            &b"\x82\x01\xff"[..]
        );
        assert_eq!(
            frames.message(&message(3, vec![]), BARE).unwrap(),
            &b"\x81\x00"[..]
        );
    }
}
