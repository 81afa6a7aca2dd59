//! Squall: a web server and framework for applications whose users see things happen *now*.
//!
//! One import brings the server ([`Server`]), routing, extractors and responses ([`web`], which is axum), topics that
//! any open connection can follow over Server-Sent Events, long-polling or a WebSocket ([`live`]), and the building
//! blocks that every site needs, safe as they come:
//!
//! | block | what it is |
//! |---|---|
//! | [`cookies`] | reading, setting and signing cookies |
//! | [`sessions`] | who is signed in, kept on the server |
//! | [`xsrf`] | refusing what another site makes a browser send |
//! | [`templates`] | HTML with everything escaped |
//! | [`assets`] | static files whose URLs change with their content |
//! | [`files`] | a directory of files: ranges, preconditions, compressed files beside the file |
//! | [`config`] | defaults < file < environment < command line |
//! | [`errors`] | problem details for programs, pages for people |
//! | [`log`] | logs, and one line for each request |
//! | [`metrics`] | what is counted, for Prometheus |
//! | [`health`] | whether the program lives, and may be asked |
//! | [`trace`] | which trace a request belongs to |
//! | [`limits`] | how often somebody may try |
//! | [`tcp`] | connections to other servers, by name, with TLS |
//! | [`tls`] | certificates from files, watched; HTTPS for those who come in clear |
//! | [`compression`] | answers made smaller on their way |
//! | [`decompression`] | requests that come compressed, undone within bounds |
//! | [`uploads`] | files that peers send, in forms or alone, as streams |
//! | [`testing`] | a real server, clients for all it speaks, and tests that fail on unexpected warnings |

pub mod assets;
#[cfg(feature = "compression")]
pub mod compression;
pub mod config;
pub mod cookies;
#[cfg(feature = "compression")]
pub mod decompression;
pub mod errors;
pub mod files;
mod front;
pub mod health;
pub mod limits;
pub mod live;
pub mod log;
pub mod metrics;
mod server;
pub mod sessions;
pub mod tcp;
pub mod templates;
pub mod testing;
pub mod tls;
pub mod trace;
pub mod uploads;
pub mod web;
pub mod xsrf;

pub use server::Server;
pub use squall_engine::wire::ws::DeflateLimits;
pub use squall_engine::{
    Address, Deadline, Error, H2Limits, Handle, Limits, Listen, Networks, Proxied, ProxyProtocol,
    UNIX_MODE_DEFAULT, raise_descriptor_limit, raw,
};

/// A future that owns nothing it does not say, boxed: what the traits of this crate return.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn std::future::Future<Output = T> + Send + 'a>>;

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

/// `N` bytes from the system's random generator.
///
/// # Panics
/// When the system has none to give: nothing that needs randomness may go on without it.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
