//! A second file that says up to where there were commits.
//!
//! Why: to a log, an end that was torn off by a crash and an end whose bytes have rotted look the same: both just end.
//! After each commit, and before anything is acknowledged, its number is written here; so what is acknowledged and
//! missing is known to be missing. The file is not synced with each commit: a kill loses nothing that was written, and
//! after a power failure it may only be behind, which is no false alarm.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::sums;

const MAGIC: [u8; 8] = *b"squallw1";
/// Two places, written in turn: a half-written one leaves the other.
const SLOT_BYTES: u64 = 512;
const ENTRY_BYTES: usize = 32;

pub(crate) struct Witness {
    file: File,
}

/// The newest commit that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its number.
    pub(crate) commit: u64,
    /// The last offset that it had given.
    pub(crate) head: u64,
}

impl Witness {
    /// Opens or makes the file, and answers what it says, if anything.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Option<Seen>)> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let seen = [0, SLOT_BYTES].map(|at| {
            let mut entry = [0; ENTRY_BYTES];
            file.read_exact_at(&mut entry, at).ok()?;
            parse(&entry)
        });
        let newest = seen.into_iter().flatten().max_by_key(|seen| seen.commit);
        Ok((Self { file }, newest))
    }

    /// Takes note of a commit.
    pub(crate) fn write(&self, seen: Seen) -> io::Result<()> {
        let mut entry = [0; ENTRY_BYTES];
        entry[..8].copy_from_slice(&MAGIC);
        entry[8..16].copy_from_slice(&seen.commit.to_le_bytes());
        entry[16..24].copy_from_slice(&seen.head.to_le_bytes());
        entry[24..].copy_from_slice(&sums::witness(seen.commit, seen.head).to_le_bytes());
        self.file.write_all_at(&entry, seen.commit % 2 * SLOT_BYTES)
    }

    /// Sees to it that what was written is on the disk: when the store is made, and when it is closed.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn parse(entry: &[u8; ENTRY_BYTES]) -> Option<Seen> {
    let number = |at: usize| entry[at..at + 8].try_into().map(u64::from_le_bytes).ok();
    let (commit, head, sum) = (number(8)?, number(16)?, number(24)?);
    (entry[..8] == MAGIC && sum == sums::witness(commit, head)).then_some(Seen { commit, head })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_entry_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        let (witness, seen) = Witness::open(&path).unwrap();
        assert_eq!(seen, None);
        let (six, seven) = (Seen { commit: 6, head: 60 }, Seen { commit: 7, head: 70 });
        witness.write(six).unwrap();
        witness.write(seven).unwrap();
        let read = || Witness::open(&path).unwrap().1;
        assert_eq!(read(), Some(seven));
        let good = std::fs::read(&path).unwrap();
        for at in SLOT_BYTES as usize..SLOT_BYTES as usize + ENTRY_BYTES {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, bad).unwrap();
            assert_eq!(read(), Some(six), "byte {at}");
        }
        std::fs::write(&path, b"").unwrap();
        assert_eq!(read(), None);
    }
}
