//! Reward models and other judges: answers in, `Scores` out.
//!
//! Every judge is behind [`Judge`] and makes the same [`autodidact_core::Scores`]. Judges with an
//! interface of their own are a [`Form`] (what is sent, how it is read) of one [`RemoteJudge`]; rubric
//! and pairwise ask any chat model. Nothing that is not a score ever becomes one: it stays an
//! [`Unscored`] with its reason. Start reading at `judge.rs`, then `remote.rs`. Asking several judges
//! at once, through the journal, is `star`'s.

mod agreement;
mod calibration;
mod classifier;
mod constant;
mod fence;
mod judge;
mod nemotron;
mod open;
mod pairwise;
mod predict;
mod process;
mod remote;
mod rerank;
mod rubric;
mod tokens;
mod voice;

pub use agreement::{Auc, WithinQuestions, auc};
pub use calibration::{Calibration, JudgeCalibration};
pub use constant::ConstantGuard;
pub use judge::{Case, Judge, Opinion, Unscored};
pub use open::open;
pub use pairwise::{PairwiseJudge, parse_choice};
pub use process::steps;
pub use remote::{Form, RemoteJudge};
pub use rubric::{RubricJudge, parse_rubric};
pub use tokens::estimate_tokens;
