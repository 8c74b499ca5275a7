//! Every format of every kind, as it is written and by its shape.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use autodidact_core::Attribute;
use autodidact_export::{DataRequest, ExportError, Format, Kind};
use common::{export, files, hand_made, masked, request, rows};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

const KINDS: [Kind; 5] = [
    Kind::Sft,
    Kind::Preference,
    Kind::Kto,
    Kind::Verifier,
    Kind::Dataset,
];

/// A Parquet file as its readers show it.
fn parquet_text(path: &Path) -> String {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let mut text = String::new();
    for row in reader.get_row_iter(None).unwrap() {
        text += &format!("{}\n", row.unwrap());
    }
    text
}

/// The files of an export, one below the other.
fn shown(folder: &Path) -> String {
    let mut text = String::new();
    for (name, bytes) in files(folder) {
        if name == "spec.toml" {
            continue;
        }
        text += &format!("==> {name}\n");
        if name.ends_with(".parquet") {
            text += &parquet_text(&folder.join(&name));
        } else {
            text += std::str::from_utf8(&bytes).unwrap();
        }
    }
    text
}

#[tokio::test]
async fn every_format_is_written_as_it_was() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), false).await;
    for kind in KINDS {
        for format in kind.formats() {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("out");
            export(&store, &request(kind, *format), &out).await.unwrap();
            let name = format!("{}_{}", kind.as_str(), format.as_str());
            // Parquet's bytes, not its rows, hang on the version of its writer.
            let masks = [
                (r"[0-9a-f]{64}", "[sha256]"),
                (r#""bytes": \d+"#, r#""bytes": "[bytes]""#),
                (r"\| \d+ \| `\[sha256\]`", "| [bytes] | `[sha256]`"),
            ];
            let shown = masked(&shown(&out), &masks);
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(name, shown);
            });
        }
    }
}

#[tokio::test]
async fn conversations_stay_conversations() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), true).await;
    for kind in [Kind::Sft, Kind::Preference, Kind::Kto, Kind::Verifier] {
        for format in [Format::Trl, Format::Parquet] {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("out");
            export(&store, &request(kind, format), &out).await.unwrap();
            let data = match format {
                Format::Trl => std::fs::read_to_string(out.join("train.jsonl")).unwrap(),
                _ => parquet_text(&out.join("data/train-00000-of-00001.parquet")),
            };
            let name = format!("chat_{}_{}", kind.as_str(), format.as_str());
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(name, data);
            });
        }
    }
}

/// What a value must be.
enum Shape {
    Text,
    Bool,
    Texts,
    Bools,
    /// A message with these two keys.
    Message(&'static str, &'static str),
    /// Messages with these two keys, the roles in this order.
    Messages(&'static str, &'static str, &'static [&'static str]),
    Object(&'static [(&'static str, Shape)]),
}

fn check(shape: &Shape, value: &Value, at: &str) {
    let message = |value: &Value, role: &str, content: &str| {
        let object = value.as_object().unwrap_or_else(|| panic!("{at}: {value}"));
        assert_eq!(object.len(), 2, "{at}: {value}");
        assert!(
            object[content].as_str().is_some_and(|t| !t.is_empty()),
            "{at}: {value}"
        );
        object[role].as_str().unwrap().to_owned()
    };
    match shape {
        // `input` of Alpaca may be empty.
        Shape::Text => assert!(value.is_string(), "{at}: {value}"),
        Shape::Bool => assert!(value.is_boolean(), "{at}: {value}"),
        Shape::Texts => {
            let list = value.as_array().unwrap();
            assert!(
                !list.is_empty() && list.iter().all(Value::is_string),
                "{at}"
            );
        }
        Shape::Bools => {
            let list = value.as_array().unwrap();
            assert!(
                !list.is_empty() && list.iter().all(Value::is_boolean),
                "{at}"
            );
        }
        Shape::Message(role, content) => {
            message(value, role, content);
        }
        Shape::Messages(role, content, roles) => {
            let list = value.as_array().unwrap_or_else(|| panic!("{at}: {value}"));
            let found: Vec<String> = list.iter().map(|m| message(m, role, content)).collect();
            assert_eq!(&found, roles, "{at}");
        }
        Shape::Object(fields) => {
            let object = value.as_object().unwrap();
            let found: BTreeSet<&str> = object.keys().map(String::as_str).collect();
            let wanted: BTreeSet<&str> = fields.iter().map(|(name, _)| *name).collect();
            assert_eq!(found, wanted, "{at}");
            for (name, shape) in *fields {
                check(shape, &object[*name], &format!("{at}.{name}"));
            }
        }
    }
}

const CHAT: Shape = Shape::Messages("role", "content", &["user", "assistant"]);
const ASKED: Shape = Shape::Messages("role", "content", &["user"]);
const ANSWERED: Shape = Shape::Messages("role", "content", &["assistant"]);
const SHAREGPT: Shape = Shape::Messages("from", "value", &["human", "gpt"]);
const HUMAN: Shape = Shape::Messages("from", "value", &["human"]);
const GPT: Shape = Shape::Message("from", "value");

