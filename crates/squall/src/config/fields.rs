//! The names of a struct's fields, as serde knows them.
//!
//! Why: a key that is no field must be an error that says which there are, and an environment variable can only be
//! found by its name. A struct tells its fields to whoever deserializes it, so we ask, and stop there.

use std::cell::Cell;

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor, value::Error};
use serde::forward_to_deserialize_any;

/// The fields of `T`; none if it is not a struct (or one with `#[serde(flatten)]`).
pub(super) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let found = Cell::new(&[][..]);
    let _ = T::deserialize(Probe { found: &found });
    found.get()
}

struct Probe<'p> {
    found: &'p Cell<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        self.found.set(fields);
        Err(Error::custom("the names are all we want"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
