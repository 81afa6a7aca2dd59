//! Configuration: defaults < file < environment < command line.
//!
//! The application has one plain struct that deserializes; its `Default` is the defaults. A TOML file, environment
//! variables (`FEED_LISTEN` for the field `listen`) and the command line each may set some of its fields. Whatever is
//! wrong is said in one line that names the place, and the program ends with status 2.
//!
//! ```
//! use squall::config::{self, Sources};
//! #[derive(serde::Deserialize)]
//! #[serde(default)]
//! struct Config { listen: String, workers: usize }
//! impl Default for Config {
//!     fn default() -> Self { Self { listen: "127.0.0.1:8888".into(), workers: 2 } }
//! }
//! /// With clap: `#[derive(clap::Parser, Serialize)]`; a default belongs into the option's doc comment.
//! #[derive(serde::Serialize)]
//! struct Args { listen: Option<String> }
//!
//! let args = Args { listen: Some("[::1]:80".into()) };
//! let sources = Sources::new("FEED").vars([("FEED_WORKERS", "4")]).args(&args);
//! let config: Config = config::load(&sources)?;
//! assert_eq!((config.listen.as_str(), config.workers), ("[::1]:80", 4));
//! # Ok::<(), config::ConfigError>(())
//! ```

mod fields;
mod merge;
mod secret;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use secret::{SECRET_FILE_BYTES_MAX, Secret};

/// Bytes of a configuration file.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where configuration comes from beside the defaults. Later ones win: file, environment, command line.
#[derive(Clone, Debug)]
pub struct Sources {
    prefix: String,
    file: Option<PathBuf>,
    vars: BTreeMap<String, String>,
    args: Result<toml::Table, String>,
}

impl Sources {
    /// None yet. `prefix` is what the application's environment variables begin with, without the underscore.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            file: None,
            vars: BTreeMap::new(),
            args: Ok(toml::Table::new()),
        }
    }

    /// A TOML file, if one is given. It must exist then: whoever names a file wants it read.
    #[must_use]
    pub fn file(mut self, path: Option<&Path>) -> Self {
        self.file = path.map(Path::to_owned);
        self
    }

    /// The environment of this process. A variable with our prefix that names no field is not an error: container
    /// systems put their own there (`FEED_PORT=tcp://…` for a service that is called feed).
    #[must_use]
    pub fn process_env(self) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        self.vars(std::env::vars_os().filter_map(text))
    }

    /// These environment variables: for tests.
    #[must_use]
    pub fn vars<N: Into<String>, V: Into<String>>(mut self, vars: impl IntoIterator<Item = (N, V)>) -> Self {
        self.vars
            .extend(vars.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// What the command line said: a struct of options, of which `None` are not said.
    #[must_use]
    pub fn args(mut self, args: &impl Serialize) -> Self {
        self.args = toml::Table::try_from(args).map_err(|error| error.to_string());
        self
    }
}

/// The configuration.
///
/// # Errors
/// A file that cannot be read or is not TOML; a key that is no field; a value that does not fit, with its place.
pub fn load<T: DeserializeOwned>(sources: &Sources) -> Result<T, ConfigError> {
    merge::merge(sources, fields::names::<T>())
}

/// The configuration, or one line on standard error and the end of the program with status 2 (wrong usage).
pub fn load_or_exit<T: DeserializeOwned>(sources: &Sources) -> T {
    load(sources).unwrap_or_else(|error| exit_usage(&error))
}

/// One line on standard error with the program's name, and the end of the program with status 2 (wrong usage).
pub fn exit_usage(error: &dyn fmt::Display) -> ! {
    let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let line = error.to_string().replace('\n', " ");
    // The program ends either way: a standard error that is closed must not make a panic of it.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{name}: {line}\n").as_bytes());
    std::process::exit(2)
}

/// What is wrong with the configuration, in one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
}

impl ConfigError {
    fn new(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        let message = format!("{place}: {what}");
        let lines: Vec<&str> = message
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        Self {
            message: lines.join(" "),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests;
