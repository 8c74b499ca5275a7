//! What a search for overlaps finds, and which of it is left out of training.

use autodidact_core::{Decontaminate, DropOrKeep, ProblemId, TaskSpec};
use serde::{Deserialize, Serialize};

/// A training problem and the evaluation problem it overlaps with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// The training problem.
    pub train: ProblemId,
    /// The evaluation problem.
    pub evaluate: ProblemId,
    /// What they have in common.
    #[serde(flatten)]
    pub kind: OverlapKind,
    /// The words they share, normalised: the longest run, cut after 200 characters.
    pub shared: String,
    /// The words are the same and the numbers are not: each problem has numbers that the other
    /// lacks, as two problems from one template have.
    pub other_numbers: bool,
    /// It was left out of training.
    pub dropped: bool,
}

/// How two problems overlap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OverlapKind {
    /// The normalised texts are equal.
    SameText,
    /// They share a run of at least 13 words.
    SharedRun {
        /// Words of the longest run that was found.
        words: u32,
    },
    /// Most of their runs of five words are the same.
    NearDuplicate {
        /// The Jaccard similarity of the sets of runs, at least 0.8.
        similarity: f64,
    },
}

impl OverlapKind {
    /// The name used in the journal and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameText => "same-text",
            Self::SharedRun { .. } => "shared-run",
            Self::NearDuplicate { .. } => "near-duplicate",
        }
    }

    /// The same in words.
    pub fn in_words(self) -> String {
        match self {
            Self::SameText => "the same text".to_owned(),
            Self::SharedRun { words } => format!("{words} words in a row"),
            Self::NearDuplicate { similarity } => {
                format!("near-duplicate, similarity {similarity:.2}")
            }
        }
    }
}

/// Which overlaps are left out of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverlapRules {
    /// What becomes of overlaps at all.
    pub decontaminate: Decontaminate,
    /// Whether near-duplicates are treated as overlaps.
    pub near_duplicates: DropOrKeep,
    /// Whether problems with the same words and other numbers are.
    pub other_numbers: DropOrKeep,
}

impl OverlapRules {
    /// The rules of a `[task]` section.
    pub fn from_spec(spec: &TaskSpec) -> Self {
        Self {
            decontaminate: spec.decontaminate,
            near_duplicates: spec.near_duplicates,
            other_numbers: spec.other_numbers,
        }
    }

    /// True if the overlap counts as contamination, whatever becomes of that.
    pub fn counts(&self, overlap: &Overlap) -> bool {
        let near = matches!(overlap.kind, OverlapKind::NearDuplicate { .. });
        let near_is_kept = near && self.near_duplicates == DropOrKeep::Keep;
        let numbers_keep = overlap.other_numbers && self.other_numbers == DropOrKeep::Keep;
        !near_is_kept && !numbers_keep
    }

    /// True if the training problem is left out.
    pub fn drops(&self, overlap: &Overlap) -> bool {
        self.decontaminate == Decontaminate::Drop && self.counts(overlap)
    }
}
