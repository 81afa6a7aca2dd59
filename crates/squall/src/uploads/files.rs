//! Temporary files: written off the cores, bounded together, and gone with whoever held them.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use tempfile::{NamedTempFile, PersistError};

use super::error::{Kind, UploadError};

/// Bytes that are gathered before a thread is asked to write them.
const WRITE_BYTES: usize = 256 * 1024;

/// What the name of each file begins with, so that an operator knows what a killed process left behind.
const PREFIX: &str = "squall-upload-";

/// Where temporary files are made, and how much all of them may have together.
///
/// Made once, in `main`, and shared: clones count as one. Files are readable by this user alone. They are removed when
/// nobody holds them: also when a handler is cancelled because its peer went away. Only a process that is killed
/// leaves some: a directory that the system empties is best (`/tmp`, systemd's `PrivateTmp=`), on the disk where
/// files are to be kept.
#[derive(Clone, Debug)]
pub struct TempFiles {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    bytes_max: u64,
    bytes: AtomicU64,
}

impl TempFiles {
    /// In this directory, which must be there, and at most so many bytes at a time in all files together.
    pub fn new(dir: impl Into<PathBuf>, bytes_max: u64) -> Self {
        let shared = Shared {
            dir: dir.into(),
            bytes_max,
            bytes: AtomicU64::new(0),
        };
        TempFiles {
            shared: Arc::new(shared),
        }
    }

    /// Bytes in all files now.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// A new, empty file.
    ///
    /// # Errors
    /// When none can be made: 507 if the disk is full, else 500.
    pub async fn create(&self) -> Result<TempFile, UploadError> {
        let dir = self.shared.dir.clone();
        let file = off_core(move || tempfile::Builder::new().prefix(PREFIX).tempfile_in(dir)).await?;
        Ok(TempFile::new(file, self.shared.clone()))
    }
}

/// A file that is removed when this is dropped, unless [`TempFile::persist`] gave it a name to stay under.
#[derive(Debug)]
pub struct TempFile {
    /// Not there while a thread writes to it.
    file: Option<NamedTempFile>,
    path: PathBuf,
    /// Not written yet. Copied, so that a body in drops does not cost many times its bytes.
    gathered: Vec<u8>,
    /// Written and gathered; what it counts in `shared`.
    bytes: u64,
    shared: Arc<Shared>,
}

impl TempFile {
    fn new(file: NamedTempFile, shared: Arc<Shared>) -> Self {
        TempFile {
            path: file.path().to_owned(),
            file: Some(file),
            gathered: Vec::new(),
            bytes: 0,
            shared,
        }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is, as long as this lives. What was written is there after [`TempFile::flush`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends to it. Up to 256 KiB are gathered first. After an error the file is of no use.
    ///
    /// # Errors
    /// 503 when all files together would have more than [`TempFiles`] allows, 507 when the disk is full, else 500.
    pub async fn write(&mut self, data: Bytes) -> Result<(), UploadError> {
        self.reserve(data.len() as u64)?;
        self.gathered.extend_from_slice(&data);
        if self.gathered.len() >= WRITE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Returns when all that was given to it is in the file.
    ///
    /// # Errors
    /// As [`TempFile::write`].
    pub async fn flush(&mut self) -> Result<(), UploadError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut file = self.take()?;
        let mut gathered = std::mem::take(&mut self.gathered);
        // A future that is dropped here leaves the file to the thread, which removes it when it is done.
        let (file, gathered, written) = off_core(move || {
            let written = file.as_file_mut().write_all(&gathered);
            gathered.clear();
            Ok((file, gathered, written))
        })
        .await?;
        self.file = Some(file);
        self.gathered = gathered;
        Ok(written?)
    }

    /// Keeps it: on the disk for good, under that name, in place of what had it. On another file system than the
    /// temporary directory it is copied. Its mode stays: readable by this user alone.
    ///
    /// # Errors
    /// As [`TempFile::write`]. Then there is no file, and what had the name has it still.
    pub async fn persist(mut self, to: impl Into<PathBuf>) -> Result<(), UploadError> {
        self.flush().await?;
        let (file, to) = (self.take()?, to.into());
        off_core(move || {
            file.as_file().sync_all()?;
            match file.persist(&to) {
                Ok(_) => Ok(()),
                Err(PersistError { error, file }) if error.kind() == io::ErrorKind::CrossesDevices => {
                    copy(file.path(), &to)
                }
                Err(PersistError { error, .. }) => Err(error),
            }
        })
        .await?;
        Ok(())
    }

    fn take(&mut self) -> Result<NamedTempFile, UploadError> {
        let lost = || io::Error::other("the file was lost with a write that was given up");
        Ok(self.file.take().ok_or_else(lost)?)
    }

    fn reserve(&mut self, more: u64) -> Result<(), UploadError> {
        let max = self.shared.bytes_max;
        let fits = |bytes: u64| bytes.checked_add(more).filter(|&sum| sum <= max);
        let counted = &self.shared.bytes;
        match counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => {
                self.bytes += more;
                Ok(())
            }
            Err(_) => Err(Kind::NoRoom.into()),
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        self.shared.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let Some(file) = self.file.take() else { return };
        // To remove a large file takes a file system its time.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(file))),
            Err(_) => drop(file),
        }
    }
}

/// Copies to a name on another file system, which has the whole file or none.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut near = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(dir.unwrap_or(Path::new(".")))?;
    io::copy(&mut File::open(from)?, near.as_file_mut())?;
    near.as_file().sync_all()?;
    near.persist(to).map_err(|error| error.error)?;
    Ok(())
}

