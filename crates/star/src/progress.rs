//! What a run tells whoever watches it.

use autodidact_core::{BaselineMeasurement, IterationResult, Sample};
use autodidact_engine::StepReport;

use crate::iteration::IterationDetail;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stage begins. `done` of its `total` samples or steps are in the journal already.
    StageStarted {
        /// The outer loop; 0 measures the base.
        iteration: u32,
        /// In words, for people.
        title: &'a str,
        /// Samples or steps in the journal already.
        done: u64,
        /// Samples or steps in all.
        total: u64,
    },
    /// A sample arrived and was judged.
    Sampled {
        /// The sample.
        sample: &'a Sample,
        /// Whether its answer is right.
        right: bool,
    },
    /// Judges gave their opinions on one problem's rationales.
    Judged,
    /// An optimizer step was made.
    Step {
        /// The outer loop; 0 is the warm start.
        iteration: u32,
        /// What is trained: `student`, `warm-start`, or a control.
        trained: &'a str,
        /// What it did.
        report: StepReport,
    },
    /// The stage is over.
    StageFinished,
    /// The untaught model was measured.
    Baseline {
        /// One of the baselines.
        measurement: &'a BaselineMeasurement,
    },
    /// An outer loop is over.
    IterationFinished {
        /// What it came to.
        result: &'a IterationResult,
        /// What it came to in detail.
        detail: &'a IterationDetail,
        /// It has just ended; otherwise in an earlier attempt at the run.
        now: bool,
    },
    /// Something people should know, in a sentence.
    Note(&'a str),
}

/// Whoever watches. Called from several threads, one at a time or not.
pub trait Observer: Send + Sync {
    /// Takes notice of an event.
    fn on(&self, event: &Event<'_>);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: &Event<'_>) {}
}
