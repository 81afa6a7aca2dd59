//! Files that are part of the program.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;

use super::coding::Coding;
use super::entry::{Entry, Table, Variant};
use super::kind::Kinds;
use super::path;

#[doc(hidden)]
pub use include_dir as __include_dir;

/// The files of a directory, with all below it, as they are when the program is compiled: names and contents, for
/// [`Files::embedded`](super::Files::embedded) and [`Assets::embedded`](crate::assets::Assets::embedded).
///
/// The path begins with a variable of the build, mostly `$CARGO_MANIFEST_DIR`. A file that changes is compiled in anew; for
/// one that is added the build must be told (`cargo::rerun-if-changed=static` in a `build.rs`).
///
/// ```
/// let files = squall::embedded_files!("$CARGO_MANIFEST_DIR/src/files");
/// assert!(files.iter().any(|(name, bytes)| *name == "mod.rs" && !bytes.is_empty()));
/// ```
#[macro_export]
macro_rules! embedded_files {
    ($directory:tt) => {{
        use $crate::files::__include_dir as include_dir;
        static DIRECTORY: include_dir::Dir<'static> = include_dir::include_dir!($directory);
        $crate::files::__list(&DIRECTORY)
    }};
}

#[doc(hidden)]
pub fn __list(directory: &'static include_dir::Dir<'static>) -> Vec<(&'static str, &'static [u8])> {
    let mut list = Vec::new();
    let mut open = vec![directory];
    while let Some(directory) = open.pop() {
        let named = |file: &'static include_dir::File<'static>| {
            file.path().to_str().map(|name| (name, file.contents()))
        };
        list.extend(directory.files().filter_map(named));
        open.extend(directory.dirs());
    }
    list
}

/// Entries for files in memory, each with those that lie beside it.
pub(crate) fn entries(files: &[(&str, &'static [u8])], kinds: &Kinds, precompressed: bool) -> Table {
    let bytes: HashMap<&str, &'static [u8]> = files.iter().copied().collect();
    let variant = |name: &str, coding: Coding| {
        let bytes = bytes.get(name)?;
        Some(Variant::in_memory(coding, Bytes::from_static(bytes), None, None))
    };
    let entry = |name: &str| {
        let beside = Coding::BESIDE.into_iter().filter(|_| precompressed);
        let beside = beside.filter_map(|coding| variant(&format!("{name}{}", coding.suffix()), coding));
        let variants = variant(name, Coding::Identity)
            .into_iter()
            .chain(beside)
            .collect();
        Arc::new(Entry::new(kinds.of(name), kinds.disposition(name), variants))
    };
    let names = files
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| path::is_servable(name));
    names.map(|name| (name.to_owned(), entry(name))).collect()
}
