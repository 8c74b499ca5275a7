//! A run that looks like a real one, written through the store and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::cast_lossless,
    clippy::too_many_lines,
    dead_code,
    reason = "made up for tests and measurements"
)]

use std::collections::BTreeMap;
use std::path::Path;

use autodidact_core::{
    Answer, Attribute, BaselineMeasurement, Choice, Completion, EvaluationResult, FinishReason,
    Flag, IterationResult, Mode, Problem, ProblemId, RefusalReason, RunState, Sample, SampleKey,
    SamplerId, Scores, Selection, Split, StageSeconds, TrainCounts, Usd, Verdict, Verification,
};
use autodidact_star::{
    Environment, IterationDetail, ModelSummary, Rewards, SeenExample, SeenToken, accuracy, compare,
};
use autodidact_store::{Entry, Provenance, RunStore, Scored, Verified};

/// How large it is, and what is added to texts that a model or a file made.
pub(crate) struct Shape<'a> {
    pub(crate) loops: u32,
    pub(crate) train: u32,
    pub(crate) evaluate: u32,
    pub(crate) per_problem: u32,
    pub(crate) finished: bool,
    /// A teacher and a judge as well.
    pub(crate) teacher: bool,
    /// Given a text, the text to write.
    pub(crate) word: &'a dyn Fn(&str) -> String,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self {
            loops: 3,
            train: 24,
            evaluate: 12,
            per_problem: 4,
            finished: true,
            teacher: true,
            word: &str::to_owned,
        }
    }
}

/// A number that looks random and is the same every time.
fn noise(parts: &[u32]) -> f64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        state ^= u64::from(*part).wrapping_add(0x9e37_79b9);
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 29;
    }
    (state >> 11) as f64 / (1_u64 << 53) as f64
}

impl Shape<'_> {
    fn w(&self, text: &str) -> String {
        (self.word)(text)
    }

    fn problem(&self, n: u32, split: Split) -> Problem {
        let digits = 1 + n % 4;
        Problem {
            id: ProblemId(self.w(&format!("{split:?}-{n:06}").to_lowercase())),
            question: self.w(&format!("What is {} + {}?", n * 7, n * 13)),
            gold: Some(Answer(self.w(&(n * 20).to_string()))),
            choices: vec![Choice {
                label: self.w("A"),
                text: self.w(&(n * 20).to_string()),
            }],
            solution: Some(self.w("Add the two.")),
            split,
            meta: [
                (self.w("digits"), digits.to_string()),
                ("kind".to_owned(), self.w(["sum", "carry"][n as usize % 2])),
            ]
            .into(),
        }
    }

    /// Whether an answer is right: easier problems and later loops are.
    fn right(n: u32, iteration: u32, index: u32, hint: bool) -> bool {
        let digits = f64::from(1 + n % 4);
        let skill = 0.25 + 0.5 * (1.0 - 0.6_f64.powi(iteration as i32));
        let chance = skill.powf(digits) * if hint { 2.0 } else { 1.0 };
        noise(&[n, iteration, index, u32::from(hint)]) < chance
    }

    fn sample(&self, key: SampleKey, right: bool, n: u32) -> Sample {
        let sum = n * 20 + u32::from(!right);
        let text = format!(
            "I add the tens first and then the ones, which gives {} + {} = {sum}.\nThe answer is {sum}.",
            n * 7,
            n * 13
        );
        Sample {
            completion: Completion {
                text: self.w(&text),
                finish: FinishReason::EndOfText,
                tokens: 28 + n % 9,
                logprob: -4.0 - noise(&[n, key.index]) * 20.0,
            },
            key,
        }
    }

    fn verified(&self, key: &SampleKey, right: bool, n: u32) -> Verified {
        let doubtful = right && n.is_multiple_of(7);
        Verified {
            key: key.clone(),
            verification: Verification {
                verdict: if right {
                    Verdict::Right
                } else {
                    Verdict::Wrong
                },
                extracted: Some(self.w("20")),
                how: self.w("the last number is compared with gold"),
                flags: if doubtful {
                    vec![Flag::FalseEquation {
                        text: self.w("1 + 1 = 3"),
                    }]
                } else {
                    vec![]
                },
            },
            false_step: doubtful.then(|| self.w("1 + 1 = 3 is false: it is 2")),
        }
    }
}

/// The spec of the run, which names whatever `word` makes.
pub(crate) fn spec(shape: &Shape<'_>, name: &str) -> String {
    let loops = shape.loops;
    let comment = shape.w("made up");
    let comment = comment.replace(['\n', '\r', '\0'], " ");
    format!(
        "# {comment}\n[run]\nname = \"{name}\"\niterations = {loops}\nbudget_usd = 5.0\n[task]\nbuiltin = \"addition\"\n[student]\nmodel = [\"tiny.gguf\"]\nfew_shot = 1\n"
    )
}

const BATCH: usize = 2000;

/// Writes down answers with verdicts and decisions, many in one transaction.
struct Recorder<'a> {
    store: &'a RunStore,
    samples: Vec<Sample>,
    verified: Vec<Verified>,
    selected: Vec<Selection>,
}

