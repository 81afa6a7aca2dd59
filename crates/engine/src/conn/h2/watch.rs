//! Counts the frames of an HTTP/2 peer as their bytes pass, without a look at what they carry.
//!
//! Why: the h2 crate bounds what frames cost in memory, but a peer may send for ever frames that cost work and do
//! nothing: PING and SETTINGS (CVE-2019-9512, -9515), PRIORITY, WINDOW_UPDATE, empty DATA (CVE-2019-9518), RST_STREAM.
//! Such a frame costs one credit; requests, and bytes moved, earn some. Whoever has none left is told to calm down.
//! It also knows whether a head is half received, so that a slow one (Slowloris with CONTINUATION) can be timed out.

/// The client's connection preface (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame's header (RFC 9113 section 4.1).
const HEADER_BYTES: usize = 9;

/// Credits for each request.
pub(crate) const CREDITS_A_REQUEST: u32 = 16;

/// Credits for each piece of a body that we send: its receiver may answer with window updates, two for each.
pub(crate) const CREDITS_A_PIECE: u32 = 4;

/// Bytes of received body that earn a credit.
const BYTES_A_CREDIT: usize = 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// Where in the peer's frames we are, and what it may still cost us.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What has come of a frame's header.
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// What is still to come of the preface, or of a frame's payload.
    skip_bytes: usize,
    /// A HEADERS frame has come whose block is not at its end.
    in_block: bool,
    /// The frame that is coming in is a DATA frame.
    in_data: bool,
    /// How many have begun; those that go on with a head do not count.
    frames: u32,
    credits: u32,
    credits_max: u32,
    exhausted: bool,
}

impl Watch {
    /// For a connection whose preface is still to be read.
    pub(crate) fn new(credits_max: u32) -> Self {
        Watch {
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            skip_bytes: PREFACE.len(),
            in_block: false,
            in_data: false,
            frames: 0,
            credits: credits_max,
            credits_max,
            exhausted: false,
        }
    }

    /// Looks at bytes that the peer sent.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip_bytes > 0 {
                let skipped = self.skip_bytes.min(bytes.len());
                self.skip_bytes -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEADER_BYTES - self.header_bytes).min(bytes.len());
            self.header[self.header_bytes..self.header_bytes + taken].copy_from_slice(&bytes[..taken]);
            self.header_bytes += taken;
            bytes = &bytes[taken..];
            if self.header_bytes == HEADER_BYTES {
                self.header_bytes = 0;
                self.begin_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        let bytes = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip_bytes = bytes;
        self.in_data = kind == DATA;
        if kind != CONTINUATION {
            self.frames = self.frames.wrapping_add(1);
        }
        match kind {
            DATA => {
                self.earn((bytes / BYTES_A_CREDIT) as u32);
                let idle = bytes == 0 && flags & END_STREAM == 0;
                // Padding alone is an empty frame in disguise.
                if idle || flags & PADDED != 0 {
                    self.spend();
                }
            }
            HEADERS => self.in_block = flags & END_HEADERS == 0,
            CONTINUATION => {
                self.in_block &= flags & END_HEADERS == 0;
                self.spend();
            }
            _ => self.spend(),
        }
    }

    fn spend(&mut self) {
        match self.credits.checked_sub(1) {
            Some(left) => self.credits = left,
            None => self.exhausted = true,
        }
    }

    /// Gives credits back, never more than there were at first.
    pub(crate) fn earn(&mut self, credits: u32) {
        self.credits = self.credits.saturating_add(credits).min(self.credits_max);
    }

    /// Whether the peer has spent more than it had.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    pub(crate) fn frames(&self) -> u32 {
        self.frames
    }

    /// Whether something other than a body has come in part: the preface, a frame, a header block.
    pub(crate) fn is_partial(&self) -> bool {
        self.in_block || self.header_bytes > 0 || (self.skip_bytes > 0 && !self.in_data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of this kind with a payload of zeros.
    fn frame(kind: u8, flags: u8, payload_bytes: usize) -> Vec<u8> {
        let length = (payload_bytes as u32).to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER_BYTES + payload_bytes, 0);
        frame
    }

    fn begun(credits_max: u32) -> Watch {
        let mut watch = Watch::new(credits_max);
        watch.see(PREFACE);
        watch
    }

    #[test]
    fn frames_that_do_nothing_cost_a_credit_each() {
        let idle = [
            frame(6, 0, 8),
            frame(4, 0, 0),
            frame(2, 0, 5),
            frame(3, 0, 4),
            frame(8, 0, 4),
            frame(9, END_HEADERS, 10),
            frame(0, 0, 0),
            frame(0, PADDED, 200),
            frame(0xfa, 0, 30),
        ];
        for bytes in idle {
            let mut watch = begun(3);
            for _ in 0..3 {
                watch.see(&bytes);
                assert!(!watch.is_exhausted(), "{bytes:?}");
            }
            watch.see(&bytes);
            assert!(watch.is_exhausted(), "{bytes:?}");
        }
    }

    #[test]
    fn requests_and_bodies_cost_nothing() {
        let mut watch = begun(0);
        watch.see(&frame(1, END_HEADERS, 30));
        watch.see(&frame(0, 0, 1));
        watch.see(&frame(0, END_STREAM, 0));
        assert!(!watch.is_exhausted());
    }

    #[test]
    fn what_is_earned_never_exceeds_the_start() {
        let mut watch = begun(2);
        watch.earn(100);
        watch.see(&frame(6, 0, 8));
        watch.see(&frame(6, 0, 8));
        watch.see(&frame(0, 0, 2048));
        watch.see(&frame(6, 0, 8));
        watch.see(&frame(6, 0, 8));
        assert!(!watch.is_exhausted());
        watch.see(&frame(6, 0, 8));
        assert!(watch.is_exhausted());
    }

    #[test]
    fn it_does_not_matter_where_the_bytes_are_cut() {
        let mut stream = PREFACE.to_vec();
        stream.extend(frame(4, 0, 12));
        stream.extend(frame(1, 0, 20));
        stream.extend(frame(9, END_HEADERS, 7));
        stream.extend(frame(0, 0, 1000));
        stream.extend(frame(6, 0, 8));
        let mut whole = Watch::new(10);
        whole.see(&stream);
        let mut cut = Watch::new(10);
        stream.iter().for_each(|byte| cut.see(&[*byte]));
        assert_eq!(whole.credits, 7);
        assert_eq!(cut.credits, 7);
        assert!(!cut.is_partial());
    }

    #[test]
    fn a_head_in_parts_is_known_as_such() {
        let mut watch = Watch::new(10);
        assert!(watch.is_partial(), "the preface");
        watch.see(PREFACE);
        assert!(!watch.is_partial());
        watch.see(&frame(1, 0, 20));
        assert!(watch.is_partial(), "the block goes on");
        watch.see(&frame(9, END_HEADERS, 3));
        assert!(!watch.is_partial());
        watch.see(&frame(6, 0, 8)[..5]);
        assert!(watch.is_partial(), "a frame's header");
        let mut watch = begun(10);
        watch.see(&frame(0, 0, 100)[..50]);
        assert!(!watch.is_partial(), "a body has its own time");
    }
}