/// Runs what touches the disk on a thread that may wait for it.
async fn off_core<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, UploadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(io::Error::other(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn a_file_that_nobody_keeps_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let files = TempFiles::new(dir.path(), 100);
        let path = block_on(async {
            let mut file = files.create().await.unwrap();
            file.write(Bytes::from_static(b"hello")).await.unwrap();
            file.flush().await.unwrap();
            assert_eq!((file.bytes(), files.bytes()), (5, 5));
            assert_eq!(std::fs::read(file.path()).unwrap(), b"hello");
            file.path().to_owned()
        });
        assert_eq!(files.bytes(), 0);
        // The runtime's end waited for its threads.
        assert!(!path.exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_is_kept_takes_its_name_and_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let files = TempFiles::new(dir.path(), 100);
        let kept = dir.path().join("kept");
        std::fs::write(&kept, "old").unwrap();
        block_on(async {
            let mut file = files.create().await.unwrap();
            file.write(Bytes::from_static(b"new")).await.unwrap();
            file.persist(&kept).await.unwrap();
        });
        assert_eq!(std::fs::read(&kept).unwrap(), b"new");
        assert_eq!(files.bytes(), 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let copied = dir.path().join("copied");
        copy(&kept, &copied).unwrap();
        assert_eq!(std::fs::read(&copied).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn all_files_together_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let files = TempFiles::new(dir.path(), 10);
        block_on(async {
            let mut one = files.create().await.unwrap();
            let mut two = files.clone().create().await.unwrap();
            one.write(Bytes::from_static(b"123456")).await.unwrap();
            let error = two.write(Bytes::from_static(b"12345")).await.unwrap_err();
            assert!(error.is_no_room());
            assert_eq!(error.status().as_u16(), 503);
            two.write(Bytes::from_static(b"1234")).await.unwrap();
            assert_eq!(files.bytes(), 10);
            drop(one);
            two.write(Bytes::from_static(b"123456")).await.unwrap();
        });
        assert_eq!(files.bytes(), 0);
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let dir = tempfile::tempdir().unwrap();
        let files = TempFiles::new(dir.path(), 100);
        block_on(async {
            let (_, path) = tempfile::NamedTempFile::new_in(dir.path()).unwrap().into_parts();
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let mut file = TempFile::new(NamedTempFile::from_parts(full, path), files.shared.clone());
            file.write(Bytes::from_static(b"x")).await.unwrap();
            let error = file.flush().await.unwrap_err();
            assert!(error.is_disk_full());
            assert_eq!(error.status().as_u16(), 507);
            let nowhere = TempFiles::new(dir.path().join("nowhere"), 100);
            let error = nowhere.create().await.unwrap_err();
            assert!(!error.is_disk_full());
            assert_eq!(error.status().as_u16(), 500);
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_this_user_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let files = TempFiles::new(dir.path(), 100);
        block_on(async {
            let file = files.create().await.unwrap();
            let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        });
    }
}
