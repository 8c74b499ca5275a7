//! What is asked of the verifier, and what it says.

use autodidact_core::{Choice, Verification, VerifyKind};

use crate::expression;

/// One answer to verify. Only kind, gold and text are needed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// How answer and gold are compared.
    pub kind: VerifyKind,
    /// The gold answer. For mathematics, numbers, sets and lists it may be an object with a type, a
    /// unit and a tolerance: see [`Gold`](crate::Gold).
    pub gold: &'a str,
    /// What a model wrote.
    pub text: &'a str,
    /// The options of a multiple-choice problem; empty: only letters are read.
    pub choices: &'a [Choice],
    /// The question, or all that the model was shown. Where the text repeats it, the repetition is no
    /// part of the answer.
    pub prompt: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request without choices and prompt.
    pub fn new(kind: VerifyKind, gold: &'a str, text: &'a str) -> Self {
        Self {
            kind,
            gold,
            text,
            choices: &[],
            prompt: None,
        }
    }
}

/// A verdict with the steps that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The verdict, the answer that was found, and how in one line.
    pub verification: Verification,
    /// What was done, in order, in words for people.
    pub steps: Vec<String>,
}

/// The policies of a comparison; the default is what graders of mathematics expect.
pub type Policies = expression::Options;
