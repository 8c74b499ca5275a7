//! What differs between the spec a run was started with and the one it is started with now.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// One line for each key that differs: `train.steps.first: 40, now 60`.
pub(crate) fn changes(recorded: &str, now: &str) -> Vec<String> {
    let (recorded, now) = (flatten(recorded), flatten(now));
    let mut keys: Vec<&String> = recorded.keys().chain(now.keys()).collect();
    keys.sort();
    keys.dedup();
    let shown = |values: &BTreeMap<String, String>, key: &str| {
        values.get(key).cloned().unwrap_or_else(|| "absent".into())
    };
    keys.into_iter()
        .filter(|key| recorded.get(*key) != now.get(*key))
        .map(|key| format!("{key}: {}, now {}", shown(&recorded, key), shown(&now, key)))
        .collect()
}

fn flatten(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    if let Ok(table) = text.parse::<Table>() {
        descend("", &table, &mut out);
    }
    out
}

fn descend(prefix: &str, table: &Table, out: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(table) => descend(&path, table, out),
            other => {
                out.insert(path, other.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_name_the_key_and_both_values() {
        let before = "[run]\nname = \"a\"\nseed = 1\n[train]\nrank = 16";
        let after = "[run]\nname = \"a\"\nseed = 2\n[select]\nminimum = 3\n[train]\nrank = 16";
        assert_eq!(
            changes(before, after),
            ["run.seed: 1, now 2", "select.minimum: absent, now 3"]
        );
        assert!(changes(before, before).is_empty());
    }
}
