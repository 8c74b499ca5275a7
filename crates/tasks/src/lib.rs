//! Tasks: where problems come from, and what else a run has to know about them.
//!
//! A task is either generated from a seed ([`builtin_names`]) or read from JSONL or CSV files. Both
//! give the same [`Task`]: training and evaluation problems with nothing in common, few-shot
//! examples that are in neither, and how answers and steps are checked. Start reading at [`load`];
//! files are read in `read.rs`, problems generated in `generate.rs`, steps checked in `steps.rs`, and
//! training problems that are also evaluated on found in `overlap/`.

mod addition;
mod arithmetic;
mod counting;
mod equation_list;
mod error;
mod examples;
mod expression;
mod fields;
mod generate;
mod lexer;
mod lines;
mod load;
mod overlap;
mod random;
mod read;
mod split;
mod steps;
mod templates;
mod word_problems;
mod words;
mod write;

pub use equation_list::{equation_list, false_equations};
pub use error::TaskError;
pub use examples::read_examples;
pub use fields::{Fields, Record};
pub use generate::builtin_names;
pub use lines::for_each_record;
pub use load::{Task, load, load_without_search};
pub use overlap::{Overlap, OverlapKind, OverlapRules, find_overlaps};
pub use read::{for_each_problem, read_problems};
pub use steps::{StepCheck, StepChecker, check_equations};
pub use write::write_jsonl;
