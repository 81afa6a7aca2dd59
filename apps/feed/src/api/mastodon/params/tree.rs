//! Names with brackets, made into a tree: `id[]` is a list, `source[privacy]` is nested.

use serde_json::{Map, Value};
use squall::web::http::StatusCode;

use super::{ApiError, DEPTH_MAX, NAME_BYTES_MAX, PARAMS_MAX};

/// What has been read so far.
#[derive(Default)]
pub(super) struct Tree {
    root: Map<String, Value>,
    /// How many names have been read. Invariant: at most [`PARAMS_MAX`].
    count: usize,
}

impl Tree {
    /// Adds `name=value&…`; what it names replaces what was there before.
    pub(super) fn read_form(&mut self, text: &[u8]) -> Result<(), ApiError> {
        let mut own = Tree {
            root: Map::new(),
            count: self.count,
        };
        for (name, value) in form_urlencoded::parse(text) {
            own.insert(&name, value.into_owned())?;
        }
        self.replace(own);
        Ok(())
    }

    /// Adds the members of a JSON object.
    pub(super) fn read_json(&mut self, text: &[u8]) -> Result<(), ApiError> {
        let value: Value = serde_json::from_slice(text).map_err(|_| refused("The body is not JSON"))?;
        let Value::Object(members) = value else {
            return Err(refused("The body is not a JSON object"));
        };
        let count = self.count + members.len();
        if count > PARAMS_MAX {
            return Err(refused("Too many parameters"));
        }
        self.replace(Tree { root: members, count });
        Ok(())
    }

    /// Takes over everything of `newer`.
    pub(super) fn replace(&mut self, newer: Tree) {
        self.count = newer.count;
        self.root.extend(newer.root);
    }

    /// A tree that counts on from this one.
    pub(super) fn fresh(&self) -> Tree {
        Tree {
            root: Map::new(),
            count: self.count,
        }
    }

    /// Adds one name and its value.
    pub(super) fn insert(&mut self, name: &str, value: String) -> Result<(), ApiError> {
        self.count += 1;
        if self.count > PARAMS_MAX {
            return Err(refused("Too many parameters"));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(refused("The name of a parameter is too long"));
        }
        let parts = split_name(name)?;
        insert_at(&mut self.root, &parts, value);
        Ok(())
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.root)
    }
}

/// 400 with this text.
pub(super) fn refused(text: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, text)
}

/// `a[b][]` -> `["a", "b", ""]`. A name whose brackets do not match is one plain name.
fn split_name(name: &str) -> Result<Vec<&str>, ApiError> {
    let Some((first, mut rest)) = name
        .find('[')
        .map(|at| name.split_at(at))
        .filter(|(first, _)| !first.is_empty())
    else {
        return Ok(vec![name]);
    };
    let mut parts = vec![first];
    while let Some(inside) = rest.strip_prefix('[') {
        let Some((part, after)) = inside.split_once(']') else {
            return Ok(vec![name]);
        };
        parts.push(part);
        rest = after;
        if parts.len() > DEPTH_MAX {
            return Err(refused("The name of a parameter is nested too deeply"));
        }
    }
    if rest.is_empty() {
        Ok(parts)
    } else {
        Ok(vec![name])
    }
}

/// Walks down `parts`; what stands in the way with another shape is replaced (the later value wins).
fn insert_at(map: &mut Map<String, Value>, parts: &[&str], value: String) {
    let Some((first, rest)) = parts.split_first() else {
        return;
    };
    match rest {
        [] => {
            map.insert((*first).to_string(), Value::String(value));
        }
        // `a[]`, and what little `a[][b]` means to us: a list of the values.
        ["", ..] => {
            let entry = map.entry(*first).or_insert_with(|| Value::Array(Vec::new()));
            match entry {
                Value::Array(list) => list.push(Value::String(value)),
                other => *other = Value::Array(vec![Value::String(value)]),
            }
        }
        _ => {
            let entry = map.entry(*first).or_insert_with(|| Value::Object(Map::new()));
            if !entry.is_object() {
                *entry = Value::Object(Map::new());
            }
            if let Value::Object(inner) = entry {
                insert_at(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(form: &str) -> Value {
        let mut tree = Tree::default();
        tree.read_form(form.as_bytes()).unwrap();
        tree.into_value()
    }

    #[test]
    fn brackets_nest_and_odd_ones_are_plain_text() {
        let cases = [
            ("a=1&a=2", r#"{"a":"2"}"#),
            ("a[]=1&a[]=2", r#"{"a":["1","2"]}"#),
            ("a[b]=1&a[c][]=2", r#"{"a":{"b":"1","c":["2"]}}"#),
            ("a[=1", r#"{"a[":"1"}"#),
            ("a[b]c=1", r#"{"a[b]c":"1"}"#),
            ("[]=1", r#"{"[]":"1"}"#),
            ("a=1&a[]=2", r#"{"a":["2"]}"#),
            ("a[]=1&a[b]=2", r#"{"a":{"b":"2"}}"#),
            (
                "f[0][name]=x&f[1][name]=y",
                r#"{"f":{"0":{"name":"x"},"1":{"name":"y"}}}"#,
            ),
        ];
        for (form, json) in cases {
            assert_eq!(tree(form), serde_json::from_str::<Value>(json).unwrap(), "{form}");
        }
    }
}
