//! Training problems that are also evaluated on, for people and as JSON.

use autodidact_tasks::Overlap;
use serde::Serialize;

/// Overlaps shown where they are not the subject.
const SHOWN: usize = 3;

/// What a search for overlaps came to.
#[expect(clippy::struct_field_names, reason = "the name in the output")]
#[derive(Debug, Serialize)]
pub(crate) struct Overlaps<'a> {
    /// Training problems that overlap with an evaluation problem.
    pub(crate) found: usize,
    /// Those that are left out of training.
    pub(crate) dropped: usize,
    /// Those with the same words and other numbers.
    pub(crate) other_numbers: usize,
    /// The overlaps, or the first of them.
    pub(crate) overlaps: &'a [Overlap],
}

impl<'a> Overlaps<'a> {
    /// All of them.
    pub(crate) fn all(overlaps: &'a [Overlap]) -> Self {
        let count = |holds: fn(&Overlap) -> bool| overlaps.iter().filter(|o| holds(o)).count();
        Self {
            found: overlaps.len(),
            dropped: count(|overlap| overlap.dropped),
            other_numbers: count(|overlap| overlap.other_numbers),
            overlaps,
        }
    }

    /// The counts and the first few; `None` if there is none.
    pub(crate) fn first(overlaps: &'a [Overlap]) -> Option<Self> {
        (!overlaps.is_empty()).then(|| Self {
            overlaps: overlaps.get(..SHOWN).unwrap_or(overlaps),
            ..Self::all(overlaps)
        })
    }

    /// Counts and overlaps in words.
    pub(crate) fn text(&self) -> String {
        if self.found == 0 {
            return "no training problem overlaps with an evaluation problem".to_owned();
        }
        let (noun, verb) = if self.found == 1 {
            ("problem", "overlaps")
        } else {
            ("problems", "overlap")
        };
        let mut text = format!(
            "{} training {noun} {verb} with evaluation problems: {} left out, {} kept ({} with the same words and other numbers)",
            self.found,
            self.dropped,
            self.found - self.dropped,
            self.other_numbers
        );
        for overlap in self.overlaps {
            text += &format!("\n  {}", line(overlap));
        }
        match self.found - self.overlaps.len() {
            0 => {}
            more => {
                text += &format!(
                    "\n  and {more} more; `autodidact tasks FILE --evaluate FILE` lists them all"
                );
            }
        }
        text
    }
}

fn line(overlap: &Overlap) -> String {
    let fate = if overlap.dropped { "left out" } else { "kept" };
    let numbers = if overlap.other_numbers {
        ", other numbers"
    } else {
        ""
    };
    format!(
        "{} and {} ({}{numbers}; {fate}): {}",
        overlap.train,
        overlap.evaluate,
        overlap.kind.in_words(),
        overlap.shared
    )
}

#[cfg(test)]
mod tests {
    use autodidact_core::ProblemId;
    use autodidact_tasks::OverlapKind;

    use super::*;

    fn overlap(n: u32, kind: OverlapKind, other_numbers: bool) -> Overlap {
        Overlap {
            train: ProblemId(format!("train-{n}")),
            evaluate: ProblemId(format!("test-{n}")),
            kind,
            shared: "she sells the remainder at the farmers market daily".into(),
            other_numbers,
            dropped: !other_numbers,
        }
    }

    #[test]
    fn overlaps_in_words() {
        let overlaps = [
            overlap(1, OverlapKind::SameText, false),
            overlap(2, OverlapKind::SharedRun { words: 15 }, true),
            overlap(3, OverlapKind::NearDuplicate { similarity: 0.875 }, false),
            overlap(4, OverlapKind::SameText, false),
        ];
        let first = Overlaps::first(&overlaps).unwrap();
        insta::assert_snapshot!(first.text(), @r"
        4 training problems overlap with evaluation problems: 3 left out, 1 kept (1 with the same words and other numbers)
          train-1 and test-1 (the same text; left out): she sells the remainder at the farmers market daily
          train-2 and test-2 (15 words in a row, other numbers; kept): she sells the remainder at the farmers market daily
          train-3 and test-3 (near-duplicate, similarity 0.88; left out): she sells the remainder at the farmers market daily
          and 1 more; `autodidact tasks FILE --evaluate FILE` lists them all
        ");
        assert!(Overlaps::first(&[]).is_none());
        insta::assert_snapshot!(
            Overlaps::all(&[]).text(),
            @"no training problem overlaps with an evaluation problem"
        );
        let json = serde_json::to_string(&Overlaps::all(&overlaps[1..2])).unwrap();
        insta::assert_snapshot!(json, @r#"{"found":1,"dropped":0,"other_numbers":1,"overlaps":[{"train":"train-2","evaluate":"test-2","kind":"shared-run","words":15,"shared":"she sells the remainder at the farmers market daily","other_numbers":true,"dropped":false}]}"#);
    }
}
