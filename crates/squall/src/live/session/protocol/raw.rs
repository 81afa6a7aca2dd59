//! Bytes that are a JSON value within JSON, and themselves in Protobuf.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::live::encode::json_string;

/// Whether a field has the value that both forms leave out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    let mut json = Vec::with_capacity(bytes.len());
    embed(bytes, &mut json);
    let json = String::from_utf8(json).map_err(serde::ser::Error::custom)?;
    RawValue::from_string(json)
        .map_err(serde::ser::Error::custom)?
        .serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(Bytes::from(String::from(Box::<str>::from(raw))))
}

/// Appends `data` as a JSON value on one line: as it is if it is one, otherwise as a string; as a string of its base64
/// if it is not even text.
pub(crate) fn embed(data: &[u8], out: &mut Vec<u8>) {
    if serde_json::from_slice::<IgnoredAny>(data).is_ok() {
        return one_line(data, out);
    }
    match std::str::from_utf8(data) {
        Ok(text) => json_string(text, out),
        Err(_) => json_string(&STANDARD.encode(data), out),
    }
}

/// Appends JSON without its line breaks: within strings they are escaped, so any is mere decoration, and here each would
/// end the reply.
fn one_line(json: &[u8], out: &mut Vec<u8>) {
    let is_break = |byte: &u8| *byte == b'\n' || *byte == b'\r';
    if json.iter().any(is_break) {
        out.extend(json.iter().filter(|byte| !is_break(byte)));
    } else {
        out.extend_from_slice(json);
    }
}

/// Bytes that are text within a JSON string.
pub(super) mod text {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        String::from_utf8_lossy(bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Bytes::from(text.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_embedded_is_one_json_value_on_one_line() {
        for (data, json) in [
            (&b"{\"a\":\n[1,\r\n 2]}"[..], "{\"a\":[1, 2]}"),
            (b"\"line\\nbreak\"", "\"line\\nbreak\""),
            (b" 1 ", " 1 "),
            (b"plain \"text\"\n", "\"plain \\\"text\\\"\\n\""),
            (b"{} {}", "\"{} {}\""),
            (b"\xff\x00", "\"/wA=\""),
            (b"", "\"\""),
        ] {
            let mut out = Vec::new();
            embed(data, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), json);
        }
    }
}
