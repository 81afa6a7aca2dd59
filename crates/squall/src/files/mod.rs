//! A directory of files, served.
//!
//! ```no_run
//! use squall::{files::Files, web::Router};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let app = Router::new().merge(Files::directory("downloads")?.router("/downloads/"));
//!     squall::Server::new(app).bind("127.0.0.1:8888").run()?;
//!     Ok(())
//! }
//! ```
//!
//! What it does, by RFC 9110:
//!
//! - **Validators**: a strong `ETag` from the content, another one for each coding, computed anew when the file changes;
//!   `Last-Modified`. `If-Match`, `If-None-Match`, `If-Unmodified-Since`, `If-Modified-Since` in the order of section 13.2.2, and
//!   `If-Range`.
//! - **Ranges**: one, several (`multipart/byteranges`), suffixes; 206 and 416. Of the coding that is sent. Only with GET: section 14.2.
//! - **Codings**: `NAME.br`, `NAME.zst` and `NAME.gz` beside `NAME`, chosen by `Accept-Encoding` with its weights, and `Vary`. A request that
//!   refuses even the bare bytes (`identity;q=0`) and all that there is gets 406, as section 12.5.3 has it.
//! - **Names**: no dot-files, no `..` in whatever encoding, no link that leads out: the kernel itself resolves beneath
//!   the directory. A directory has its `index.html` or nothing, and its redirect cannot lead to another host. What is
//!   neither file nor directory does not exist.
//! - **Cost**: small files come from a bounded memory; large ones from the disk, a piece at a time as the peer takes them. What the kernel
//!   has in memory is read in place, and all else on the blocking pool: no core waits for a disk.
//!   A file that changes while it is sent ends its connection, rather than to be mixed.
//!
//! Staleness is bounded by [`FilesConfig::fresh_ms`].
//!
//! Why not tower-http's `ServeDir`: it has no `ETag`, so no `If-Match`, `If-None-Match` and `If-Range`; answers several ranges with 416, and
//! `Range` with HEAD; sends a 304 without its fields, and codings without `Vary`; follows links out of the directory, and serves
//! dot-files; goes to the blocking pool for each step. Little would be left of it.

mod answer;
mod beneath;
mod body;
mod cache;
mod coding;
mod conditions;
mod config;
mod embedded;
mod entry;
mod etag;
mod kind;
mod look;
mod path;
mod ranges;
mod service;
mod sys;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;

pub use config::FilesConfig;
#[doc(hidden)]
pub use embedded::{__include_dir, __list};
pub use service::Answering;

pub(crate) use answer::{ASK, Decided, FOR_EVER, Policy, decide, short};
pub(crate) use beneath::Root;
pub(crate) use entry::{Content, Entry};
#[cfg(test)]
pub(crate) use kind::Kinds;
pub(crate) use look::{Look, Rules, look};
pub(crate) use path::{decode, encode, is_servable};

use service::{Directory, Inner, Store};

/// Files of a directory, or of the program, as a service. Cheap to clone.
///
/// Serve it below a prefix with [`Files::router`]; or use it as a service, of a whole host
/// (`Router::new().fallback_service(files)`).
#[derive(Clone)]
pub struct Files {
    inner: Arc<Inner>,
    /// What the URLs of all files begin with. Begins and ends with a slash.
    mount: Arc<str>,
}

impl Files {
    /// The files of a directory, with all below it.
    ///
    /// # Errors
    /// When there is no such directory, or it cannot be opened.
    pub fn directory(root: impl AsRef<Path>) -> io::Result<Self> {
        Self::directory_with(root, FilesConfig::default())
    }

    /// As [`Files::directory`], in another way.
    ///
    /// # Errors
    /// As [`Files::directory`], and when a text of the configuration cannot stand in a field.
    pub fn directory_with(root: impl AsRef<Path>, config: FilesConfig) -> io::Result<Self> {
        let path = root.as_ref();
        let root = Root::new(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let store = Store::Directory(Box::new(Directory::new(root, config.rules()?, &config)));
        Self::of(store, &config)
    }

    /// Files that are part of the program: names with `/` between directories, and contents. See
    /// [`embedded_files!`](crate::embedded_files).
    pub fn embedded(files: &[(&str, &'static [u8])]) -> Self {
        Self::embedded_with(files, FilesConfig::default()).expect("the defaults can stand in fields")
    }

    /// As [`Files::embedded`], in another way. What is said of disks and caches does not count.
    ///
    /// # Errors
    /// When a text of the configuration cannot stand in a field.
    pub fn embedded_with(files: &[(&str, &'static [u8])], config: FilesConfig) -> io::Result<Self> {
        let kinds = config.rules()?.kinds;
        let table = embedded::entries(files, &kinds, config.precompressed);
        Self::of(Store::Embedded(table), &config)
    }

    fn of(store: Store, config: &FilesConfig) -> io::Result<Self> {
        let inner = Inner {
            store,
            policy: config.policy()?,
            index: config.index.clone(),
            well_known: config.well_known,
        };
        Ok(Self {
            inner: Arc::new(inner),
            mount: "/".into(),
        })
    }

    /// Routes for all of them below `prefix`.
    ///
    /// # Panics
    /// When the prefix does not begin and end with a slash, or has a character that does not stand in a URL for itself.
    pub fn router<S: Clone + Send + Sync + 'static>(&self, prefix: &str) -> Router<S> {
        assert!(
            prefix.starts_with('/') && prefix.ends_with('/'),
            "a prefix begins and ends with a slash"
        );
        assert!(encode(prefix) == prefix, "a prefix stands in URLs as it is");
        let files = Self {
            inner: self.inner.clone(),
            mount: prefix.into(),
        };
        let router = Router::new()
            .route_service(&format!("{prefix}{{*path}}"), files.clone())
            .route_service(prefix, files);
        match prefix.trim_end_matches('/') {
            "" => router,
            bare => router.route(bare, get(add_slash)),
        }
    }
}

async fn add_slash(uri: Uri) -> Response {
    answer::redirect(path::with_slash(uri.path(), uri.query()))
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("mount", &self.mount)
            .finish_non_exhaustive()
    }
}

/// Entries by names: see [`entry::Table`].
pub(crate) fn embedded_entries(files: &[(&str, &'static [u8])]) -> HashMap<String, Arc<Entry>> {
    embedded::entries(files, &kind::Kinds::default(), true)
}

#[cfg(test)]
mod tests;
