//! A run of the real loop with a model so small that it takes a blink.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodidact_core::{
    Answer, Example, HintPlace, Problem, ProblemId, PromptFormat, RunSpec, Split, VerifyKind,
};
use autodidact_engine::Model;
use autodidact_star::{Checker, Faculty, LocalStudent, Parts, Run, Silent};
use autodidact_store::RunStore;
use autodidact_tasks::Task;

const SPEC: &str = r#"
[run]
name = "tiny"
iterations = 2
[task]
train = "tiny.jsonl"
[student]
model = ["tiny.gguf"]
few_shot = 1
[sample]
per_problem = 3
temperature = 1.2
max_tokens = 24
[rationalize]
per_problem = 2
temperature = 1.2
[select]
minimum = 1
[train]
METHOD
rank = 4
steps = { first = 5, growth = 1.2 }
batch = 4
learning_rate = 1e-2
[stop]
patience = 0
"#;

/// The model file of the tiny run.
pub(crate) fn model_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/tiny.gguf")
}

fn problem(i: usize, split: Split) -> Problem {
    Problem {
        id: ProblemId(format!("{split:?}-{i}")),
        question: format!("{i} + {i}?"),
        gold: Some(Answer([".*", ".*e.*", ".*q.*"][i % 3].into())),
        choices: vec![],
        solution: None,
        split,
        meta: BTreeMap::new(),
    }
}

fn task() -> Task {
    Task {
        name: "tiny".into(),
        train: (0..9).map(|i| problem(i, Split::Train)).collect(),
        evaluate: (20..26).map(|i| problem(i, Split::Evaluate)).collect(),
        examples: vec![Example {
            question: "1?".into(),
            choices: vec![],
            rationale: "a b c".into(),
            answer: Answer(".*".into()),
        }],
        verify: VerifyKind::Regex,
        format: PromptFormat {
            before_question: "Q ".into(),
            before_answer: " A".into(),
            completion_lead: " ".into(),
            separator: "\n\n".into(),
            hint: " <{hint}>".into(),
            hint_place: HintPlace::AfterQuestion,
            stop: vec!["\n\n".into()],
        },
        step_checker: None,
        dropped_overlap: 0,
        overlaps: Vec::new(),
    }
}

/// Runs it to its end, trained by this method, and opens its journal.
pub(crate) async fn tiny_run(directory: &Path, method: &str) -> RunStore {
    let text = SPEC.replace("METHOD", &format!("method = \"{method}\""));
    let spec = RunSpec::parse(&text).unwrap();
    let model = Arc::new(Model::open(&model_file()).unwrap());
    let store = RunStore::create(directory, &text).await.unwrap();
    let store = Arc::new(store);
    let faculty = Faculty::open(&store, Vec::new(), Vec::new(), None)
        .await
        .unwrap();
    let parts = Parts {
        store,
        faculty,
        model: "sum".into(),
        checker: Checker::reading(),
        student: Arc::new(LocalStudent::new(model, "sum".into(), 2)),
        observer: Arc::new(Silent),
        stop: Arc::new(AtomicBool::new(false)),
    };
    let run = Run::new(spec, task(), parts).unwrap();
    run.star().await.unwrap();
    drop(run);
    RunStore::open_reader(directory).await.unwrap()
}
