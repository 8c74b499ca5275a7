//! A training problem that is also evaluated on never reaches the training set, and the journal
//! tells why.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodidact_core::RunSpec;
use autodidact_engine::Model;
use autodidact_star::{
    Faculty, LocalStudent, Parts, Run, Silent, report_data, started_without_search,
};
use autodidact_store::RunStore;
use autodidact_tasks::{Task, load, load_without_search};

/// Gold is a pattern that nearly anything matches, so that every problem asked is learned from.
const SPEC: &str = r#"
[run]
name = "contaminated"
iterations = 1
[task]
train = "train.jsonl"
evaluate = "evaluate.jsonl"
id = "id"
verify = "regex"
[task.prompt]
before_question = "Q "
before_answer = " A"
completion_lead = " "
separator = "\n\n"
hint = " <{hint}>"
hint_place = "after-question"
stop = ["\n\n"]
[student]
model = ["tiny.gguf"]
examples = "examples.toml"
few_shot = 1
[sample]
per_problem = 4
temperature = 1.2
max_tokens = 8
[select]
minimum = 1
[select.refuse]
no_reasoning = false
[train]
rank = 4
steps = { first = 2, growth = 1.0 }
batch = 4
"#;

/// Thirteen words that fit into the tiny model's context and alphabet.
const SHARED: &str = "a b c d e f g h i j k l m";

fn write(directory: &Path) {
    let line = |id: &str, question: &str| {
        format!("{{\"id\": \"{id}\", \"question\": \"{question}\", \"answer\": \".*\"}}\n")
    };
    let train: String = (0..6)
        .map(|i| line(&format!("t{i}"), &format!("{i} and {i}?")))
        .collect();
    let train = train + &line("copied", &format!("o {SHARED} p?"));
    let evaluate = line("e0", &format!("q {SHARED} r?")) + &line("e1", "a?");
    fs::write(directory.join("train.jsonl"), train).unwrap();
    fs::write(directory.join("evaluate.jsonl"), evaluate).unwrap();
    let example = "[[example]]\nquestion = \"1?\"\nrationale = \"a b c\"\nanswer = \".*\"\n";
    fs::write(directory.join("examples.toml"), example).unwrap();
}

type Load = fn(
    &autodidact_core::TaskSpec,
    Option<&Path>,
    usize,
    u64,
) -> Result<Task, autodidact_tasks::TaskError>;

async fn star(directory: &Path, spec: &str, load: Load) -> Arc<RunStore> {
    let spec_text = spec;
    let spec = RunSpec::parse(spec).unwrap();
    let mut section = spec.task.clone();
    section.train = section.train.map(|file| directory.join(file));
    section.evaluate = section.evaluate.map(|file| directory.join(file));
    let task = load(&section, Some(&directory.join("examples.toml")), 1, 1).unwrap();
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/tiny.gguf");
    let model = Arc::new(Model::open(&tiny).unwrap());
    let run = directory.join("run");
    let store = Arc::new(
        RunStore::open_or_create(&run, spec_text)
            .await
            .unwrap()
            .store,
    );
    let parts = Parts {
        checker: autodidact_star::Checker::reading(),
        faculty: Faculty::open(&store, Vec::new(), Vec::new(), None)
            .await
            .unwrap(),
        store: store.clone(),
        model: "sum".into(),
        student: Arc::new(LocalStudent::new(model, "sum".into(), 1)),
        observer: Arc::new(Silent),
        stop: Arc::new(AtomicBool::new(false)),
    };
    Run::new(spec, task, parts).unwrap().star().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contaminated_problem_never_reaches_the_training_set() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let store = star(directory.path(), SPEC, load).await;
    let learned = fs::read_to_string(directory.path().join("run/training/1.jsonl")).unwrap();
    assert!(learned.lines().count() > 0);
    assert!(!learned.contains(SHARED), "{learned}");
    let data = report_data(&store, "contaminated").await.unwrap();
    assert_eq!(data.overlaps.len(), 1);
    let overlap = &data.overlaps[0];
    assert_eq!(
        (overlap.train.0.as_str(), overlap.evaluate.0.as_str()),
        ("copied", "e0")
    );
    assert!(overlap.dropped);
    assert_eq!(overlap.shared, SHARED);
    assert!(!started_without_search(&store).await.unwrap());
    let flags = &data.details[0].flags;
    assert_eq!(flags.rationales.right, data.details[0].rationales_right);
    assert_eq!(data.status.iterations[0].flags, *flags);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_kept_it_does() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let spec = SPEC.replace("verify = ", "decontaminate = \"keep\"\nverify = ");
    star(directory.path(), &spec, load).await;
    let learned = fs::read_to_string(directory.path().join("run/training/1.jsonl")).unwrap();
    assert!(learned.contains(SHARED), "{learned}");
}

/// A run from before the search goes on with the problems it was started with.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_before_the_search_is_recognised() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let run = directory.path().join("run");
    let store = RunStore::create(&run, SPEC).await.unwrap();
    assert!(!started_without_search(&store).await.unwrap(), "it is new");
    store
        .finish_stage(
            0,
            "inputs",
            &serde_json::json!({ "task": "a", "model": "sum" }),
        )
        .await
        .unwrap();
    assert!(started_without_search(&store).await.unwrap());
    let spec = RunSpec::parse(SPEC).unwrap();
    let mut section = spec.task;
    section.train = Some(directory.path().join("train.jsonl"));
    section.evaluate = Some(directory.path().join("evaluate.jsonl"));
    let before = load_without_search(&section, None, 1, 1).unwrap();
    assert_eq!((before.train.len(), before.dropped_overlap), (7, 0));
}
