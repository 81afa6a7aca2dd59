//! Namespaces: what channels are like, by the first part of their names, changed while everybody goes on.
//!
//! `chat:room1` is of the namespace `chat`, and a channel without a colon is of the default one. A channel whose name
//! begins with `$` is private: a subscription token lets people in and nothing else does. `dialog#42,43` is for the
//! users 42 and 43, where its namespace allows that. All as in Centrifugo, and all is refused that is not allowed: a
//! namespace that says nothing lets nobody subscribe or publish.
//!
//! ```
//! use squall::live::namespaces::{Namespaces, NamespacesConfig};
//! let config: NamespacesConfig = toml::from_str(r#"
//!     [namespaces.chat]
//!     history_messages = 100
//!     recovery = "force"
//!     presence = true
//!     subscribe = ["client"]
//!     publish = ["subscriber"]
//! "#)?;
//! let namespaces = Namespaces::new(config)?;
//! let room = namespaces.channel("chat:room1")?;
//! assert!(room.options().presence && room.may_subscribe("42"));
//! assert!(!room.may_subscribe(""), "nobody in particular");
//! assert!(room.may_publish("42", true) && !room.may_publish("42", false));
//! assert!(namespaces.channel("news:1").is_err(), "no such namespace");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod channel;
mod options;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;
use squall_hub::{Hub, Retention};

pub use channel::Channel;
pub use options::{Ability, DataFormat, NamespaceOptions, RecoveryMode, Slow, Who};

/// Most namespaces.
pub const NAMESPACES_MAX: usize = 1_000;
/// Longest name of a namespace, in bytes.
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// What ends the namespace in a channel's name.
const BOUNDARY: char = ':';
/// What a private channel's name begins with.
const PRIVATE: char = '$';

/// All namespaces, as configuration has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamespacesConfig {
    /// Channels without a namespace. As it comes they exist, and nobody may do anything with them.
    pub default: NamespaceOptions,
    /// The others, by name: letters, digits, `_`, `-` and `.`, at most [`NAMESPACE_BYTES_MAX`] bytes; at most
    /// [`NAMESPACES_MAX`] of them.
    pub namespaces: BTreeMap<String, NamespaceOptions>,
}

/// The namespaces that count now. Cheap to clone; clones change together.
#[derive(Clone)]
pub struct Namespaces {
    table: Arc<RwLock<Arc<Table>>>,
}

struct Table {
    default: Arc<NamespaceOptions>,
    named: BTreeMap<String, Arc<NamespaceOptions>>,
}

impl fmt::Debug for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.table().named.keys()).finish()
    }
}

impl Namespaces {
    /// As the configuration has them.
    ///
    /// # Errors
    /// [`NamespacesError`]: a name that is none, too many of them, options that contradict each other.
    pub fn new(config: NamespacesConfig) -> Result<Self, NamespacesError> {
        let table = Arc::new(Table::new(config)?);
        Ok(Self {
            table: Arc::new(RwLock::new(table)),
        })
    }

    /// From now on others count. Sessions and subscriptions stay as they are; what is decided from now on is decided
    /// by the new ones. For what topics keep, follow with [`Namespaces::apply`].
    ///
    /// # Errors
    /// As [`Namespaces::new`]; then nothing has changed.
    pub fn replace(&self, config: NamespacesConfig) -> Result<(), NamespacesError> {
        let table = Arc::new(Table::new(config)?);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }

    /// The hub's topics keep from now on what their namespaces say. Nobody is disconnected; see [`Hub::retain`].
    pub fn apply(&self, hub: &Hub) {
        let (default, namespaces) = self.retentions();
        hub.retain(default, namespaces);
    }

    /// What channels keep, as [`HubConfig`](squall_hub::HubConfig) takes it: those without a namespace, and the others
    /// by prefix.
    pub fn retentions(&self) -> (Retention, Vec<(String, Retention)>) {
        let table = self.table();
        let prefixes = table.named.iter().flat_map(|(name, options)| {
            let retention = options.retention();
            [
                (format!("{name}{BOUNDARY}"), retention),
                (format!("{PRIVATE}{name}{BOUNDARY}"), retention),
            ]
        });
        (table.default.retention(), prefixes.collect())
    }

    /// The channel with what counts for it now.
    ///
    /// # Errors
    /// [`NoNamespace`] when the name begins with a namespace that there is not: error 102, `unknown channel`.
    pub fn channel<'a>(&self, name: &'a str) -> Result<Channel<'a>, NoNamespace> {
        let (private, public) = match name.strip_prefix(PRIVATE) {
            Some(public) => (true, public),
            None => (false, name),
        };
        let table = self.table();
        let options = match public.split_once(BOUNDARY) {
            // A colon with nothing before it: no namespace has an empty name. Centrifugo takes the default there.
            Some((namespace, _)) if !namespace.is_empty() => table.named.get(namespace).ok_or(NoNamespace)?,
            _ => &table.default,
        };
        Ok(Channel::new(name, private, options.clone()))
    }

    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Table {
    fn new(config: NamespacesConfig) -> Result<Self, NamespacesError> {
        if config.namespaces.len() > NAMESPACES_MAX {
            return Err(NamespacesError::new("namespaces", "more than 1,000 of them"));
        }
        let checked = |name: &str, options: NamespaceOptions| match options.contradiction() {
            Some(what) => Err(NamespacesError::new(name, what)),
            None => Ok(Arc::new(options)),
        };
        let mut named = BTreeMap::new();
        for (name, options) in config.namespaces {
            let place = format!("namespaces.{name}");
            let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            if name.is_empty() || name.len() > NAMESPACE_BYTES_MAX || !name.bytes().all(good) {
                return Err(NamespacesError::new(
                    &place,
                    "a name is 1 to 64 of letters, digits, _, - and .",
                ));
            }
            named.insert(name, checked(&place, options)?);
        }
        Ok(Self {
            default: checked("default", config.default)?,
            named,
        })
    }
}

/// There is no such namespace. A client gets error 102, `unknown channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoNamespace;

impl fmt::Display for NoNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel's namespace is unknown")
    }
}

impl std::error::Error for NoNamespace {}

/// What is wrong with namespaces, in one line for people that names the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacesError {
    message: String,
}

impl NamespacesError {
    fn new(place: &str, what: &str) -> Self {
        Self {
            message: format!("{place}: {what}"),
        }
    }
}

impl fmt::Display for NamespacesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NamespacesError {}
