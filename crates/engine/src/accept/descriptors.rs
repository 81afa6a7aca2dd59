//! File descriptors: how many the process may have, and how many of them are for connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for connections: listeners, poll sets, logs, databases, files. One in 64, but this at least.
const KEPT_MIN: u64 = 64;

/// How many connections the process has descriptors for.
pub(crate) fn for_connections() -> usize {
    match getrlimit(Resource::Nofile).current {
        Some(descriptors) => usize::try_from(share(descriptors)).unwrap_or(usize::MAX),
        None => usize::MAX,
    }
}

/// Of so many descriptors. Who has very few gives most of them to connections all the same.
fn share(descriptors: u64) -> u64 {
    let kept = (descriptors / 64).max(KEPT_MIN).min(descriptors / 4);
    (descriptors - kept).max(1)
}

/// Lets this process have as many descriptors as it may: raises the soft limit (`ulimit -Sn`, often 1,024) to the hard
/// one. [`crate::Server::run`] does it; who calls [`crate::Server::start`] decides for the process and may call this.
///
/// Programs that this process starts inherit it.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn some_descriptors_are_not_for_connections() {
        assert_eq!(share(1024), 960);
        assert_eq!(share(65_536), 64_512);
        assert_eq!(share(1_048_576), 1_032_192);
        assert_eq!(share(48), 36);
        assert_eq!(share(1), 1);
        assert_eq!(share(0), 1);
    }
}
