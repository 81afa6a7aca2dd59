//! Compressed messages (RFC 7692): what the connections of a thread share for them, and what is a connection's own.
//!
//! A compressor has hundreds of KiB. Where messages do not refer to each other, which is the rule, all connections of a core
//! use the same few, and none keeps anything while it is quiet.

use std::cell::RefCell;

use squall_wire::ws::{
    DecodeLimits, Decoder, Deflate, Deflater, Event, History, Inflate, Inflater, Opcode, Violation,
    WINDOW_BITS_MAX, WINDOW_BITS_MIN, encode_deflated_frame, encode_frame,
};

/// Longer messages are sent as they are, in bytes: to compress one holds its core, at 10 to 20 ms a MiB.
pub const DEFLATE_BYTES_MAX: usize = 1024 * 1024;

/// Memory that is kept for the next message, in bytes.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

/// The windows that are compressed with. A peer may ask for any, and a smaller one than it asked for is as good: so few
/// compressors serve all.
const WINDOWS: [u8; 3] = [WINDOW_BITS_MIN, 12, WINDOW_BITS_MAX];

thread_local! {
    static SHARED: RefCell<Shared> = const { RefCell::new(Shared::new()) };
}

/// What the connections of a thread share. Each part is made when it is first needed.
struct Shared {
    inflater: Option<Inflater>,
    /// By window, each with its level.
    deflaters: [Option<(u8, Deflater)>; WINDOWS.len()],
    scratch: Vec<u8>,
}

impl Shared {
    const fn new() -> Shared {
        Shared {
            inflater: None,
            deflaters: [const { None }; WINDOWS.len()],
            scratch: Vec::new(),
        }
    }

    /// The compressed payload, in `scratch`.
    fn deflate(&mut self, deflate: &Deflate, payload: &[u8]) -> &[u8] {
        let at = window(deflate.server_window_bits);
        let (_, deflater) = match &mut self.deflaters[at] {
            Some(kept) if kept.0 == deflate.level => kept,
            other => other.insert((deflate.level, Deflater::new(deflate.level, WINDOWS[at]))),
        };
        deflater.reset();
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_BYTES_MAX);
        deflater.deflate(payload, &mut self.scratch);
        &self.scratch
    }
}

/// The largest of our windows that is not larger than this.
fn window(bits: u8) -> usize {
    WINDOWS.iter().rposition(|window| *window <= bits).unwrap_or(0)
}

/// Appends a text or binary message as a frame for everybody who agreed to a window of at least this size: compressed, if
/// that makes it smaller. It refers to no other message, so it may be sent to many.
///
/// What two connections agreed to makes the same frames if [`deflate_kind`] is the same for both.
pub fn encode_shared(deflate: &Deflate, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    if !is_worth(deflate, payload) {
        return encode_frame(opcode, payload, out);
    }
    SHARED.with_borrow_mut(|shared| {
        let deflated = shared.deflate(deflate, payload);
        if deflated.len() < payload.len() || deflate.floor_bytes == 0 {
            encode_deflated_frame(opcode, deflated, out);
        } else {
            encode_frame(opcode, payload, out);
        }
    });
}

/// Which frames [`encode_shared`] makes for those who agreed to this, among those of one server: less than
/// [`DEFLATE_KINDS`].
pub fn deflate_kind(deflate: &Deflate) -> usize {
    window(deflate.server_window_bits)
}

/// How many kinds of compressed frames there are.
pub const DEFLATE_KINDS: usize = WINDOWS.len();

fn is_worth(deflate: &Deflate, payload: &[u8]) -> bool {
    payload.len() >= deflate.floor_bytes as usize && payload.len() <= DEFLATE_BYTES_MAX
}

/// How what a peer sends is read.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Nothing was agreed.
    Plain,
    /// It may compress; and refer to what it said before, if there is a history.
    Deflated(Option<History>),
}

impl Reading {
    pub(crate) fn new(agreed: Option<&Deflate>) -> Reading {
        match agreed {
            None => Reading::Plain,
            Some(deflate) => {
                let takeover = deflate.client_takeover;
                Reading::Deflated(takeover.then(|| History::new(deflate.client_window_bits)))
            }
        }
    }

    /// [`Decoder::decode`], or [`Decoder::decode_with`] where compression was agreed.
    #[inline]
    pub(crate) fn decode<'a>(
        &mut self,
        decoder: &mut Decoder,
        input: &'a mut [u8],
        limits: &DecodeLimits,
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        match self {
            Reading::Plain => decoder.decode(input, limits),
            Reading::Deflated(history) => SHARED.with_borrow_mut(|shared| {
                let inflate = Inflate {
                    inflater: shared.inflater.get_or_insert_default(),
                    history: history.as_mut(),
                };
                decoder.decode_with(input, limits, Some(inflate))
            }),
        }
    }
}

