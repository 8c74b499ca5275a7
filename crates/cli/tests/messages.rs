//! Bad input gets an error that says what, where and what to do, with the documented exit code and
//! without a stack trace.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::fs;
use std::path::Path;

use common::run;

const MODEL: &str = "[student]\nmodel = [\"model.gguf\"]\n";

/// Writes a spec and what it names, runs `arguments`, and returns exit code and standard error.
fn fail(files: &[(&str, &[u8])], arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    let (code, _, err) = run(directory.path(), arguments);
    assert!(
        !err.contains("panicked") && !err.contains("stack backtrace"),
        "{err}"
    );
    let shown = err.replace(directory.path().to_str().unwrap(), "DIR");
    format!("exit code {code}\n{shown}")
}

fn spec(task: &str) -> Vec<u8> {
    format!("[run]\nname = \"a\"\n[task]\n{task}\n{MODEL}few_shot = 1\n").into_bytes()
}

fn tiny_model() -> Vec<u8> {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/tiny.gguf");
    fs::read(engine).unwrap()
}

#[test]
fn a_spec_that_is_not_there() {
    insta::assert_snapshot!(fail(&[], &["run", "nothing.toml"]));
}

#[test]
fn an_unknown_key() {
    let spec = b"[run]\nname = \"a\"\nitterations = 3\n[task]\nbuiltin = \"addition\"\n[student]\nmodel = [\"m.gguf\"]\n";
    insta::assert_snapshot!(fail(&[("a.toml", spec)], &["run", "a.toml"]));
}

#[test]
fn a_wrong_type() {
    let spec = b"[run]\nname = \"a\"\niterations = \"three\"\n[task]\nbuiltin = \"addition\"\n[student]\nmodel = [\"m.gguf\"]\n";
    insta::assert_snapshot!(fail(&[("a.toml", spec)], &["check", "a.toml"]));
}

#[test]
fn an_unknown_task() {
    let spec = spec("builtin = \"adition\"");
    insta::assert_snapshot!(fail(&[("a.toml", &spec)], &["check", "a.toml"]));
}

#[test]
fn a_broken_line() {
    let data = b"{\"question\": \"1 + 1?\", \"answer\": \"2\"}\n{\"question\": \"oops\n";
    let spec = spec("train = \"d.jsonl\"\nevaluate = \"d.jsonl\"");
    insta::assert_snapshot!(fail(
        &[("a.toml", &spec), ("d.jsonl", data)],
        &["check", "a.toml"]
    ));
}

#[test]
fn a_missing_field() {
    let data = b"{\"question\": \"1 + 1?\", \"gold\": \"2\"}\n";
    let spec = spec("train = \"d.jsonl\"\nanswer = \"answer\"");
    insta::assert_snapshot!(fail(
        &[("a.toml", &spec), ("d.jsonl", data)],
        &["check", "a.toml"]
    ));
}

#[test]
fn an_empty_file() {
    let spec = spec("train = \"d.jsonl\"");
    insta::assert_snapshot!(fail(
        &[("a.toml", &spec), ("d.jsonl", b"")],
        &["check", "a.toml"]
    ));
}

#[test]
fn a_model_that_is_not_there() {
    let spec = spec("builtin = \"addition\"");
    insta::assert_snapshot!(fail(&[("a.toml", &spec)], &["run", "a.toml"]));
}

#[test]
fn a_truncated_model() {
    let (spec, model) = (spec("builtin = \"addition\""), tiny_model());
    let files: [(&str, &[u8]); 2] = [("a.toml", &spec), ("model.gguf", &model[..model.len() / 2])];
    insta::assert_snapshot!(fail(&files, &["run", "a.toml"]));
}

#[test]
fn a_model_of_an_unknown_architecture() {
    let spec = spec("builtin = \"addition\"");
    let mut model = tiny_model();
    let at = model.windows(5).position(|w| w == b"llama").unwrap();
    model[at..at + 5].copy_from_slice(b"lemur");
    let files: [(&str, &[u8]); 2] = [("a.toml", &spec), ("model.gguf", &model)];
    insta::assert_snapshot!(fail(&files, &["run", "a.toml"]));
}

#[test]
fn a_run_that_does_not_exist() {
    insta::assert_snapshot!(fail(&[], &["status", "nothing"]));
}

#[test]
fn training_data_without_completions() {
    let data = b"{\"prompt\": \"Q: 1 + 1?\\nA:\", \"completion\": \" 2\"}\n{\"prompt\": \"Q\"}\n";
    let arguments = [
        "train",
        "d.jsonl",
        "--model",
        "model.gguf",
        "--out",
        "adapter",
    ];
    insta::assert_snapshot!(fail(&[("d.jsonl", data)], &arguments));
}

#[test]
fn a_place_that_cannot_be_written() {
    let (spec, model) = (spec("builtin = \"addition\""), tiny_model());
    let files: [(&str, &[u8]); 3] = [
        ("a.toml", &spec),
        ("model.gguf", &model),
        ("file", b"not a directory"),
    ];
    insta::assert_snapshot!(fail(&files, &["run", "a.toml", "--runs", "file/runs"]));
}

#[test]
fn init_does_not_overwrite() {
    insta::assert_snapshot!(fail(&[("autodidact.toml", b"mine")], &["init"]));
}
