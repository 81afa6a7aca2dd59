//! Opening a file that is beneath a directory, and nothing else, whatever is renamed or linked meanwhile.
//!
//! A path that is checked first and opened then can be another file when it is opened. So the kernel does both at once:
//! `openat2` with `RESOLVE_BENEATH`, which follows a symbolic link only while it stays beneath. Where there is no `openat2` (before
//! Linux 5.6, or forbidden by a sandbox) the path is walked part by part, each opened in the one before, and no link is followed.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::sys::{self, DIRECTORY, FILE};

/// The kernel gives up when something is renamed while it resolves a path with `..`; so often it is asked again.
const TRIES_MAX: usize = 3;

/// The directory.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    open: Mutex<Arc<OwnedFd>>,
}

impl Root {
    /// # Errors
    /// When there is no such directory.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let open = Mutex::new(Arc::new(openat(CWD, &path, DIRECTORY, Mode::empty())?));
        Ok(Self { path, open })
    }

    /// Opens the directory again: its path may lead to another one now, as when a new version of a site is switched to.
    /// Keeps what it had where that fails.
    pub(crate) fn refresh(&self) -> Arc<OwnedFd> {
        if let Ok(open) = openat(CWD, &self.path, DIRECTORY, Mode::empty()) {
            *self.lock() = Arc::new(open);
        }
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<OwnedFd>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a file without ever waiting for a disk. `None`: that cannot be said, or done.
    pub(crate) fn open_now(&self, name: &str) -> Option<File> {
        let root = self.lock().clone();
        sys::open_beneath_now(&root, name).ok().map(File::from)
    }
}

/// Opens what has that name beneath `root`. May wait for a disk. `None`: there is nothing, or nothing that may be seen.
///
/// # Errors
/// What the system cannot do now.
pub(crate) fn open(root: &OwnedFd, name: &str) -> io::Result<Option<File>> {
    let mut tries = 0;
    loop {
        tries += 1;
        return match sys::open_beneath(root, name) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::AGAIN) if tries < TRIES_MAX => continue,
            Err(Errno::NOSYS | Errno::PERM) => walk(root, name),
            Err(errno) => absent(errno),
        };
    }
}

/// As [`open`], part by part.
pub(super) fn walk(root: &OwnedFd, name: &str) -> io::Result<Option<File>> {
    let (directories, file) = name.rsplit_once('/').map_or(("", name), |(d, f)| (d, f));
    let mut at: Option<OwnedFd> = None;
    for part in directories.split('/').filter(|part| !part.is_empty()) {
        debug_assert!(part != "..", "names are checked before");
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        match openat(at.as_ref().unwrap_or(root), part, flags, Mode::empty()) {
            Ok(directory) => at = Some(directory),
            Err(errno) => return absent(errno),
        }
    }
    match openat(
        at.as_ref().unwrap_or(root),
        file,
        FILE | OFlags::NOFOLLOW,
        Mode::empty(),
    ) {
        Ok(file) => Ok(Some(file.into())),
        Err(errno) => absent(errno),
    }
}

/// What says that there is nothing to see is no error. `XDEV` and `LOOP` say that the path leads out.
fn absent(errno: Errno) -> io::Result<Option<File>> {
    match errno {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::ACCESS
        | Errno::XDEV
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::NODEV
        | Errno::INVAL => Ok(None),
        errno => Err(errno.into()),
    }
}
