//! The commands that need no model.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use common::{root, run};
use serde_json::Value;

fn json(arguments: &[&str]) -> (i32, Value) {
    let directory = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["--output", "json"])
        .collect();
    let (code, out, err) = run(directory.path(), &arguments);
    (
        code,
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}")),
    )
}

#[test]
fn verify_tells_right_from_wrong_by_its_exit_code() {
    let (code, value) = json(&[
        "verify",
        "1,200",
        "That makes $1200.00. The answer is 1200 dollars.",
    ]);
    assert_eq!((code, &value["verdict"]), (0, &Value::from("right")));
    let (code, value) = json(&["verify", "-3", "The answer is 3."]);
    assert_eq!((code, &value["verdict"]), (1, &Value::from("wrong")));
    let (code, value) = json(&[
        "verify",
        "B",
        "So it is market (b).",
        "--kind",
        "choice",
        "--choice",
        "sink",
        "--choice",
        "market",
    ]);
    assert_eq!((code, &value["verdict"]), (0, &Value::from("right")));
}

/// Answers that are run, through the sandbox that this program starts itself.
#[test]
fn verify_runs_programs_and_queries() {
    let good = "```python\ndef f(x):\n    return x + 1\n```";
    let (code, value) = json(&["verify", "assert f(1) == 2", good, "--kind", "code"]);
    if value["verdict"] != "right" {
        let reason = value["verdict"].to_string();
        assert!(reason.contains("cannot-tell"), "{value}");
        eprintln!("skipped: {reason}");
        return;
    }
    assert_eq!(code, 0);
    let (code, value) = json(&["verify", "assert f(1) == 3", good, "--kind", "code"]);
    assert_eq!((code, &value["verdict"]), (1, &Value::from("wrong")));
    let gold = "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); SELECT sum(a) FROM t";
    let (code, value) = json(&["verify", gold, "SELECT 3", "--kind", "sql"]);
    assert_eq!(
        (code, &value["verdict"]),
        (0, &Value::from("right")),
        "{value}"
    );
    let check = "read -r line; echo '{\"verdict\": \"right\"}'";
    let (code, value) = json(&[
        "verify",
        "a",
        "b",
        "--kind",
        "command",
        "--verify-command",
        "sh",
        "-c",
        check,
        ";",
    ]);
    assert_eq!(
        (code, &value["verdict"]),
        (0, &Value::from("right")),
        "{value}"
    );
    assert_eq!(
        run(
            std::path::Path::new("."),
            &["verify", "a", "b", "--kind", "command"]
        )
        .0,
        2
    );
}

#[test]
fn every_example_spec_is_valid_and_init_writes_one() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["quickstart", "resume-check", "code", "sql", "math"] {
        let spec = root().join(format!("examples/{name}.toml"));
        let (code, plan) = json(&["check", spec.to_str().unwrap()]);
        assert_eq!(code, 0);
        assert!(plan["train_problems"].as_u64().unwrap() > 0, "{plan}");
    }
    assert_eq!(run(directory.path(), &["init"]).0, 0);
    assert_eq!(run(directory.path(), &["check", "autodidact.toml"]).0, 0);
}

#[test]
fn written_tasks_are_read_back_as_data_sets() {
    let directory = tempfile::tempdir().unwrap();
    let write = [
        "tasks",
        "write",
        "word-problems",
        "data",
        "--train",
        "30",
        "--evaluate",
        "10",
    ];
    assert_eq!(run(directory.path(), &write).0, 0);
    let spec = "[run]\nname = \"a\"\n[task]\ntrain = \"data/train.jsonl\"\nevaluate = \"data/evaluate.jsonl\"\n[student]\nmodel = [\"m.gguf\"]\nexamples = \"examples.toml\"\n";
    let example = "[[example]]\nquestion = \"1 + 1?\"\nrationale = \"1 + 1 = 2. The answer is 2.\"\nanswer = \"2\"\n";
    std::fs::write(directory.path().join("examples.toml"), example).unwrap();
    std::fs::write(directory.path().join("a.toml"), spec).unwrap();
    let (code, out, err) = run(directory.path(), &["check", "a.toml", "--output", "json"]);
    assert_eq!(code, 0, "{err}");
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (
            plan["train_problems"].as_u64(),
            plan["evaluate_problems"].as_u64()
        ),
        (Some(30), Some(10))
    );
}

#[test]
fn two_files_are_compared_and_a_spec_drops_what_they_share() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let shared = "she sells the remainder at the farmers market daily for 2 dollars per duck egg";
    let line = |id: &str, question: &str| {
        format!("{{\"id\": \"{id}\", \"question\": \"{question}\", \"answer\": \"7\"}}\n")
    };
    let train = line("t1", "What is 3 + 4?") + &line("t2", &format!("Read: {shared}. How much?"));
    let held = line("e1", "What is 5 + 2?") + &line("e2", &format!("Eggs, {shared}. What then?"));
    write("train.jsonl", &train);
    write("test.jsonl", &held);
    let compare = [
        "tasks",
        "train.jsonl",
        "--evaluate",
        "test.jsonl",
        "--id",
        "id",
    ];
    let (code, out, err) = run(directory.path(), &compare);
    assert_eq!(code, 0, "{err}");
    insta::assert_snapshot!(out, @r"
    1 training problem overlaps with evaluation problems: 1 left out, 0 kept (0 with the same words and other numbers)
      t2 and e2 (15 words in a row; left out): she sells the remainder at the farmers market daily for 2 dollars per duck egg
    ");
    let (_, out, _) = run(
        directory.path(),
        &[&compare[..], &["--output", "json"]].concat(),
    );
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["overlaps"][0]["kind"], "shared-run");
    assert_eq!(run(directory.path(), &["tasks", "train.jsonl"]).0, 2);
    let example = "[[example]]\nquestion = \"1 + 1?\"\nrationale = \"1 + 1 = 2. The answer is 2.\"\nanswer = \"2\"\n";
    write("examples.toml", example);
    let spec = "[run]\nname = \"a\"\n[task]\ntrain = \"train.jsonl\"\nevaluate = \"test.jsonl\"\nid = \"id\"\n[student]\nmodel = [\"m.gguf\"]\nexamples = \"examples.toml\"\n";
    write("a.toml", spec);
    let (code, out, err) = run(directory.path(), &["check", "a.toml"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("1 problems to learn from") && out.contains("t2 and e2"),
        "{out}"
    );
    write(
        "b.toml",
        &spec.replace("id = ", "decontaminate = \"fail\"\nid = "),
    );
    let (code, _, err) = run(directory.path(), &["check", "b.toml"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("overlaps with"), "{err}");
    write(
        "c.toml",
        &spec.replace("id = ", "decontaminat = \"fail\"\nid = "),
    );
    let (_, _, err) = run(directory.path(), &["check", "c.toml"]);
    assert!(err.contains("did you mean `decontaminate`?"), "{err}");
}

#[test]
fn tasks_lists_what_can_be_generated() {
    let (code, tasks) = json(&["tasks", "list"]);
    assert_eq!(code, 0);
    let names: Vec<&str> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["addition", "arithmetic", "word-problems", "counting"]
    );
}
