//! The journal of a run: everything a model answered, written down before it is used.
//!
//! A run is a directory with a SQLite database (`run.db`) in it, the spec it was started with
//! (`spec.toml`), a lock (`run.lock`) and whatever other crates put beside them with
//! [`atomic_write`]. Three promises hold, each with a test in `tests/`:
//!
//! - what a `record_…` call returned from is on the disk, whatever happens next (`durability.rs`);
//! - recording the same thing twice changes nothing (`duplicate_free.rs`);
//! - one process owns a run at a time (`second_process.rs`).
//!
//! Start reading at [`RunStore`] (`run_store.rs`); the tables are in
//! `migrations/`, and one module reads and writes each of them.

mod answers;
mod atomic_write;
mod attempts;
mod batch_jobs;
mod choosing;
mod counts;
mod database;
mod entries;
mod error;
mod hand_marks;
mod histories;
mod lock;
mod losses;
mod money;
mod problems;
mod progress;
mod requests;
mod rows;
mod run_store;
mod samples;
mod scores;
mod selections;
mod stages;
mod summaries;
mod verifications;

pub use atomic_write::atomic_write;
pub use attempts::{AnswerGroup, Attempt};
pub use batch_jobs::BatchJob;
pub use counts::{SampleCount, VerdictCount};
pub use entries::{Entry, Provenance, Scored, Unanswered};
pub use error::StoreError;
pub use hand_marks::Marked;
pub use histories::{
    FilterCounts, HistoryEntry, ProblemAsking, ProblemFilter, ProblemRow, SampleNumber,
};
pub use money::Spent;
pub use progress::{Progress, ProgressState};
pub use requests::{Desk, Request};
pub use run_store::{Opened, RunStore};
pub use stages::FinishedStage;
pub use summaries::{LevelTally, SamplerTally, SolvedCount};
pub use verifications::Verified;
