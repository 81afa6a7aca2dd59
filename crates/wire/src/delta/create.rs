//! From a source and a target, the delta.

use super::number;
use super::rolling::{BLOCK_BYTES, Rolling};

/// Largest source and largest target that a delta is looked for, in bytes: 256 KiB. The search takes half a byte of
/// memory for each byte of the source, and its time is bounded by this and by `WORK_FACTOR`.
pub const DELTA_BYTES_MAX: usize = 256 << 10;
/// Blocks of the same hash that are tried at one place, as in Fossil: texts of one repeated byte have nothing else.
const CHAIN_MAX: usize = 250;
/// Bytes compared for each byte of source and target, before the search is given up. Texts that people send need less
/// than three, one repeated byte some 130; one that is made to keep us busy would need thousands.
const WORK_FACTOR: usize = 256;
/// Bytes compared at once.
const STRIDE_BYTES: usize = 32;
/// No block.
const NONE: u32 = u32::MAX;

/// The delta that makes `target` of `source`, if it is smaller than the target itself.
///
/// `None` means that the target is to be sent whole: the texts have too little in common, are larger than
/// [`DELTA_BYTES_MAX`], or are such that looking for a delta would take too long.
///
/// ```
/// use squall_wire::delta;
/// let (before, now) = (br#"{"home":3,"guests":1,"minute":71}"#, br#"{"home":3,"guests":2,"minute":72}"#);
/// let patch = delta::patch(before, now).expect("it is smaller");
/// assert!(patch.len() < now.len());
/// assert_eq!(delta::apply(before, &patch, 1024).as_deref(), Ok(&now[..]));
/// ```
pub fn patch(source: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if source.len() > DELTA_BYTES_MAX || target.len() > DELTA_BYTES_MAX {
        return None;
    }
    let search = Search {
        source,
        target,
        blocks: Blocks::new(source),
        work: WORK_FACTOR * (source.len() + target.len()) + 4096,
    };
    let delta = search.run()?;
    (delta.len() < target.len()).then_some(delta)
}

/// As [`patch`], for protocols that carry text (Centrifugo's JSON): `None` also when the delta would cut a character in
/// two, for then it is no text, and replacing what is broken would break the checksum at the other end.
pub fn patch_text(source: &str, target: &str) -> Option<String> {
    String::from_utf8(patch(source.as_bytes(), target.as_bytes())?).ok()
}

/// The source in blocks, found by their hash.
struct Blocks {
    /// For each hash (modulo its length) the last block that has it.
    last: Vec<u32>,
    /// For each block the one before it with the same hash.
    before: Vec<u32>,
}

impl Blocks {
    fn new(source: &[u8]) -> Self {
        // A source of one block is not worth a search, nor is Fossil's own encoder of another mind.
        if source.len() <= BLOCK_BYTES {
            return Self {
                last: Vec::new(),
                before: Vec::new(),
            };
        }
        let count = source.len().div_ceil(BLOCK_BYTES);
        let mut blocks = Self {
            last: vec![NONE; count],
            before: vec![NONE; count],
        };
        // A block that ends with the source is left out, as in Fossil.
        for at in (0..source.len() - BLOCK_BYTES).step_by(BLOCK_BYTES) {
            let slot = Rolling::new(&source[at..]).hash() as usize % count;
            let block = at / BLOCK_BYTES;
            blocks.before[block] = blocks.last[slot];
            blocks.last[slot] = block as u32;
        }
        blocks
    }

    /// Where in the source the blocks with this hash begin, the last first.
    fn with_hash(&self, hash: u32) -> impl Iterator<Item = usize> {
        let mut next = self.last[hash as usize % self.last.len()];
        let chain = std::iter::from_fn(move || {
            let block = next;
            (block != NONE).then(|| {
                next = self.before[block as usize];
                block as usize * BLOCK_BYTES
            })
        });
        chain.take(CHAIN_MAX)
    }
}

