//! Many models, one better answer: asking several at once, judging, and combining.
//!
//! Start reading at `answer.rs`, which answers one question; `combine.rs` holds the ways of
//! making one answer of many, `fuse.rs` and `cascade.rs` those that ask again. `data_set.rs`
//! answers a whole file with flat memory. Whatever arrives is in the journal before it is used
//! (`writer.rs`), and money is set aside before it is spent (`purse.rs`).

mod answer;
mod asking;
mod batching;
mod candidate;
mod cascade;
mod combine;
mod combined;
mod data_set;
mod declared;
mod estimate;
mod fuse;
mod judge_file;
mod judging;
mod local_model;
mod member;
mod offline;
mod purse;
mod rows;
mod tally;
mod writer;

pub use answer::Ensemble;
pub use asking::ensemble_prompt;
pub(crate) use asking::question_text;
pub use candidate::Candidate;
pub use combined::{Combined, Failed, ShownCandidate, Winner};
pub use data_set::{Attempt, DataSet, DataSetProgress};
pub use declared::{check_choosing, check_declarations};
pub use estimate::{Estimate, Estimator};
pub use judge_file::{JudgeCounts, JudgedFile, ScoredAnswers, judge_file};
pub(crate) use judging::Judging;
pub use local_model::{LocalModel, encode_prompt};
pub use member::{Asking, Member};
pub(crate) use member::{Trouble, recorded};
pub use offline::{read_batch_file, write_batch_file};
pub use purse::JournaledPurse;
pub use rows::{DataSetSummary, Lines, SampleRow};
pub use tally::{Counted, ModelSummary, Tally};
pub use writer::Writer;
