//! `train` and `evaluate` on a model so small that it takes a blink.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::fs;
use std::path::Path;

use common::{root, run};
use serde_json::Value;

const SPEC: &str = r#"
[run]
name = "a"
[task]
train = "problems.jsonl"
evaluate = "problems.jsonl"
[task.prompt]
before_question = "q "
before_answer = " a"
completion_lead = " "
separator = "\n\n"
hint = " <{hint}>"
hint_place = "after-question"
stop = ["\n\n"]
[student]
model = ["MODEL"]
few_shot = 0
[sample]
max_tokens = 8
"#;

/// A spec, problems whose answer is always 7, and texts that teach it.
fn write_inputs(directory: &Path, model: &str) {
    let spec = SPEC
        .replace("MODEL", model)
        .replace("train = \"problems.jsonl\"", "train = \"other.jsonl\"");
    fs::write(directory.join("a.toml"), spec).unwrap();
    let problem = |n: u32| format!("{{\"question\": \"{n} + 1?\", \"answer\": \"7\"}}\n");
    let pair = |n: u32| format!("{{\"prompt\": \"q {n} + 1? a\", \"completion\": \" 7\"}}\n");
    fs::write(
        directory.join("problems.jsonl"),
        (1..6).map(problem).collect::<String>(),
    )
    .unwrap();
    fs::write(directory.join("other.jsonl"), problem(9)).unwrap();
    fs::write(
        directory.join("pairs.jsonl"),
        (1..6).map(pair).collect::<String>(),
    )
    .unwrap();
}

#[test]
fn a_trained_adapter_changes_what_evaluate_finds() {
    let directory = tempfile::tempdir().unwrap();
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    let model = model.to_str().unwrap();
    write_inputs(directory.path(), model);
    let right = |adapter: Option<&str>| {
        let mut arguments = vec!["evaluate", "a.toml", "--output", "json"];
        arguments.extend(adapter.iter().flat_map(|a| ["--adapter", a]));
        let (code, out, err) = run(directory.path(), &arguments);
        assert_eq!(code, 0, "{err}");
        let measured: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(measured["total"], 5);
        measured["right"].as_u64().unwrap()
    };
    assert!(
        right(None) < 5,
        "the untaught model does not know the answer"
    );
    let train = [
        "train",
        "pairs.jsonl",
        "--model",
        model,
        "--out",
        "adapter",
        "--steps",
        "60",
        "--rank",
        "8",
        "--learning-rate",
        "2e-2",
        "--batch",
        "5",
    ];
    let (code, _, err) = run(directory.path(), &train);
    assert_eq!(code, 0, "{err}");
    assert_eq!(right(Some("adapter")), 5, "the PEFT directory");
    assert_eq!(right(Some("adapter/adapter.gguf")), 5, "the GGUF adapter");
    let merge = [
        "merge",
        "adapter",
        "--model",
        model,
        "--out",
        "merged.gguf",
        "--store",
        "f32",
    ];
    let (code, _, err) = run(directory.path(), &merge);
    assert_eq!(code, 0, "{err}");
    let spec = fs::read_to_string(directory.path().join("a.toml")).unwrap();
    let spec = spec.replace(model, "merged.gguf");
    fs::write(directory.path().join("a.toml"), spec).unwrap();
    assert_eq!(right(None), 5, "the merged file is a model of its own");
    assert!(
        !directory
            .path()
            .join("adapter/checkpoint.safetensors")
            .exists()
    );
}
