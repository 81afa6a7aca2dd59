//! The system calls that only some systems have. Where there is none, its name fails as an unknown one does, and who calls
//! it does without.

pub(super) use imp::{DIRECTORY, FILE, open_beneath, open_beneath_now, read_now};

#[cfg(target_os = "linux")]
mod imp {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// A file is only read. A FIFO must not make us wait for its writer, nor a terminal become ours.
    pub(in super::super) const FILE: OFlags = OFlags::RDONLY
        .union(OFlags::CLOEXEC)
        .union(OFlags::NONBLOCK)
        .union(OFlags::NOCTTY);
    /// A directory is only a place.
    pub(in super::super) const DIRECTORY: OFlags =
        OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    /// Opens what is beneath `root`, whatever links say.
    pub(in super::super) fn open_beneath(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
        openat2(root, name, FILE, Mode::empty(), ResolveFlags::BENEATH)
    }

    /// The same, if the kernel needs no disk for it.
    pub(in super::super) fn open_beneath_now(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
        let how = ResolveFlags::BENEATH | ResolveFlags::CACHED;
        openat2(root, name, FILE, Mode::empty(), how)
    }

    /// Reads what the kernel has in memory. `AGAIN`: it is not there.
    pub(in super::super) fn read_now(file: &File, into: &mut [u8], at: u64) -> Result<usize, Errno> {
        preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::fs::File;
    use std::os::fd::OwnedFd;

    use rustix::fs::OFlags;
    use rustix::io::Errno;

    pub(in super::super) const FILE: OFlags = OFlags::RDONLY
        .union(OFlags::CLOEXEC)
        .union(OFlags::NONBLOCK)
        .union(OFlags::NOCTTY);
    pub(in super::super) const DIRECTORY: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    pub(in super::super) fn open_beneath(_: &OwnedFd, _: &str) -> Result<OwnedFd, Errno> {
        Err(Errno::NOSYS)
    }

    pub(in super::super) fn open_beneath_now(_: &OwnedFd, _: &str) -> Result<OwnedFd, Errno> {
        Err(Errno::NOSYS)
    }

    pub(in super::super) fn read_now(_: &File, _: &mut [u8], _: u64) -> Result<usize, Errno> {
        Err(Errno::NOSYS)
    }
}
