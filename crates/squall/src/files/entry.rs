//! A file as it can be answered: its representations, each with its validators.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::HeaderValue;
use sha2::{Digest, Sha256};

use super::coding::Coding;
use super::conditions::Modified;
use super::etag::Tag;

/// One file, under one name.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) content_type: HeaderValue,
    /// For `Content-Disposition`.
    pub(crate) disposition: Option<HeaderValue>,
    /// The bare one first, then those that lie beside it. Never empty.
    pub(crate) variants: Vec<Variant>,
    /// When it was last held against the file, by the clock of its cache.
    checked_ms: AtomicU64,
}

/// One representation.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) coding: Coding,
    pub(crate) tag: Tag,
    pub(crate) modified: Option<Modified>,
    pub(crate) len_bytes: u64,
    pub(crate) content: Content,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Memory {
        bytes: Bytes,
        /// What the file was when they were read, if that says all: see [`Stamp::is_settled`].
        stamp: Option<Stamp>,
    },
    /// In the file, as long as it is this one.
    Disk { stamp: Stamp, settled: bool },
}

impl Entry {
    pub(crate) fn new(
        content_type: HeaderValue,
        disposition: Option<HeaderValue>,
        variants: Vec<Variant>,
    ) -> Self {
        debug_assert!(
            variants
                .first()
                .is_some_and(|first| first.coding == Coding::Identity)
        );
        Self {
            content_type,
            disposition,
            variants,
            checked_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn checked_ms(&self) -> u64 {
        self.checked_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_checked_ms(&self, now_ms: u64) {
        self.checked_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Whether all representations are the same as those of `other`.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        let tags = |entry: &'_ Self| {
            entry
                .variants
                .iter()
                .map(|variant| variant.tag.clone())
                .collect::<Vec<_>>()
        };
        tags(self) == tags(other)
    }

    /// Bytes that it keeps in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        let of = |variant: &Variant| match &variant.content {
            Content::Memory { bytes, .. } => bytes.len(),
            Content::Disk { .. } => 0,
        };
        self.variants.iter().map(of).sum()
    }
}

impl Variant {
    /// A representation that is in memory for good, or as long as its entry is.
    pub(crate) fn in_memory(
        coding: Coding,
        bytes: Bytes,
        modified: Option<Modified>,
        stamp: Option<Stamp>,
    ) -> Self {
        Self {
            coding,
            tag: Tag::of(&bytes, coding),
            modified,
            len_bytes: bytes.len() as u64,
            content: Content::Memory { bytes, stamp },
        }
    }

    /// Whether what is known of it holds for a file that is now like this.
    pub(crate) fn holds_for(&self, now: &Stamp) -> bool {
        match &self.content {
            Content::Memory { stamp, .. } => stamp.as_ref() == Some(now),
            Content::Disk { stamp, settled } => *settled && stamp == now,
        }
    }
}

/// What tells one state of a file from another, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    pub(crate) len_bytes: u64,
    modified: (i64, i64),
    /// Of the inode. Unlike the other, no program can set it.
    changed: (i64, i64),
}

impl Stamp {
    /// Of an open file. It is asked for at each download, so by the cheapest call there is.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let stat = rustix::fs::fstat(file)?;
        Ok(Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            len_bytes: stat.st_size.try_into().unwrap_or(0),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        })
    }

    pub(crate) fn modified(&self) -> SystemTime {
        time(self.modified)
    }

    /// Whether a change from now on is sure to give another stamp: the last one is longer ago than clocks of file systems
    /// are coarse.
    pub(crate) fn is_settled(&self, now: SystemTime, after: Duration) -> bool {
        let last = time(self.changed).max(time(self.modified));
        now.duration_since(last).is_ok_and(|since| since >= after)
    }

    /// Whether a file from which bytes are being sent has still the content that it had. Not the time of the inode's
    /// change: that moves when the file is renamed or removed, which leaves its bytes as they were.
    pub(crate) fn has_content_of(&self, before: &Self) -> bool {
        (self.len_bytes, self.modified) == (before.len_bytes, before.modified)
    }

    /// A digest of it: who reads a tag need not know our inodes.
    pub(crate) fn digest(&self) -> impl AsRef<[u8]> + use<> {
        let mut hash = Sha256::new();
        hash.update(self.device.to_le_bytes());
        hash.update(self.inode.to_le_bytes());
        hash.update(self.len_bytes.to_le_bytes());
        for (seconds, nanoseconds) in [self.modified, self.changed] {
            hash.update(seconds.to_le_bytes());
            hash.update(nanoseconds.to_le_bytes());
        }
        hash.finalize()
    }
}

/// Seconds and nanoseconds since 1970; what is before that is 1970.
fn time((seconds, nanoseconds): (i64, i64)) -> SystemTime {
    let seconds = Duration::from_secs(seconds.try_into().unwrap_or(0));
    let nanoseconds = Duration::from_nanos(nanoseconds.try_into().unwrap_or(0));
    UNIX_EPOCH
        .checked_add(seconds + nanoseconds)
        .unwrap_or(UNIX_EPOCH)
}

/// Entries by their names.
pub(crate) type Table = std::collections::HashMap<String, Arc<Entry>>;
