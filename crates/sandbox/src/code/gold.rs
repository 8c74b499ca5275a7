//! The tests of a problem.

use serde::Deserialize;
use serde_json::Value;

/// What a program must do.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Gold {
    /// The function that is asked for.
    pub(super) entry: String,
    /// Python that the tests need.
    pub(super) setup: String,
    /// What the program begins with, if the model wrote only the rest.
    pub(super) prompt: String,
    /// Python statements, or objects with arguments or a call and what is expected.
    pub(super) tests: Vec<Value>,
    /// What the whole program reads and must write.
    pub(super) scripts: Vec<Script>,
}

/// One run of a whole program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// Given on standard input.
    #[serde(default)]
    pub(super) stdin: String,
    /// Expected on standard output.
    pub(super) stdout: String,
}

/// Gold as an object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    entry: String,
    #[serde(default)]
    setup: String,
    #[serde(default)]
    prompt: String,
    tests: Tests,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Tests {
    One(String),
    Many(Vec<Value>),
}

impl Gold {
    /// Reads an object, a list of tests, or Python.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let unreadable = |e: serde_json::Error| format!("the tests in gold cannot be read: {e}");
        let text = text.trim();
        let written = if text.starts_with('{') {
            serde_json::from_str(text).map_err(unreadable)?
        } else {
            let tests = if text.starts_with('[') {
                Tests::Many(serde_json::from_str(text).map_err(unreadable)?)
            } else {
                Tests::One(text.to_owned())
            };
            Written {
                entry: String::new(),
                setup: String::new(),
                prompt: String::new(),
                tests,
            }
        };
        let mut gold = Self {
            entry: written.entry,
            setup: written.setup,
            prompt: written.prompt,
            ..Self::default()
        };
        let tests = match written.tests {
            Tests::One(test) => vec![Value::String(test)],
            Tests::Many(tests) => tests,
        };
        for test in tests {
            gold.add(test)?;
        }
        if gold.tests.is_empty() && gold.scripts.is_empty() {
            return Err("gold holds no tests".to_owned());
        }
        Ok(gold)
    }

    fn add(&mut self, test: Value) -> Result<(), String> {
        match &test {
            Value::String(text) if !text.trim().is_empty() => self.tests.push(test),
            Value::Object(object) if object.contains_key("stdout") => {
                let script = serde_json::from_value(test)
                    .map_err(|e| format!("a test in gold cannot be read: {e}"))?;
                self.scripts.push(script);
            }
            Value::Object(object) => {
                self.check_object(object)?;
                self.tests.push(test);
            }
            _ => {
                return Err(format!(
                    "a test in gold is neither Python nor an object: {test}"
                ));
            }
        }
        Ok(())
    }

    fn check_object(&self, object: &serde_json::Map<String, Value>) -> Result<(), String> {
        const KNOWN: [&str; 5] = ["args", "kwargs", "call", "expected", "tolerance"];
        if let Some(unknown) = object.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("a test in gold has the unknown key `{unknown}`"));
        }
        if !object.contains_key("expected") {
            return Err("a test in gold has neither `expected` nor `stdout`".to_owned());
        }
        if object.get("call").is_some_and(|call| !call.is_string())
            || object.get("args").is_some_and(|args| !args.is_array())
            || object
                .get("kwargs")
                .is_some_and(|kwargs| !kwargs.is_object())
            || object.get("tolerance").is_some_and(|t| !t.is_number())
        {
            return Err(
                "a test in gold has a `call`, `args`, `kwargs` or `tolerance` of the wrong kind"
                    .to_owned(),
            );
        }
        if !object.contains_key("call") && self.entry.is_empty() {
            return Err("a test in gold has arguments, and gold names no `entry`".to_owned());
        }
        Ok(())
    }

    /// The whole program: after the prompt, if it does not define the entry itself.
    pub(super) fn complete(&self, program: &str) -> String {
        let defines = ["def", "class", "async def"].iter().any(|keyword| {
            let definition = format!("{keyword} {}", self.entry);
            program
                .lines()
                .any(|line| line.trim_start().starts_with(&definition))
        });
        if self.prompt.is_empty() || self.entry.is_empty() {
            program.to_owned()
        } else if defines {
            // Imports and helpers of the prompt, which the model need not repeat.
            format!("{}\n    pass\n{program}", self.prompt.trim_end())
        } else {
            format!("{}{program}", self.prompt)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_read() {
        let python = Gold::read("assert f(1) == 2\nassert f(2) == 3").unwrap();
        assert_eq!(python.tests.len(), 1);
        let list = Gold::read(r#"["assert f(1) == 2", "assert f(2) == 3"]"#).unwrap();
        assert_eq!(list.tests.len(), 2);
        let object = Gold::read(
            r#"{"entry": "f", "tests": [{"args": [1], "expected": 2}, {"stdin": "1", "stdout": "2"}]}"#,
        )
        .unwrap();
        assert_eq!((object.tests.len(), object.scripts.len()), (1, 1));
    }

    #[test]
    fn what_tests_nothing_is_refused() {
        for (gold, told) in [
            ("{}", "missing field `tests`"),
            ("[]", "no tests"),
            ("[1]", "neither Python nor an object"),
            (r#"[{"args": [1]}]"#, "neither `expected` nor `stdout`"),
            (r#"[{"args": [1], "expected": 1}]"#, "names no `entry`"),
            (r#"[{"call": 1, "expected": 1}]"#, "wrong kind"),
            (r#"{"tests": [], "test": 1}"#, "unknown field"),
        ] {
            let error = Gold::read(gold).unwrap_err();
            assert!(error.contains(told), "{gold}: {error}");
        }
    }

    #[test]
    fn the_prompt_is_put_before_what_only_goes_on_with_it() {
        let gold = Gold {
            entry: "f".into(),
            prompt: "import math\ndef f(x):\n    \"\"\"Doubles.\"\"\"\n".into(),
            ..Gold::default()
        };
        assert!(
            gold.complete("    return 2 * x")
                .ends_with("\"\"\"\n    return 2 * x")
        );
        let whole = gold.complete("def f(x):\n    return 2 * x");
        assert!(whole.starts_with("import math") && whole.ends_with("return 2 * x"));
    }
}
