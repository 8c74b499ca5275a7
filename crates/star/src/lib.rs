//! The algorithm: models that teach themselves to reason.
//!
//! Start reading at `outer_loop.rs`, which is Algorithm 1 of the STaR paper. Its lines call
//! `journal.rs` (sampling, durable before used), `rationalize.rs` (hints), `flags/` (right answers
//! with wrong reasoning), `select.rs` (what is learned), `fine_tune.rs` (always from the base) and
//! `baseline.rs` (what the student is measured against). `seams.rs` says what a student must be able to
//! do; `local.rs` is the embedded engine. `checker.rs` verifies.

mod baseline;
mod checker;
mod controls;
mod ensemble;
mod environment;
mod error;
mod faculty;
mod fine_tune;
mod flags;
mod gate;
mod hand_marks;
mod iteration;
mod journal;
mod local;
mod measure_once;
mod outer_loop;
mod overlaps;
mod progress;
mod prompt;
mod pulse;
mod rationalize;
mod report;
mod rewards;
mod run;
mod sampled;
mod seams;
mod select;
mod statistics;
mod status;
mod teach;

pub use checker::Checker;
pub use ensemble::{
    Asking, Attempt, Candidate, Combined, Counted, DataSet, DataSetProgress, DataSetSummary,
    Ensemble, Estimate, Estimator, Failed, JournaledPurse, JudgeCounts, JudgedFile, Lines,
    LocalModel, Member, ModelSummary, SampleRow, ScoredAnswers, ShownCandidate, Tally, Winner,
    Writer, check_choosing, check_declarations, encode_prompt, ensemble_prompt, judge_file,
    read_batch_file, write_batch_file,
};
pub use environment::Environment;
pub use error::StarError;
pub use faculty::{Faculty, author};
pub use flags::{ShownHint, inspect};
pub use iteration::{IterationDetail, Marks};
pub use local::{LocalStudent, training_example};
pub use measure_once::{Measured, Measurement, measure_once};
pub use overlaps::started_without_search;
pub use progress::{Event, Observer, Silent};
pub use prompt::Prompter;
pub use report::{BeforeAndAfter, LossCurve, ReportData, ShownAnswer, overview, report_data};
pub use rewards::Rewards;
pub use run::{Parts, Run, prompt_format, validate};
pub use sampled::{Cell, Levels, Sampled};
pub use seams::{
    Ask, Deliver, Preference, Sampler, ScoredAnswer, SeenExample, SeenToken, Student, Trainer,
    TrainingJob, TrainingPair, TrainingSet,
};
pub use statistics::{Paired, accuracy, compare, mcnemar, pass_at, wilson};
pub use status::status;
pub use teach::teacher_prompt;
