//! Every outcome in words.

mod common;

use std::fmt::Write as _;

use autodidact_core::{EvaluationResult, RunState};
use autodidact_report::verdict;
use autodidact_star::{Paired, ReportData};

use common::sample;

/// The last of two loops reaches `right`; it is published if that is more than the baseline.
fn reached(right: u32, p_value: f64) -> ReportData {
    let mut data = sample(2);
    let evaluation = |right| EvaluationResult {
        right,
        p_value,
        ..data.status.iterations[0].evaluation.clone()
    };
    let (first, second) = (evaluation(right.saturating_sub(5)), evaluation(right));
    data.status.iterations[0].evaluation = first;
    data.status.iterations[1].evaluation = second;
    data.paired = Some(Paired {
        gained: right.saturating_sub(35) + 4,
        lost: 35_u32.saturating_sub(right) + 4,
        total: 200,
    });
    if right <= 35 {
        data.status.best = None;
    }
    data
}

fn unfinished(mut data: ReportData) -> ReportData {
    data.status.state = RunState::Unfinished;
    data
}

#[test]
fn verdicts() {
    let mut unmeasured = unfinished(sample(0));
    unmeasured.status.base = None;
    let mut hostile = sample(1);
    hostile.baseline = Some("\u{1b}[31mbase".to_owned());
    let mut empty = reached(36, f64::NAN);
    empty.status.iterations[1].evaluation.total = 0;
    let mut text = String::new();
    for (name, data) in [
        ("better", reached(122, 3.2e-15)),
        ("certain", reached(200, 0.0)),
        ("not significant", reached(40, 0.12)),
        ("equal", reached(35, 1.0)),
        ("worse", reached(10, 1e-5)),
        ("no loop", sample(0)),
        ("nothing yet", unmeasured),
        ("baseline only", unfinished(sample(0))),
        ("on the way", unfinished(reached(60, 1e-4))),
        ("no problems", empty),
        ("hostile", hostile),
    ] {
        writeln!(text, "{name}: {}", verdict(&data)).unwrap();
    }
    insta::assert_snapshot!(text);
}
