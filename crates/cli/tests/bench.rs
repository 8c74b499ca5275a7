//! `bench` on a model so small that it takes a blink.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use common::{root, run};
use serde_json::Value;

fn bench(more: &[&str]) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    let mut arguments = vec!["bench", "--model", model.to_str().unwrap()];
    arguments.extend(more);
    let (code, out, err) = run(directory.path(), &arguments);
    assert_eq!(code, 0, "{err}");
    (out, err)
}

#[test]
fn json_holds_the_machine_and_both_tasks_and_nothing_else() {
    let (out, err) = bench(&["--output", "json", "--profile"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&report), ["machine", "sampling", "training"]);
    assert!(report["machine"].as_str().unwrap().contains("GFLOP/s"));
    for task in ["sampling", "training"] {
        let figures = &report[task];
        let names = ["tokens_per_second", "limit_tokens_per_second", "fraction"];
        assert_eq!(keys(figures), names);
        let [seen, limit, fraction] = names.map(|name| figures[name].as_f64().unwrap());
        assert!(seen > 0.0 && limit > seen, "{figures}");
        assert!((fraction - seen / limit).abs() < 1e-9, "{figures}");
        assert!(
            err.contains(task),
            "the profile is on standard error: {err}"
        );
    }
}

/// Numbers are those of the machine that runs the test; the words are not.
#[test]
fn the_table_says_what_the_figures_are() {
    let (out, err) = bench(&["--threads", "1", "--profile"]);
    for part in [
        ", 1 of ",
        "GFLOP/s",
        "tokens/s",
        "of the limit",
        "sampling",
        "training",
        "seconds of a thread",
    ] {
        assert!(out.contains(part), "no `{part}` in:\n{out}\n{err}");
    }
}
