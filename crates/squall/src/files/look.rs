//! Looking at a file: what it is now, and what is known of it already. May wait for a disk.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use sha2::{Digest, Sha256};

use super::beneath::{self, Root};
use super::coding::Coding;
use super::conditions::Modified;
use super::entry::{Content, Entry, Stamp, Variant};
use super::etag::Tag;
use super::kind::Kinds;

/// Bytes read at a time while a file is hashed.
const HASH_BYTES: usize = 64 * 1024;
/// How often a file that changes while it is read is read again.
const READS_MAX: usize = 2;

/// What looking needs to know.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) kinds: Kinds,
    pub(crate) index: Option<String>,
    pub(crate) precompressed: bool,
    pub(crate) memory_file_bytes_max: u64,
    pub(crate) hash_bytes_max: u64,
    pub(crate) settled_after: Duration,
}

/// What a name stands for.
pub(crate) enum Look {
    File(Looked),
    /// A directory that has a page of its own.
    Directory,
    Missing,
}

/// A file, and those of its representations open that are not in memory.
pub(crate) struct Looked {
    pub(crate) entry: Arc<Entry>,
    pub(crate) open: Vec<Option<Arc<File>>>,
}

/// Looks at what has that name. What is known of it in `old` is taken over where the file has not changed.
///
/// # Errors
/// What the system cannot do now.
pub(crate) fn look(root: &Root, name: &str, old: Option<&Entry>, rules: &Rules) -> io::Result<Look> {
    let root = root.refresh();
    let Some(file) = beneath::open(&root, name)? else {
        return Ok(Look::Missing);
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return is_page(&root, name, rules);
    }
    if !metadata.is_file() {
        return Ok(Look::Missing);
    }
    let bare = Stamp::of(&file)?;
    let (variant, open) = examine(file, bare, Coding::Identity, old, rules)?;
    let mut looked = (vec![variant], vec![open]);
    for coding in Coding::BESIDE.into_iter().filter(|_| rules.precompressed) {
        if let Some((file, stamp)) = beside(&root, name, coding, &bare)? {
            let (variant, open) = examine(file, stamp, coding, old, rules)?;
            looked.0.push(variant);
            looked.1.push(open);
        }
    }
    let (variants, open) = looked;
    let entry = Entry::new(rules.kinds.of(name), rules.kinds.disposition(name), variants);
    Ok(Look::File(Looked {
        entry: Arc::new(entry),
        open,
    }))
}

fn is_page(root: &OwnedFd, name: &str, rules: &Rules) -> io::Result<Look> {
    let Some(index) = &rules.index else {
        return Ok(Look::Missing);
    };
    let page = beneath::open(root, &format!("{name}/{index}"))?;
    let is_file = page.is_some_and(|page| page.metadata().is_ok_and(|page| page.is_file()));
    Ok(if is_file { Look::Directory } else { Look::Missing })
}

/// The coded file beside a file, unless it is older: then it was made of other bytes.
fn beside(root: &OwnedFd, name: &str, coding: Coding, bare: &Stamp) -> io::Result<Option<(File, Stamp)>> {
    let Some(file) = beneath::open(root, &format!("{name}{}", coding.suffix()))? else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    let stamp = Stamp::of(&file)?;
    let good = metadata.is_file() && stamp.modified() >= bare.modified();
    Ok(good.then_some((file, stamp)))
}

/// Takes what is known of the file, or reads it.
fn examine(
    file: File,
    stamp: Stamp,
    coding: Coding,
    old: Option<&Entry>,
    rules: &Rules,
) -> io::Result<(Variant, Option<Arc<File>>)> {
    let known = old.and_then(|old| old.variants.iter().find(|variant| variant.coding == coding));
    let variant = match known.filter(|known| known.holds_for(&stamp)) {
        Some(known) => known.clone(),
        None => read(&file, stamp, coding, rules)?,
    };
    let open = matches!(variant.content, Content::Disk { .. }).then(|| Arc::new(file));
    Ok((variant, open))
}

/// Reads a file, as far as its size lets: into memory, for its hash, or not at all.
fn read(file: &File, mut stamp: Stamp, coding: Coding, rules: &Rules) -> io::Result<Variant> {
    let mut reads = 0;
    loop {
        reads += 1;
        let (digest, bytes) = if stamp.len_bytes <= rules.memory_file_bytes_max {
            let bytes = read_whole(file, stamp.len_bytes)?;
            (Some(Sha256::digest(&bytes)), Some(bytes))
        } else if stamp.len_bytes <= rules.hash_bytes_max {
            (Some(hash(file, stamp.len_bytes)?), None)
        } else {
            (None, None)
        };
        let now = SystemTime::now();
        let after = Stamp::of(file)?;
        if after != stamp && reads < READS_MAX {
            stamp = after;
            continue;
        }
        let settled = after == stamp && stamp.is_settled(now, rules.settled_after);
        let modified = Some(Modified::new(stamp.modified(), now));
        return Ok(match (bytes, digest) {
            // What was read is what is sent, whatever the file is by then.
            (Some(bytes), _) => Variant::in_memory(coding, bytes, modified, settled.then_some(stamp)),
            (None, digest) => Variant {
                coding,
                tag: match digest {
                    Some(digest) => Tag::new(&digest, coding, !settled),
                    None => Tag::new(stamp.digest().as_ref(), coding, !settled),
                },
                modified,
                len_bytes: stamp.len_bytes,
                content: Content::Disk { stamp, settled },
            },
        });
    }
}

/// Up to `len_bytes` bytes: fewer, if the file has become shorter.
fn read_whole(file: &File, len_bytes: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(len_bytes).map_err(io::Error::other)?];
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes.into())
}

fn hash(file: &File, len_bytes: u64) -> io::Result<sha2::digest::Output<Sha256>> {
    let mut buffer = vec![0; HASH_BYTES];
    let mut hash = Sha256::new();
    let mut at = 0;
    while at < len_bytes {
        let want = usize::try_from(len_bytes - at)
            .unwrap_or(HASH_BYTES)
            .min(HASH_BYTES);
        match file.read_at(&mut buffer[..want], at) {
            Ok(0) => break,
            Ok(more) => {
                hash.update(&buffer[..more]);
                at += more as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hash.finalize())
}
