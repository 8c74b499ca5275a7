//! `train` and `evaluate` on a model so small that it takes a blink.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::fs;
use std::path::Path;

use common::{root, run};
use serde_json::{Value, json};

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

/// `train` on `data.jsonl`, with what a test asks for beside it.
fn train(directory: &Path, model: &str, more: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["train", "data.jsonl", "--model", model, "--out", "out"];
    arguments.extend(["--steps", "60", "--rank", "8", "--batch", "5"]);
    arguments.extend(more);
    run(directory, &arguments)
}

fn right(directory: &Path, model: &str, adapter: Option<&str>) -> u64 {
    let spec = fs::read_to_string(directory.join("a.toml")).unwrap();
    let line = spec.lines().find(|l| l.starts_with("model =")).unwrap();
    let spec = spec.replace(line, &format!("model = [\"{model}\"]"));
    fs::write(directory.join("b.toml"), spec).unwrap();
    let mut arguments = vec!["evaluate", "b.toml", "--output", "json"];
    arguments.extend(adapter.iter().flat_map(|a| ["--adapter", a]));
    let (code, out, err) = run(directory, &arguments);
    assert_eq!(code, 0, "{err}");
    let measured: Value = serde_json::from_str(&out).unwrap();
    measured["right"].as_u64().unwrap()
}

#[test]
fn every_method_teaches_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    let model = model.to_str().unwrap();
    write_inputs(directory, model);
    fs::copy(directory.join("pairs.jsonl"), directory.join("data.jsonl")).unwrap();
    for method in ["rslora", "dora"] {
        let more = ["--method", method, "--learning-rate", "2e-2"];
        let (code, _, err) = train(directory, model, &more);
        assert_eq!(code, 0, "{err}");
        assert_eq!(right(directory, model, Some("out")), 5, "{method}");
        let gguf = directory.join("out/adapter.gguf").exists();
        assert_eq!(gguf, method == "rslora", "only DoRA does not fit into GGUF");
        fs::remove_dir_all(directory.join("out")).unwrap();
    }
    let full = ["--method", "full", "--learning-rate", "1e-2"];
    let (code, _, err) = train(directory, model, &full);
    assert_eq!(code, 0, "{err}");
    assert_eq!(right(directory, "out/model.gguf", None), 5, "full");
}

#[test]
fn dpo_prefers_what_was_chosen_as_its_options_say() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    let model = model.to_str().unwrap();
    write_inputs(directory, model);
    // How many answers are 7 afterwards, and the adapter.
    let taught = |chosen: &str, rejected: &str, beta: &str, nll: &str| {
        let pair = |n: u32| {
            let prompt = format!("q {n} + 1? a");
            let line = json!({"prompt": prompt, "chosen": chosen, "rejected": rejected});
            format!("{line}\n")
        };
        fs::write(
            directory.join("data.jsonl"),
            (1..6).map(pair).collect::<String>(),
        )
        .unwrap();
        let dpo = ["--objective", "dpo", "--beta", beta, "--nll", nll];
        let more = [dpo.as_slice(), &["--learning-rate", "2e-2"]].concat();
        let (code, _, err) = train(directory, model, &more);
        assert_eq!(code, 0, "{err}");
        let weights = fs::read(directory.join("out/adapter_model.safetensors")).unwrap();
        (right(directory, model, Some("out")), weights)
    };
    let (count, adapter) = taught(" 7", " 5", "0.1", "1");
    assert_eq!(count, 5);
    assert_eq!(taught(" 5", " 7", "0.1", "1").0, 0, "the other way round");
    assert!(taught(" 7", " 5", "0.1", "0").1 != adapter, "without NLL");
    assert!(taught(" 7", " 5", "0.5", "1").1 != adapter, "another beta");
}

#[test]
fn reward_models_are_trained_and_kept_as_peft() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    let model = model.to_str().unwrap();
    let scored = "{\"prompt\": \"q\", \"completion\": \" a\", \"score\": 0.5}\n";
    let compared = "{\"prompt\": \"q\", \"chosen\": \" a\", \"rejected\": \" b\"}\n";
    for (objective, line) in [("score", scored), ("bradley-terry", compared)] {
        fs::write(directory.join("data.jsonl"), line).unwrap();
        let (code, _, err) = train(directory, model, &["--objective", objective]);
        assert_eq!(code, 0, "{err}");
        let config = fs::read_to_string(directory.join("out/adapter_config.json")).unwrap();
        assert!(config.contains("SEQ_CLS"), "{config}");
        assert!(!directory.join("out/adapter.gguf").exists());
        let (code, _, err) = train(
            directory,
            model,
            &["--objective", objective, "--method", "full"],
        );
        assert_ne!(code, 0);
        assert!(
            err.contains("reward models are trained as adapters"),
            "{err}"
        );
    }
    fs::write(directory.join("data.jsonl"), scored).unwrap();
    let (code, _, err) = train(directory, model, &["--objective", "dpo"]);
    assert_ne!(code, 0);
    assert!(err.contains("line 1") && err.contains("`chosen`"), "{err}");
}
