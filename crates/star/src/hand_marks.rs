//! What people said about rationales, as a selection respects it.

use std::collections::BTreeMap;

use autodidact_core::{HandMark, Sample};
use autodidact_store::Marked;
use serde::{Deserialize, Serialize};

use crate::StarError;
use crate::run::Run;
use crate::select::fingerprint;

/// The stage under which the marks of a loop's selection are kept.
const STAGE: &str = "marks";

/// Marks by problem and solution: whoever marks one text marks every text of its problem that
/// differs from it in white space, case or punctuation only. Where people disagree, bad wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct HandMarks(BTreeMap<String, BTreeMap<String, HandMark>>);

impl HandMarks {
    pub(crate) fn of(marked: &[Marked]) -> Self {
        let mut marks = Self::default();
        for Marked { sample, mark } in marked {
            let problem = marks.0.entry(sample.key.problem.0.clone()).or_default();
            problem
                .entry(fingerprint(&sample.completion.text))
                .and_modify(|before| {
                    if *mark == HandMark::Bad {
                        *before = HandMark::Bad;
                    }
                })
                .or_insert(*mark);
        }
        marks
    }

    /// What was said about a text like this one.
    pub(crate) fn get(&self, sample: &Sample) -> Option<HandMark> {
        // Most runs have no marks, and then nothing is worked out.
        let problem = self.0.get(&sample.key.problem.0)?;
        problem.get(&fingerprint(&sample.completion.text)).copied()
    }
}

impl Run {
    /// The marks that count for a loop: those made before its first selection, so that a run that is
    /// interrupted after it selects the same again.
    pub(crate) async fn hand_marks(&self, n: u32) -> Result<HandMarks, StarError> {
        if let Some(marks) = self.store.stage(n, STAGE).await? {
            return Ok(marks);
        }
        let marks = HandMarks::of(&self.store.hand_marks().await?);
        self.store.finish_stage(n, STAGE, &marks).await?;
        Ok(marks)
    }
}
