//! Tasks from files: the shapes of well-known data sets, tolerated slips, and errors that name the
//! place.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::path::{Path, PathBuf};

use autodidact_core::{Split, TaskSpec, VerifyKind};
use autodidact_tasks::{Fields, Task, load, read_examples, read_problems, write_jsonl};
use proptest::prelude::*;

fn written(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn load_text(name: &str, text: &str, spec: TaskSpec) -> Result<Task, String> {
    let directory = tempfile::tempdir().unwrap();
    let spec = TaskSpec {
        train: Some(written(directory.path(), name, text)),
        ..spec
    };
    load(&spec, None, 6, 1).map_err(|e| {
        e.to_string()
            .replace(directory.path().to_str().unwrap(), "")
    })
}

fn lines(n: u32, line: impl Fn(u32) -> String) -> String {
    (0..n).map(|i| line(i) + "\n").collect()
}

#[test]
fn gsm8k() {
    let text = lines(50, |i| {
        format!(r#"{{"question": "How many? {i}", "answer": "1+{i}=<<1+{i}>>2\n#### {i},000"}}"#)
    });
    let task = load_text("gsm8k.jsonl", &text, TaskSpec::default()).unwrap();
    assert_eq!(task.name, "gsm8k");
    assert_eq!(task.verify, VerifyKind::Number);
    assert_eq!(task.train.len() + task.evaluate.len(), 50);
    let problem = &task.train[0];
    assert!(problem.gold.as_ref().unwrap().0.ends_with(",000"));
    assert!(problem.solution.as_ref().unwrap().contains("#### "));
    assert!(task.step_checker.is_some());
}

#[test]
fn commonsenseqa_in_both_shapes() {
    let nested = lines(20, |i| {
        format!(
            r#"{{"answerKey": "B", "id": "i{i}", "question": {{"question_concept": "x", "choices": [{{"label": "A", "text": "ignore"}}, {{"label": "B", "text": "enforce"}}], "stem": "What {i}?"}}}}"#
        )
    });
    let flat = lines(20, |i| {
        format!(
            r#"{{"id": "i{i}", "question": "What {i}?", "choices": {{"label": ["A", "B"], "text": ["ignore", "enforce"]}}, "answerKey": "B"}}"#
        )
    });
    let named = TaskSpec {
        question: Some("question.stem".into()),
        choices: Some("question.choices".into()),
        answer: Some("answerKey".into()),
        id: Some("id".into()),
        ..TaskSpec::default()
    };
    for (text, spec) in [
        (&nested, named),
        (&nested, TaskSpec::default()),
        (&flat, TaskSpec::default()),
    ] {
        let task = load_text("cqa.jsonl", text, spec).unwrap();
        assert_eq!(task.verify, VerifyKind::Choice);
        let problem = &task.train[0];
        assert!(problem.question.starts_with("What "), "{problem:?}");
        assert_eq!(problem.choices[1].text, "enforce");
        assert_eq!(problem.gold.as_ref().unwrap().0, "B");
    }
}

#[test]
fn svamp_with_its_question_in_two_fields() {
    let text = lines(20, |i| {
        format!(
            r#"{{"ID": "chal-{i}", "Body": "There are {i} birds.", "Question": "How many?", "Answer": {i}.0}}"#
        )
    });
    let spec = TaskSpec {
        question: Some("{Body} {Question}".into()),
        answer: Some("Answer".into()),
        id: Some("ID".into()),
        ..TaskSpec::default()
    };
    let task = load_text("svamp.jsonl", &text, spec).unwrap();
    let problem = task
        .train
        .iter()
        .find(|p| p.id.0 == "chal-3")
        .or(task.evaluate.first())
        .unwrap();
    assert!(problem.question.ends_with(" birds. How many?"));
    assert!(!problem.gold.as_ref().unwrap().0.contains('.'));
}

#[test]
fn csv_with_quotes_bom_and_crlf() {
    let text = "\u{feff}question,answer,choices\r\n\"Is it \"\"a\"\", or b?\",A,\"[\"\"x\"\",\"\"y\"\"]\"\r\n\
                \"two\nlines\",y,\"[\"\"x\"\",\"\"y\"\"]\"\r\n\r\n";
    let task = load_text("q.csv", text, TaskSpec::default()).unwrap();
    let mut all = task.train;
    all.extend(task.evaluate);
    all.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(all[0].question, "Is it \"a\", or b?");
    assert_eq!(all[1].question, "two\nlines");
    assert_eq!(all[1].choices[1].label, "B");
    let tsv = load_text(
        "q.tsv",
        "question\tanswer\na, b\t1\nc\t2\n",
        TaskSpec::default(),
    );
    assert_eq!(tsv.unwrap().verify, VerifyKind::Number);
}

#[test]
fn bom_crlf_and_blank_lines_are_tolerated() {
    let text = "\u{feff}{\"question\":\"a\",\"answer\":1}\r\n\r\n{\"question\":\"b\",\"answer\":2}\r\n\n\n";
    let task = load_text("x.jsonl", text, TaskSpec::default()).unwrap();
    assert_eq!((task.train.len(), task.evaluate.len()), (1, 1));
}

#[test]
fn errors_name_file_line_and_field() {
    let good = "{\"question\":\"a\",\"answer\":1}\n";
    for (name, text, expected) in [
        (
            "t.jsonl",
            format!("{good}{{\"question\":\"b\"}}"),
            "/t.jsonl line 2: field `answer` is missing; fields present: `question`",
        ),
        (
            "t.jsonl",
            format!("{good}{{\"question\":"),
            "/t.jsonl line 2: is not valid JSON",
        ),
        (
            "t.jsonl",
            format!("{good}[1]"),
            "/t.jsonl line 2: is not a JSON object",
        ),
        ("t.jsonl", "\n \n".into(), "/t.jsonl: holds no problems"),
        ("t.jsonl", String::new(), "/t.jsonl: holds no problems"),
        (
            "t.jsonl",
            format!("{good}{}", "x".repeat(2 << 20)),
            "/t.jsonl line 2: is longer than 1 MiB",
        ),
        (
            "t.jsonl",
            "{\"question\":\"a\",\"answer\":\"C\",\"choices\":[\"x\",\"y\"]}".into(),
            "`C` is not one of the choices (A, B)",
        ),
        (
            "t.jsonl",
            "{\"question\":\"a\",\"answer\":\"x ####\"}".into(),
            "nothing follows the `####`",
        ),
        (
            "t.csv",
            "question,answer\na,1\nb,2,3\n".into(),
            "/t.csv line 3: has 3 fields",
        ),
        ("t.csv", "question,answer\n".into(), "holds no problems"),
        ("t.parquet", good.into(), "/t.parquet: is not a .jsonl"),
        ("t.jsonl", good.into(), "too few problems"),
    ] {
        let error = load_text(name, &text, TaskSpec::default()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let spec = TaskSpec {
        train: Some("no/such.jsonl".into()),
        ..TaskSpec::default()
    };
    assert!(
        load(&spec, None, 0, 0)
            .unwrap_err()
            .to_string()
            .starts_with("no/such.jsonl: ")
    );
}

#[test]
fn overlap_is_dropped_from_training_and_ids_are_unique() {
    let directory = tempfile::tempdir().unwrap();
    let line = |i: u32| {
        format!(
            r#"{{"n": {}, "question": "Question {i}?", "answer": {i}}}"#,
            i % 3
        )
    };
    let spec = TaskSpec {
        train: Some(written(directory.path(), "a.jsonl", lines(10, line))),
        evaluate: Some(written(
            directory.path(),
            "b.jsonl",
            "{\"n\":1,\"question\":\" question  4\",\"answer\":4}",
        )),
        id: Some("n".into()),
        ..TaskSpec::default()
    };
    let task = load(&spec, None, 0, 0).unwrap();
    assert_eq!(
        (task.train.len(), task.evaluate.len(), task.dropped_overlap),
        (9, 1, 1)
    );
    let mut ids: Vec<_> = task
        .train
        .iter()
        .chain(&task.evaluate)
        .map(|p| &p.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

#[test]
fn counts_choose_by_seed_for_training_only() {
    let text = lines(400, |i| format!(r#"{{"question": "q{i}", "answer": {i}}}"#));
    let directory = tempfile::tempdir().unwrap();
    let spec = TaskSpec {
        train: Some(written(directory.path(), "a.jsonl", text)),
        train_problems: Some(50),
        evaluate_problems: Some(20),
        ..TaskSpec::default()
    };
    let (one, two) = (
        load(&spec, None, 0, 1).unwrap(),
        load(&spec, None, 0, 2).unwrap(),
    );
    assert_eq!((one.train.len(), one.evaluate.len()), (50, 20));
    assert_ne!(one.train, two.train);
    assert_eq!(one.evaluate, two.evaluate);
}

#[test]
fn examples_files() {
    let directory = tempfile::tempdir().unwrap();
    let good = "\u{feff}[[example]]\nquestion = \"Q?\"\nrationale = \"Because. The answer is (a).\"\nanswer = \"A\"\nchoices = [{ label = \"A\", text = \"x\" }]\n";
    let path = written(directory.path(), "e.toml", good);
    let examples = read_examples(&path).unwrap();
    assert_eq!(examples[0].choices[0].text, "x");
    let spec = TaskSpec {
        builtin: Some("counting".into()),
        ..TaskSpec::default()
    };
    assert_eq!(load(&spec, Some(&path), 6, 1).unwrap().examples, examples);
    for (text, expected) in [
        ("", "holds no examples"),
        ("[[example]]\nquestion = \"q\"", "missing field"),
        (
            "[[example]]\nquestion = \"q\"\nrational = 1",
            "unknown field `rational`",
        ),
        (
            "[[example]]\nquestion = \" \"\nrationale = \"r\"\nanswer = \"1\"",
            "example 1: `question` is empty",
        ),
    ] {
        let path = written(directory.path(), "e.toml", text);
        let error = read_examples(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let spec = TaskSpec {
        builtin: Some("word-problems".into()),
        ..TaskSpec::default()
    };
    let task = load(&spec, None, 0, 1).unwrap();
    let mut bytes = Vec::new();
    write_jsonl(&task.train, &mut bytes).unwrap();
    let path = written(directory.path(), "w.jsonl", bytes);
    let fields = Fields {
        id: Some("id".into()),
        ..Fields::default()
    };
    assert_eq!(
        read_problems(&path, &fields, Split::Train).unwrap(),
        task.train
    );
}

proptest! {
    #[test]
    fn hostile_files_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "\"question\"", ":", "\"answer\"", "1", ",", "\n", "[", "]", "\"choices\"",
            "null", "\"####\"", "\"", "\u{feff}", "question,answer\n", "label", "{}",
        ]), 0..40),
    ) {
        let directory = tempfile::tempdir().unwrap();
        for name in ["h.jsonl", "h.csv", "h.tsv"] {
            let contents = [bytes.clone(), pieces.concat().into_bytes()];
            for content in contents {
                let path = written(directory.path(), name, content);
                let _ = read_problems(&path, &Fields::default(), Split::Train);
                let _ = read_examples(&path);
            }
        }
    }

    #[test]
    fn any_text_survives_the_round_trip(question in "\\PC{1,60}", answer in "[^#]{1,20}") {
        prop_assume!(!question.trim().is_empty() && !answer.trim().is_empty());
        let directory = tempfile::tempdir().unwrap();
        let line = serde_json::json!({ "question": question, "answer": answer });
        let path = written(directory.path(), "r.jsonl", line.to_string());
        let problems = read_problems(&path, &Fields::default(), Split::Evaluate).unwrap();
        prop_assert_eq!(&problems[0].question, question.trim());
        prop_assert_eq!(&problems[0].gold.as_ref().unwrap().0, answer.trim());
    }
}

#[test]
fn a_file_is_read_problem_by_problem_with_or_without_gold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.jsonl");
    let text = "{\"id\":\"a\",\"question\":\"1+1?\",\"answer\":\"2\"}\n{\"id\":\"a\",\"question\":\"?\"}\n{\"id\":\"b\",\"question\":\"!\"}\n";
    std::fs::write(&path, text).unwrap();
    let fields = Fields {
        id: Some("id".into()),
        ..Fields::default()
    };
    let mut ids = Vec::new();
    autodidact_tasks::for_each_problem(&path, &fields, |problem| {
        ids.push((problem.id.0.clone(), problem.gold.is_some()));
        ids.len() < 2
    })
    .unwrap();
    assert_eq!(ids, [("a".to_owned(), true), ("a~2".to_owned(), false)]);
}
