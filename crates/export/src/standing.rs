//! What a sample is good for, from its verdict and the decision about it.

use autodidact_core::{MinimumScores, RefusalReason, Scores, Verdict};
use autodidact_store::Attempt;

/// What a sample is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Right, and kept for training.
    Kept,
    /// Right and sound, but more than was wanted, or of a model that is not learned from.
    Spare,
    /// Right, but the reasoning is not: it leaks the hint, has a false step, or a judge thinks
    /// little of it.
    Unsound,
    /// Wrong.
    Wrong,
    /// A repetition, cut off, or no text: only good to be looked at.
    Unusable,
    /// Nobody could tell whether it is right, or nobody has looked yet.
    Undecided,
}

impl Standing {
    /// The name in counts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Spare => "spare",
            Self::Unsound => "unsound",
            Self::Wrong => "wrong",
            Self::Unusable => "unusable",
            Self::Undecided => "undecided",
        }
    }

    pub(crate) fn of(attempt: &Attempt, minimum: &MinimumScores) -> Self {
        let Some(verified) = &attempt.verified else {
            return Self::Undecided;
        };
        match verified.verification.verdict {
            Verdict::Wrong => return Self::Wrong,
            Verdict::CannotTell(_) => return Self::Undecided,
            Verdict::Right => {}
        }
        let Some(selection) = &attempt.selection else {
            return Self::Undecided;
        };
        let standing = selection.refused.map_or(Self::Kept, of_refusal);
        let accepted = matches!(standing, Self::Kept | Self::Spare);
        if accepted && !minimum.is_empty() && !scores_reach(attempt, minimum) {
            return Self::Unsound;
        }
        standing
    }
}

fn of_refusal(reason: RefusalReason) -> Standing {
    match reason {
        RefusalReason::Wrong => Standing::Wrong,
        RefusalReason::CannotTell => Standing::Undecided,
        RefusalReason::Truncated
        | RefusalReason::Garbled
        | RefusalReason::Duplicate
        | RefusalReason::DuplicateReasoning => Standing::Unusable,
        RefusalReason::OverCap | RefusalReason::NotTrainedOn => Standing::Spare,
        RefusalReason::HintLeak
        | RefusalReason::HintText
        | RefusalReason::NoReasoning
        | RefusalReason::AnswerBeforeDerivation
        | RefusalReason::FalseEquation
        | RefusalReason::ExtractorsDisagree
        | RefusalReason::MarkedBad
        | RefusalReason::WrongStep
        | RefusalReason::LowScore => Standing::Unsound,
    }
}

/// The first judge with an opinion decides; without one nothing is reached.
fn scores_reach(attempt: &Attempt, minimum: &MinimumScores) -> bool {
    let opinion: Option<&Scores> = attempt.scores.iter().find_map(|s| s.scores.as_ref().ok());
    opinion.is_some_and(|scores| scores.below(minimum).is_none())
}