/// How a handler's messages are written.
pub(crate) enum Writing {
    /// Nothing was agreed.
    Plain,
    /// Each by itself.
    Shared(Deflate),
    /// Each may refer to those before it: with a compressor of its own, from the first on that is compressed.
    Own(Deflate, Option<Box<Deflater>>),
}

impl Writing {
    pub(crate) fn new(agreed: Option<Deflate>) -> Writing {
        match agreed {
            None => Writing::Plain,
            Some(deflate) if deflate.server_takeover => Writing::Own(deflate, None),
            Some(deflate) => Writing::Shared(deflate),
        }
    }

    /// Appends a text or binary message as a frame.
    pub(crate) fn encode(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Writing::Plain => encode_frame(opcode, payload, out),
            Writing::Shared(deflate) => encode_shared(deflate, opcode, payload, out),
            Writing::Own(deflate, _) if !is_worth(deflate, payload) => encode_frame(opcode, payload, out),
            Writing::Own(deflate, deflater) => {
                let deflater = deflater.get_or_insert_with(|| {
                    Box::new(Deflater::new(deflate.level, deflate.server_window_bits))
                });
                let mut deflated = Vec::new();
                // Sent even if it became no smaller: the next may refer to it.
                deflater.deflate(payload, &mut deflated);
                encode_deflated_frame(opcode, &deflated, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_wire::ws::{DeflateLimits, DeflateOffer, Role};

    fn agreed(limits: &DeflateLimits, bits: u8) -> Deflate {
        let offer = DeflateOffer {
            server_max_window_bits: Some(bits),
            ..DeflateOffer::default()
        };
        offer.agree(limits).unwrap().0
    }

    #[test]
    fn every_window_has_a_kind_that_is_not_larger() {
        let kinds = (9..=15).map(|bits| WINDOWS[deflate_kind(&agreed(&DeflateLimits::default(), bits))]);
        assert_eq!(kinds.collect::<Vec<_>>(), [9, 9, 9, 12, 12, 12, 15]);
        assert_eq!(window(8), 0);
    }

    #[test]
    fn what_is_short_long_or_does_not_become_smaller_is_sent_as_it_is() {
        let deflate = agreed(&DeflateLimits::default(), 15);
        let first = |payload: &[u8]| {
            let mut out = Vec::new();
            encode_shared(&deflate, Opcode::Binary, payload, &mut out);
            (out[0], out.len())
        };
        assert_eq!(first(&[b'x'; 511]), (0x82, 511 + 4));
        assert_eq!(first(&[b'x'; 512]).0, 0xc2);
        assert_eq!(first(&vec![b'x'; DEFLATE_BYTES_MAX]).0, 0xc2);
        assert_eq!(
            first(&vec![b'x'; DEFLATE_BYTES_MAX + 1]),
            (0x82, DEFLATE_BYTES_MAX + 1 + 10)
        );
        let all: Vec<u8> = (0..512_u32).map(|n| (n * n * 7 + n / 3) as u8).collect();
        assert_eq!(first(&all), (0x82, 512 + 4), "noise");
        let mut out = Vec::new();
        let all_of_them = Deflate {
            floor_bytes: 0,
            ..deflate
        };
        encode_shared(&all_of_them, Opcode::Text, b"", &mut out);
        encode_shared(&all_of_them, Opcode::Text, b"a", &mut out);
        assert_eq!(out, b"\xc1\x01\x00\xc1\x03\x4a\x04\x00");
    }

    #[test]
    fn messages_refer_to_each_other_only_with_takeover() {
        let text = "all happy families are alike; ".repeat(20);
        for takeover in [false, true] {
            let limits = DeflateLimits {
                context_takeover: takeover,
                ..DeflateLimits::default()
            };
            let deflate = agreed(&limits, 15);
            let mut writing = Writing::new(Some(deflate));
            let mut reading = Reading::new(Some(&Deflate {
                client_takeover: takeover,
                ..deflate
            }));
            let mut decoder = Decoder::new(Role::Client);
            let mut sizes = Vec::new();
            for _ in 0..2 {
                let mut frame = Vec::new();
                writing.encode(Opcode::Text, text.as_bytes(), &mut frame);
                sizes.push(frame.len());
                let decoded = reading.decode(&mut decoder, &mut frame, &DecodeLimits::default());
                assert_eq!(
                    decoded,
                    Ok((sizes[sizes.len() - 1], Some(Event::Text(text.as_str().into()))))
                );
            }
            assert_eq!(sizes[1] < sizes[0], takeover, "{sizes:?}");
        }
    }
}
