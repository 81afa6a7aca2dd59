//! Static files whose URLs change with their content.
//!
//! `/static/app.<hash>.css` may be kept by every cache for ever, because another content has another URL; the plain
//! `/static/app.css` is asked for again each time, and answered 304 when nothing changed. Files are read when the
//! program starts (or are part of it) and served from a table: a path that is not in it does not exist, so nothing
//! outside can be reached, by whatever path. Preconditions, ranges and compressed files beside the file (`app.css.br`)
//! are served as [`crate::files`] serves them; files too large for memory belong there, too.
//!
//! ```
//! use squall::{assets::Assets, web::Router};
//! let assets = Assets::embedded(&[("app.css", b"body { margin: 0 }")]);
//! assert!(assets.url("app.css").starts_with("/static/app."));
//! let app: Router = Router::new().merge(assets.router());
//! ```

mod files;
mod serve;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodRouter, get};

use crate::files::{Root, Rules, embedded_entries, encode, is_servable};
use files::File;

/// Files of one directory.
pub const FILES_MAX: usize = 10_000;
/// Bytes of one file: they are kept in memory. What is larger belongs to [`crate::files`].
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The static files of a site. Cheap to clone.
#[derive(Clone)]
pub struct Assets {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: String,
    files: RwLock<HashMap<String, Arc<File>>>,
    /// Whether to look again for changes; only while developing.
    reload: bool,
    root: Option<Arc<Root>>,
}

/// Everything is in memory.
fn rules() -> Rules {
    Rules {
        kinds: Default::default(),
        index: None,
        precompressed: true,
        memory_file_bytes_max: FILE_BYTES_MAX,
        hash_bytes_max: FILE_BYTES_MAX,
        settled_after: Duration::from_secs(2),
    }
}

impl Assets {
    /// Files that are part of the program: names with `/` between directories, and contents (`include_bytes!`).
    /// For a whole directory see [`embedded_files!`](crate::embedded_files).
    pub fn embedded(table: &[(&str, &'static [u8])]) -> Self {
        let file = |(name, entry)| Some((name, Arc::new(File::new(entry)?)));
        let table = embedded_entries(table).into_iter().filter_map(file).collect();
        Self::of_table(table, None)
    }

    /// Reads a directory with all below it, except what begins with a dot, and symbolic links.
    ///
    /// # Errors
    /// What cannot be read, more than [`FILES_MAX`] files or one above [`FILE_BYTES_MAX`], with its path.
    pub fn directory(root: impl AsRef<Path>) -> io::Result<Self> {
        let path = root.as_ref();
        let root = Root::new(path).map_err(|error| files::named(path, error))?;
        let table = files::read_all(path, &root, &rules())?;
        Ok(Self::of_table(table, Some(Arc::new(root))))
    }

    fn of_table(files: HashMap<String, Arc<File>>, root: Option<Arc<Root>>) -> Self {
        let inner = Inner {
            prefix: "/static/".to_owned(),
            files: RwLock::new(files),
            reload: false,
            root,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// `true`: a file of the directory that changed is read again when it is asked for. While developing: it costs a
    /// system call for each request.
    #[must_use]
    pub fn reload(self, reload: bool) -> Self {
        self.with(|inner| inner.reload = reload)
    }

    /// Another path to serve them under than `/static/`.
    ///
    /// # Panics
    /// When it does not begin and end with a slash, or has a character that does not stand in a URL for itself.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        assert!(
            prefix.starts_with('/') && prefix.ends_with('/'),
            "a prefix begins and ends with a slash"
        );
        assert!(encode(prefix) == prefix, "a prefix stands in URLs as it is");
        self.with(|inner| inner.prefix = prefix.to_owned())
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let from = &*self.inner;
        let files = from.files.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut inner = Inner {
            prefix: from.prefix.clone(),
            files: RwLock::new(files),
            reload: from.reload,
            root: from.root.clone(),
        };
        change(&mut inner);
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The URL that changes with the content; the plain one for a file that is not there.
    pub fn url(&self, name: &str) -> String {
        self.try_url(name)
            .unwrap_or_else(|| format!("{}{}", self.inner.prefix, encode(name)))
    }

    /// The URL that changes with the content.
    pub fn try_url(&self, name: &str) -> Option<String> {
        let file = self.file(name)?;
        Some(format!(
            "{}{}",
            self.inner.prefix,
            encode(&files::hashed_name(name, &file.hash))
        ))
    }

    /// Routes for all of them: `GET` and `HEAD` below the prefix.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let assets = self.clone();
        let serve = async move |request: Request| assets.answer(&request);
        Router::new().route(&format!("{}{{*path}}", self.inner.prefix), get(serve))
    }

    /// A route for one of them somewhere else, such as `/favicon.ico`.
    pub fn route<S: Clone + Send + Sync + 'static>(&self, name: &str) -> MethodRouter<S> {
        let (assets, name) = (self.clone(), name.to_owned());
        get(async move |request: Request| assets.answer_named(&name, request.method(), request.headers()))
    }

    /// The file of that plain name, as it is now.
    fn file(&self, name: &str) -> Option<Arc<File>> {
        if !is_servable(name) {
            return None;
        }
        let have = self
            .inner
            .files
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        let Some(root) = self.inner.root.as_ref().filter(|_| self.inner.reload) else {
            return have;
        };
        let now = files::read_again(root, name, have, &rules())?;
        self.inner
            .files
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), now.clone());
        Some(now)
    }
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self
            .inner
            .files
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        f.debug_struct("Assets")
            .field("prefix", &self.inner.prefix)
            .field("files", &files)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
