//! Logs: what the program says about itself, and one line for each request.
//!
//! Everything goes through `tracing` to standard error, as text for people or JSON for programs. Control characters
//! are escaped, so nobody can write lines into the log by what they send.
//!
//! ```no_run
//! use squall::{log, web::Router};
//! fn main() -> Result<(), squall::log::LogError> {
//!     log::init(&log::Options::default())?;
//!     let app: Router = Router::new().layer(log::access());
//! #   drop(app);
//!     Ok(())
//! }
//! ```

mod access;
mod escape;
mod id;

use std::fmt;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use access::{
    Access, AccessFuture, AccessService, LINES_WAITING_MAX, Lines, LogUser, Output, Queries, access,
};
pub(crate) use access::{How, Record, wrap};
pub(crate) use escape::one_line;
pub(crate) use id::random;
pub use id::{REQUEST_ID_BYTES_MAX, RequestId};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text; with colours where it goes to a terminal.
    #[default]
    Auto,
    /// Text without colours.
    Text,
    /// One JSON object a line.
    Json,
}

impl std::str::FromStr for Format {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(LogError {
                message: format!(
                    "`{}` is not a log format: auto, text or json",
                    other.escape_debug()
                ),
            }),
        }
    }
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`), or levels for parts: `info,squall::access=off`.
    pub filter: String,
    /// How lines look.
    pub format: Format,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: Format::Auto,
        }
    }
}

/// A filter that cannot be read, or logs that are set up already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogError {
    message: String,
}

impl LogError {
    pub(crate) fn new(message: String) -> Self {
        Self { message }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LogError {}

/// Sends this process's logs to standard error. Once, at the start of `main`.
///
/// # Errors
/// A filter that cannot be read, or logs that are set up already.
pub fn init(options: &Options) -> Result<(), LogError> {
    let filter = filter(&options.filter)?;
    let colours = options.format == Format::Auto && std::io::stderr().is_terminal();
    let base = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    let done = match options.format {
        Format::Json => base.with(lines.json().flatten_event(true)).try_init(),
        Format::Auto | Format::Text => base.with(lines.with_target(true)).try_init(),
    };
    done.map_err(|error| LogError {
        message: error.to_string(),
    })
}

fn filter(text: &str) -> Result<EnvFilter, LogError> {
    // What does not look like a level is taken for the name of a part; a single word that is no level is a mistake.
    let known = ["error", "warn", "info", "debug", "trace", "off"];
    let single = !text.contains([',', '=', '[']) && !text.contains("::");
    let shown = text.escape_debug();
    if single && !known.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(LogError {
            message: format!("`{shown}` is not a log level: {}", known.join(", ")),
        });
    }
    EnvFilter::try_new(text).map_err(|error| LogError {
        message: format!("`{shown}` is not a log filter: {error}"),
    })
}

#[cfg(test)]
mod tests;
