//! How files are served.

use std::io;
use std::time::Duration;

use axum::http::HeaderValue;

use super::answer::Policy;
use super::kind::Kinds;
use super::look::Rules;

/// How the files of a directory are served. All have defaults that are right for a site; change the ones that are not:
///
/// ```no_run
/// use squall::files::{Files, FilesConfig};
/// # fn main() -> std::io::Result<()> {
/// let config = FilesConfig { cache_control: "public, max-age=3600".into(), ..FilesConfig::default() };
/// let files = Files::directory_with("site", config)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FilesConfig {
    /// The page of a directory, served for its URL with a slash; the URL without one is sent there. Default
    /// `index.html`. `None`: directories have no page. They are never listed.
    pub index: Option<String>,
    /// `Cache-Control` of files. Default `no-cache`: kept, but asked for each time, which costs a 304.
    pub cache_control: String,
    /// Whether `NAME.br`, `NAME.zst` and `NAME.gz` are served as `NAME` to those who accept it. Default yes. One that is older than
    /// its file was made from something else and is not used.
    pub precompressed: bool,
    /// Files are to be saved, not shown: `Content-Disposition: attachment` with the file's name, and a
    /// `Content-Security-Policy` that takes scripts their power. Default no; say yes for what strangers uploaded.
    pub attachment: bool,
    /// Whether `.well-known` (RFC 8615) is served, in the directory itself. Default no. No other name that begins with a dot ever is.
    pub well_known: bool,
    /// Media types by extension, before the built-in ones: `("glb", "model/gltf-binary")`. Default none.
    pub content_types: Vec<(String, String)>,
    /// Milliseconds for which a file that was looked at counts as unchanged: how old an answer may be at most. Default
    /// 1000. 0: each request looks.
    ///
    /// Files that are not kept in memory are looked at each time that they are sent.
    pub fresh_ms: u64,
    /// Largest file that is kept in memory, in bytes. Default 64 KiB; at most a sixteenth of `memory_bytes_max`.
    pub memory_file_bytes_max: u64,
    /// Bytes of all that is kept in memory, files and what is known of others. Default 32 MiB.
    pub memory_bytes_max: usize,
    /// Files of which something is kept. Default 10,000.
    pub entries_max: usize,
    /// Largest file whose `ETag` is a hash of its content, in bytes. Default 16 MiB, which take some 10 ms to hash, once. Above it
    /// the tag is made from device, inode, size and the times of the last change: the same file has another tag
    /// on another machine, and in a copy.
    pub hash_bytes_max: u64,
    /// Milliseconds since the last change of a file after which another one is sure to change its times, too. Default 2000: what
    /// the coarsest file systems need. Until then a file that is not kept in memory has a weak tag.
    pub settled_after_ms: u64,
    /// Files that are kept open for the next download. Default 64. None above `hash_bytes_max` is: one that was removed takes
    /// room on its disk as long as it is open.
    pub open_files_max: usize,
    /// Ranges in one request. Default 16. With more, or with more than two that overlap, all of the file is sent.
    pub ranges_max: usize,
    /// Files that are looked at, and hashed, at the same time; other requests wait. Default 16.
    pub looks_max: usize,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            index: Some("index.html".to_owned()),
            cache_control: "no-cache".to_owned(),
            precompressed: true,
            attachment: false,
            well_known: false,
            content_types: Vec::new(),
            fresh_ms: 1000,
            memory_file_bytes_max: 64 * 1024,
            memory_bytes_max: 32 * 1024 * 1024,
            entries_max: 10_000,
            hash_bytes_max: 16 * 1024 * 1024,
            settled_after_ms: 2000,
            open_files_max: 64,
            ranges_max: 16,
            looks_max: 16,
        }
    }
}

impl FilesConfig {
    pub(super) fn policy(&self) -> io::Result<Policy> {
        Ok(Policy {
            cache_control: field("cache_control", &self.cache_control)?,
            ranges_max: self.ranges_max,
        })
    }

    pub(super) fn rules(&self) -> io::Result<Rules> {
        let kind = |(extension, kind): &(String, String)| {
            let extension = extension.trim_start_matches('.').to_ascii_lowercase();
            Ok((extension, field("content_types", kind)?))
        };
        Ok(Rules {
            kinds: Kinds {
                overrides: self.content_types.iter().map(kind).collect::<io::Result<_>>()?,
                attachment: self.attachment,
            },
            index: self.index.clone(),
            precompressed: self.precompressed,
            memory_file_bytes_max: self.memory_file_bytes_max.min(self.memory_bytes_max as u64 / 16),
            hash_bytes_max: self.hash_bytes_max,
            settled_after: Duration::from_millis(self.settled_after_ms),
        })
    }
}

fn field(name: &str, value: &str) -> io::Result<HeaderValue> {
    let said = |_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name}: no field can be {value:?}"),
        )
    };
    HeaderValue::try_from(value).map_err(said)
}