/// A part of the source that the target has too.
#[derive(Clone, Copy)]
struct Match {
    /// Where in the source.
    from: usize,
    bytes: usize,
    /// How many bytes of the target stand before it that must be said.
    literal_bytes: usize,
}

struct Search<'a> {
    source: &'a [u8],
    target: &'a [u8],
    blocks: Blocks,
    /// Bytes that may still be compared.
    work: usize,
}

impl Search<'_> {
    fn run(mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        number::put(&mut out, size(self.target));
        out.push(b'\n');
        let mut base = 0;
        // What is said up to here; the rest is at least as long as a block. Nothing to find in a source of one block.
        while !self.blocks.last.is_empty() && base + BLOCK_BYTES < self.target.len() {
            let Some(found) = self.next_match(base)? else {
                break;
            };
            if found.literal_bytes > 0 {
                literal(&mut out, &self.target[base..base + found.literal_bytes]);
            }
            number::put(&mut out, found.bytes as u32);
            out.push(b'@');
            number::put(&mut out, found.from as u32);
            out.push(b',');
            base += found.literal_bytes + found.bytes;
            if out.len() >= self.target.len() {
                return None;
            }
        }
        if base < self.target.len() || self.blocks.last.is_empty() {
            literal(&mut out, &self.target[base..]);
        }
        number::put(&mut out, number::checksum(self.target));
        out.push(b';');
        Some(out)
    }

    /// The best match at the first place from `base` on that has one. `None` when the work is used up.
    fn next_match(&mut self, base: usize) -> Option<Option<Match>> {
        let mut rolling = Rolling::new(&self.target[base..]);
        let mut ahead = 0;
        loop {
            let mut best: Option<Match> = None;
            let (source, target, work) = (self.source, self.target, &mut self.work);
            for block in self.blocks.with_hash(rolling.hash()) {
                let found = extend(source, target, block, base, ahead);
                *work = work.checked_sub(found.bytes + 1)?;
                let better = best.is_none_or(|best| found.bytes > best.bytes);
                if better && found.pays() {
                    best = Some(found);
                }
            }
            if best.is_some() {
                return Some(best);
            }
            let next = base + ahead + BLOCK_BYTES;
            if next >= self.target.len() {
                return Some(None);
            }
            rolling.roll(self.target[next]);
            ahead += 1;
        }
    }
}

/// How far source and target agree around the block at `block` and the place `ahead` of `base`: on as far as both go,
/// and back to `base` (Fossil never goes back to the very first byte of the source).
fn extend(source: &[u8], target: &[u8], block: usize, base: usize, ahead: usize) -> Match {
    let at = base + ahead;
    let on = same(&source[block..], &target[at..]);
    let back_max = ahead.min(block.saturating_sub(1));
    let back = source[block - back_max..block]
        .iter()
        .rev()
        .zip(target[at - back_max..at].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    Match {
        from: block - back,
        bytes: on + back,
        literal_bytes: ahead - back,
    }
}

/// How many bytes the two have in common at their beginning.
fn same(a: &[u8], b: &[u8]) -> usize {
    let strides = a.chunks_exact(STRIDE_BYTES).zip(b.chunks_exact(STRIDE_BYTES));
    let whole = STRIDE_BYTES * strides.take_while(|(a, b)| a == b).count();
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole + rest.take_while(|(a, b)| a == b).count()
}

impl Match {
    /// Whether saying it is no longer than the bytes themselves.
    fn pays(&self) -> bool {
        let numbers = [self.literal_bytes, self.bytes, self.from];
        let digits: u32 = numbers.map(|number| number::digits(number as u32)).iter().sum();
        self.bytes >= digits as usize + 3
    }
}

fn literal(out: &mut Vec<u8>, bytes: &[u8]) {
    number::put(out, size(bytes));
    out.push(b':');
    out.extend_from_slice(bytes);
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("bounded by DELTA_BYTES_MAX")
}
