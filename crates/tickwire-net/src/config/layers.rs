//! Flags over `TICKWIRE_*` over `tickwire.toml` over what the program itself sets: one table of values that know where they come from.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::keys::{KEYS, ROOM_KEYS, example, exists, nearest};
use crate::error::ConfigError;
use crate::http::Net;

/// The largest file that is read as a configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;
const PREFIX: &str = "TICKWIRE_";

/// Values by their dotted key; a later layer overwrites an earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    values: BTreeMap<String, (Value, String)>,
}

impl Layers {
    /// Sets one value; `source` is what the user would look at to change it.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>, source: &str) {
        self.values
            .insert(key.to_owned(), (value.into(), source.to_owned()));
    }

    /// Sets a value that was given as text: as TOML where it is some, else as the text itself.
    pub(crate) fn set_text(&mut self, key: &str, text: &str, source: &str) {
        let value = format!("v = {text}")
            .parse::<Table>()
            .ok()
            .and_then(|mut table| table.remove("v"));
        self.set(
            key,
            value.unwrap_or_else(|| Value::String(text.to_owned())),
            source,
        );
    }

    /// Lays a file over what is there. A missing one is an error only where it was asked for by name.
    pub(crate) fn add_file(&mut self, path: &Path, asked_for: bool) -> Result<(), ConfigError> {
        let named = path.display().to_string();
        let bad = |what: String| ConfigError::File {
            file: named.clone(),
            what,
        };
        match std::fs::metadata(path) {
            Err(_) if !asked_for => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(bad(
                    "there is no such file. Use --config with the path of yours, or leave it out"
                        .to_owned(),
                ));
            }
            Err(error) => return Err(bad(error.to_string())),
            Ok(meta) if meta.len() > FILE_BYTES_MAX => {
                return Err(bad("it is longer than 1 MiB".to_owned()));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        self.add_toml(&text, &named).map_err(bad)
    }

    /// Lays a TOML text over what is there.
    pub(crate) fn add_toml(&mut self, text: &str, source: &str) -> Result<(), String> {
        let table = text.parse::<Table>().map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].lines().count().max(1)
            });
            format!("line {line}: {}", error.message().replace('\n', " "))
        })?;
        self.add_table("", table, source);
        Ok(())
    }

    fn add_table(&mut self, prefix: &str, table: Table, source: &str) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                Value::Table(inner) => self.add_table(&key, inner, source),
                value => self.set(&key, value, source),
            }
        }
    }

    /// Lays the environment over what is there: `TICKWIRE_LIMITS_ROOMS=90`, `TICKWIRE_ROOM_ARENA_SEATS=16`.
    /// Variables that name no setting are somebody else's.
    pub(crate) fn add_env(&mut self, vars: impl Iterator<Item = (String, String)>, kinds: &[&str]) {
        let rooms = kinds.iter().flat_map(|kind| {
            ROOM_KEYS
                .iter()
                .map(move |(name, _)| format!("room.{kind}.{name}"))
        });
        let keys: Vec<String> = KEYS
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .chain(rooms)
            .collect();
        let as_variable = |key: &str| {
            key.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
                .to_uppercase()
        };
        for (variable, text) in vars {
            let Some(name) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            let short = match name {
                "LOG" => "LOG_LEVEL",
                name => name,
            };
            if let Some(key) = keys.iter().find(|key| as_variable(key) == short) {
                self.set_text(key, &text, &variable);
            }
        }
    }

    /// An unknown key is a mistake that would otherwise be silent.
    pub(crate) fn refuse_unknown(&self, kinds: &[&str]) -> Result<(), ConfigError> {
        match self.values.iter().find(|(key, _)| !exists(key, kinds)) {
            None => Ok(()),
            Some((key, (_, source))) => Err(ConfigError::Unknown {
                key: key.clone(),
                source_name: source.clone(),
                nearest: nearest(key, kinds),
            }),
        }
    }

    #[cfg(test)]
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.get(key, "a text", |value| match value {
            // TICKWIRE_FILES=2 is a text as well.
            Value::Integer(number) => Some(number.to_string()),
            value => value.as_str().map(str::to_owned),
        })
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.get(key, "true or false", Value::as_bool)
    }

    pub(crate) fn whole(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.get(key, &expected, |value| {
            value
                .as_integer()
                .and_then(|n| u64::try_from(n).ok())
                .filter(|n| range.contains(n))
        })
    }

    pub(crate) fn millis(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<Duration>, ConfigError> {
        Ok(self.whole(key, range)?.map(Duration::from_millis))
    }

    pub(crate) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.get(key, &format!("one of {}", names.join(", ")), |value| {
            choices
                .iter()
                .find(|(name, _)| value.as_str() == Some(name))
                .map(|(_, choice)| *choice)
        })
    }

    /// An address with a port; names are resolved, and a port alone means loopback.
    pub(crate) fn address(&self, key: &str) -> Result<Option<SocketAddr>, ConfigError> {
        self.get(key, "an address and a port", |value| match value {
            Value::Integer(port) => u16::try_from(*port)
                .ok()
                .map(|port| SocketAddr::from(([127, 0, 0, 1], port))),
            value => value
                .as_str()
                .and_then(|text| text.to_socket_addrs().ok()?.next()),
        })
    }

    /// Origins, as a list or as one text with commas.
    pub(crate) fn origins(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let fine = |origin: &String| {
            origin == "*"
                || origin
                    .split_once("://")
                    .is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'))
        };
        self.get(
            key,
            "a list of origins (scheme, host, port; no path)",
            |value| listed(value).filter(|origins| origins.iter().all(fine)),
        )
    }

    /// Addresses and ranges of them, in the same way.
    pub(crate) fn nets(&self, key: &str) -> Result<Option<Vec<Net>>, ConfigError> {
        self.get(
            key,
            "a list of addresses or ranges of them (without ports)",
            |value| listed(value)?.iter().map(|one| Net::parse(one)).collect(),
        )
    }

    fn get<T>(
        &self,
        key: &str,
        expected: &str,
        take: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((value, source)) = self.values.get(key) else {
            return Ok(None);
        };
        take(value).map(Some).ok_or_else(|| ConfigError::Value {
            key: key.to_owned(),
            value: value.to_string(),
            source_name: source.clone(),
            expected: expected.to_owned(),
            example: example(key).to_owned(),
        })
    }
}

/// A list of texts, or one with commas.
fn listed(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(list) => list
            .iter()
            .map(|one| one.as_str().map(str::to_owned))
            .collect(),
        Value::String(text) => {
            let parts = text.split(',').map(|one| one.trim().to_owned());
            Some(parts.filter(|one| !one.is_empty()).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_no_configuration() {
        let path = std::env::temp_dir().join(format!("tickwire-long-{}.toml", std::process::id()));
        let comment = |len: u64| format!("{}\n", "#".repeat(len as usize - 1));
        std::fs::write(&path, comment(FILE_BYTES_MAX)).unwrap();
        let mut layers = Layers::default();
        assert!(layers.add_file(&path, true).is_ok(), "it just fits");
        std::fs::write(&path, comment(FILE_BYTES_MAX + 1)).unwrap();
        let said = layers.add_file(&path, true).unwrap_err().to_string();
        assert!(
            said.contains("it is longer than 1 MiB") && said.lines().count() == 1,
            "{said}"
        );
        std::fs::remove_file(&path).unwrap();
    }
}
