//! A run that looks like a real one.

use std::collections::BTreeMap;

use autodidact_core::{
    Answer, BaselineAccuracy, BaselineMeasurement, BestIteration, Choice, EvaluationResult,
    FlagCounts, FlagTally, IterationResult, Problem, ProblemId, RunState, RunStatus, Split,
    StageSeconds, TrainCounts, Usd,
};
use autodidact_star::{
    BeforeAndAfter, Environment, IterationDetail, Levels, LossCurve, ModelSummary, Paired,
    ReportData, Rewards, Sampled, ShownAnswer, accuracy, wilson,
};
use autodidact_store::Spent;

use autodidact_tasks::{Overlap, OverlapKind};

/// Held-out problems.
const HELD_OUT: u32 = 200;

/// A finished run of so many loops that got better, with two baselines, two controls and a warm
/// start's loss.
pub(crate) fn sample(loops: u32) -> ReportData {
    let iterations: Vec<IterationResult> = (1..=loops).map(iteration).collect();
    let best = iterations
        .iter()
        .max_by_key(|i| i.evaluation.right)
        .map(|best| BestIteration {
            iteration: best.n,
            accuracy: best.evaluation.accuracy,
            adapter: best.adapter.clone(),
        });
    let mut losses = vec![curve("warm start", 0)];
    losses.extend((1..=loops).map(|n| curve(&format!("loop {n}"), n)));
    losses.push(curve("direct", loops + 1));
    ReportData {
        status: RunStatus {
            run: "addition-small".to_owned(),
            state: RunState::Finished,
            base: Some(BaselineAccuracy {
                right: 35,
                total: HELD_OUT,
                accuracy: accuracy(35, HELD_OUT),
            }),
            iterations,
            best,
        },
        spec: "[run]\nname = \"addition-small\"\nseed = 1\n\n[task]\nkind = \"addition\"\n"
            .to_owned(),
        baselines: vec![
            measured("base/few-shot", 35),
            measured("base/zero-shot", 12),
        ],
        baseline: Some("base/few-shot".to_owned()),
        controls: vec![
            measured("control/direct", 58),
            measured("control/no-rationalization", 97),
        ],
        details: (1..=loops).map(detail).collect(),
        losses,
        overlaps: vec![overlap()],
        examples: vec![gained(), lost()],
        paired: (loops > 0).then_some(Paired {
            gained: 92,
            lost: 6,
            total: HELD_OUT,
        }),
        sampled: (1..=loops).map(sampled).collect(),
        levels: vec![levels(loops)],
        environment: Some(Environment {
            version: "0.1.0".to_owned(),
            system: "linux".to_owned(),
            architecture: "x86_64".to_owned(),
            processor: Some("A processor".to_owned()),
            cores: 2,
            memory: Some(16_000_000_000),
        }),
        spending: BTreeMap::from([(
            "claude".to_owned(),
            Spent {
                amount: Usd::from_nano(1_250_000_000),
                requests: 300,
                unpriced: 0,
                unsettled: Usd::default(),
            },
        )]),
        budget: Some(Usd::from_nano(5_000_000_000)),
    }
}

/// More problems are solved by more tries, and in later loops.
fn sampled(n: u32) -> Sampled {
    let share = |k: u32| 1.0 - 0.7_f64.powf(f64::from(k) * (1.0 + 0.3 * f64::from(n)));
    Sampled {
        iteration: n,
        samples: 2000,
        right: u64::from(400 + 40 * n.min(30)),
        problems: 500,
        pass_at: [1, 2, 4].map(|k| (k, share(k))).into(),
        distinct: Some(300 + n),
    }
}

/// Fewer digits are easier.
fn levels(loops: u32) -> Levels {
    let cells = |n: u32| {
        let cell = |digits: u32| {
            let solved = 60 * n.min(10) / digits / 10;
            (n > 1 || digits < 4).then_some((u64::from(solved.min(50)), 50))
        };
        (1..=5).map(cell).collect()
    };
    Levels {
        name: "digits".to_owned(),
        held_out: false,
        values: (1..=5).map(|digits| digits.to_string()).collect(),
        rows: (1..=loops)
            .map(|n| (format!("loop {n}"), cells(n)))
            .collect(),
    }
}

/// A baseline or a control.
pub(crate) fn measured(name: &str, right: u32) -> BaselineMeasurement {
    BaselineMeasurement {
        name: name.to_owned(),
        right,
        total: HELD_OUT,
        accuracy: accuracy(right, HELD_OUT),
    }
}

/// A saturating climb with a little noise.
fn iteration(n: u32) -> IterationResult {
    let climb = 1.0 - 0.55_f64.powi(n as i32);
    let right = (35.0 + 95.0 * climb) as u32 + (n * 7) % 5;
    let (low, high) = wilson(right, HELD_OUT);
    let solved = (90.0 + 270.0 * climb) as u32;
    IterationResult {
        n,
        train: TrainCounts {
            total: 500,
            right: solved,
            rationalized: (500 - solved) / 3,
            kept: solved + (500 - solved) / 3,
        },
        evaluation: EvaluationResult {
            right,
            total: HELD_OUT,
            accuracy: accuracy(right, HELD_OUT),
            low,
            high,
            p_value: 10_f64.powi(-5 * n as i32),
        },
        seconds: StageSeconds {
            sample: 312.4 + f64::from(n),
            rationalize: 201.9,
            train: 40.0 * 1.2_f64.powi(n as i32),
            evaluate: 59.97,
        },
        adapter: format!("adapters/{n}"),
        flags: flags(n),
    }
}

