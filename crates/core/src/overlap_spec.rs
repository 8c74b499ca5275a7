//! The keys of the `[task]` section about training problems that are also evaluated on.

use serde::{Deserialize, Serialize};

/// What becomes of training problems whose text is also evaluated on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decontaminate {
    /// They are left out of training.
    #[default]
    Drop,
    /// They are told and stay.
    Keep,
    /// The run does not start.
    Fail,
}

impl Decontaminate {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::Drop
    }
}

/// What becomes of a kind of doubtful training problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DropOrKeep {
    /// It is treated as one that is evaluated on.
    Drop,
    /// It is told and stays.
    Keep,
}

impl DropOrKeep {
    pub(crate) fn drops() -> Self {
        Self::Drop
    }

    pub(crate) fn keeps() -> Self {
        Self::Keep
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_drop(&self) -> bool {
        *self == Self::Drop
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) fn is_keep(&self) -> bool {
        *self == Self::Keep
    }
}
