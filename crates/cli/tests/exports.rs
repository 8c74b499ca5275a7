//! `export`, `completions` and `man`, and tracking through the command.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::fs;
use std::path::Path;

use common::{root, run};
use serde_json::Value;

const SPEC: &str = r#"
[run]
name = "small"
iterations = 1
[task]
train = "train.jsonl"
evaluate = "evaluate.jsonl"
verify = "regex"
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
examples = "examples.toml"
few_shot = 1
[sample]
per_problem = 3
temperature = 1.2
max_tokens = 16
[select]
minimum = 1
[select.refuse]
no_reasoning = false
[train]
rank = 4
steps = { first = 3, growth = 1.2 }
batch = 4
[track]
to = ["csv", "tensorboard", "mlflow"]
mlflow_url = "http://127.0.0.1:9"
"#;

/// A failure's text on one line: it is wrapped for people.
fn flat(err: &str) -> String {
    let words = err.split_whitespace().filter(|word| *word != "│");
    words.collect::<Vec<_>>().join(" ")
}

fn write_run(directory: &Path) {
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    let write = |name: &str, text: String| fs::write(directory.join(name), text).unwrap();
    write("small.toml", SPEC.replace("MODEL", model.to_str().unwrap()));
    let gold = [".*", ".*e.*", ".*q.*"];
    let problem = |i: usize| {
        format!(
            "{{\"question\": \"{i} + {i}?\", \"answer\": \"{}\"}}\n",
            gold[i % 3]
        )
    };
    write("train.jsonl", (0..9).map(problem).collect());
    write("evaluate.jsonl", (20..24).map(problem).collect());
    let example = "[[example]]\nquestion = \"1?\"\nrationale = \"a b c\"\nanswer = \".*\"\n";
    write("examples.toml", example.to_owned());
}

#[test]
fn a_run_is_tracked_and_exported() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    write_run(at);
    let (code, _, err) = run(at, &["run", "small.toml", "--output", "json"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        err.matches("tracking by `mlflow` stops").count(),
        1,
        "{err}"
    );
    let table = fs::read_to_string(at.join("runs/small/tracking/metrics.csv")).unwrap();
    assert_eq!(table.matches(",train/loss,").count(), 3, "{table}");
    for series in [
        "evaluate/accuracy_low,1,",
        "samples/kept,1,",
        "spend/usd,1,0.0",
        "baseline/base/few-shot,0,",
    ] {
        assert!(table.contains(series), "{series}: {table}");
    }
    assert!(
        at.join("runs/small/tracking/tensorboard")
            .read_dir()
            .unwrap()
            .count()
            == 1
    );

    // The same command on a finished run adds nothing.
    let (code, _, err) = run(at, &["run", "small.toml", "--output", "json"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        fs::read_to_string(at.join("runs/small/tracking/metrics.csv")).unwrap(),
        table
    );

    let export = |arguments: &[&str]| {
        let all = [&["export", "small", "--output", "json"], arguments].concat();
        let (code, out, err) = run(at, &all);
        (
            code,
            serde_json::from_str::<Value>(&out).unwrap_or(Value::Null),
            err,
        )
    };
    let (code, done, err) = export(&["--what", "sft"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(done["format"], "trl");
    assert!(at.join("small-sft-trl/train.jsonl").is_file());
    let (code, _, err) = export(&["--what", "sft"]);
    assert_eq!(code, 2);
    assert!(flat(&err).contains("--force"), "{err}");
    assert_eq!(export(&["--what", "sft", "--force"]).0, 0);
    let (code, _, err) = export(&["--what", "preference", "--format", "mlx"]);
    assert_eq!(code, 2);
    assert!(flat(&err).contains("choose trl, axolotl"), "{err}");
    let (code, _, err) = export(&["--what", "adapter", "--format", "trl"]);
    assert_eq!(code, 2);
    assert!(flat(&err).contains("belong to samples"), "{err}");
    let (code, done, err) = export(&["--what", "merged", "--store", "q4_0"]);
    assert_eq!(code, 0, "{err}");
    assert!(at.join("small-merged/small-Q4_0.gguf").is_file());
    assert_eq!(done["agreement"][1]["what"], "the merged model in Q4_0");
    let other = root().join("crates/engine/tests/golden/tiny_tied.gguf");
    let (code, _, err) = export(&["--what", "adapter", "--model", other.to_str().unwrap()]);
    assert_eq!(code, 2);
    assert!(flat(&err).contains("is not the base model"), "{err}");
    let (code, text, err) = run(at, &["export", "small", "--what", "adapter"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        text.contains("the GGUF adapter") && text.contains("exported: small-adapter"),
        "{text}"
    );
}

#[test]
fn minimum_scores_are_read_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (given, message) in [
        ("correctness", "attribute=score"),
        ("wit=3", "is no attribute"),
        ("correctness=high", "no number"),
        ("correctness=NaN", "no finite number"),
    ] {
        let arguments = ["export", "x", "--what", "sft", "--minimum", given];
        let (code, _, err) = run(directory.path(), &arguments);
        assert_eq!(code, 2);
        assert!(err.contains(message), "{given}: {err}");
    }
}

/// The scripts of the other two offer options, and no values of them.
fn lists_values(shell: &str) -> bool {
    matches!(shell, "bash" | "zsh" | "fish")
}

#[test]
fn shells_complete_the_commands() {
    let directory = tempfile::tempdir().unwrap();
    for (shell, sign) in [
        ("bash", "complete -F _autodidact"),
        ("zsh", "#compdef autodidact"),
        ("fish", "complete -c autodidact"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[autodidact]"),
    ] {
        let (code, out, err) = run(directory.path(), &["completions", shell]);
        assert_eq!(code, 0, "{err}");
        assert!(
            out.contains(sign) && out.contains("preference") == lists_values(shell),
            "{shell}"
        );
        assert!(out.contains("export") && out.contains("minimum"), "{shell}");
    }
}

/// A page for the command and for every subcommand that is not hidden.
#[test]
fn every_command_has_a_man_page() {
    let directory = tempfile::tempdir().unwrap();
    let (code, _, err) = run(directory.path(), &["man", "pages"]);
    assert_eq!(code, 0, "{err}");
    let pages = directory.path().join("pages");
    let read = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    for name in [
        "autodidact.1",
        "autodidact-export.1",
        "autodidact-run.1",
        "autodidact-tasks-write.1",
    ] {
        assert!(
            read(name).starts_with(".ie") || read(name).contains(".TH"),
            "{name}"
        );
    }
    assert!(read("autodidact-export.1").contains("\\-\\-what"));
    assert!(!pages.join("autodidact-sandbox-launch.1").exists());
    assert!(read("autodidact.1").contains("Exit codes"));
}