/// Many false equations with the hint, few without.
fn flags(n: u32) -> FlagCounts {
    let tally = |right, doubtful, flags: &[(&str, u32)]| FlagTally {
        right,
        doubtful,
        flags: flags.iter().map(|(f, n)| ((*f).to_owned(), *n)).collect(),
    };
    FlagCounts {
        rationales: tally(400 + 40 * n.min(30), 60 / n, &[("false-equation", 60 / n)]),
        rationalizations: tally(300, 97 / n, &[("false-equation", 90 / n), ("hint-leak", 7)]),
    }
}

fn overlap() -> Overlap {
    Overlap {
        train: ProblemId("addition-2-0001".to_owned()),
        evaluate: ProblemId("addition-2-0777".to_owned()),
        kind: OverlapKind::SharedRun { words: 15 },
        shared: "she sells the remainder at the farmers market daily".to_owned(),
        other_numbers: false,
        dropped: true,
    }
}

/// A teacher's part in a loop.
fn teacher(n: u32) -> ModelSummary {
    ModelSummary {
        model: "claude".to_owned(),
        answers: 300,
        right: Some(240),
        solved: Some(240),
        unique: Some(u64::from(40 / n)),
        kept: 200,
        unanswered: BTreeMap::from([("refused".to_owned(), 2)]),
        cost_usd: Some(Usd::from_nano(1_250_000_000)),
        cost_per_kept_usd: Some(Usd::from_nano(6_250_000)),
        terms: "restricted".to_owned(),
    }
}

fn detail(n: u32) -> IterationDetail {
    let train = iteration(n).train;
    let losses = curve("", n).losses;
    IterationDetail {
        rationales: 2000,
        rationales_right: 400 + 40 * n.min(30),
        rationales_lucky: 60 / n,
        rationalizations: 1200,
        rationalizations_right: 300,
        rationalizations_lucky: 90 / n,
        kept_rationales: train.right,
        kept_rationalizations: train.rationalized,
        refused: BTreeMap::from([
            ("wrong".to_owned(), 1600 - 40 * n.min(30)),
            ("duplicate".to_owned(), 52),
            ("hint-leak".to_owned(), 7),
            ("wrong-step".to_owned(), 60 / n),
        ]),
        final_loss: losses.last().map_or(0.0, |l| f64::from(*l)),
        models: vec![teacher(n)],
        judges: Vec::new(),
        distinct: Some(300 + n),
        rewards: Some(Rewards {
            low: -1.5,
            high: 3.25,
            right: (0..24).collect(),
            wrong: (0..24).rev().collect(),
        }),
        flags: flags(n),
    }
}

/// A falling loss with noise from a small generator, so that it is the same every time.
fn curve(name: &str, n: u32) -> LossCurve {
    let mut state = u64::from(n) + 1;
    let steps = (40.0 * 1.2_f64.powi(n.min(6) as i32)) as u32;
    let losses = (0..steps).map(|step| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let noise = (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5;
        let floor = 0.1 + 0.5 / f64::from(n + 1);
        (floor + 1.4 * (-f64::from(step) / 15.0).exp() + 0.12 * noise) as f32
    });
    LossCurve {
        name: name.to_owned(),
        losses: losses.collect(),
    }
}

fn gained() -> BeforeAndAfter {
    BeforeAndAfter {
        problem: Problem {
            id: ProblemId("evaluate-17".to_owned()),
            question: "Mara has 34 beads. She buys 5 bags of 12 beads and gives 9 away.\nHow many beads does she have?".to_owned(),
            gold: Some(Answer("85".to_owned())),
            choices: Vec::new(),
            solution: None,
            split: Split::Evaluate,
            meta: BTreeMap::new(),
        },
        before: ShownAnswer {
            text: "34 + 5 = 39\n39 + 12 = 51\n51 - 9 = 41\nThe answer is 41.".to_owned(),
            right: false,
            false_step: Some("51 - 9 = 41 is false: it is 42".to_owned()),
        },
        after: ShownAnswer {
            text: "The bags hold 5 * 12 = 60 beads.\n34 + 60 = 94\n94 - 9 = 85\nThe answer is 85.".to_owned(),
            right: true,
            false_step: None,
        },
    }
}

fn lost() -> BeforeAndAfter {
    let choice = |label: &str, text: &str| Choice {
        label: label.to_owned(),
        text: text.to_owned(),
    };
    BeforeAndAfter {
        problem: Problem {
            id: ProblemId("evaluate-44".to_owned()),
            question: "Where would you keep milk so that it stays fresh?".to_owned(),
            gold: Some(Answer("B".to_owned())),
            choices: vec![
                choice("A", "on the table"),
                choice("B", "in the refrigerator"),
                choice("C", "in the <sun>"),
            ],
            solution: None,
            split: Split::Evaluate,
            meta: BTreeMap::new(),
        },
        before: ShownAnswer {
            text: "  ".to_owned(),
            right: false,
            false_step: None,
        },
        after: ShownAnswer {
            text: "Milk is often seen on a table.\nThe answer is (A).".to_owned(),
            right: false,
            false_step: None,
        },
    }
}
