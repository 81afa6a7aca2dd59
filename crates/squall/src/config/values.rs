//! Values of different origin behind one deserializer: TOML knows its types, the environment is all text.

use std::collections::{BTreeMap, btree_map};
use std::str::FromStr;

use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::ConfigError;

pub(super) struct Entry {
    /// File, variable or option, for messages.
    pub(super) place: String,
    pub(super) raw: Raw,
}

pub(super) enum Raw {
    Toml(toml::Value),
    Text(String),
}

pub(super) struct Entries {
    entries: btree_map::IntoIter<String, Entry>,
}

impl Entries {
    pub(super) fn new(entries: BTreeMap<String, Entry>) -> Self {
        Self {
            entries: entries.into_iter(),
        }
    }

    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        let keyed = self
            .entries
            .map(|(key, entry)| (key.clone(), Keyed { key, entry }));
        T::deserialize(MapDeserializer::new(keyed))
    }
}

impl serde::de::Error for ConfigError {
    fn custom<M: std::fmt::Display>(message: M) -> Self {
        Self {
            message: message.to_string(),
        }
    }
}

/// A value that knows its key: an error says both.
struct Keyed {
    key: String,
    entry: Entry,
}

impl Keyed {
    fn say<T, E: std::fmt::Display>(self, read: impl FnOnce(Raw) -> Result<T, E>) -> Result<T, ConfigError> {
        let Keyed { key, entry } = self;
        let in_file = matches!(entry.raw, Raw::Toml(_)) && !entry.place.starts_with("--");
        let place = if in_file {
            format!("{}: `{key}`", entry.place)
        } else {
            entry.place
        };
        read(entry.raw).map_err(|error| ConfigError::new(place, error))
    }
}

impl IntoDeserializer<'_, ConfigError> for Keyed {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Hands a call on to TOML, or to the text behind the method named.
macro_rules! forward {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
            self.say(|raw| match raw {
                Raw::Toml(value) => value.$method(visitor).map_err(|error| error.message().to_owned()),
                Raw::Text(text) => Text(text).$method(visitor).map_err(|error| error.message),
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Keyed {
    type Error = ConfigError;

    forward! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_option deserialize_unit deserialize_seq deserialize_map deserialize_identifier
        deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ConfigError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        self.say(|raw| match raw {
            Raw::Toml(value) => value
                .deserialize_struct(name, fields, visitor)
                .map_err(|error| error.message().to_owned()),
            Raw::Text(_) => Err("a table can only be given in a file".to_owned()),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        self.say(|raw| match raw {
            Raw::Toml(value) => value
                .deserialize_enum(name, variants, visitor)
                .map_err(|error| error.message().to_owned()),
            Raw::Text(text) => visitor
                .visit_enum(IntoDeserializer::<ConfigError>::into_deserializer(text))
                .map_err(|error: ConfigError| error.message),
        })
    }
}

/// Text that becomes what is asked of it; a list is separated by commas.
struct Text(String);

impl Text {
    fn parse<T: FromStr>(&self, wanted: &str) -> Result<T, ConfigError> {
        self.0
            .trim()
            .parse()
            .map_err(|_| ConfigError::custom(format!("`{}` is not {wanted}", self.0)))
    }
}

impl IntoDeserializer<'_, ConfigError> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $wanted:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
            visitor.$visit(self.parse($wanted)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Text {
    type Error = ConfigError;

    parsed! {
        deserialize_bool visit_bool "`true` or `false`"
        deserialize_i8 visit_i8 "a number" deserialize_i16 visit_i16 "a number"
        deserialize_i32 visit_i32 "a number" deserialize_i64 visit_i64 "a number"
        deserialize_u8 visit_u8 "a number from 0 to 255" deserialize_u16 visit_u16 "a number from 0 to 65535"
        deserialize_u32 visit_u32 "a number from 0 on" deserialize_u64 visit_u64 "a number from 0 on"
        deserialize_f32 visit_f32 "a number" deserialize_f64 visit_f64 "a number"
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let parts = self.0.split(',').map(str::trim).filter(|part| !part.is_empty());
        visitor.visit_seq(SeqDeserializer::new(parts.map(|part| Text(part.to_owned()))))
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct enum identifier
        ignored_any
    }
}
