//! The words of Autodidact: what a problem, a sample, a verdict, a selection and a run *are*.
//!
//! No input or output and no async happens here; every other crate depends on this one and this
//! one depends on none of them. Start reading at [`Problem`], then [`Sample`], then [`RunSpec`].

mod ensemble_spec;
mod flag;
mod iteration;
mod judge_spec;
mod model_spec;
mod overlap_spec;
mod problem;
mod prompt;
mod refuse_spec;
mod sample;
mod scores;
mod selection;
mod spec;
mod spec_check;
mod spec_error;
mod task_spec;
mod teach_spec;
mod track_spec;
mod train_spec;
mod usd;
mod verdict;
mod verify_limits;

pub use ensemble_spec::{CascadeSpec, EnsembleSpec, FuseSpec, INSTRUCTION, Strategy};
pub use flag::{Flag, FlagCounts, FlagTally};
pub use iteration::{
    BaselineAccuracy, BaselineMeasurement, BestIteration, EvaluationResult, IterationResult,
    RunState, RunStatus, StageSeconds, TrainCounts,
};
pub use judge_spec::{JudgeKind, JudgeSpec, MinimumScores, Reduction};
pub use model_spec::{
    CapabilityOverrides, Interface, Limits, ModelSpec, OneOrMany, Price, ProviderKind,
};
pub use overlap_spec::{Decontaminate, DropOrKeep};
pub use problem::{Answer, Choice, Example, Problem, ProblemId, Split};
pub use prompt::{HintPlace, Message, Prompt, PromptFormat};
pub use refuse_spec::RefuseSpec;
pub use sample::{Completion, FinishReason, Mode, Sample, SampleKey, SamplerId};
pub use scores::{Attribute, ScoreError, Scores, Weights};
pub use selection::{HandMark, KeptRationale, RefusalReason, Selection};
pub use spec::{
    Control, EvaluateSpec, HintStrength, ModelSource, PromptStyle, RankBy, RationalizeSpec,
    RunName, RunSection, RunSpec, SampleSpec, SelectSpec, StopSpec, StudentSpec,
};
pub use spec_error::SpecError;
pub use task_spec::{TaskSpec, VerifyKind};
pub use teach_spec::{TeachOn, TeachSpec, TrainOn};
pub use track_spec::{TrackSpec, TrackTo};
pub use train_spec::{Arithmetic, StepSchedule, TrainMethod, TrainSpec};
pub use usd::Usd;
pub use verdict::{Verdict, Verification};
pub use verify_limits::VerifyLimits;
