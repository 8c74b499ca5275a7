//! JSON objects whose values may be anything.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

/// Longest JSON file with settings; real ones have a few thousand bytes, lists of added tokens
/// some hundred thousand.
const LONGEST_SETTINGS: u64 = 4 << 20;

/// A file in the directory, if it is there, and not longer than `longest`.
pub(super) fn read(directory: &Path, name: &str, longest: u64) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: std::io::Error| format!("`{name}` cannot be read: {error}");
    let file = match std::fs::File::open(directory.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(longest + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > longest {
        return Err(format!("`{name}` is longer than {longest} bytes"));
    }
    Ok(Some(bytes))
}

/// One object of a file.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    file: &'static str,
    map: Map<String, Value>,
}

impl Keys {
    /// Reads a file, if it is there.
    pub(super) fn read(directory: &Path, file: &'static str) -> Result<Option<Self>, String> {
        let Some(bytes) = read(directory, file, LONGEST_SETTINGS)? else {
            return Ok(None);
        };
        let map = serde_json::from_slice(&bytes)
            .map_err(|error| format!("`{file}` is not a JSON object: {error}"))?;
        Ok(Some(Self { file, map }))
    }

    /// An object without keys.
    pub(super) fn empty(file: &'static str) -> Self {
        Self {
            file,
            map: Map::new(),
        }
    }

    fn wrong(&self, key: &str, wanted: &str) -> String {
        let value = self.map.get(key).map(ToString::to_string);
        let mut value = value.unwrap_or_default();
        if value.chars().count() > 60 {
            value = value.chars().take(60).chain("…".chars()).collect();
        }
        format!(
            "`{key}` in `{}` is {value} and should be {wanted}",
            self.file
        )
    }

    /// A value; null is as good as absent.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// True for a key that is there and null.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(Value::is_null)
    }

    /// A count from 1 to 2^24 under the first of several names.
    pub(super) fn count(&self, names: &[&str]) -> Result<Option<u64>, String> {
        let found = names.iter().find_map(|key| Some((*key, self.value(key)?)));
        let Some((key, value)) = found else {
            return Ok(None);
        };
        let count = value.as_u64().filter(|n| (1..=1 << 24).contains(n));
        let wanted = "a whole number from 1 to 16777216";
        count.map(Some).ok_or_else(|| self.wrong(key, wanted))
    }

    /// A count that must be there.
    pub(super) fn needed(&self, names: &[&str]) -> Result<u64, String> {
        self.count(names)?
            .ok_or_else(|| format!("`{}` has no `{}`", self.file, names[0]))
    }

    /// A finite number greater than zero.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, String> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = value.as_f64().filter(|x| x.is_finite() && *x > 0.0);
        let wanted = "a number greater than 0";
        number.map(Some).ok_or_else(|| self.wrong(key, wanted))
    }

    /// A switch.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        let value = self.value(key);
        let flag = |value: &Value| {
            value
                .as_bool()
                .ok_or_else(|| self.wrong(key, "true or false"))
        };
        value.map(flag).transpose()
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, String> {
        let value = self.value(key);
        let text = |value: &'_ Value| value.is_string().then_some(());
        match value {
            None => Ok(None),
            Some(value) if text(value).is_some() => Ok(value.as_str()),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&str>>, String> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let texts = value.as_array().into_iter().flatten().map(Value::as_str);
        let texts = value.is_array().then(|| texts.collect::<Option<Vec<_>>>());
        texts
            .flatten()
            .map(Some)
            .ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    /// An object inside.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>, String> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self {
                file: self.file,
                map: map.clone(),
            })),
            Some(_) => Err(self.wrong(key, "an object")),
        }
    }

    /// Token ids under a key: one, or a list.
    pub(super) fn ids(&self, key: &str) -> Result<Vec<u32>, String> {
        let id = |value: &Value| {
            let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| self.wrong(key, "a token id or a list of them"))
        };
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(id).collect(),
            Some(value) => id(value).map(|id| vec![id]),
        }
    }
}