/// The keys and types that the programs' documentation asks for.
fn schema(kind: Kind, format: Format) -> Shape {
    use Shape::{Bool, Bools, Message, Object, Text, Texts};
    match (kind, format) {
        (Kind::Sft, Format::Trl | Format::Together) => {
            Object(&[("prompt", Text), ("completion", Text)])
        }
        (Kind::Verifier, Format::Trl | Format::Axolotl) => {
            Object(&[("prompt", Text), ("completions", Texts), ("labels", Bools)])
        }
        (Kind::Verifier, Format::Together) => Object(&[("prompt", Text), ("completion", Text)]),
        (
            Kind::Sft | Kind::Verifier,
            Format::Axolotl | Format::LlamaFactory | Format::Mlx | Format::Openai,
        ) => Object(&[("messages", CHAT)]),
        (Kind::Sft | Kind::Verifier, Format::Sharegpt) => Object(&[("conversations", SHAREGPT)]),
        (Kind::Sft | Kind::Verifier, Format::Alpaca) => {
            Object(&[("instruction", Text), ("input", Text), ("output", Text)])
        }
        (Kind::Preference, Format::Trl) => {
            Object(&[("prompt", Text), ("chosen", Text), ("rejected", Text)])
        }
        (Kind::Preference, Format::Axolotl) => Object(&[
            ("messages", ASKED),
            ("chosen", Message("role", "content")),
            ("rejected", Message("role", "content")),
        ]),
        (Kind::Preference, Format::LlamaFactory | Format::Sharegpt) => {
            Object(&[("conversations", HUMAN), ("chosen", GPT), ("rejected", GPT)])
        }
        (Kind::Preference, Format::Openai | Format::Together) => Object(&[
            ("input", Object(&[("messages", ASKED)])),
            ("preferred_output", ANSWERED),
            ("non_preferred_output", ANSWERED),
        ]),
        (Kind::Preference, Format::Alpaca) => Object(&[
            ("instruction", Text),
            ("input", Text),
            ("chosen", Text),
            ("rejected", Text),
        ]),
        (Kind::Kto, Format::Trl | Format::Axolotl) => {
            Object(&[("prompt", Text), ("completion", Text), ("label", Bool)])
        }
        (Kind::Kto, Format::LlamaFactory) => Object(&[("messages", CHAT), ("label", Bool)]),
        (Kind::Kto, Format::Sharegpt) => Object(&[("conversations", SHAREGPT), ("kto_tag", Bool)]),
        (Kind::Kto, Format::Alpaca) => Object(&[
            ("instruction", Text),
            ("input", Text),
            ("output", Text),
            ("kto_tag", Bool),
        ]),
        (kind, format) => panic!("{kind:?} as {format:?} has no schema"),
    }
}

#[tokio::test]
async fn every_row_has_the_shape_that_its_program_documents() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), false).await;
    let mut checked = 0;
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Dataset) {
        let lines = kind.formats().iter().filter(|f| **f != Format::Parquet);
        for format in lines {
            let directory = tempfile::tempdir().unwrap();
            let out = directory.path().join("out");
            export(&store, &request(kind, *format), &out).await.unwrap();
            for row in rows(&out.join("train.jsonl")) {
                check(
                    &schema(kind, *format),
                    &row,
                    &format!("{kind:?} {format:?}"),
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 80, "{checked}");
}

/// The same rows, whichever file they are in; what only one format has is compared by name.
#[tokio::test]
async fn parquet_holds_what_the_lines_hold() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), false).await;
    for (kind, lines) in KINDS.map(|kind| {
        let lines = if kind == Kind::Dataset {
            Format::Jsonl
        } else {
            Format::Trl
        };
        (kind, lines)
    }) {
        let directory = tempfile::tempdir().unwrap();
        let [a, b] = ["lines", "parquet"].map(|name| directory.path().join(name));
        export(&store, &request(kind, lines), &a).await.unwrap();
        export(&store, &request(kind, Format::Parquet), &b)
            .await
            .unwrap();
        let file = File::open(b.join("data/train-00000-of-00001.parquet")).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let expected = rows(&a.join("train.jsonl"));
        let found: Vec<_> = reader
            .get_row_iter(None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(found.len(), expected.len(), "{kind:?}");
        for (row, expected) in found.iter().zip(&expected) {
            let columns: BTreeMap<&str, String> = row
                .get_column_iter()
                .map(|(name, field)| (name.as_str(), field.to_string()))
                .collect();
            let names: BTreeSet<&str> = columns.keys().copied().collect();
            let object = expected.as_object().unwrap();
            let keys: BTreeSet<&str> = object.keys().map(String::as_str).collect();
            assert_eq!(names, keys, "{kind:?}");
            for (name, value) in object {
                let shown = &columns[name.as_str()];
                match value {
                    Value::Null => assert_eq!(shown, "null", "{kind:?} {name}"),
                    Value::String(text) => {
                        assert_eq!(shown, &format!("\"{text}\""), "{kind:?} {name}");
                    }
                    Value::Bool(truth) => assert_eq!(shown, &truth.to_string()),
                    Value::Array(list) if list.is_empty() => assert_eq!(shown, "[]", "{name}"),
                    Value::Array(list) => {
                        for text in list.iter().filter_map(Value::as_str) {
                            assert!(shown.contains(text), "{kind:?} {name}: {shown}");
                        }
                    }
                    Value::Number(_) | Value::Object(_) => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn the_same_run_gives_the_same_bytes_and_nothing_is_overwritten() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), false).await;
    for kind in KINDS {
        let directory = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| directory.path().join(name));
        let wanted = request(kind, kind.formats()[0]);
        export(&store, &wanted, &a).await.unwrap();
        export(&store, &wanted, &b).await.unwrap();
        assert_eq!(files(&a), files(&b), "{kind:?}");
        let again = export(&store, &wanted, &a).await.unwrap_err();
        assert!(matches!(again, ExportError::Exists(_)), "{again}");
    }
}

#[tokio::test]
async fn evaluation_problems_are_in_the_split_that_says_so_and_nowhere_else() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), false).await;
    for kind in KINDS {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let format = if kind == Kind::Dataset {
            Format::Jsonl
        } else {
            Format::Alpaca
        };
        export(&store, &request(kind, format), &out).await.unwrap();
        let train = std::fs::read_to_string(out.join("train.jsonl")).unwrap();
        assert!(!train.contains("2 + 2"), "{kind:?}");
        let evaluate = out.join("evaluate.jsonl");
        assert_eq!(evaluate.exists(), kind == Kind::Dataset);
        if evaluate.exists() {
            assert_eq!(rows(&evaluate).len(), 2);
        }
    }
}

