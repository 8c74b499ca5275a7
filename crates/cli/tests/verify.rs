//! `verify`: one answer, and files of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use common::{autodidact, run};
use serde_json::Value;

#[test]
fn verdicts_and_steps_are_shown() {
    for (gold, candidate, code, told) in [
        (
            "1/2",
            r"So $x = \boxed{\frac{1}{2}}$.",
            0,
            r"right`\frac{1}{2}`, in the last \boxed, equals gold `1/2`",
        ),
        (
            "5 m",
            "The answer is 5 cm.",
            1,
            "wrong`5 cm`, after the last answer mark, is not gold `5 m`",
        ),
        (
            "4",
            r"\boxed{3}. The answer is 4.",
            0,
            "right`4`, after the last answer mark, equals gold `4`",
        ),
        ("4", "", 1, "cannot tellthe text is empty"),
    ] {
        let arguments = ["verify", "--gold", gold, "--candidate", candidate];
        let (found, out, err) = run(Path::new("."), &arguments);
        assert_eq!(found, code, "{out}{err}");
        assert!(out.replace('\n', "").starts_with(told), "{out}");
    }
    let arguments = ["verify", "4", r"\boxed{3}. The answer is 4."];
    let (_, out, _) = run(Path::new("."), &arguments);
    assert!(
        out.contains("a second reading of the text finds `3`"),
        "{out}"
    );
    let arguments = ["verify", "4", "I give up.", "--output", "json"];
    let (_, out, _) = run(Path::new("."), &arguments);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert!(
        value["verdict"].is_string() && value["steps"].is_array(),
        "{value}"
    );
}

/// What is printed, for people and for programs.
#[test]
fn explanations_are_shown() {
    let mut shown = String::new();
    for arguments in [
        &[
            "--gold",
            "1/2",
            "--candidate",
            r"So $x = \boxed{\frac{2}{4}}$.",
        ][..],
        &[
            "--gold",
            r"(x+1)^2",
            "--candidate",
            r"The answer is $x^2+2x+1$.",
        ],
        &["--gold", "5 m", "--candidate", "The answer is 500 cm."],
        &["--gold", "1/2004!", "--candidate", "#### 1/2006!"],
        &["--gold", "4", "--candidate", r"\boxed{3}. The answer is 4."],
        &["--gold", "9", "--candidate", "<think>9"],
        &["--gold", "5^5^5^5^5", "--candidate", "5^5^5^5^6"],
        &[
            "--kind",
            "choice",
            "--gold",
            "B",
            "--candidate",
            "It is (a) or (b).",
        ],
        &[
            "--kind",
            "json",
            "--gold",
            "[1]",
            "--candidate",
            "[1.0]",
            "--output",
            "json",
        ],
    ] {
        let all: Vec<&str> = std::iter::once("verify")
            .chain(arguments.iter().copied())
            .collect();
        let (code, out, err) = run(Path::new("."), &all);
        shown += &format!(
            "$ autodidact {}\n{out}{err}exit code {code}\n\n",
            all.join(" ")
        );
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_file_is_answered_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let lines = r#"{"gold": "18", "candidate": "So 9 * 2 = 18. The answer is 18."}
{"gold": "18", "candidate": "The answer is 17.", "id": "p2"}
{"gold": "B", "candidate": "It is market.", "kind": "choice", "choices": ["sink", "market"]}

{"gold": {"a": [1, 2]}, "candidate": "```json\n{\"a\": [1, 3]}\n```", "kind": "json"}
{"gold": "5", "candidate": "500 cm", "unit": "m"}
{"gold": "5"}
not JSON
{"gold": "", "candidate": "5"}
"#;
    std::fs::write(directory.path().join("answers.jsonl"), lines).unwrap();
    let (code, out, err) = run(directory.path(), &["verify", "answers.jsonl"]);
    assert_eq!(code, 1, "{err}");
    let verdicts: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["verdict"].clone())
        .collect();
    let wanted = [
        "right",
        "wrong",
        "right",
        "wrong",
        "right",
        "cannot-tell",
        "cannot-tell",
        "cannot-tell",
    ];
    assert_eq!(verdicts, wanted, "{out}");
    assert!(
        out.contains("line 7 cannot be read: the line has no field `candidate`"),
        "{out}"
    );
    assert!(
        err.contains("3 right, 2 wrong, 1 undecided; 2 lines could not be read"),
        "{err}"
    );
    for line in out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["verdict"].is_string() && line["how"].is_string(),
            "{line}"
        );
    }
    let (_, again, _) = run(
        directory.path(),
        &["verify", "answers.jsonl", "--output", "json"],
    );
    assert_eq!(again, out);
}

#[test]
fn standard_input_is_a_file_too() {
    let mut program = autodidact(Path::new("."))
        .args(["verify", "-", "--kind", "number"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = "{\"gold\": 1, \"candidate\": \"1.0\"}\n{\"gold\": 1, \"candidate\": \"2\"}";
    program
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let done = program.wait_with_output().unwrap();
    let out = String::from_utf8(done.stdout).unwrap();
    let verdicts: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["verdict"].to_string())
        .collect();
    assert_eq!(verdicts, ["\"right\"", "\"wrong\""]);
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn policies_are_flags() {
    let right = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["verify"].iter().chain(arguments).copied().collect();
        run(Path::new("."), &arguments).0 == 0
    };
    assert!(right(&["9.81", "9.8", "--tolerance", "0.01"]));
    assert!(!right(&["9.81", "9.8"]));
    assert!(right(&["200", "201", "--tolerance", "1%"]));
    assert!(right(&["5", "500 cm", "--unit", "m"]));
    assert!(right(&["1.000", "1000", "--number-format", "comma"]));
    assert!(!right(&["1.000", "1000"]));
    assert!(right(&["5 m", "5"]));
    assert!(!right(&["5 m", "5", "--strict-units"]));
    assert!(right(&["--gold=-3", "--candidate", "-3"]));
    for wrong in [
        &["verify"][..],
        &["verify", "--gold", "5"],
        &["verify", "5", "5", "--tolerance", "x"],
    ] {
        assert_eq!(run(Path::new("."), wrong).0, 2, "{wrong:?}");
    }
    let (code, _, err) = run(Path::new("."), &["verify", "no-such-file.jsonl"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("no-such-file.jsonl"), "{err}");
}