impl Recorder<'_> {
    async fn add(&mut self, sample: Sample, verified: Verified, selected: Option<Selection>) {
        self.samples.push(sample);
        self.verified.push(verified);
        self.selected.extend(selected);
        if self.samples.len() >= BATCH {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        self.store.record_samples(&self.samples).await.unwrap();
        self.store
            .record_verifications(&self.verified)
            .await
            .unwrap();
        self.store.record_selections(&self.selected).await.unwrap();
        self.samples.clear();
        self.verified.clear();
        self.selected.clear();
    }
}

fn key(iteration: u32, problem: &Problem, sampler: &str, mode: Mode, index: u32) -> SampleKey {
    SampleKey {
        iteration,
        problem: problem.id.clone(),
        sampler: SamplerId(sampler.to_owned()),
        mode,
        index,
    }
}

/// Writes the run into `directory`.
pub(crate) async fn write(directory: &Path, name: &str, shape: &Shape<'_>) -> RunStore {
    let store = RunStore::create(directory, &spec(shape, name))
        .await
        .unwrap();
    let train: Vec<Problem> = (0..shape.train)
        .map(|n| shape.problem(n, Split::Train))
        .collect();
    let evaluate: Vec<Problem> = (0..shape.evaluate)
        .map(|n| shape.problem(n, Split::Evaluate))
        .collect();
    store.record_problems(&train).await.unwrap();
    store.record_problems(&evaluate).await.unwrap();
    store
        .finish_stage(0, "environment", &Environment::here())
        .await
        .unwrap();
    let baseline = measure(&store, shape, &evaluate, 0, "base/few-shot").await;
    let measured = BaselineMeasurement {
        name: "base/few-shot".to_owned(),
        right: baseline.iter().filter(|m| **m).count() as u32,
        total: shape.evaluate,
        accuracy: accuracy(
            baseline.iter().filter(|m| **m).count() as u32,
            shape.evaluate,
        ),
    };
    store
        .finish_stage(0, "baselines", &[&measured])
        .await
        .unwrap();
    store.finish_stage(0, "baseline", &measured).await.unwrap();
    for n in 1..=shape.loops {
        one_loop(&store, shape, n, (&train, &evaluate), &baseline).await;
    }
    if shape.teacher {
        teach(&store, shape, &train).await;
    }
    if shape.finished {
        store
            .finish_stage(0, "run", &RunState::Finished)
            .await
            .unwrap();
    }
    store
}

async fn measure(
    store: &RunStore,
    shape: &Shape<'_>,
    evaluate: &[Problem],
    iteration: u32,
    sampler: &str,
) -> Vec<bool> {
    let mut marks = Vec::new();
    let mut recorder = recorder(store);
    for (n, problem) in (0..).zip(evaluate) {
        let right = Shape::right(n, iteration, 900, false);
        marks.push(right);
        let key = key(iteration, problem, sampler, Mode::Rationale, 0);
        let verified = shape.verified(&key, right, n);
        recorder
            .add(shape.sample(key, right, n), verified, None)
            .await;
    }
    recorder.flush().await;
    marks
}

fn recorder(store: &RunStore) -> Recorder<'_> {
    Recorder {
        store,
        samples: Vec::new(),
        verified: Vec::new(),
        selected: Vec::new(),
    }
}

async fn one_loop(
    store: &RunStore,
    shape: &Shape<'_>,
    n: u32,
    (train, evaluate): (&[Problem], &[Problem]),
    baseline: &[bool],
) {
    let sampler = if n == 1 {
        "base/few-shot".to_owned()
    } else {
        format!("student/{}", n - 1)
    };
    let mut recorder = recorder(store);
    let (mut solved, mut rationalized, mut kept, mut right_all) = (0, 0, 0, 0);
    let mut refused: BTreeMap<String, u32> = BTreeMap::new();
    for (i, problem) in (0..).zip(train) {
        let mut any = false;
        for index in 0..shape.per_problem {
            let right = Shape::right(i, n, index, false);
            let key = key(n, problem, &sampler, Mode::Rationale, index);
            let reason = match (right, any) {
                (false, _) => Some(RefusalReason::Wrong),
                (true, true) => Some(RefusalReason::OverCap),
                (true, false) => None,
            };
            kept += u32::from(reason.is_none());
            right_all += u32::from(right);
            if let Some(reason) = reason {
                *refused.entry(reason.as_str().to_owned()).or_default() += 1;
            }
            any |= right;
            let selection = Selection {
                key: key.clone(),
                refused: reason,
                flags: vec![],
            };
            let verified = shape.verified(&key, right, i);
            recorder
                .add(shape.sample(key, right, i), verified, Some(selection))
                .await;
        }
        solved += u32::from(any);
        if !any {
            let right = Shape::right(i, n, 0, true);
            rationalized += u32::from(right);
            kept += u32::from(right);
            let key = key(n, problem, &sampler, Mode::Rationalization, 0);
            let selection = Selection {
                key: key.clone(),
                refused: (!right).then_some(RefusalReason::Wrong),
                flags: vec![],
            };
            let verified = shape.verified(&key, right, i);
            recorder
                .add(shape.sample(key, right, i), verified, Some(selection))
                .await;
        }
    }
    recorder.flush().await;
    let counts = TrainCounts {
        total: shape.train,
        right: solved,
        rationalized,
        kept,
    };
    let detail = detail(shape, &counts, right_all, refused);
    store
        .finish_stage(n, "select", &(&counts, detail))
        .await
        .unwrap();
    let losses: Vec<f32> = (0..60)
        .map(|step| (0.3 + 1.5 * (-f64::from(step) / 12.0).exp() + 0.1 * noise(&[n, step])) as f32)
        .collect();
    store.record_losses(n, "student", 1, &losses).await.unwrap();
    store
        .finish_stage(n, "seen student", &seen(shape))
        .await
        .unwrap();
    let marks = measure(store, shape, evaluate, n, &format!("student/{n}")).await;
    let evaluation: EvaluationResult = compare(baseline, &marks);
    for stage in ["sample", "rationalize", "train", "evaluate"] {
        store.add_seconds(n, stage, 40.0).await.unwrap();
    }
    let result = IterationResult {
        n,
        train: counts,
        evaluation,
        seconds: StageSeconds::default(),
        adapter: format!("adapters/{n}"),
        flags: autodidact_core::FlagCounts::default(),
    };
    store.finish_stage(n, "finished", &result).await.unwrap();
}

