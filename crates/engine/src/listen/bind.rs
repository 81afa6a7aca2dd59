//! Making sockets that listen. All of them are closed when another program is started (`SOCK_CLOEXEC`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections that the kernel keeps for us until we accept them.
const BACKLOG: i32 = 4096;

pub(super) fn tcp(addr: SocketAddr, dual_stack: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // Said either way: what the kernel does by itself is a setting of the machine (net.ipv6.bindv6only).
        socket.set_only_v6(!dual_stack)?;
    }
    // A restarted server must not wait for its predecessor's closed connections.
    socket.set_reuse_address(true)?;
    // Answers leave in one write, so waiting for more to send with them only costs time. Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// All of IPv6 and IPv4; of IPv4 alone on a machine whose kernel has no IPv6.
pub(super) fn everywhere(port: u16) -> io::Result<TcpListener> {
    let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    match tcp(v6, true) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port);
            // The first reason, if neither can be had.
            tcp(v4, false).map_err(|_| error)
        }
        bound => bound,
    }
}

/// The path of a Unix socket that we made, removed when this is dropped, unless something else is there by then.
#[derive(Debug)]
pub(crate) struct UnixPath {
    path: PathBuf,
    /// Device and inode of the socket.
    identity: (u64, u64),
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let is_ours =
            std::fs::symlink_metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.identity);
        if is_ours {
            // Nobody answers there any more; if it is gone this very moment, so much the better.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

pub(super) fn unix(path: &Path, mode: u32) -> io::Result<(UnixListener, UnixPath)> {
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let meta = std::fs::symlink_metadata(path)?;
    let ours = UnixPath {
        path: path.to_owned(),
        identity: (meta.dev(), meta.ino()),
    };
    // Between bind and listen nobody can connect, whatever mode the process's umask gave.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok((socket.into(), ours))
}

/// Removes a socket that nobody listens on any more. Anything else at the path is not ours to remove.
fn make_way(path: &Path) -> io::Result<()> {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !meta.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A listener whose queue is full must not make us wait.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // It answers, or would if its queue were not full, or speaks in datagrams.
        Ok(()) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}
