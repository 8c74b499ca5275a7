//! One of several answers to a question, with everything that is known about it.

use std::collections::BTreeMap;

use autodidact_core::{FinishReason, SampleKey, Scores, Usd};
use autodidact_store::{Provenance, Scored};

/// An answer that was journaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its key.
    pub key: SampleKey,
    /// The model's name in the file; a fused answer has the name of the model that wrote it.
    pub model: String,
    /// The whole text.
    pub text: String,
    /// Why it ends where it ends.
    pub finish: FinishReason,
    /// Tokens generated for it.
    pub tokens: u32,
    /// The final answer it states, if it states one.
    pub answer: Option<String>,
    /// Whether that equals gold, where there is gold.
    pub right: Option<bool>,
    /// Where it came from and what it cost.
    pub provenance: Provenance,
    /// The score that counts: of the first judge, in the file's order, that gave one.
    pub scores: Option<Scores>,
    /// Every judge's opinion.
    pub opinions: BTreeMap<String, Result<Scores, String>>,
}

impl Candidate {
    /// The overall score that counts.
    pub fn overall(&self) -> Option<f64> {
        self.scores.as_ref().map(Scores::overall)
    }

    /// What it cost, judges' opinions not included.
    pub fn cost(&self) -> Option<Usd> {
        self.provenance.cost
    }

    /// Takes the opinions about this answer; the first judge of `order` with scores counts.
    pub fn judged(&mut self, opinions: impl IntoIterator<Item = Scored>, order: &[String]) {
        for opinion in opinions {
            self.opinions.insert(opinion.judge, opinion.scores);
        }
        let given = |judge: &String| self.opinions.get(judge)?.as_ref().ok().cloned();
        self.scores = order.iter().find_map(given);
    }
}
