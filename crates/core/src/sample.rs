//! Samples: what a model wrote for a problem, and the key that makes it unique.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ProblemId;

/// Names the model and the prompt a sample was drawn with, for instance `student/1`,
/// `base/few-shot` or `warm-start`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SamplerId(pub String);

impl fmt::Display for SamplerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the model saw the answer while it reasoned (STaR, section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// From the question alone.
    Rationale,
    /// With the hint in the prompt.
    Rationalization,
}

impl Mode {
    /// The name used in keys, tables and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rationale => "rationale",
            Self::Rationalization => "rationalization",
        }
    }
}

/// Why the model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// It wrote its end-of-text token.
    EndOfText,
    /// It wrote one of the stop strings.
    Stop,
    /// It reached the token limit; the text may be cut in the middle of a sentence.
    Length,
}

impl FinishReason {
    /// The name used in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndOfText => "endoftext",
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// The identity of a sample. Two samples with the same key are the same sample: the store inserts
/// it once, and its random seed follows from it, so it does not depend on the order, the batch or
/// the machine it was drawn in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SampleKey {
    /// Outer loop, counted from 1; 0 holds the measurements of the base.
    pub iteration: u32,
    /// The problem that was asked.
    pub problem: ProblemId,
    /// The model and prompt that answered.
    pub sampler: SamplerId,
    /// With or without the hint.
    pub mode: Mode,
    /// Counts the samples of one problem from 0.
    pub index: u32,
}

impl SampleKey {
    /// The seed of this sample's random numbers: the first eight bytes of a BLAKE3 hash over the
    /// run's seed and every part of the key, each preceded by its length so that no two keys run
    /// together.
    pub fn seed(&self, run_seed: u64) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&run_seed.to_le_bytes());
        hasher.update(&self.iteration.to_le_bytes());
        hasher.update(&self.index.to_le_bytes());
        for part in [&self.problem.0, &self.sampler.0, self.mode.as_str()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0u8; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// What came out of a model for one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The text, without the prompt and without the stop string.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// How many tokens were generated, the end token included.
    pub tokens: u32,
    /// Sum of the natural-log probabilities of the generated tokens at temperature 1.
    pub logprob: f64,
}

/// A completion with its identity: one row of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Who wrote it, for what.
    pub key: SampleKey,
    /// What was written.
    pub completion: Completion,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(problem: &str, sampler: &str, index: u32) -> SampleKey {
        SampleKey {
            iteration: 1,
            problem: ProblemId(problem.into()),
            sampler: SamplerId(sampler.into()),
            mode: Mode::Rationale,
            index,
        }
    }

    #[test]
    fn seed_depends_on_every_part_and_on_nothing_else() {
        let a = key("p1", "student", 0);
        assert_eq!(a.seed(7), a.clone().seed(7));
        assert_ne!(a.seed(7), a.seed(8));
        assert_ne!(a.seed(7), key("p1", "student", 1).seed(7));
        assert_ne!(key("p1", "1", 0).seed(7), key("p", "11", 0).seed(7));
        let mut b = a.clone();
        b.mode = Mode::Rationalization;
        assert_ne!(a.seed(7), b.seed(7));
    }
}
