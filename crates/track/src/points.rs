//! Points of series, made from what a run tells.

use autodidact_core::{BaselineMeasurement, IterationResult, RunSpec};
use autodidact_star::IterationDetail;

/// A value of a series at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The series, with `/` between its parts.
    pub series: String,
    /// Optimizer steps since the first loop, or the outer loop: the series says which.
    pub step: u64,
    /// The value; finite.
    pub value: f64,
}

impl Point {
    /// A point, unless its value is no finite number.
    pub fn new(series: impl Into<String>, step: u64, value: f64) -> Option<Self> {
        let series = series.into();
        value.is_finite().then_some(Self {
            series,
            step,
            value,
        })
    }
}

/// Where the optimizer steps of each loop begin when all loops are laid end to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOffsets(Vec<u64>);

impl StepOffsets {
    /// From the schedule of a spec.
    pub fn new(spec: &RunSpec) -> Self {
        let mut offsets = vec![0, 0];
        let mut sum = 0;
        for n in 1..=spec.run.iterations {
            sum += u64::from(spec.train.steps.steps(n));
            offsets.push(sum);
        }
        Self(offsets)
    }

    /// A step of a training among the steps of all loops. Other trainings than the student's stand by
    /// themselves.
    pub fn step(&self, iteration: u32, trained: &str, step: u32) -> u64 {
        let offset = if trained == "student" {
            self.0.get(iteration as usize).copied().unwrap_or_default()
        } else {
            0
        };
        offset + u64::from(step)
    }
}

/// The beginning of the names of a training's series.
pub(crate) fn training(trained: &str) -> String {
    match trained {
        "student" => "train".to_owned(),
        "warm-start" => "warm-start".to_owned(),
        control => format!("control/{control}"),
    }
}

/// The points of a finished outer loop.
pub(crate) fn of_iteration(result: &IterationResult, detail: &IterationDetail) -> Vec<Point> {
    let evaluation = &result.evaluation;
    let counts = [
        ("problems", result.train.total),
        ("problems_right", result.train.right),
        ("problems_right_with_hint", result.train.rationalized),
        ("rationales", detail.rationales),
        ("rationales_right", detail.rationales_right),
        ("rationalizations", detail.rationalizations),
        ("rationalizations_right", detail.rationalizations_right),
        ("kept", result.train.kept),
        ("kept_rationales", detail.kept_rationales),
        ("kept_rationalizations", detail.kept_rationalizations),
    ];
    let named = |(name, count): (&str, u32)| (format!("samples/{name}"), f64::from(count));
    let mut values: Vec<(String, f64)> = vec![
        ("evaluate/accuracy".into(), evaluation.accuracy),
        ("evaluate/accuracy_low".into(), evaluation.low),
        ("evaluate/accuracy_high".into(), evaluation.high),
        ("evaluate/p_value".into(), evaluation.p_value),
    ];
    values.extend(counts.into_iter().map(named));
    let refused = detail.refused.iter();
    values.extend(refused.map(|(reason, n)| (format!("refused/{reason}"), f64::from(*n))));
    let step = u64::from(result.n);
    let points = values.into_iter();
    points
        .filter_map(|(series, value)| Point::new(series, step, value))
        .collect()
}

/// The point of a baseline or a control.
pub(crate) fn of_baseline(measurement: &BaselineMeasurement) -> Option<Point> {
    Point::new(
        format!("baseline/{}", measurement.name),
        0,
        measurement.accuracy,
    )
}
