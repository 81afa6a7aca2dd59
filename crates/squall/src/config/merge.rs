//! Lays the sources over each other, and remembers for each value where it came from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::values::{Entries, Entry, Raw};
use super::{CONFIG_FILE_BYTES_MAX, ConfigError, Sources};

pub(super) fn merge<T: DeserializeOwned>(
    sources: &Sources,
    fields: &[&'static str],
) -> Result<T, ConfigError> {
    let mut merged = BTreeMap::new();
    if let Some(path) = &sources.file {
        let place = path.display().to_string();
        for (key, value) in read_file(path)? {
            check_known(&place, &key, fields)?;
            merged.insert(
                key,
                Entry {
                    place: place.clone(),
                    raw: Raw::Toml(value),
                },
            );
        }
    }
    for field in fields {
        let name = format!(
            "{}_{}",
            sources.prefix,
            field.replace('-', "_").to_ascii_uppercase()
        );
        if let Some(value) = sources.vars.get(&name) {
            merged.insert(
                (*field).to_owned(),
                Entry {
                    place: name,
                    raw: Raw::Text(value.clone()),
                },
            );
        }
    }
    let args = sources
        .args
        .clone()
        .map_err(|error| ConfigError::new("command line", error))?;
    for (key, value) in args {
        check_known("command line", &key, fields)?;
        let place = format!("--{}", key.replace('_', "-"));
        merged.insert(
            key,
            Entry {
                place,
                raw: Raw::Toml(value),
            },
        );
    }
    Entries::new(merged).read()
}

fn read_file(path: &Path) -> Result<toml::Table, ConfigError> {
    let place = path.display().to_string();
    let mut text = String::new();
    let file = File::open(path).map_err(|error| ConfigError::new(&place, error))?;
    file.take(CONFIG_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| ConfigError::new(&place, error))?;
    if text.len() as u64 > CONFIG_FILE_BYTES_MAX {
        return Err(ConfigError::new(
            place,
            format!("longer than {CONFIG_FILE_BYTES_MAX} bytes"),
        ));
    }
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        ConfigError::new(format!("{place}:{line}"), error.message())
    })
}

fn check_known(place: &str, key: &str, fields: &[&str]) -> Result<(), ConfigError> {
    if fields.is_empty() || fields.contains(&key) {
        return Ok(());
    }
    let known = fields.join(", ");
    Err(ConfigError::new(
        place,
        format!("unknown key `{key}`; there are: {known}"),
    ))
}
