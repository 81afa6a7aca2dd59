//! Files with their hashes, and their names with and without.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{FILE_BYTES_MAX, FILES_MAX};
use crate::files::{self, Content, Entry, Look, Root, Rules};

/// Hex digits of a content's SHA-256 in its URL: 80 bits.
const HASH_DIGITS: usize = 20;

pub(super) struct File {
    pub(super) entry: Arc<Entry>,
    pub(super) hash: String,
}

impl File {
    /// `None`: it is not in memory.
    pub(super) fn new(entry: Arc<Entry>) -> Option<Self> {
        let in_memory = |content: &Content| matches!(content, Content::Memory { .. });
        if !entry.variants.iter().all(|variant| in_memory(&variant.content)) {
            return None;
        }
        let Content::Memory { bytes, .. } = &entry.variants.first()?.content else {
            return None;
        };
        let mut hash = crate::hex(&Sha256::digest(bytes));
        hash.truncate(HASH_DIGITS);
        Some(Self { entry, hash })
    }
}

/// `css/app.css` and `1f…` make `css/app.1f….css`.
pub(super) fn hashed_name(name: &str, hash: &str) -> String {
    let file_at = name.rfind('/').map_or(0, |at| at + 1);
    match name[file_at..].rfind('.') {
        Some(dot) => format!("{}.{hash}{}", &name[..file_at + dot], &name[file_at + dot..]),
        None => format!("{name}.{hash}"),
    }
}

/// The other way round: plain name and hash, if it looks like one with hash.
pub(super) fn split_hash(path: &str) -> Option<(String, &str)> {
    let is_hash = |part: &str| {
        part.len() == HASH_DIGITS && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let (stem, last) = path.rsplit_once('.')?;
    if is_hash(last) {
        return Some((stem.to_owned(), last));
    }
    let (stem, hash) = stem.rsplit_once('.')?;
    is_hash(hash).then(|| (format!("{stem}.{last}"), hash))
}

pub(super) fn read_all(path: &Path, root: &Root, rules: &Rules) -> io::Result<HashMap<String, Arc<File>>> {
    let mut table = HashMap::new();
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        let path = path.join(&directory);
        for entry in fs::read_dir(&path).map_err(|error| named(&path, error))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let name = format!("{directory}{name}");
            if !files::is_servable(&name) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(name + "/");
            } else if kind.is_file() {
                if table.len() == FILES_MAX {
                    return Err(named(
                        &path,
                        io::Error::other(format!("more than {FILES_MAX} files")),
                    ));
                }
                let file = read(root, &name, rules).map_err(|error| named(&entry.path(), error))?;
                table.extend(file.map(|file| (name, file)));
            }
        }
    }
    Ok(table)
}

/// `None`: it is gone already.
fn read(root: &Root, name: &str, rules: &Rules) -> io::Result<Option<Arc<File>>> {
    let Look::File(looked) = files::look(root, name, None, rules)? else {
        return Ok(None);
    };
    match File::new(looked.entry) {
        Some(file) => Ok(Some(Arc::new(file))),
        None => Err(io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes"))),
    }
}

/// What the file is now: as it was read, if nothing changed. `None`: there is none, or it is not in the directory.
pub(super) fn read_again(
    root: &Root,
    name: &str,
    have: Option<Arc<File>>,
    rules: &Rules,
) -> Option<Arc<File>> {
    let old = have.as_ref().map(|file| &*file.entry);
    let Ok(Look::File(looked)) = files::look(root, name, old, rules) else {
        return None;
    };
    let same = |file: &Arc<File>| file.entry.has_content_of(&looked.entry);
    match have.filter(same) {
        Some(file) => Some(file),
        None => File::new(looked.entry).map(Arc::new),
    }
}

pub(super) fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
