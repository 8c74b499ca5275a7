//! What a run reports: counts, measurements and states. `status --output json` prints these.

use serde::{Deserialize, Serialize};

use crate::FlagCounts;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Started and neither finished nor given up; the same command resumes it.
    Unfinished,
    /// All loops done, or stopped by patience.
    Finished,
}

/// Accuracy on the evaluation split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationResult {
    /// Problems answered right.
    pub right: u32,
    /// Problems asked.
    pub total: u32,
    /// `right / total`, 0 to 1.
    pub accuracy: f64,
    /// Lower end of the 95% Wilson score interval.
    pub low: f64,
    /// Upper end of the 95% Wilson score interval.
    pub high: f64,
    /// Two-sided exact McNemar p-value against the baseline on the same problems.
    pub p_value: f64,
}

/// The baseline a run is judged by: the best of the prompts the untaught model was measured with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineMeasurement {
    /// Which one it is: `base/few-shot`, `base/zero-shot`, `warm-start`, `warm-start/few-shot`, or a
    /// control.
    pub name: String,
    /// Problems answered right.
    pub right: u32,
    /// Problems asked.
    pub total: u32,
    /// `right / total`, 0 to 1.
    pub accuracy: f64,
}

/// A baseline as `status` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineAccuracy {
    /// Problems answered right.
    pub right: u32,
    /// Problems asked.
    pub total: u32,
    /// `right / total`, 0 to 1.
    pub accuracy: f64,
}

/// What happened to the training problems of one outer loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainCounts {
    /// Problems asked.
    pub total: u32,
    /// Problems with at least one right rationale.
    pub right: u32,
    /// Problems solved only after the hint.
    pub rationalized: u32,
    /// Rationales and rationalizations kept for training.
    pub kept: u32,
}

/// Wall-clock seconds per stage. Not part of what a resumed run must reproduce.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSeconds {
    /// Sampling and verifying rationales.
    pub sample: f64,
    /// Sampling and verifying rationalizations.
    pub rationalize: f64,
    /// Fine-tuning.
    pub train: f64,
    /// Measuring on the evaluation split.
    pub evaluate: f64,
}

/// One outer loop of the algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IterationResult {
    /// Counted from 1.
    pub n: u32,
    /// The training side.
    pub train: TrainCounts,
    /// The measuring side.
    pub evaluation: EvaluationResult,
    /// Time spent.
    pub seconds: StageSeconds,
    /// Path of the adapter, relative to the run's directory.
    pub adapter: String,
    /// What was suspicious about right answers of the training side.
    #[serde(default, skip_serializing_if = "FlagCounts::is_empty")]
    pub flags: FlagCounts,
}

/// The best iteration, if any beat the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestIteration {
    /// Its number.
    pub iteration: u32,
    /// Its accuracy, 0 to 1.
    pub accuracy: f64,
    /// Path of its adapter, relative to the run's directory.
    pub adapter: String,
}

/// A run as `status --output json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    /// The run's name.
    pub run: String,
    /// Where it stands.
    pub state: RunState,
    /// The baseline, once measured.
    pub base: Option<BaselineAccuracy>,
    /// The finished outer loops.
    pub iterations: Vec<IterationResult>,
    /// The best adapter so far; absent while none is better than the baseline. A finished run has a
    /// copy of it in `adapters/best`.
    pub best: Option<BestIteration>,
}
