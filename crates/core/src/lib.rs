//! The words of Autodidact: what a problem, a sample, a verdict, a selection and a run *are*.
//!
//! No input or output and no async happens here; every other crate depends on this one and this
//! one depends on none of them. Start reading at [`Problem`], then [`Sample`], then [`RunSpec`].

mod iteration;
mod problem;
mod prompt;
mod sample;
mod selection;
mod spec;
mod spec_check;
mod spec_error;
mod verdict;

pub use iteration::{
    BaselineAccuracy, BaselineMeasurement, BestIteration, EvaluationResult, IterationResult,
    RunState, RunStatus, StageSeconds, TrainCounts,
};
pub use problem::{Answer, Choice, Example, Problem, ProblemId, Split};
pub use prompt::{HintPlace, Message, Prompt, PromptFormat};
pub use sample::{Completion, FinishReason, Mode, Sample, SampleKey, SamplerId};
pub use selection::{KeptRationale, RefusalReason, Selection};
pub use spec::{
    Control, EvaluateSpec, HintStrength, ModelSource, PromptStyle, RankBy, RationalizeSpec,
    RunName, RunSection, RunSpec, SampleSpec, SelectSpec, StepSchedule, StopSpec, StudentSpec,
    TaskSpec, TrainSpec, VerifyKind,
};
pub use spec_error::SpecError;
pub use verdict::{Verdict, Verification};
