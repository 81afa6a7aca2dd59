//! What a core is doing right now, for the eyes of the watchdog: a thread that is stuck cannot say so itself.
//!
//! Why not a clock: to read it around every poll would cost more than the poll. The core only counts up; that a number
//! stays the same is what the watchdog measures.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Bytes of a method and a path that are shown.
const NAME_BYTES_MAX: usize = 96;
const WORDS: usize = NAME_BYTES_MAX / 8;

/// Who has the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Busy {
    /// Nobody: it waits.
    Idle,
    /// Its main task: the engine, or the source.
    Engine,
    /// A handler, or the body of its answer.
    Handler,
    /// Some other task, which the application spawned.
    Task,
}

const ALL: [Busy; 4] = [Busy::Idle, Busy::Engine, Busy::Handler, Busy::Task];

/// The cell: written by its core, read by the watchdog.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Doing {
    /// Changes whenever something begins or ends.
    step: AtomicU64,
    busy: AtomicU8,
    name_bytes: AtomicU8,
    name: [AtomicU64; WORDS],
}

/// Method and path of a request, cut to [`NAME_BYTES_MAX`]. Without the query, which may hold secrets.
#[derive(Clone, Copy, Default)]
pub(crate) struct Name {
    words: [u64; WORDS],
    bytes: u8,
}

impl Doing {
    /// From now on the core does this.
    pub(crate) fn becomes(&self, busy: Busy) {
        self.step();
        self.busy.store(busy as u8, Ordering::Relaxed);
    }

    /// From now on the core is in the hands of the handler of this request. What it did before is given back.
    pub(crate) fn handles(&self, method: &str, path: &str) -> Busy {
        self.named(&Name::new(method, path))
    }

    /// As [`Doing::handles`].
    pub(crate) fn named(&self, name: &Name) -> Busy {
        let words = usize::from(name.bytes).div_ceil(8);
        for (cell, word) in self.name[..words].iter().zip(name.words) {
            cell.store(word, Ordering::Relaxed);
        }
        self.name_bytes.store(name.bytes, Ordering::Relaxed);
        let before = self.busy.load(Ordering::Relaxed);
        self.becomes(Busy::Handler);
        ALL[usize::from(before)]
    }

    fn step(&self) {
        let step = self.step.load(Ordering::Relaxed).wrapping_add(1);
        self.step.store(step, Ordering::Release);
    }

    /// The number of what it does, and who does it.
    pub(crate) fn look(&self) -> (u64, Busy) {
        let step = self.step.load(Ordering::Acquire);
        (step, ALL[usize::from(self.busy.load(Ordering::Relaxed))])
    }

    /// Whose handler it is or was. For the watchdog this is right whenever the step has not changed since.
    pub(crate) fn name(&self) -> Name {
        Name {
            words: std::array::from_fn(|at| self.name[at].load(Ordering::Relaxed)),
            bytes: self.name_bytes.load(Ordering::Relaxed),
        }
    }
}

impl Name {
    /// Whether there may have been more of it.
    pub(crate) fn is_cut(&self) -> bool {
        usize::from(self.bytes) >= NAME_BYTES_MAX
    }

    fn new(method: &str, path: &str) -> Self {
        let mut text = [0; NAME_BYTES_MAX];
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let blank = method.len().min(NAME_BYTES_MAX - 1);
        text[..blank].copy_from_slice(&method[..blank]);
        text[blank] = b' ';
        let path_bytes = path.len().min(NAME_BYTES_MAX - blank - 1);
        text[blank + 1..][..path_bytes].copy_from_slice(&path[..path_bytes]);
        let mut name = Name {
            words: [0; WORDS],
            bytes: (blank + 1 + path_bytes) as u8,
        };
        for (word, bytes) in name.words.iter_mut().zip(text.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        name
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; NAME_BYTES_MAX];
        for (bytes, word) in text.as_chunks_mut().0.iter_mut().zip(self.words) {
            *bytes = word.to_le_bytes();
        }
        let text = &text[..usize::from(self.bytes).min(NAME_BYTES_MAX)];
        f.write_str(&String::from_utf8_lossy(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_handler_is_bounded() {
        let doing = Doing::default();
        assert_eq!(doing.handles("GET", "/"), Busy::Idle);
        assert_eq!(doing.name().to_string(), "GET /");
        let (step, busy) = doing.look();
        assert_eq!(busy, Busy::Handler);
        assert_eq!(doing.handles("DELETE", &"/x".repeat(100)), Busy::Handler);
        assert_ne!(doing.look().0, step);
        let name = doing.name().to_string();
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert!(doing.name().is_cut());
        assert!(name.starts_with("DELETE /x/x/x"), "{name}");
        // A shorter one after a longer.
        doing.handles("GET", "/a");
        assert_eq!(doing.name().to_string(), "GET /a");
        assert!(!doing.name().is_cut());
        doing.handles(&"M".repeat(200), "/a");
        assert_eq!(doing.name().to_string(), "M".repeat(95) + " ");
    }
}
