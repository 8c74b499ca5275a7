//! Answers: finds the final answer in what a model wrote and compares it with gold.
//!
//! There are three outcomes, never two: right, wrong, and *cannot tell* (no answer in the text, or
//! gold that cannot be read). Only right answers are ever trained on. Comparison of numbers is
//! exact, over rationals. Start reading at [`verify`]; where in a text the answer stands is decided
//! in `statement.rs`, what counts as one number in `number.rs`.

mod choice;
mod compare;
mod consensus;
mod expression;
mod latex;
mod literal;
mod number;
mod statement;
mod text;
mod verifier;

pub use consensus::{final_answer, same_answer, same_free_answer};
pub use expression::{
    Comparison, NumberFormat, Options, Outcome, Percent, Tolerance, compare as compare_expressions,
};
pub use verifier::{verify, verify_answer};
