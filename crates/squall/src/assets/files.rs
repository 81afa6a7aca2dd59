//! Reading files, and their names with and without hash.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use sha2::{Digest, Sha256};

use super::{FILE_BYTES_MAX, FILES_MAX, kind};

/// Hex digits of a content's SHA-256 in its URL: 80 bits.
const HASH_DIGITS: usize = 20;

pub(super) struct File {
    pub(super) bytes: Bytes,
    pub(super) hash: String,
    pub(super) kind: &'static str,
    /// When and how long the file was when it was read.
    stamp: Option<(SystemTime, u64)>,
}

impl File {
    pub(super) fn new(name: &str, bytes: Bytes, stamp: Option<(SystemTime, u64)>) -> Self {
        let mut hash = crate::hex(&Sha256::digest(&bytes));
        hash.truncate(HASH_DIGITS);
        Self {
            bytes,
            hash,
            kind: kind::content_type(name),
            stamp,
        }
    }
}

/// No empty part, no part that begins with a dot (so no `..`), no character with which a path could mean another.
pub(super) fn is_servable(name: &str) -> bool {
    let bad = |part: &str| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0', ':']);
    !name.split('/').any(bad)
}

/// `css/app.css` and `1f…` make `css/app.1f….css`.
pub(super) fn hashed_name(name: &str, hash: &str) -> String {
    let file_at = name.rfind('/').map_or(0, |at| at + 1);
    match name[file_at..].rfind('.') {
        Some(dot) => format!("{}.{hash}{}", &name[..file_at + dot], &name[file_at + dot..]),
        None => format!("{name}.{hash}"),
    }
}

/// A name as a URL's path: everything but unreserved characters (RFC 3986 2.3) and slashes percent-encoded.
pub(super) fn encode(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    name.bytes().map(encode).collect()
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

pub(super) fn read_all(root: &Path) -> io::Result<HashMap<String, Arc<File>>> {
    let mut table = HashMap::new();
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        let path = root.join(&directory);
        for entry in fs::read_dir(&path).map_err(|error| named(&path, error))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let name = format!("{directory}{name}");
            if !is_servable(&name) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(name + "/");
            } else if kind.is_file() {
                if table.len() == FILES_MAX {
                    return Err(named(
                        root,
                        io::Error::other(format!("more than {FILES_MAX} files")),
                    ));
                }
                let file = read(root, &name).map_err(|error| named(&entry.path(), error))?;
                table.insert(name, Arc::new(file));
            }
        }
    }
    Ok(table)
}

fn read(root: &Path, name: &str) -> io::Result<File> {
    let mut file = fs::File::open(root.join(name))?;
    let stamp = stamp(&file.metadata()?);
    let mut bytes = Vec::new();
    file.by_ref().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(File::new(name, bytes.into(), stamp))
}

/// What the file is now: as it was read, if nothing changed. `None`: there is none, or it is not in the directory.
pub(super) fn read_again(root: &Path, name: &str, have: Option<Arc<File>>) -> Option<Arc<File>> {
    let path = root
        .join(name)
        .canonicalize()
        .ok()
        .filter(|path| path.starts_with(root))?;
    let now = fs::metadata(path).ok().filter(Metadata::is_file)?;
    match have {
        Some(file) if file.stamp.is_some() && file.stamp == stamp(&now) => Some(file),
        _ => read(root, name).ok().map(Arc::new),
    }
}

fn stamp(metadata: &Metadata) -> Option<(SystemTime, u64)> {
    metadata.modified().ok().map(|time| (time, metadata.len()))
}

pub(super) fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
