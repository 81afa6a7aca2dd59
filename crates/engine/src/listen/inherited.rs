//! Sockets that the service manager opened for us (systemd's socket activation, `sd_listen_fds(3)`): `LISTEN_FDS` of them
//! from descriptor 3 on, if `LISTEN_PID` is ours, with names in `LISTEN_FDNAMES`.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, PoisonError};

use listenfd::ListenFd;
use socket2::SockRef;

use crate::error::Error;

/// What was passed and is not taken yet. The descriptors belong to the process, so this does too; `None` before the
/// first look.
static PASSED: Mutex<Option<Vec<Passed>>> = Mutex::new(None);

struct Passed {
    name: String,
    /// What is wrong with it is said to whoever asks for it.
    socket: Result<Socket, String>,
}

/// A socket that was passed.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The first socket of this name that is left, or the first of all.
pub(super) fn take(name: Option<&str>) -> Result<Socket, Error> {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let passed = passed.get_or_insert_with(look);
    let Some(at) = passed.iter().position(|p| name.is_none_or(|name| p.name == name)) else {
        return Err(Error::new(missing(name, passed)));
    };
    let Passed { name, socket } = passed.remove(at);
    socket.map_err(|why| {
        Error::new(format!(
            "the socket '{name}' of the service manager cannot be used: {why}"
        ))
    })
}

fn missing(name: Option<&str>, passed: &[Passed]) -> String {
    let names: Vec<_> = passed.iter().map(|p| p.name.as_str()).collect();
    match name {
        Some(name) if !names.is_empty() => format!(
            "the service manager passed no socket named '{name}' (FileDescriptorName= in its .socket unit), but: {}",
            names.join(", ")
        ),
        _ => "the service manager passed no socket, or none that is left: start the program through a .socket unit, \
              or say an address to listen on"
            .to_owned(),
    }
}

/// All that was passed. Taken out of the environment, so that programs that we start do not think it is theirs.
fn look() -> Vec<Passed> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut fds = ListenFd::from_env();
    (0..fds.len())
        .map(|at| Passed {
            name: names.next().unwrap_or_default().to_owned(),
            socket: listener(&mut fds, at),
        })
        .collect()
}

fn listener(fds: &mut ListenFd, at: usize) -> Result<Socket, String> {
    let not_listening = || Err("it does not listen (Accept=yes units pass connections)".to_owned());
    if let Ok(Some(listener)) = fds.take_tcp_listener(at) {
        if !SockRef::from(&listener).is_listener().unwrap_or(false) {
            return not_listening();
        }
        return Ok(Socket::Tcp(listener));
    }
    match fds.take_unix_listener(at) {
        Ok(Some(listener)) if SockRef::from(&listener).is_listener().unwrap_or(false) => {
            Ok(Socket::Unix(listener))
        }
        Ok(Some(_)) => not_listening(),
        Ok(None) => Err("it was taken".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
