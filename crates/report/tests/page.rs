//! The page of ordinary runs and of runs that are hardly there.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use autodidact_core::{Answer, RunState, TrainCounts};
use autodidact_report::render;
use autodidact_star::{LossCurve, ReportData};

use common::sample;

/// The page without its style sheet.
fn body(data: &ReportData) -> String {
    let page = render(data);
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    format!("{head}{body}")
}

/// Opened and closed tags match, and no number went wrong.
fn assert_sound(data: &ReportData) {
    let body = body(data);
    let mut open = Vec::new();
    for piece in body.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap();
        let name = tag.split_whitespace().next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closes the wrong tag: {piece}");
        } else if !tag.ends_with('/') && !matches!(name, "!DOCTYPE" | "meta") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    assert!(!body.contains("NaN") && !body.contains("inf"), "{body}");
}

#[test]
fn a_small_run() {
    let mut data = sample(1);
    data.baselines.truncate(1);
    data.controls.clear();
    data.losses = vec![LossCurve {
        name: "loop 1".to_owned(),
        losses: vec![1.5, 0.75, 0.5],
    }];
    data.examples.truncate(1);
    insta::assert_snapshot!(body(&data));
}

#[test]
fn any_number_of_loops_makes_a_page() {
    for loops in [0, 1, 2, 20, 300] {
        let data = sample(loops);
        assert_sound(&data);
        let rows = body(&data).matches("<th scope=\"row\">").count();
        assert!(rows >= 4 * loops as usize, "{rows} rows");
    }
}

#[test]
fn a_run_that_just_started_makes_a_page() {
    let mut data = sample(0);
    data.status.state = RunState::Unfinished;
    data.status.base = None;
    data.baseline = None;
    data.baselines.clear();
    data.controls.clear();
    data.losses.clear();
    data.overlaps.clear();
    data.examples.clear();
    data.environment = None;
    data.spending.clear();
    data.spec.clear();
    assert_sound(&data);
    let body = body(&data);
    assert!(!body.contains("<svg") && !body.contains("<table"));
    assert!(body.contains("Nothing has been measured yet."));
}

#[test]
fn huge_and_empty_counts_make_a_page() {
    for n in [0, u32::MAX] {
        let mut data = sample(2);
        data.status.base.as_mut().unwrap().total = n;
        let last = &mut data.status.iterations[1];
        last.train = TrainCounts {
            total: n,
            right: u32::MAX,
            rationalized: u32::MAX,
            kept: n,
        };
        last.evaluation.total = n;
        last.evaluation.right = u32::MAX;
        data.details.pop();
        assert_sound(&data);
    }
}

#[test]
fn numbers_that_are_not_finite_are_never_printed() {
    let mut data = sample(2);
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    data.losses[0].losses = vec![f32::NAN, f32::INFINITY];
    data.losses[1].losses = vec![1.0];
    data.losses[2].losses = vec![f32::MAX, f32::MIN];
    for (result, bad) in data.status.iterations.iter_mut().zip(bad) {
        result.evaluation.p_value = bad;
        result.evaluation.low = bad;
        result.evaluation.high = bad;
        result.evaluation.accuracy = bad;
        result.seconds.train = bad;
    }
    data.details[0].final_loss = f64::NAN;
    assert_sound(&data);
}

#[test]
fn scripts_are_text() {
    let script = "\"'><script>alert(1)</script>";
    let mut data = sample(1);
    data.status.run = script.to_owned();
    data.spec = script.to_owned();
    data.baseline = Some(script.to_owned());
    data.baselines[0].name = script.to_owned();
    data.controls[0].name = script.to_owned();
    data.losses[0].name = script.to_owned();
    data.details[0].refused.insert(script.to_owned(), 1);
    data.status.best.as_mut().unwrap().adapter = script.to_owned();
    let example = &mut data.examples[1];
    example.problem.id.0 = script.to_owned();
    example.problem.question = script.to_owned();
    example.problem.gold = Some(Answer(script.to_owned()));
    example.problem.choices[0].label = script.to_owned();
    example.problem.choices[0].text = script.to_owned();
    example.before.text = script.to_owned();
    example.after.false_step = Some(script.to_owned());
    assert_sound(&data);
    let page = render(&data);
    assert!(!page.contains("<script"));
    assert!(page.matches("&lt;script&gt;").count() >= 12);
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = render(&sample(3));
    for word in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<script",
    ] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn teachers_stand_in_the_tables_with_yield_cost_and_terms() {
    let page = render(&common::sample(2));
    for cell in [
        "claude in loop 1",
        "claude in loop 2",
        "$1.25",
        "$0.0063",
        "2 refused",
        "restricted",
    ] {
        assert!(page.contains(cell), "{cell}");
    }
}