#[tokio::test]
async fn every_sample_is_used_for_what_it_is_good_for() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), false).await;
    let mut counts = BTreeMap::new();
    for kind in KINDS {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let manifest = export(&store, &request(kind, kind.formats()[0]), &out)
            .await
            .unwrap();
        let rows: u64 = manifest.files.iter().filter_map(|f| f.rows).sum();
        let used: u64 = manifest.provenance.iter().map(|c| c.used).sum();
        let samples: u64 = manifest.samples.values().sum();
        counts.insert(kind.as_str(), (rows, used, samples));
        let teacher = manifest.provenance.iter().find(|c| c.author == "claude");
        assert_eq!(teacher.unwrap().terms, "restricted");
    }
    // Rows, samples they are made of, samples looked at. `bread` is solved in the same words twice.
    let expected = [
        ("dataset", (16, 16, 16)),
        ("kto", (10, 10, 14)),
        ("preference", (5, 9, 14)),
        ("sft", (4, 4, 14)),
        ("verifier", (11, 11, 14)),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[tokio::test]
async fn loops_and_minimum_scores_choose() {
    let run = tempfile::tempdir().unwrap();
    let store = hand_made(run.path(), false).await;
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    let second = DataRequest {
        iteration: Some(2),
        ..request(Kind::Sft, Format::Alpaca)
    };
    export(&store, &second, &out("second")).await.unwrap();
    let outputs: Vec<Value> = rows(&out("second").join("train.jsonl"))
        .iter()
        .map(|row| row["output"].clone())
        .collect();
    assert_eq!(
        outputs,
        [
            "4 + 3 = 7. The answer is 7.",
            "10 - 6 = 4. The answer is 4."
        ]
    );
    let least = |score| DataRequest {
        minimum: BTreeMap::from([(Attribute::Correctness, score)]),
        ..request(Kind::Sft, Format::Alpaca)
    };
    let manifest = export(&store, &least(3.0), &out("good")).await.unwrap();
    assert_eq!(manifest.samples["kept"], 1, "only one was scored, and well");
    let refused = export(&store, &least(3.9), &out("none")).await.unwrap_err();
    assert!(
        refused.to_string().contains("no sample reaches"),
        "{refused}"
    );
    assert!(!out("none").exists());
    let missing = DataRequest {
        iteration: Some(7),
        ..request(Kind::Sft, Format::Trl)
    };
    let refused = export(&store, &missing, &out("seven")).await.unwrap_err();
    assert!(refused.to_string().contains("outer loop 7"), "{refused}");
}

/// More problems than are read at once, in the order they were recorded in.
#[tokio::test]
async fn problems_beyond_a_window_are_all_there() {
    let run = tempfile::tempdir().unwrap();
    let store = common::many_problems(run.path(), 300).await;
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let wanted = request(Kind::Sft, Format::Alpaca);
    export(&store, &wanted, &out).await.unwrap();
    let found: Vec<String> = rows(&out.join("train.jsonl"))
        .iter()
        .map(|row| row["output"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..300).map(|i| format!("The answer is {i}.")).collect();
    assert_eq!(found, expected);
    let out = directory.path().join("mlx");
    export(&store, &request(Kind::Sft, Format::Mlx), &out)
        .await
        .unwrap();
    let counts = ["train.jsonl", "valid.jsonl"].map(|name| rows(&out.join(name)).len());
    assert_eq!(counts, [285, 15], "every twentieth problem is held out");
}