fn detail(
    shape: &Shape<'_>,
    counts: &TrainCounts,
    right: u32,
    refused: BTreeMap<String, u32>,
) -> IterationDetail {
    IterationDetail {
        rationales: shape.train * shape.per_problem,
        rationales_right: right,
        kept_rationales: counts.kept - counts.rationalized,
        kept_rationalizations: counts.rationalized,
        distinct: Some(right / 2),
        refused,
        rewards: shape.teacher.then(|| Rewards {
            low: -2.0,
            high: 4.0,
            right: (0..24).map(|i| i * i / 4).collect(),
            wrong: (0..24).map(|i| (23 - i) * 2).collect(),
        }),
        models: if shape.teacher {
            vec![ModelSummary {
                model: shape.w("claude"),
                answers: 40,
                right: Some(30),
                terms: shape.w("restricted"),
                ..ModelSummary::default()
            }]
        } else {
            vec![]
        },
        ..IterationDetail::default()
    }
}

fn seen(shape: &Shape<'_>) -> Vec<SeenExample> {
    let token = |(id, text): (u32, &str)| SeenToken {
        id,
        text: shape.w(text),
    };
    let texts = [
        "Q:", " What", " is", " 2", "+", "3", "?\n", "A:", " 2", "+", "3", " is", " 5", ".",
    ];
    let mut tokens: Vec<SeenToken> = (100..).zip(texts).map(token).collect();
    tokens.push(token((0, "<|endoftext|>")));
    let example = SeenExample {
        model: shape.w("student"),
        tokens,
        prompt_tokens: 8,
        ends: true,
    };
    vec![example; 3]
}

/// A teacher's rationales with their costs, and a judge's opinions about them.
async fn teach(store: &RunStore, shape: &Shape<'_>, train: &[Problem]) {
    let mut entries = Vec::new();
    for (i, problem) in (0_u32..).zip(train).take(10) {
        let key = key(
            0,
            problem,
            &format!("teacher/{}", shape.w("claude")),
            Mode::Rationale,
            0,
        );
        let right = !i.is_multiple_of(4);
        let provenance = Provenance {
            provider: shape.w("anthropic"),
            model: shape.w("claude-x"),
            terms: shape.w("restricted"),
            reasoning: Some(shape.w("Let me think.")),
            input_tokens: Some(80),
            output_tokens: Some(60),
            cost: Some(Usd::from_nano(1_250_000)),
            request: None,
        };
        entries.push(Entry::Answer(
            shape.sample(key.clone(), right, i),
            provenance,
        ));
        let attributes: BTreeMap<Attribute, f64> = Attribute::ALL
            .into_iter()
            .zip([3.0, 3.5, 4.0, 1.0, 1.5])
            .collect();
        let scores = if i == 3 {
            Err(shape.w("the judge says nothing"))
        } else {
            Ok(Scores::new(attributes, f64::from(i) / 3.0).unwrap())
        };
        entries.push(Entry::Score(Scored {
            key,
            judge: shape.w("nemotron"),
            scores,
            cost: None,
        }));
        entries.push(Entry::Settled {
            ticket: i.into(),
            model: shape.w("claude"),
            cost: Some(Usd::from_nano(1_250_000)),
        });
    }
    store.record_entries(&entries).await.unwrap();
    for (i, problem) in (0_u32..).zip(train).take(10) {
        let key = key(
            0,
            problem,
            &format!("teacher/{}", shape.w("claude")),
            Mode::Rationale,
            0,
        );
        let verified = shape.verified(&key, !i.is_multiple_of(4), i);
        store.record_verifications(&[verified]).await.unwrap();
    }
}
