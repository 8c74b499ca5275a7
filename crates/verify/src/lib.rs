//! Answers: finds the final answer in what a model wrote and compares it with gold.
//!
//! There are three outcomes, never two: right, wrong, and *cannot tell* (no answer in the text, or
//! gold that cannot be read). Only right answers are ever trained on. Every comparison is exact, and
//! every step is bounded: no text, however hostile, takes long.
//!
//! Start with [`verify_answer`], or with [`explain`] for policies and the steps. Where in a text the
//! answer stands is decided in `extraction/`, whether two pieces of mathematics are equal in
//! `expression/` ([`compare_expressions`]), what counts as one number in `number.rs`. The kinds, the rules and the policies are
//! told in docs/verification.md.
//!
//! ```
//! use autodidact_core::{Verdict, VerifyKind};
//! use autodidact_verify::verify_answer;
//!
//! let right = verify_answer(VerifyKind::Math, "1/2", &[], r"Thus $x = \boxed{\frac{1}{2}}$.");
//! assert_eq!(right.verdict, Verdict::Right);
//! let wrong = verify_answer(VerifyKind::Math, "1/2", &[], "The answer is 3.");
//! assert_eq!(wrong.verdict, Verdict::Wrong);
//! let unclear = verify_answer(VerifyKind::Math, "1/2", &[], "");
//! assert!(matches!(unclear.verdict, Verdict::CannotTell(_)));
//! ```

mod choice;
mod collection;
mod consensus;
mod expression;
mod extraction;
mod gold;
mod json;
mod latex;
mod lines;
mod literal;
mod mathematics;
mod number;
mod numeric;
mod request;
mod text;
mod verifier;

pub use consensus::{final_answer, same_answer, same_free_answer};
pub use expression::{
    Comparison, NumberFormat, Options, Outcome, Percent, Tolerance, compare as compare_expressions,
};
pub use gold::{Gold, parse_tolerance};
pub use lines::{Line, LineVerdict};
pub use request::{Explanation, Policies, Request};
pub use verifier::{explain, verify, verify_answer};
