//! The stores that a durable log could stand on, each as its own documentation would have it written.

mod by_hand;
mod file;
mod lsm;
mod sqlite;
mod tree;

use std::io;
use std::path::Path;

pub use by_hand::ByHand;

/// What is to be written: offset, topic, data.
pub type Entry = (u64, u32, Vec<u8>);

/// An error of any of them.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result of any of them.
pub type Result<T> = std::result::Result<T, Error>;

/// What a log needs from its store.
pub trait Store: Send {
    /// Writes `new` and forgets `old` together; both are on the disk when it returns.
    fn commit(&mut self, new: &[Entry], old: &[u64]) -> Result<()>;
    /// Hands over all that it holds, in the order of the offsets.
    fn scan(&mut self, each: &mut dyn FnMut(u64, &[u8])) -> Result<()>;
}

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// `write` and `fdatasync` to one file and nothing else: what the disk gives.
    File,
    /// `SQLite`, write-ahead log, synchronous=FULL: it calls `fsync` after each commit.
    SqliteFull,
    /// `SQLite`, write-ahead log, synchronous=NORMAL, and `fdatasync` of that log by us after each commit.
    Sqlite,
    /// redb: a copy-on-write B-tree.
    Redb,
    /// fjall: a log-structured merge tree.
    Fjall,
}

impl Kind {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::SqliteFull => "SQLite, its fsync",
            Self::Sqlite => "SQLite, our fdatasync",
            Self::Redb => "redb",
            Self::Fjall => "fjall",
        }
    }

    /// Opens or makes it in a folder.
    pub fn open(self, folder: &Path) -> Result<Box<dyn Store>> {
        Ok(match self {
            Self::File => Box::new(file::File::open(folder)?),
            Self::SqliteFull => Box::new(sqlite::Sqlite::open(folder, false)?),
            Self::Sqlite => Box::new(sqlite::Sqlite::open(folder, true)?),
            Self::Redb => Box::new(tree::Redb::open(folder)?),
            Self::Fjall => Box::new(lsm::Fjall::open(folder)?),
        })
    }
}

/// What a folder takes on the disk, in bytes: blocks, not lengths.
pub fn disk_bytes(folder: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            about.blocks() * 512
        };
    }
    Ok(sum)
}
