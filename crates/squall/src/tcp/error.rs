//! Why there is no connection, for people.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::eyeballs::Attempt;

/// There is no connection. The text says to which host, why, what was tried, and what to look at.
#[derive(Debug)]
pub struct ConnectError {
    host: String,
    port: u16,
    kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    NotFound(io::Error),
    ResolveTimedOut(Duration),
    NoAddress,
    AllFailed(Vec<Attempt>),
    TimedOut(Duration, Vec<Attempt>),
    TlsName(rustls::pki_types::InvalidDnsNameError),
    Tls(io::Error, SocketAddr),
    TlsTimedOut(Duration, SocketAddr),
}

impl ConnectError {
    pub(super) fn new(host: &str, port: u16, kind: Kind) -> Self {
        ConnectError {
            host: host.to_owned(),
            port,
            kind,
        }
    }

    /// The host that was asked for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name has no address, or could not be looked up.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self.kind,
            Kind::NotFound(_) | Kind::ResolveTimedOut(_) | Kind::NoAddress
        )
    }

    /// It took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self.kind,
            Kind::ResolveTimedOut(_) | Kind::TimedOut(..) | Kind::TlsTimedOut(..)
        )
    }

    /// Every address refused the connection: the host is there, and nothing listens on the port.
    pub fn is_refused(&self) -> bool {
        let refused = |attempt: &Attempt| {
            let error = attempt.1.as_ref();
            error.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        matches!(&self.kind, Kind::AllFailed(attempts) if attempts.iter().all(refused))
    }

    /// The host was reached, and no secure connection came about: its certificate is not trusted, or not its own, or it
    /// does not speak TLS there.
    pub fn is_tls(&self) -> bool {
        matches!(
            self.kind,
            Kind::Tls(..) | Kind::TlsTimedOut(..) | Kind::TlsName(_)
        )
    }

    /// What was tried, in this order.
    pub fn attempts(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let attempts: &[Attempt] = match &self.kind {
            Kind::AllFailed(attempts) | Kind::TimedOut(_, attempts) => attempts,
            _ => &[],
        };
        attempts.iter().map(|(addr, _)| *addr)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}:{}: ", self.host, self.port)?;
        match &self.kind {
            Kind::NotFound(error) => write!(
                f,
                "its address cannot be found ({error}): check the name, and the machine's DNS"
            ),
            Kind::ResolveTimedOut(after) => {
                write!(
                    f,
                    "no answer from DNS in {after:?}: check the machine's DNS servers"
                )
            }
            Kind::NoAddress => f.write_str("it has no address that could be tried"),
            Kind::AllFailed(attempts) => {
                list(f, attempts)?;
                let advice = if self.is_refused() {
                    "; nothing listens there: is the server running, on this port?"
                } else {
                    "; check the route to it, and firewalls"
                };
                f.write_str(advice)
            }
            Kind::TimedOut(after, attempts) => {
                write!(f, "no connection in {after:?} (")?;
                list(f, attempts)?;
                f.write_str(
                    "); check firewalls, which drop what they do not let through, and the route to it",
                )
            }
            Kind::TlsName(_) => f.write_str("TLS asks for a host name or an address, and this is none"),
            Kind::Tls(error, peer) => write!(f, "{peer} answers, but TLS fails: {error}"),
            Kind::TlsTimedOut(after, peer) => {
                write!(
                    f,
                    "{peer} answers, but TLS was not ready in {after:?}: does it speak TLS on this port?"
                )
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, attempts: &[Attempt]) -> fmt::Result {
    for (at, (addr, error)) in attempts.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        match error {
            Some(error) => write!(f, "{comma}{addr}: {error}")?,
            None => write!(f, "{comma}{addr}: no answer")?,
        }
    }
    Ok(())
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::NotFound(error) | Kind::Tls(error, _) => Some(error),
            Kind::TlsName(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let kind = match () {
            () if error.is_timeout() => io::ErrorKind::TimedOut,
            () if error.is_refused() => io::ErrorKind::ConnectionRefused,
            () if error.is_not_found() => io::ErrorKind::NotFound,
            () => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
