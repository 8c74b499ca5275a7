//! Who wrote the samples of an export, and under which terms.

use std::collections::BTreeMap;

use autodidact_star::author;
use autodidact_store::Attempt;
use serde::Serialize;

/// One model's part in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contribution {
    /// `student`, or the teacher's name in the spec.
    pub author: String,
    /// The provider; `local` for the embedded engine.
    pub provider: String,
    /// The model as the provider names it; the student's base for the student.
    pub model: String,
    /// Whether the provider's terms let the answers train other models: `allowed`, `restricted`,
    /// `unknown`, or what the spec says.
    pub terms: String,
    /// Samples looked at.
    pub samples: u64,
    /// Samples that something was written of.
    pub used: u64,
}

/// Counts contributions.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    by_author: BTreeMap<(String, String, String, String), (u64, u64)>,
}

impl Tally {
    pub(crate) fn count(&mut self, attempt: &Attempt, student: &str, used: bool) {
        let author = author(&attempt.sample.key.sampler).to_owned();
        let (provider, model, terms) = match &attempt.provenance {
            Some(p) => (p.provider.clone(), p.model.clone(), p.terms.clone()),
            None => ("local".into(), student.to_owned(), "allowed".into()),
        };
        let counts = self
            .by_author
            .entry((author, provider, model, terms))
            .or_default();
        counts.0 += 1;
        counts.1 += u64::from(used);
    }

    pub(crate) fn finish(self) -> Vec<Contribution> {
        let contribution = |((author, provider, model, terms), (samples, used))| Contribution {
            author,
            provider,
            model,
            terms,
            samples,
            used,
        };
        self.by_author.into_iter().map(contribution).collect()
    }
}
